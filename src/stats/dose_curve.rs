//! The shape of accuracy over the dose of synthetic images, and the dose that brings most of what
//! there is to gain.
//!
//! Four shapes are fitted to the arms' means by least squares: flat, linear, Emax (a hyperbola that
//! levels off) and a broken stick (a line that turns level). AICc chooses among them, the sum of
//! squares being measured by the variance s^2 that the reruns show. All arms share images and
//! replicates; after removal of their common level, each mean has the same variance and no
//! covariance where all pairs of arms are alike (compound symmetry):
//!
//! s^2 = MS / R + max(Cov2 - Cov3, 0), with (A - 1)(R - 1) (1 + R max(Cov2 - Cov3, 0) / MS)^2
//! degrees of freedom,
//!
//! MS being the mean square of arms by replicates, Cov2 and Cov3 the sampling covariances of two
//! replicates of the same and of different arms (Obuchowski and Rockette 1995; Hillis 2007).

use serde::{Deserialize, Serialize};

use super::distribution::{f_tail, t_quantile};
use super::linear::{LinearError, Statistic};
use super::search::{edge, least_on};

/// Doses from which there is a curve: of fewer, AICc cannot choose among shapes with three
/// parameters.
pub const FEWEST_DOSES: usize = 5;

/// AICc by which a shape has to be better than one without a plateau.
pub const DECISIVE: f64 = 2.0;

/// AICc by which a shape with a plateau may be worse than the best one and still count for the
/// interval of the sought dose. Of the best shape alone, intervals hold the truth in as few as 65%
/// of simulated studies, as the wrong shape is often the best. The bound is a rule of this
/// project, calibrated by simulation (`cargo xtask calibrate`).
const PLAUSIBLE: f64 = 6.0;

/// The share of what the plateau adds that the sought dose brings.
const SHARE: f64 = 0.9;

/// Points of a grid on which the place of a bend is sought first.
const GRID: usize = 400;

/// The shape of a curve over the dose x, in rising number of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// e0
    Flat,
    /// e0 + b x
    Linear,
    /// e0 + E x / (x + h)
    Emax,
    /// e0 + b min(x, x*)
    BrokenStick,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Flat, Self::Linear, Self::Emax, Self::BrokenStick];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Linear => "linear",
            Self::Emax => "emax",
            Self::BrokenStick => "broken-stick",
        }
    }

    /// Number of its parameters.
    pub fn parameters(self) -> usize {
        match self {
            Self::Flat => 1,
            Self::Linear => 2,
            Self::Emax | Self::BrokenStick => 3,
        }
    }

    /// What the slope multiplies at dose `x`, with the bend (h or x*) at `bend`.
    fn regressor(self, x: f64, bend: f64) -> f64 {
        match self {
            Self::Flat => 0.0,
            Self::Linear => x,
            Self::Emax => x / (x + bend),
            Self::BrokenStick => x.min(bend),
        }
    }

    /// The dose that brings [`SHARE`] of what the plateau adds to dose 0.
    fn dose(self, bend: f64) -> f64 {
        match self {
            Self::Emax => bend * SHARE / (1.0 - SHARE),
            _ => bend * SHARE,
        }
    }
}

/// A shape fitted to arm means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// The shape.
    pub shape: Shape,
    /// Value at dose 0.
    pub start: f64,
    /// Factor of the shape: 0 where it is flat, b of a line or stick, E of Emax.
    pub slope: f64,
    /// h of Emax, x* of the broken stick, in doses; none of the others.
    pub bend: Option<f64>,
    /// Sum of squared distances to the means.
    pub squares: f64,
    /// The smaller the better; the scale is that of twice a log-likelihood.
    pub aicc: f64,
}

impl Fit {
    /// The curve at a dose, 0 or more.
    pub fn at(&self, dose: f64) -> f64 {
        self.start + self.slope * self.shape.regressor(dose, self.bend.unwrap_or(1.0))
    }
}

/// The fitted curve of arms over doses, or the reason that there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "dose-curve")]
pub enum DoseCurve {
    /// There is one.
    Fitted {
        /// Variance of an arm's mean once the arms' common level is removed.
        variance: f64,
        /// Its degrees of freedom; none where replicates do not differ, so that it is known.
        degrees: Option<f64>,
        /// Every shape, in the order of [`Shape::ALL`].
        fits: Vec<Fit>,
        /// The shape with the smallest AICc.
        best: Shape,
        /// The dose that brings 90% of what the plateau adds.
        most: MostOfPlateau,
    },
    /// There are fewer than [`FEWEST_DOSES`].
    TooFewDoses {
        /// So many.
        doses: usize,
    },
    /// Doses are below 0, not finite or not ascending.
    Unordered,
    /// With one replicate, nothing is known of reruns.
    OneReplicate,
    /// Arms differ in the same way in all replicates and on all images.
    NothingVaries,
}

/// The dose that brings 90% of what the plateau adds to dose 0, for better or worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "most-of-plateau")]
pub enum MostOfPlateau {
    /// It lies within the doses.
    At {
        /// The dose.
        dose: f64,
        /// Lower end of its interval, by all shapes with a plateau that are nearly as good; 0 where
        /// the first dose above 0 may be enough.
        low: f64,
        /// Upper end; none where it lies beyond the largest dose.
        high: Option<f64>,
    },
    /// The curve levels off, but too late.
    NotReached {
        /// It is above this, the largest dose.
        largest: f64,
        /// Lower end of its interval.
        low: f64,
    },
    /// A shape without a plateau fits as well, to within [`DECISIVE`].
    NoPlateau,
    /// No shape fits, as where accuracy falls at high doses: p of the best one's lack of fit is
    /// below 1 - confidence.
    NoShape {
        /// It.
        p: f64,
    },
}

impl DoseCurve {
    /// Of `arms` by ascending dose, 0 or more, on the same replicates and units, with intervals of
    /// coverage `confidence`.
    ///
    /// # Errors
    /// If they have different replicates or units, or there are none.
    pub fn of(arms: &[(f64, &Statistic)], confidence: f64) -> Result<Self, LinearError> {
        Statistic::combine(&arms.iter().map(|(_, arm)| (1.0, *arm)).collect::<Vec<_>>())?;
        let doses = arms.iter().map(|(dose, _)| *dose).collect::<Vec<_>>();
        if doses.iter().any(|dose| !dose.is_finite())
            || doses[0] < 0.0
            || !doses.is_sorted_by(|a, b| a < b)
        {
            return Ok(Self::Unordered);
        }
        if doses.len() < FEWEST_DOSES {
            return Ok(Self::TooFewDoses { doses: doses.len() });
        }
        if arms[0].1.replicates() < 2 {
            return Ok(Self::OneReplicate);
        }
        let noise = Noise::of(&arms.iter().map(|(_, arm)| *arm).collect::<Vec<_>>());
        if noise.variance < ROUNDING {
            return Ok(Self::NothingVaries);
        }
        let means = arms.iter().map(|(_, arm)| arm.mean()).collect::<Vec<_>>();
        let points = Points { doses: &doses, means: &means, noise };
        let fits = Shape::ALL.map(|shape| points.fit(shape));
        let best = fits.iter().min_by(|a, b| a.aicc.total_cmp(&b.aicc)).unwrap_or(&fits[0]);
        let most = points.most(&fits, best, confidence);
        let Noise { variance, degrees } = noise;
        let degrees = degrees.is_finite().then_some(degrees);
        Ok(Self::Fitted { variance, degrees, best: best.shape, fits: fits.to_vec(), most })
    }
}

/// Variances below this are rounding.
const ROUNDING: f64 = 1e-20;

/// Variance of an arm's mean once the common level is removed, with its degrees of freedom.
#[derive(Clone, Copy, Debug)]
struct Noise {
    variance: f64,
    degrees: f64,
}

impl Noise {
    /// Of two or more arms with two or more replicates.
    fn of(arms: &[&Statistic]) -> Self {
        let (count, replicates) = (arms.len() as f64, arms[0].replicates());
        let degrees = (count - 1.0) * (replicates - 1) as f64;
        let level = |r: usize| arms.iter().map(|arm| arm.values[r]).sum::<f64>() / count;
        let levels = (0..replicates).map(level).collect::<Vec<_>>();
        let whole = levels.iter().sum::<f64>() / replicates as f64;
        let square = |arm: &&Statistic| {
            let own = arm.mean() - whole;
            let rest = arm.values.iter().zip(&levels).map(|(value, level)| value - level - own);
            rest.map(|rest| rest * rest).sum::<f64>()
        };
        let square = arms.iter().map(square).sum::<f64>() / degrees;
        // Sums over all pairs of arms; what the same arm has is taken out.
        let weights = arms.iter().map(|arm| (1.0, *arm)).collect::<Vec<_>>();
        let total = Statistic::combine(&weights).map_or(0.0, |sum| sum.shared_with(&sum));
        let same = arms.iter().map(|arm| arm.shared_with(arm)).sum::<f64>();
        let apart = (total - same) / (count * (count - 1.0));
        let image = (same / count - apart).max(0.0);
        let replicates = replicates as f64;
        Self {
            variance: square / replicates + image,
            degrees: degrees * (1.0 + replicates * image / square).powi(2),
        }
    }
}

/// Arm means over doses.
struct Points<'a> {
    doses: &'a [f64],
    means: &'a [f64],
    noise: Noise,
}

impl Points<'_> {
    fn largest(&self) -> f64 {
        self.doses[self.doses.len() - 1]
    }

    /// Start, slope and sum of squares of the line through the means over a shape's regressor.
    fn line(&self, shape: Shape, bend: f64) -> (f64, f64, f64) {
        let count = self.doses.len() as f64;
        let z = self.doses.iter().map(|dose| shape.regressor(*dose, bend)).collect::<Vec<_>>();
        let (centre, level) =
            (z.iter().sum::<f64>() / count, self.means.iter().sum::<f64>() / count);
        let spread = z.iter().map(|z| (z - centre).powi(2)).sum::<f64>();
        let pairs = || z.iter().zip(self.means);
        let product = pairs().map(|(z, mean)| (z - centre) * (mean - level)).sum::<f64>();
        let slope = if spread > 0.0 { product / spread } else { 0.0 };
        let distance = |(z, mean): (&f64, &f64)| mean - level - slope * (z - centre);
        let squares = pairs().map(distance).map(|distance| distance * distance).sum();
        (level - slope * centre, slope, squares)
    }

    fn squares(&self, shape: Shape, bend: f64) -> f64 {
        self.line(shape, bend).2
    }

    /// Least and greatest bend that the doses can show.
    /// A stick that bends before the second dose above the first, or an Emax with a tiny h, is a
    /// step; beyond the other end both are lines.
    fn bends(&self, shape: Shape) -> (f64, f64) {
        let positive = self.doses.iter().copied().find(|dose| *dose > 0.0);
        let first = positive.unwrap_or(self.largest());
        match shape {
            Shape::Emax => (first / 1e3, self.largest() * 1e2),
            _ => (first, self.largest()),
        }
    }

    fn fit(&self, shape: Shape) -> Fit {
        let bend = (shape.parameters() == 3).then(|| self.best_bend(shape));
        let (start, slope, squares) = self.line(shape, bend.unwrap_or(1.0));
        let (doses, k) = (self.doses.len() as f64, shape.parameters() as f64);
        let penalty = 2.0 * k + 2.0 * k * (k + 1.0) / (doses - k - 1.0);
        let aicc = squares / self.noise.variance + penalty;
        Fit { shape, start, slope, bend, squares, aicc }
    }

    fn grid(&self, shape: Shape) -> Vec<f64> {
        let (low, high) = self.bends(shape);
        let share = |step: usize| step as f64 / GRID as f64;
        let mut grid =
            (0..=GRID).map(|step| low * (high / low).powf(share(step))).collect::<Vec<_>>();
        if shape == Shape::BrokenStick {
            // Between doses the sum of squares is smooth, at them it may not be.
            grid.extend(self.doses.iter().filter(|dose| **dose > low && **dose < high));
            grid.sort_by(f64::total_cmp);
        }
        grid
    }

    /// The bend with the least sum of squares.
    fn best_bend(&self, shape: Shape) -> f64 {
        least_on(&self.grid(shape), |bend| self.squares(shape, bend))
    }

    fn most(&self, fits: &[Fit], best: &Fit, confidence: f64) -> MostOfPlateau {
        let Noise { variance, degrees } = self.noise;
        let tail = 0.5 + confidence / 2.0;
        let rest = (self.doses.len() - best.shape.parameters()) as f64;
        let p = f_tail(best.squares / variance / rest, rest, degrees);
        if p < 1.0 - confidence {
            return MostOfPlateau::NoShape { p };
        }
        let without = fits.iter().filter(|fit| fit.bend.is_none()).map(|fit| fit.aicc);
        let (Some(bend), true) =
            (best.bend, without.fold(f64::INFINITY, f64::min) > best.aicc + DECISIVE)
        else {
            return MostOfPlateau::NoPlateau;
        };
        let (dose, largest) = (best.shape.dose(bend), self.largest());
        let plausible = |fit: &&Fit| fit.bend.is_some() && fit.aicc <= best.aicc + PLAUSIBLE;
        let ends = fits.iter().filter(plausible).map(|fit| {
            let bound = fit.squares + variance * t_quantile(tail, degrees).powi(2);
            let (low, high) = self.bends_below(fit.shape, bound);
            let dose = |bend: f64| fit.shape.dose(bend);
            (low.map_or(0.0, dose), high.map_or(f64::INFINITY, dose))
        });
        let wider = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        let (low, high) = ends.fold((dose, dose), wider);
        if dose > largest {
            return MostOfPlateau::NotReached { largest, low: low.min(largest) };
        }
        MostOfPlateau::At { dose, low, high: (high <= largest).then_some(high) }
    }

    /// The smallest and the largest bend whose sum of squares is at most `bound`, which the best
    /// one's is; none of an end that the doses do not show.
    fn bends_below(&self, shape: Shape, bound: f64) -> (Option<f64>, Option<f64>) {
        let mut grid = self.grid(shape);
        grid.push(self.best_bend(shape));
        grid.sort_by(f64::total_cmp);
        let within = |bend: f64| self.squares(shape, bend) <= bound;
        let kept = grid.iter().map(|bend| within(*bend)).collect::<Vec<_>>();
        let (Some(first), Some(last)) =
            (kept.iter().position(|kept| *kept), kept.iter().rposition(|kept| *kept))
        else {
            return (None, None);
        };
        let low = (first > 0).then(|| edge(grid[first], grid[first - 1], within));
        let high = (last + 1 < grid.len()).then(|| edge(grid[last], grid[last + 1], within));
        (low, high)
    }
}

#[cfg(test)]
#[path = "dose_curve_tests.rs"]
mod tests;
