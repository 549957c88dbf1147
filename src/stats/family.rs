//! A family of contrasts: the variance between replicates, estimated from all their mean squares
//! together, and the rejection of hypotheses.
//!
//! With few replicates some of many mean squares are small by luck, and their contrasts look sure.
//! A family of fewer than [`SHRUNK_FROM`] contrasts floors each at what it would be if replicates
//! did not differ. In a larger one each is drawn towards what the family has in common (Smyth
//! 2004), under guard: never below that floor, and never below the contrast's own where that is
//! larger. The floor and the guard are rules of this project, calibrated by simulation (`cargo
//! xtask calibrate`).

use serde::{Deserialize, Serialize};
use statrs::function::gamma::digamma;

use super::crossed::{Crossed, Inference, Noise};
use super::distribution::{inverse_trigamma, trigamma};
use super::interval::mean;

/// Number of contrasts from which a family's mean squares are shrunk.
pub const SHRUNK_FROM: usize = 4;

/// The treatment of a family's mean squares between replicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "rule")]
pub enum Rule {
    /// Each is raised to the value that it would have if replicates did not differ, if it is below.
    Floored,
    /// Each is shrunk towards the family's typical one, but never below its own value or the floor.
    Guarded(Prior),
}

/// The prior of a family's mean squares, in units of the mean square that replicates would have if
/// they did not differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Prior {
    /// Degrees of freedom that the family adds to a contrast's own; none: infinitely many, the mean
    /// squares differ by chance alone.
    pub degrees: Option<f64>,
    /// The family's typical mean square.
    pub scale: f64,
    /// How far the contrasts' noise is shared, as by a common control; 1/2 to 1.
    pub correlation: f64,
    /// Number of contrasts that the prior was fitted to: those that vary.
    pub contrasts: usize,
}

impl Rule {
    /// The rule for these contrasts of one metric on the same images.
    pub fn of(contrasts: &[Crossed]) -> Self {
        Prior::fit(contrasts).map_or(Self::Floored, Self::Guarded)
    }

    /// The noise of a contrast of the family.
    pub fn noise(&self, contrast: &Crossed) -> Noise {
        match self {
            Self::Floored => contrast.floor(),
            Self::Guarded(prior) => prior.noise(contrast),
        }
    }

    /// The answers of a family, by contrast.
    pub fn infer(&self, contrasts: &[Crossed], confidence: f64) -> Vec<Inference> {
        let answer = |contrast: &Crossed| contrast.infer(self.noise(contrast), confidence);
        contrasts.iter().map(answer).collect()
    }

    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Floored => "floored",
            Self::Guarded(_) => "guarded",
        }
    }
}

impl Prior {
    /// By the moments of the mean squares' logarithms (Smyth 2004, section 6.2); none with one
    /// replicate, replicates of different numbers, or fewer than [`SHRUNK_FROM`] contrasts that
    /// vary.
    pub fn fit(contrasts: &[Crossed]) -> Option<Self> {
        let replicates = contrasts.first()?.replicates();
        if replicates < 2 || contrasts.iter().any(|contrast| contrast.replicates() != replicates) {
            return None;
        }
        let degrees = (replicates - 1) as f64;
        let varying = contrasts
            .iter()
            .filter(|contrast| contrast.mean_square() > 0.0 && contrast.error() > 0.0);
        let varying = varying.collect::<Vec<_>>();
        let ratios = varying
            .iter()
            .map(|contrast| contrast.mean_square() / contrast.error())
            .collect::<Vec<_>>();
        if ratios.len() < SHRUNK_FROM {
            return None;
        }
        let logs = ratios
            .iter()
            .map(|ratio| ratio.ln() - digamma(degrees / 2.0) + (degrees / 2.0).ln())
            .collect::<Vec<_>>();
        let centre = mean(&logs);
        let spread =
            logs.iter().map(|log| (log - centre).powi(2)).sum::<f64>() / (logs.len() - 1) as f64;
        let surplus = spread - trigamma(degrees / 2.0);
        let (correlation, contrasts) = (correlation(&varying, replicates), ratios.len());
        Some(match surplus > 0.0 {
            true => {
                let prior = 2.0 * inverse_trigamma(surplus);
                let scale = (centre + digamma(prior / 2.0) - (prior / 2.0).ln()).exp();
                Self { degrees: Some(prior), scale, correlation, contrasts }
            }
            false => Self { degrees: None, scale: mean(&ratios), correlation, contrasts },
        })
    }

    fn noise(&self, contrast: &Crossed) -> Noise {
        let own = contrast.plain();
        let error = contrast.error();
        if error == 0.0 {
            return own;
        }
        let shrunk = match self.degrees {
            Some(prior) => {
                (prior * self.scale + own.degrees * own.mean_square / error) / (prior + own.degrees)
                    * error
            }
            None => self.scale * error,
        };
        let shrunk = shrunk.max(error);
        if own.mean_square > shrunk {
            return own;
        }
        let count = self.contrasts as f64;
        let joint =
            own.degrees * (count / (1.0 + (count - 1.0) * self.correlation.powi(2))).max(1.0);
        let degrees = self.degrees.map_or(joint, |prior| joint.min(own.degrees + prior));
        Noise { mean_square: shrunk, degrees }
    }
}

/// The mean correlation of the contrasts' values over replicates, not below the 1/2 of contrasts
/// with a common control.
fn correlation(contrasts: &[&Crossed], replicates: usize) -> f64 {
    let count = contrasts.len() as f64;
    let means = (0..replicates)
        .map(|r| mean(&contrasts.iter().map(|contrast| contrast.values[r]).collect::<Vec<_>>()));
    let together =
        Crossed { values: means.collect(), own: 0.0, shared: 0.0, units: 1 }.mean_square();
    let apart = mean(&contrasts.iter().map(|contrast| contrast.mean_square()).collect::<Vec<_>>());
    ((count * together / apart - 1.0) / (count - 1.0)).clamp(0.5, 1.0)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::stats::paired::tests::close;

    /// Reference values, made by tests/fixtures/reruns.py.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        confidence: f64,
        units: usize,
        contrasts: Vec<Values>,
        expected: Expected,
    }

    #[derive(Deserialize)]
    struct Values {
        replicates: Vec<f64>,
        own: f64,
        shared: f64,
    }

    #[derive(Deserialize)]
    struct Expected {
        degrees: Option<f64>,
        scale: Option<f64>,
        correlation: Option<f64>,
        contrasts: Vec<Answer>,
    }

    #[derive(Deserialize)]
    struct Answer {
        se: f64,
        df: f64,
        low: f64,
        high: f64,
        p: f64,
    }

    #[test]
    fn guarded_families_agree_with_the_reference() {
        for case in crate::stats::crossed::tests::references::<Case>("families") {
            let crossed = |values: Values| Crossed {
                values: values.replicates,
                own: values.own,
                shared: values.shared,
                units: case.units,
            };
            let contrasts = case.contrasts.into_iter().map(crossed).collect::<Vec<_>>();
            let rule = Rule::of(&contrasts);
            let prior = if let Rule::Guarded(prior) = rule { Some(prior) } else { None };
            let expected = &case.expected;
            assert_eq!(
                prior.map(|prior| prior.degrees.is_none()),
                expected.scale.map(|_| expected.degrees.is_none()),
                "{}",
                case.name
            );
            if let Some(Prior { degrees, scale, correlation, .. }) = prior {
                let relative = degrees.unwrap_or(1.0) / expected.degrees.unwrap_or(1.0);
                let expected = [1.0, expected.scale.unwrap(), expected.correlation.unwrap()];
                close(&[relative, scale, correlation], &expected, 1e-9);
            }
            for (found, expected) in
                rule.infer(&contrasts, case.confidence).iter().zip(case.expected.contrasts)
            {
                let interval = found.interval.unwrap();
                let found = [
                    found.standard_error,
                    found.degrees / expected.df,
                    interval.low,
                    interval.high,
                    found.p.unwrap(),
                ];
                close(&found, &[expected.se, 1.0, expected.low, expected.high, expected.p], 1e-9);
            }
        }
    }
}
