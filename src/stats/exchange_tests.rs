//! Exchange rates against an independent implementation, and what is not defined.

use serde::Deserialize;

use super::*;
use crate::stats::linear::Term;
use crate::stats::linear::tests::{references, sample};
use crate::stats::paired::tests::close;

#[derive(Deserialize)]
struct Case {
    name: String,
    sizes: Vec<usize>,
    real: usize,
    synthetic: usize,
    scores: Vec<Vec<Vec<f64>>>,
    classes: Vec<usize>,
    confidence: f64,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    /// None outside the sizes.
    point: Option<f64>,
    /// The level stretch that the point is on.
    between: Option<[f64; 2]>,
    low: Option<f64>,
    high: Option<f64>,
    any: bool,
}

/// The ends of an interval that is not empty.
fn ends(interval: &RateInterval) -> Option<[Option<f64>; 2]> {
    match *interval {
        RateInterval::Bounded { low, high } => Some([Some(low), Some(high)]),
        RateInterval::AtLeast { low } => Some([Some(low), None]),
        RateInterval::AtMost { high } => Some([None, Some(high)]),
        RateInterval::Unbounded => Some([None, None]),
        RateInterval::MoreThan { .. } | RateInterval::LessThan { .. } => None,
    }
}

#[test]
fn rates_agree_with_the_reference() {
    for case in references::<Case>("exchange") {
        let sample = sample(&case.classes, None);
        let accuracy = |scores: &Vec<Vec<f64>>| Statistic::of(&[Term::whole(1.0, scores)], &sample);
        let arms = case.scores.iter().map(|scores| accuracy(scores).unwrap()).collect::<Vec<_>>();
        let sizes = case.sizes.iter().zip(&arms);
        let curve = sizes.map(|(n, accuracy)| RealOnly { n: *n, accuracy }).collect::<Vec<_>>();
        let (real, synthetic) = (case.real, case.synthetic);
        let arm = WithSynthetic { real, synthetic, accuracy: &arms[curve.len()] };
        let found = Exchange::of(&curve, arm, case.confidence).unwrap();
        let Exchange::Rate { basis: Basis::Reruns, point, interval, .. } = found else {
            panic!("{}: {found:?}", case.name)
        };
        let Expected { point: expected, between, low, high, any } = case.expected;
        match (point, expected) {
            (Point::At { n, rate }, Some(expected)) => {
                let expected_rate = (expected - real as f64) / synthetic as f64;
                close(&[n, rate], &[expected, expected_rate], 1e-9);
            }
            (Point::Between { least, most, .. }, _) if between.is_some() => {
                close(&[least, most], &between.unwrap_or_default(), 1e-9);
            }
            (Point::MoreThan { .. } | Point::LessThan { .. }, None) => {}
            (point, expected) => panic!("{}: {point:?} is not {expected:?}", case.name),
        }
        let Some([found_low, found_high]) = ends(&interval) else {
            assert!(!any, "{}: {interval:?}", case.name);
            continue;
        };
        let open = [found_low.is_none(), found_high.is_none(), true];
        assert_eq!(open, [low.is_none(), high.is_none(), any], "{}: {interval:?}", case.name);
        let zero = |end: Option<f64>| end.unwrap_or(0.0);
        close(&[zero(found_low), zero(found_high)], &[zero(low), zero(high)], 1e-9);
    }
}

/// An accuracy that is known but for small noise.
fn known(accuracy: f64, place: u64) -> Statistic {
    let draws = crate::seed::Seed::of_study(2).nth(place).normal_draws();
    let draws = draws.take(3 * 61).map(|z| 1e-4 * z).collect::<Vec<_>>();
    let values = draws[..3].iter().map(|draw| accuracy + draw);
    let influence = (0..3).map(|r| draws[3 + 60 * r..][..60].to_vec()).collect();
    let values = values.collect::<Vec<_>>();
    let shift = accuracy - values.iter().sum::<f64>() / 3.0;
    Statistic { values: values.iter().map(|value| value + shift).collect(), influence, units: 60 }
}

fn exchange(curve: &[(usize, f64)], real: usize, synthetic: usize, arm: f64) -> Exchange {
    let known_curve = curve.iter().enumerate();
    let known_curve =
        known_curve.map(|(place, (n, accuracy))| (*n, known(*accuracy, place as u64)));
    let known_curve = known_curve.collect::<Vec<_>>();
    let curve = known_curve.iter().map(|(n, accuracy)| RealOnly { n: *n, accuracy });
    let accuracy = known(arm, 100);
    let arm = WithSynthetic { real, synthetic, accuracy: &accuracy };
    Exchange::of(&curve.collect::<Vec<_>>(), arm, 0.95).unwrap()
}

#[test]
fn what_has_no_rate_is_told_apart() {
    let curve = [(4, 0.3), (16, 0.5), (64, 0.7)];
    assert_eq!(exchange(&curve, 4, 0, 0.4), Exchange::NoSynthetic);
    assert_eq!(exchange(&curve[..1], 4, 10, 0.4), Exchange::OneSize);
    assert_eq!(exchange(&[(4, 0.3), (4, 0.5)], 4, 10, 0.4), Exchange::Unordered);
    assert_eq!(exchange(&[(0, 0.3), (4, 0.5)], 4, 10, 0.4), Exchange::Unordered);
    let of = |arm| match exchange(&curve, 4, 10, arm) {
        Exchange::Rate { point, interval, .. } => (point, interval),
        other => panic!("{other:?}"),
    };
    let (point, interval) = of(0.9);
    assert_eq!(point, Point::MoreThan { n: 64.0, rate: 6.0 });
    assert_eq!(interval, RateInterval::MoreThan { rate: 6.0 });
    let (point, interval) = of(0.1);
    assert_eq!(point, Point::LessThan { n: 4.0, rate: 0.0 });
    assert_eq!(interval, RateInterval::LessThan { rate: 0.0 });
    let (Point::At { n, rate }, RateInterval::Bounded { low, high }) = of(0.4) else { panic!() };
    close(&[n, rate], &[8.0, 0.4], 1e-9);
    assert!(low < 0.4 && 0.4 < high && high - low < 0.1, "{low} to {high}");
}

#[test]
fn a_law_is_asked_only_beyond_the_largest_size() {
    let law = |n: usize| (n, 0.8 - 0.5 / (n as f64).sqrt());
    let curve = [4, 8, 16, 32].map(law);
    let of = |curve: &[(usize, f64)], arm| match exchange(curve, 4, 100, arm) {
        Exchange::Rate { extrapolated, .. } => extrapolated,
        other => panic!("{other:?}"),
    };
    let Some(Extrapolated::At { n, rate }) = of(&curve, 0.75) else { panic!() };
    close(&[n / 100.0, rate / 0.96], &[1.0, 1.0], 1e-4);
    let Some(Extrapolated::Never { ceiling }) = of(&curve, 0.85) else { panic!() };
    close(&[ceiling], &[0.8], 1e-5);
    assert_eq!(of(&curve, 0.7), None, "within the sizes");
    let bent = [(4, 0.3), (8, 0.62), (16, 0.69), (32, 0.71)];
    assert_eq!(of(&bent, 0.7105), None, "the law is there before 32");
    assert_eq!(of(&curve[..3], 0.75), None, "three sizes are too few");
}

#[test]
fn an_interval_between_two_steps_is_found() {
    // So exact that every step is rejected.
    let (curve, arm) = ([(4, 0.3), (40_000, 0.9)], 0.443);
    let Exchange::Rate { interval: RateInterval::Bounded { low, high }, .. } =
        exchange(&curve, 0, 1, arm)
    else {
        panic!()
    };
    let n = 4.0 * 1e4f64.powf((arm - 0.3) / 0.6);
    assert!(low < n && n < high && high / low < 1.1, "{low} {n} {high}");
}

#[test]
fn a_flat_curve_has_no_rate() {
    let Exchange::Rate { point, interval, .. } =
        exchange(&[(4, 0.5), (16, 0.5), (64, 0.5)], 4, 10, 0.5)
    else {
        panic!()
    };
    assert_eq!((point, interval), (Point::Flat, RateInterval::Unbounded));
    // A stretch that falls is level in the curve that rises.
    let Exchange::Rate { point, .. } =
        exchange(&[(4, 0.25), (16, 0.75), (32, 0.25), (64, 1.0)], 4, 4, 0.5)
    else {
        panic!()
    };
    let rates = Interval { low: 3.0, high: 7.0 };
    assert_eq!(point, Point::Between { least: 16.0, most: 32.0, rates });
}
