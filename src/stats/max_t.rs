//! The distribution of the largest of several correlated t statistics by magnitude, from which
//! simultaneous intervals and adjusted p values of contrasts follow (the multivariate t with a
//! common number of degrees of freedom; Hothorn, Bretz and Westfall 2008).
//!
//! The largest of the normal draws is simulated, from a stream of its own that is the same in every
//! study; what the variances add is integrated.

use super::distribution::{chi_squared_quantile, t_quantile, two_sided};
use crate::seed::Seed;

/// Draws of the largest magnitude; the level of a critical value of 5% is within 0.2 points.
const DRAWN: usize = 20_000;

/// Quantiles by which the distribution of the variance is integrated.
const QUANTILES: usize = 300;

/// Degrees of freedom from which the variance counts as known.
const KNOWN: f64 = 1e6;

/// The distribution of the largest of several t statistics by magnitude.
pub struct MaxT {
    /// The largest magnitude of each draw, ascending.
    maxima: Vec<f64>,
    /// Quantiles of estimated over true standard error.
    scales: Vec<f64>,
    degrees: f64,
    count: usize,
}

impl MaxT {
    /// Of statistics with this correlation matrix and so many degrees of freedom, above 0.
    /// Correlations that cannot hold together are drawn towards 0 until they can, which makes
    /// critical values larger.
    ///
    /// # Panics
    /// If the matrix is empty or not square.
    pub fn of(correlation: &[Vec<f64>], degrees: f64) -> Self {
        let count = correlation.len();
        assert!(count > 0 && correlation.iter().all(|row| row.len() == count), "a square matrix");
        let factor = factor(correlation);
        let mut draws = Seed::of_study(0).child("max-t").normal_draws();
        let mut one = |_| {
            let normals = (&mut draws).take(count).collect::<Vec<_>>();
            let product = |row: &Vec<f64>| row.iter().zip(&normals).map(|(a, z)| a * z).sum();
            factor.iter().map(product).fold(0.0, |most: f64, z: f64| most.max(z.abs()))
        };
        let mut maxima = (0..DRAWN).map(&mut one).collect::<Vec<_>>();
        maxima.sort_by(f64::total_cmp);
        let scale = |at: usize| {
            let probability = (at as f64 + 0.5) / QUANTILES as f64;
            (chi_squared_quantile(probability, degrees) / degrees).sqrt()
        };
        let scales = if degrees > KNOWN { vec![1.0] } else { (0..QUANTILES).map(scale).collect() };
        Self { maxima, scales, degrees, count }
    }

    /// The probability that the largest is at least `t`, above 0: the adjusted p of a statistic
    /// with this magnitude. It is not below the p of one alone, nor above Bonferroni's.
    pub fn beyond(&self, t: f64) -> f64 {
        let alone = two_sided(t, self.degrees);
        (1.0 - self.below(t)).clamp(alone, (alone * self.count as f64).min(1.0))
    }

    /// What the largest exceeds with probability 1 - `confidence`.
    pub fn critical(&self, confidence: f64) -> f64 {
        let quantile = |level: f64| t_quantile(1.0 - level / 2.0, self.degrees);
        let level = 1.0 - confidence;
        let (mut low, mut high) = (quantile(level), quantile(level / self.count as f64));
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if self.below(middle) < confidence { low = middle } else { high = middle }
        }
        high
    }

    fn below(&self, t: f64) -> f64 {
        let share = |scale: &f64| {
            let below = self.maxima.partition_point(|largest| *largest < t * scale);
            below as f64 / self.maxima.len() as f64
        };
        self.scales.iter().map(share).sum::<f64>() / self.scales.len() as f64
    }
}

/// A matrix whose product with its transpose is the correlation matrix (Cholesky), its correlations
/// drawn towards 0 as far as needed.
fn factor(correlation: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let shrunk = |share: f64| {
        let entry = |row: usize, column: usize| {
            if row == column { 1.0 } else { share * correlation[row][column] }
        };
        cholesky(correlation.len(), entry)
    };
    let shares = [1.0, 1.0 - 1e-9, 1.0 - 1e-6, 0.999, 0.99];
    let steps = (1..=20).map(|step| 1.0 - f64::from(step) / 20.0);
    shares.into_iter().chain(steps).find_map(shrunk).expect("the unit matrix has a factor")
}

fn cholesky(count: usize, entry: impl Fn(usize, usize) -> f64) -> Option<Vec<Vec<f64>>> {
    let mut factor = vec![vec![0.0; count]; count];
    for row in 0..count {
        for column in 0..=row {
            let known = (0..column).map(|at| factor[row][at] * factor[column][at]).sum::<f64>();
            let rest = entry(row, column) - known;
            factor[row][column] = if row != column {
                rest / factor[column][column]
            } else if rest > 1e-12 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::stats::linear::tests::references;

    /// Reference values, made by tests/fixtures/claims.py.
    #[derive(Deserialize)]
    struct Case {
        correlation: Vec<Vec<f64>>,
        degrees: Option<f64>,
        confidence: f64,
        critical: f64,
    }

    #[test]
    fn critical_values_agree_with_scipys_multivariate_t() {
        for Case { correlation, degrees, confidence, critical } in references::<Case>("max_t") {
            let largest = MaxT::of(&correlation, degrees.unwrap_or(f64::INFINITY));
            let found = largest.critical(confidence);
            assert!((found / critical - 1.0).abs() < 0.01, "{found} is not {critical}");
            let p = largest.beyond(critical);
            assert!((p - (1.0 - confidence)).abs() < 0.002, "{p} at {confidence}");
        }
    }

    #[test]
    fn one_statistic_is_students() {
        let largest = MaxT::of(&[vec![1.0]], 5.0);
        assert!((largest.critical(0.95) - t_quantile(0.975, 5.0)).abs() < 1e-9);
        assert_eq!(largest.beyond(2.0), two_sided(2.0, 5.0));
    }

    #[test]
    fn correlations_that_cannot_hold_together_still_have_an_answer() {
        let impossible = vec![vec![1.0, 0.9, -0.9], vec![0.9, 1.0, 0.9], vec![-0.9, 0.9, 1.0]];
        let copies = vec![vec![1.0; 3]; 3];
        let (wide, narrow) = (MaxT::of(&impossible, 8.0), MaxT::of(&copies, 8.0));
        assert!(wide.critical(0.95) > narrow.critical(0.95));
        assert!((narrow.critical(0.95) / t_quantile(0.975, 8.0) - 1.0).abs() < 0.01);
    }
}
