//! Inference over reruns: replicates and held-out images as crossed random factors, arms fixed. It
//! is the multi-reader multi-case model with a replicate as the reader and an image as the case
//! (Obuchowski and Rockette 1995; degrees of freedom by Hillis 2007).
//!
//! Any statistic enters by two things: its value in each replicate, and how its sampling error over
//! held-out images covaries between replicates. With `values[r]` and covariances `S[r, s]`,
//!
//! - MS, the mean square of the values, estimates the variance between replicates plus the error of
//!   one replicate;
//! - `shared`, the mean of `S[r, s]` over r != s, is the error that all replicates have in common,
//!   as they are tested on the same images;
//! - `own` less `shared`, `own` being the mean of `S[r, r]`, is what MS would be if replicates did
//!   not differ.
//!
//! The mean has the variance MS / R + shared, with (R - 1) (1 + R shared / MS)^2 degrees of
//! freedom.

use serde::{Deserialize, Serialize};

use super::distribution::{chi_squared_quantile, t_cdf, t_quantile, two_sided};
use super::influence::Influence;
use super::interval::{Interval, mean};

/// Number of sampled units from which it no longer bounds the degrees of freedom.
const MANY_UNITS: usize = 30;

/// Squared differences of rates below this are rounding.
const ROUNDING: f64 = 1e-20;

/// A statistic in each replicate, and how its sampling error is spread.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossed {
    /// By replicate; at least one.
    pub values: Vec<f64>,
    /// Sampling variance of one replicate's value, mean over replicates.
    pub own: f64,
    /// Sampling covariance of two replicates' values, mean over pairs; below 0 by chance, 0 with
    /// one replicate.
    pub shared: f64,
    /// Sampled units: images, or patients where these are known.
    pub units: usize,
}

/// The population that an inference generalises to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// New images and new replicates.
    Reruns,
    /// New images and these trained classifiers only: there is one replicate.
    OneReplicate,
    /// New images only: all replicates give the same results, so their seeds do not vary, or they
    /// are copies.
    Copies,
    /// Both arms predict the same for every image.
    Identical,
    /// The same value on every image in every replicate: nothing varies, so nothing can be tested.
    Constant,
}

/// The variance between replicates as an inference takes it, and its degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Mean square between replicates.
    pub mean_square: f64,
    /// Its degrees of freedom.
    pub degrees: f64,
}

/// The inference on a mean over replicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inference {
    /// The population that the inference generalises to.
    pub basis: Basis,
    /// 0 where nothing varies.
    pub standard_error: f64,
    /// Of Student's t; not finite where the basis is [`Basis::Identical`] or [`Basis::Constant`].
    pub degrees: f64,
    /// None where nothing varies.
    pub interval: Option<Interval>,
    /// Two-sided, of the hypothesis that the mean is 0; 1 where both arms are identical, none where
    /// nothing can be tested.
    pub p: Option<f64>,
}

/// Components of the variance of a statistic, each a variance; negative estimates are set to 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Components {
    /// Between replicates.
    pub rerun: f64,
    /// Between images, the same in all replicates; of one image.
    pub image: f64,
    /// Neither; of one image in one replicate.
    pub residual: f64,
}

impl Components {
    /// Variance of the mean over `replicates` replicates and `units` sampled units.
    pub fn variance(&self, replicates: f64, units: f64) -> f64 {
        self.rerun / replicates + self.image / units + self.residual / (replicates * units)
    }
}

impl Crossed {
    /// Of the `values` by replicate, and of each replicate the influence of every sampled unit,
    /// scaled so that the sampling covariance of two replicates is the sum of the products of their
    /// influences.
    ///
    /// # Panics
    /// If there are no values, or not as many influences.
    pub fn new(values: Vec<f64>, influence: &[Vec<f64>], units: usize) -> Self {
        assert!(
            !values.is_empty() && values.len() == influence.len(),
            "a value and influences for each replicate"
        );
        let count = values.len() as f64;
        let squares =
            influence.iter().flatten().map(|influence| influence * influence).sum::<f64>();
        let mut sums = vec![0.0; influence[0].len()];
        for replicate in influence {
            sums.iter_mut().zip(replicate).for_each(|(sum, influence)| *sum += influence);
        }
        let total = sums.iter().map(|sum| sum * sum).sum::<f64>();
        let shared =
            if values.len() > 1 { (total - squares) / (count * (count - 1.0)) } else { 0.0 };
        Self { values, own: squares / count, shared, units }
    }

    /// Of a statistic of each replicate's `scores`, by image.
    pub fn of(scores: &[Vec<f64>], units: usize, statistic: impl Fn(&[f64]) -> Influence) -> Self {
        let one = |scores: &Vec<f64>| statistic(scores);
        let (values, influence) = scores
            .iter()
            .map(one)
            .map(|one| (one.value, one.units))
            .unzip::<_, _, Vec<_>, Vec<_>>();
        Self::new(values, &influence, units)
    }

    /// Number of replicates.
    pub fn replicates(&self) -> usize {
        self.values.len()
    }

    /// Mean of the statistic over replicates.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// The mean square between replicates; 0 with one.
    pub fn mean_square(&self) -> f64 {
        let degrees = (self.values.len() - 1).max(1) as f64;
        let centre = self.mean();
        let square =
            self.values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / degrees;
        if square < ROUNDING { 0.0 } else { square }
    }

    /// The mean square that replicates would have if they did not differ.
    pub fn error(&self) -> f64 {
        let error = self.own - self.shared;
        if error < 1e-12 * self.own { 0.0 } else { error }
    }

    /// The components of the variance.
    pub fn components(&self) -> Components {
        let units = self.units as f64;
        let rerun =
            if self.replicates() > 1 { (self.mean_square() - self.error()).max(0.0) } else { 0.0 };
        Components { rerun, image: self.shared.max(0.0) * units, residual: self.error() * units }
    }

    /// The interval of the variance between replicates, cut at 0; none with one replicate.
    pub fn rerun_interval(&self, confidence: f64) -> Option<Interval> {
        let degrees = self.values.len().checked_sub(1).filter(|degrees| *degrees > 0)? as f64;
        let end = |probability: f64| {
            let square = self.mean_square() * degrees / chi_squared_quantile(probability, degrees);
            (square - self.error()).max(0.0)
        };
        Some(Interval { low: end(0.5 + confidence / 2.0), high: end(0.5 - confidence / 2.0) })
    }

    /// The probability that the statistic is above 0 in one more replicate, tested on all images
    /// that there could be; none with one replicate. It is a forecast by Student's t, with the
    /// uncertainty of the mean and of the variance in it.
    pub fn better(&self) -> Option<f64> {
        let replicates = self.values.len() as f64;
        if self.values.len() < 2 {
            return None;
        }
        let (square, centre) = (self.mean_square(), self.mean());
        let between = self.components().rerun * (1.0 + 1.0 / replicates);
        let variance = between + self.shared.max(0.0) + self.error() / replicates;
        if variance <= 0.0 {
            return Some(if centre == 0.0 { 0.5 } else { f64::from(centre > 0.0) });
        }
        let degrees = match square {
            0.0 => f64::INFINITY,
            square => (replicates - 1.0) * (variance / ((1.0 + 1.0 / replicates) * square)).powi(2),
        };
        Some(t_cdf(centre / variance.sqrt(), degrees))
    }

    /// The noise as it is (Hillis 2007). A small mean square of few replicates may be luck: then
    /// intervals are too short.
    pub fn plain(&self) -> Noise {
        Noise { mean_square: self.mean_square(), degrees: (self.values.len() - 1) as f64 }
    }

    /// The mean square, but at least what it would be if replicates did not differ.
    pub fn floor(&self) -> Noise {
        let plain = self.plain();
        Noise { mean_square: plain.mean_square.max(self.error()), ..plain }
    }

    /// The answer, with the variance between replicates that a rule makes of the mean square.
    pub fn infer(&self, noise: Noise, confidence: f64) -> Inference {
        let units = self.units as f64;
        if self.units < 2 {
            // One unit says nothing of others.
            return self.answer(Basis::Constant, 0.0, 0.0, confidence);
        }
        if self.values.len() == 1 {
            return self.answer(Basis::OneReplicate, self.own, units - 1.0, confidence);
        }
        if self.mean_square() == 0.0 && self.error() == 0.0 {
            return self.answer(Basis::Copies, self.shared.max(0.0), units - 1.0, confidence);
        }
        let (variance, degrees) = self.spread(noise);
        self.answer(Basis::Reruns, variance, degrees, confidence)
    }

    /// The variance of the mean over replicates, of which there are two or more, and its degrees of
    /// freedom.
    pub fn spread(&self, noise: Noise) -> (f64, f64) {
        let replicates = self.values.len() as f64;
        let (between, shared) = (noise.mean_square / replicates, self.shared.max(0.0));
        let variance = between + shared;
        let degrees = noise.degrees * (1.0 + shared / between).powi(2);
        if self.units >= MANY_UNITS {
            return (variance, degrees);
        }
        let within = ((self.own + (replicates - 1.0) * self.shared) / replicates).max(0.0);
        let fewer = variance.powi(2)
            / (between.powi(2) / noise.degrees + within.powi(2) / (self.units as f64 - 1.0));
        (variance, degrees.min(fewer))
    }

    fn answer(&self, basis: Basis, variance: f64, degrees: f64, confidence: f64) -> Inference {
        let centre = self.mean();
        if variance < ROUNDING {
            let (basis, p) =
                if centre == 0.0 { (Basis::Identical, Some(1.0)) } else { (Basis::Constant, None) };
            return Inference {
                basis,
                standard_error: 0.0,
                degrees: f64::INFINITY,
                interval: None,
                p,
            };
        }
        let standard_error = variance.sqrt();
        let half = t_quantile(0.5 + confidence / 2.0, degrees) * standard_error;
        let interval = Some(Interval { low: centre - half, high: centre + half });
        let p = Some(two_sided(centre / standard_error, degrees));
        Inference { basis, standard_error, degrees, interval, p }
    }
}

#[cfg(test)]
#[path = "crossed_tests.rs"]
pub(super) mod tests;
