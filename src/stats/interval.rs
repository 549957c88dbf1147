//! Confidence intervals of a proportion and of a mean, and the quantile of a sample.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// The two ends of an interval, in the units of what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Wilson's score interval of `successes` among `trials` (Wilson 1927), without continuity
/// correction; [0, 1] without trials.
pub fn wilson(successes: usize, trials: usize, confidence: f64) -> Interval {
    if trials == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (successes, trials) = (successes as f64, trials as f64);
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    let rate = successes / trials;
    let centre = rate + z * z / (2.0 * trials);
    let half = z * (rate * (1.0 - rate) / trials + z * z / (4.0 * trials * trials)).sqrt();
    let scale = 1.0 + z * z / trials;
    // Rounding must not leave the ends short of the certain cases.
    let low = if successes == 0.0 { 0.0 } else { (centre - half) / scale };
    let high = if successes == trials { 1.0 } else { (centre + half) / scale };
    Interval { low, high }
}

/// The mean of `values`; NaN without any.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sample standard deviation (divisor one less than the count); none with fewer than two
/// values.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let degrees = values.len().checked_sub(1).filter(|degrees| *degrees > 0)?;
    let centre = mean(values);
    let squares = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>();
    Some((squares / degrees as f64).sqrt())
}

/// The quantile of an ascending sample, linear between order statistics (Hyndman and Fan's type 7,
/// NumPy's default).
///
/// # Panics
/// If the sample is empty.
pub fn quantile(ascending: &[f64], probability: f64) -> f64 {
    let position = probability.clamp(0.0, 1.0) * (ascending.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] + (position - below as f64) * (ascending[above] - ascending[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::paired::tests::{close, references};

    #[test]
    fn intervals_agree_with_scipy() {
        let references = references();
        for case in &references.wilson {
            let found = wilson(case.successes, case.trials, case.confidence);
            close(&[found.low, found.high], &case.interval, 1e-9);
        }
        for case in &references.quantile {
            close(&[quantile(&case.ascending, case.probability)], &[case.value], 1e-12);
        }
    }

    #[test]
    fn too_few_values_have_no_interval() {
        assert_eq!(deviation(&[]), None);
        assert_eq!(wilson(0, 0, 0.95), Interval { low: 0.0, high: 1.0 });
    }
}
