//! Equivalence: whether two arms differ by less than a margin that was fixed before the data. It is
//! shown by two one-sided tests (Schuirmann 1987), never by a difference that is not significant.

use serde::{Deserialize, Serialize};

use super::crossed::{Basis, Crossed, Inference, Noise};
use super::distribution::t_cdf;
use super::interval::Interval;

/// The answer on equivalence of a difference of rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Equivalence {
    /// The population that the answer generalises to.
    pub basis: Basis,
    /// The margin, above 0.
    pub margin: f64,
    /// Level of each of the two tests, 0 to 1/2.
    pub level: f64,
    /// Mean over replicates.
    pub difference: f64,
    /// 0 where nothing varies.
    pub standard_error: f64,
    /// Degrees of freedom of Student's t; none where nothing varies.
    pub degrees: Option<f64>,
    /// With coverage 1 - 2 level: equivalence is shown where it lies within the margin on both
    /// sides. None where nothing varies.
    pub interval: Option<Interval>,
    /// Of the hypothesis that the difference is at least the margin, either way; none of a single
    /// unit. Where nothing varies, see [`Equivalence::of`].
    pub p: Option<f64>,
    /// Whether p is at most the level, and there are replicates that differ or agree in all. With
    /// one replicate, or copies of one, nothing is shown of reruns.
    pub shown: bool,
}

impl Equivalence {
    /// Of a difference of rates, with the variance between replicates that a rule makes of the mean
    /// square.
    ///
    /// Where nothing varies, p is 1 of a difference that is not within the margin. Of one that is,
    /// it is the largest probability that no unit would deviate from the others if the mean were at
    /// the margin: (1 - margin)^units where arms are identical, which is below 1 in 20 from about 3
    /// / margin units (the rule of three).
    ///
    /// # Panics
    /// If the margin is not above 0, or the level not between 0 and 1/2.
    pub fn of(crossed: &Crossed, noise: Noise, margin: f64, level: f64) -> Self {
        assert!(margin > 0.0, "a margin above 0");
        assert!(level > 0.0 && level < 0.5, "a level between 0 and 1/2");
        let difference = crossed.mean();
        let Inference { basis, standard_error, degrees, interval, .. } =
            crossed.infer(noise, 1.0 - 2.0 * level);
        let p = if crossed.units < 2 {
            None
        } else if interval.is_some() {
            // The nearer end of the margin decides.
            Some(t_cdf((difference.abs() - margin) / standard_error, degrees))
        } else {
            Some(unanimous(difference.abs(), margin, crossed.units))
        };
        let told = match basis {
            Basis::Reruns | Basis::Identical | Basis::Constant => crossed.replicates() > 1,
            Basis::OneReplicate | Basis::Copies => false,
        };
        Self {
            basis,
            margin,
            level,
            difference,
            standard_error,
            degrees: degrees.is_finite().then_some(degrees),
            interval,
            p,
            shown: told && p.is_some_and(|p| p <= level),
        }
    }
}

/// The largest probability that all `units` have the same distance from 0, below 1, if the mean of
/// all that there could be is at the margin, scores being differences of rates.
fn unanimous(distance: f64, margin: f64, units: usize) -> f64 {
    if distance >= margin {
        return 1.0;
    }
    let deviating = (margin - distance) / (1.0 - distance).max(margin - distance);
    (1.0 - deviating).powf(units as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::linear::tests::references;
    use crate::stats::paired::tests::close;

    /// Reference values, made by tests/fixtures/claims.py.
    #[derive(Deserialize)]
    struct Case {
        values: Vec<f64>,
        own: f64,
        shared: f64,
        units: usize,
        margin: f64,
        level: f64,
        p: f64,
        low: f64,
        high: f64,
    }

    #[test]
    fn two_one_sided_tests_agree_with_scipy() {
        for Case { values, own, shared, units, margin, level, p, low, high } in
            references::<Case>("equivalence")
        {
            let crossed = Crossed { values, own, shared, units };
            let found = Equivalence::of(&crossed, crossed.floor(), margin, level);
            let interval = found.interval.unwrap();
            close(&[found.p.unwrap(), interval.low, interval.high], &[p, low, high], 1e-9);
            let within = -margin <= interval.low && interval.high <= margin;
            assert_eq!(found.p.unwrap() <= level, within, "test and interval agree");
            assert_eq!(found.shown, within && crossed.replicates() > 1);
        }
    }

    fn answer(values: &[f64], own: f64, shared: f64, units: usize) -> Equivalence {
        let crossed = Crossed { values: values.to_vec(), own, shared, units };
        Equivalence::of(&crossed, crossed.floor(), 0.02, 0.05)
    }

    #[test]
    fn what_does_not_vary_is_equivalent_only_with_enough_images() {
        let many = answer(&[0.0; 3], 0.0, 0.0, 200);
        assert_eq!((many.basis, many.interval, many.shown), (Basis::Identical, None, true));
        close(&[many.p.unwrap()], &[0.98f64.powi(200)], 1e-15);
        assert!(!answer(&[0.0; 3], 0.0, 0.0, 100).shown, "0.98^100 is 0.13");
        let (near, far) = (answer(&[0.01; 3], 0.0, 0.0, 500), answer(&[-0.02; 3], 0.0, 0.0, 500));
        assert_eq!((near.basis, near.shown), (Basis::Constant, true));
        assert_eq!((far.p, far.shown), (Some(1.0), false));
        assert_eq!(answer(&[0.0; 3], 0.0, 0.0, 1).p, None, "one image says nothing of others");
    }

    #[test]
    fn one_replicate_or_copies_show_nothing() {
        let (one, copies) = (answer(&[0.0], 1e-6, 0.0, 500), answer(&[0.0; 4], 1e-6, 1e-6, 500));
        assert_eq!((one.basis, copies.basis), (Basis::OneReplicate, Basis::Copies));
        assert!(one.p.unwrap() < 0.001 && copies.p.unwrap() < 0.001);
        assert!(!one.shown && !copies.shown);
    }
}
