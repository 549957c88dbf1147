//! Student's t and chi-squared with quantiles as exact as their distribution functions, F, and
//! trigamma, which statrs lacks.

use statrs::distribution::{
    ChiSquared, Continuous, ContinuousCDF, FisherSnedecor, Normal, StudentsT,
};

/// Beyond so many degrees of freedom Student's t is the normal distribution to the last digit that
/// matters.
const NORMAL: f64 = 1e9;

fn normal() -> Normal {
    Normal::standard()
}

fn student(degrees: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, degrees).expect("positive degrees of freedom")
}

/// The standard normal distribution function.
pub fn normal_cdf(z: f64) -> f64 {
    normal().cdf(z)
}

/// The distribution function of Student's t; `degrees` may be infinite.
pub fn t_cdf(t: f64, degrees: f64) -> f64 {
    if degrees > NORMAL { normal_cdf(t) } else { student(degrees).cdf(t) }
}

/// The two-sided p of a t statistic.
pub fn two_sided(t: f64, degrees: f64) -> f64 {
    (2.0 * t_cdf(-t.abs(), degrees)).min(1.0)
}

/// The quantile of Student's t; `degrees` may be infinite.
pub fn t_quantile(probability: f64, degrees: f64) -> f64 {
    if degrees > NORMAL {
        let normal = normal();
        return polish(
            normal.inverse_cdf(probability),
            probability,
            |x| normal.cdf(x),
            |x| normal.pdf(x),
        );
    }
    let student = student(degrees);
    polish(student.inverse_cdf(probability), probability, |x| student.cdf(x), |x| student.pdf(x))
}

/// The quantile of the chi-squared distribution.
pub fn chi_squared_quantile(probability: f64, degrees: f64) -> f64 {
    let chi = ChiSquared::new(degrees).expect("positive degrees of freedom");
    polish(chi.inverse_cdf(probability), probability, |x| chi.cdf(x), |x| chi.pdf(x))
}

/// The probability that an F statistic is above `f`, 0 or more; the second degrees of freedom, of
/// the denominator, may be infinite.
pub fn f_tail(f: f64, numerator: f64, denominator: f64) -> f64 {
    if denominator > NORMAL {
        let chi = ChiSquared::new(numerator).expect("positive degrees of freedom");
        return chi.sf(f * numerator);
    }
    FisherSnedecor::new(numerator, denominator).expect("positive degrees of freedom").sf(f)
}

/// Newton's steps from a quantile that is right to a few digits.
fn polish(start: f64, probability: f64, cdf: impl Fn(f64) -> f64, pdf: impl Fn(f64) -> f64) -> f64 {
    let mut quantile = start;
    for _ in 0..8 {
        let step = (cdf(quantile) - probability) / pdf(quantile);
        if !step.is_finite() || step.abs() > 0.1 * quantile.abs().max(0.1) {
            break;
        }
        quantile -= step;
        if step.abs() <= 1e-15 * quantile.abs() {
            break;
        }
    }
    quantile
}

/// The second derivative of the logarithm of the gamma function, for x above 0 (Abramowitz and
/// Stegun 6.4.6 and 6.4.12).
pub fn trigamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 20.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = 1.0 / 6.0
        - inverse
            * (1.0 / 30.0 - inverse * (1.0 / 42.0 - inverse * (1.0 / 30.0 - inverse * 5.0 / 66.0)));
    sum + 1.0 / x + inverse / 2.0 + inverse / x * series
}

/// The x above 0 whose trigamma is `value`, above 0. In 1 / trigamma, which is close to a line, the
/// root is found by bisection.
pub fn inverse_trigamma(value: f64) -> f64 {
    // trigamma lies between 1/x + 1/(2 x^2) and 1/x + 1/x^2.
    let (mut low, mut high) =
        (0.5 / (value + value.sqrt()), 2.0 * (1.0 / value + 1.0 / value.sqrt()));
    while high - low > 4.0 * f64::EPSILON * high {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if trigamma(middle) > value { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_undo_their_distribution() {
        for degrees in [1.0, 2.5, 5.0, 30.2, 1e4] {
            for probability in [0.025, 0.5, 0.8, 0.975, 0.999] {
                let t = t_quantile(probability, degrees);
                let missed = (t_cdf(t, degrees) - probability).abs();
                assert!(missed < 1e-12, "t {degrees} {probability}: {missed:e}");
                let chi = ChiSquared::new(degrees).unwrap();
                let missed =
                    (chi.cdf(chi_squared_quantile(probability, degrees)) - probability).abs();
                assert!(missed < 1e-11, "chi squared {degrees} {probability}: {missed:e}");
            }
        }
        // Tables: t(0.975; 1) = 12.7062047361747, and the normal's.
        assert!((t_quantile(0.975, 1.0) - 12.706_204_736_174_7).abs() < 1e-10);
        assert!((t_quantile(0.975, f64::INFINITY) - 1.959_963_984_540_054).abs() < 1e-9);
    }

    #[test]
    fn tails_of_f_agree_with_tables_and_students_t() {
        // Tables: F(0.95; 3, 10) and F(0.99; 2, 30).
        for (f, numerator, denominator, tail) in
            [(3.708_264_819_05, 3.0, 10.0, 0.05), (5.390_345_863_18, 2.0, 30.0, 0.01)]
        {
            let found = f_tail(f, numerator, denominator);
            assert!((found - tail).abs() < 1e-9, "{found} is not {tail}");
        }
        assert!((f_tail(4.0, 1.0, 7.5) - two_sided(2.0, 7.5)).abs() < 1e-12);
        let infinite = f_tail(2.0, 3.0, f64::INFINITY);
        assert!((f_tail(2.0, 3.0, 1e8) - infinite).abs() < 1e-7);
        assert_eq!(f_tail(0.0, 2.0, 5.0), 1.0);
    }

    #[test]
    fn trigamma_and_its_inverse() {
        let pi = std::f64::consts::PI;
        assert!((trigamma(1.0) - pi * pi / 6.0).abs() < 1e-13);
        assert!((trigamma(0.5) - pi * pi / 2.0).abs() < 1e-12);
        for x in [0.01, 0.7, 1.0, 12.0, 1e4] {
            assert!((inverse_trigamma(trigamma(x)) / x - 1.0).abs() < 1e-10, "{x}");
        }
    }
}
