//! Dose curves against an independent implementation, and curves that are none.

use serde::Deserialize;

use super::*;
use crate::stats::linear::Term;
use crate::stats::linear::tests::{references, sample};
use crate::stats::paired::tests::close;

#[derive(Deserialize)]
struct Case {
    name: String,
    doses: Vec<f64>,
    scores: Vec<Vec<Vec<f64>>>,
    classes: Vec<usize>,
    confidence: f64,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    variance: f64,
    df: f64,
    aicc: Vec<f64>,
    best: Shape,
    outcome: Outcome,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
enum Outcome {
    At { dose: f64, low: f64, high: Option<f64> },
    NotReached { low: f64 },
    NoPlateau,
    NoShape { p: f64 },
}

/// Bends are where a sum of squares is least, so they are known to the root of its accuracy.
#[track_caller]
fn alike(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-6 * (1.0 + expected), "{found} is not {expected}");
}

#[test]
fn curves_agree_with_the_reference() {
    for case in references::<Case>("dose_curves") {
        let sample = sample(&case.classes, None);
        let accuracy = |scores: &Vec<Vec<f64>>| Statistic::of(&[Term::whole(1.0, scores)], &sample);
        let arms = case.scores.iter().map(|scores| accuracy(scores).unwrap()).collect::<Vec<_>>();
        let arms = case.doses.iter().copied().zip(&arms).collect::<Vec<_>>();
        let found = DoseCurve::of(&arms, case.confidence).unwrap();
        let DoseCurve::Fitted { variance, degrees, fits, best, most } = found else {
            panic!("{}: {found:?}", case.name)
        };
        let Expected { variance: s2, df, aicc, best: shape, outcome } = case.expected;
        close(&[variance, degrees.unwrap()], &[s2, df], 1e-9);
        let found = fits.iter().map(|fit| fit.aicc).collect::<Vec<_>>();
        close(&found, &aicc, 1e-6);
        assert_eq!(best, shape, "{}", case.name);
        match (most, outcome) {
            (MostOfPlateau::At { dose, low, high }, Outcome::At { dose: d, low: l, high: h }) => {
                alike(dose, d);
                alike(low, l);
                assert_eq!(high.is_some(), h.is_some(), "{}", case.name);
                alike(high.unwrap_or(0.0), h.unwrap_or(0.0));
            }
            (MostOfPlateau::NotReached { low, .. }, Outcome::NotReached { low: l }) => {
                alike(low, l);
            }
            (MostOfPlateau::NoPlateau, Outcome::NoPlateau) => {}
            (MostOfPlateau::NoShape { p }, Outcome::NoShape { p: expected }) => alike(p, expected),
            (found, expected) => panic!("{}: {found:?} is not {expected:?}", case.name),
        }
    }
}

/// Arms of these accuracies, known but for small noise.
fn arms(means: &[f64], replicates: usize, noise: f64) -> Vec<Statistic> {
    let mut draws = crate::seed::Seed::of_study(4).normal_draws().map(|z| noise * z);
    let mut arm = |mean: &f64| {
        let values = (0..replicates).map(|_| mean + draws.next().unwrap()).collect();
        let influence = (0..replicates).map(|_| (&mut draws).take(60).collect()).collect();
        Statistic { values, influence, units: 60 }
    };
    means.iter().map(&mut arm).collect()
}

fn fitted(doses: &[f64], means: &[f64], replicates: usize, noise: f64) -> DoseCurve {
    let arms = arms(means, replicates, noise);
    let arms = doses.iter().copied().zip(&arms).collect::<Vec<_>>();
    DoseCurve::of(&arms, 0.95).unwrap()
}

#[test]
fn what_has_no_curve_is_told_apart() {
    let doses = [0.0, 1.0, 2.0, 4.0, 8.0];
    let means = [0.3, 0.5, 0.6, 0.6, 0.6];
    assert_eq!(fitted(&doses[..4], &means[..4], 3, 1e-3), DoseCurve::TooFewDoses { doses: 4 });
    assert_eq!(fitted(&doses, &means, 1, 1e-3), DoseCurve::OneReplicate);
    assert_eq!(fitted(&doses, &means, 3, 0.0), DoseCurve::NothingVaries);
    assert_eq!(fitted(&[0.0, 1.0, 1.0, 4.0, 8.0], &means, 3, 1e-3), DoseCurve::Unordered);
    assert_eq!(fitted(&[-1.0, 1.0, 2.0, 4.0, 8.0], &means, 3, 1e-3), DoseCurve::Unordered);
    assert_eq!(fitted(&[0.0, 1.0, 2.0, 4.0, f64::NAN], &means, 3, 1e-3), DoseCurve::Unordered);
    assert_eq!(DoseCurve::of(&[], 0.95), Err(LinearError::Empty));
}

#[test]
fn a_step_at_the_first_dose_has_no_lower_end() {
    let doses = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0];
    let curve = fitted(&doses, &[0.3, 0.6, 0.6, 0.6, 0.6, 0.6], 5, 1e-3);
    let DoseCurve::Fitted { most: MostOfPlateau::At { low, high: Some(high), .. }, .. } = curve
    else {
        panic!("{curve:?}")
    };
    assert!(low == 0.0 && high < 1.1, "{low} {high}");
}

#[test]
fn fits_are_read_at_any_dose_and_stored() {
    let doses = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0];
    let stick = |dose: f64| 0.4 + 0.05 * dose.min(4.0);
    let curve = fitted(&doses, &doses.map(stick), 5, 1e-4);
    let DoseCurve::Fitted { fits, best, .. } = &curve else { panic!("{curve:?}") };
    assert_eq!(*best, Shape::BrokenStick);
    for fit in fits.iter().filter(|fit| fit.shape == *best) {
        [0.0, 3.0, 10.0]
            .iter()
            .for_each(|dose| assert!((fit.at(*dose) - stick(*dose)).abs() < 1e-3));
    }
    let written = serde_json::to_string(&curve).unwrap();
    assert_eq!(serde_json::from_str::<DoseCurve>(&written).unwrap(), curve);
    for shape in Shape::ALL {
        assert_eq!(serde_json::to_value(shape).unwrap(), shape.name());
    }
}
