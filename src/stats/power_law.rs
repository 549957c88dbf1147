//! A power law of learning: accuracy a - b n^-c at n real images, which rises towards a. It is for
//! extrapolation only: within the sizes that were tried, the accuracies there say more.

use super::search::least_on;

/// Sizes from which three parameters are fitted.
pub const FEWEST_SIZES: usize = 4;

/// The largest exponent c.
const STEEPEST: f64 = 2.0;

/// Exponents that are tried first.
const GRID: usize = 200;

/// The law a - b n^-c.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// a: accuracy with any number of images, at most 1.
    pub ceiling: f64,
    /// b, 0 or more; 0: the sizes make no difference.
    pub lack: f64,
    /// c, above 0 and at most 2.
    pub exponent: f64,
}

impl PowerLaw {
    /// By least squares, of sizes above 0 and accuracies there, 0 to 1; none with fewer than
    /// [`FEWEST_SIZES`].
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < FEWEST_SIZES {
            return None;
        }
        let grid = (1..=GRID).map(|step| STEEPEST * step as f64 / GRID as f64);
        let grid = grid.collect::<Vec<_>>();
        let exponent = least_on(&grid, |exponent| Self::with(exponent, points).squares(points));
        Some(Self::with(exponent, points))
    }

    /// The number of images at which it has an accuracy; none if that is not below the ceiling or
    /// the sizes make no difference.
    pub fn images(&self, accuracy: f64) -> Option<f64> {
        let short = self.ceiling - accuracy;
        let n = (self.lack / short).powf(1.0 / self.exponent);
        (short > 0.0 && self.lack > 0.0 && n.is_finite()).then_some(n)
    }

    /// The best law with an exponent: a line over n^-c, within the bounds.
    fn with(exponent: f64, points: &[(f64, f64)]) -> Self {
        let shrunk = points.iter().map(|(n, accuracy)| (n.powf(-exponent), *accuracy));
        let shrunk = shrunk.collect::<Vec<_>>();
        let sum = |of: &dyn Fn(&(f64, f64)) -> f64| shrunk.iter().map(of).sum::<f64>();
        let count = points.len() as f64;
        let (x, y) = (sum(&|(x, _)| *x) / count, sum(&|(_, y)| *y) / count);
        let spread = sum(&|(at, _)| (at - x).powi(2));
        let fall = sum(&|(at, accuracy)| (at - x) * (y - accuracy));
        let lack = if spread > 0.0 { (fall / spread).max(0.0) } else { 0.0 };
        let ceiling = y + lack * x;
        if ceiling <= 1.0 {
            return Self { ceiling, lack, exponent };
        }
        let lack = sum(&|(at, accuracy)| at * (1.0 - accuracy)) / sum(&|(at, _)| at * at);
        Self { ceiling: 1.0, lack, exponent }
    }

    fn squares(&self, points: &[(f64, f64)]) -> f64 {
        let distance = |(n, accuracy): &(f64, f64)| {
            self.ceiling - self.lack * n.powf(-self.exponent) - accuracy
        };
        points.iter().map(distance).map(|distance| distance * distance).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::stats::linear::tests::references;

    /// Reference values, made by tests/fixtures/claims.py.
    #[derive(Deserialize)]
    struct Case {
        sizes: Vec<f64>,
        accuracies: Vec<f64>,
        sought: f64,
        squares: f64,
        images: Option<f64>,
    }

    #[test]
    fn laws_agree_with_scipys_bounded_least_squares() {
        for Case { sizes, accuracies, sought, squares, images } in references::<Case>("power_laws")
        {
            let points = sizes.into_iter().zip(accuracies).collect::<Vec<_>>();
            let law = PowerLaw::fit(&points).unwrap();
            let found = law.squares(&points);
            assert!((found - squares).abs() <= 1e-10, "{law:?}: {found} is not {squares}");
            let found = law.images(sought);
            let ratio = found.unwrap_or(1.0) / images.unwrap_or(1.0);
            assert!(found.is_some() == images.is_some(), "{law:?}: {found:?} is not {images:?}");
            assert!((ratio - 1.0).abs() < 1e-3, "{law:?}: {found:?} is not {images:?}");
        }
    }

    #[test]
    fn a_law_that_is_met_exactly_is_found() {
        let points = [4.0, 8.0, 16.0, 32.0].map(|n: f64| (n, 0.9 - 0.6 * n.powf(-0.5)));
        let law = PowerLaw::fit(&points).unwrap();
        assert!((law.images(0.85).unwrap() / 144.0 - 1.0).abs() < 1e-4, "{law:?}");
        assert_eq!(law.images(0.95), None);
        assert_eq!(PowerLaw::fit(&points[..3]), None);
    }

    #[test]
    fn a_curve_that_falls_leads_nowhere() {
        let points = [(4.0, 0.8), (8.0, 0.7), (16.0, 0.65), (32.0, 0.6)];
        let law = PowerLaw::fit(&points).unwrap();
        assert_eq!((law.lack, law.images(0.68), law.images(0.9)), (0.0, None, None));
    }
}
