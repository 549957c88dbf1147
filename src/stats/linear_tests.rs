//! Linear contrasts against an independent implementation.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::stats::paired::tests::close;

/// Reference values of one name, made by tests/fixtures/claims.py.
pub fn references<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/claims.json")).unwrap();
    serde_json::from_value(all[name].clone()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Images of these classes, of these patients where they are known.
pub fn sample(classes: &[usize], patients: Option<&[usize]>) -> Sample {
    let mut sample = Sample::of_classes(classes);
    if let Some(patients) = patients {
        sample.unit = patients.to_vec();
        sample.units = patients.iter().max().map_or(0, |most| most + 1);
        sample.patients = true;
    }
    sample
}

#[derive(Deserialize)]
struct Case {
    name: String,
    terms: Vec<WrittenTerm>,
    scores: Vec<Vec<Vec<f64>>>,
    classes: Vec<usize>,
    patients: Option<Vec<usize>>,
    confidence: f64,
    expected: Expected,
}

#[derive(Deserialize)]
struct WrittenTerm {
    weight: f64,
    arm: usize,
    images: Option<Vec<usize>>,
}

#[derive(Deserialize)]
struct Expected {
    values: Vec<f64>,
    own: f64,
    shared: f64,
    units: usize,
    se: f64,
    df: f64,
    low: f64,
    high: f64,
    p: f64,
}

#[test]
fn contrasts_agree_with_the_reference() {
    for case in references::<Case>("linear") {
        let term = |term: &'_ WrittenTerm| (term.weight, term.arm, term.images.clone());
        let written = case.terms.iter().map(term).collect::<Vec<_>>();
        let terms = written.iter().map(|(weight, arm, images)| Term {
            weight: *weight,
            scores: &case.scores[*arm],
            images: images.as_deref(),
        });
        let sample = sample(&case.classes, case.patients.as_deref());
        let statistic = Statistic::of(&terms.collect::<Vec<_>>(), &sample).unwrap();
        let (crossed, expected) = (statistic.crossed(), case.expected);
        close(&crossed.values, &expected.values, 1e-12);
        close(&[crossed.own, crossed.shared], &[expected.own, expected.shared], 1e-12);
        assert_eq!(crossed.units, expected.units, "{}", case.name);
        let found = crossed.infer(crossed.floor(), case.confidence);
        let (interval, p) = (found.interval.unwrap(), found.p.unwrap());
        let found = [found.standard_error, found.degrees, interval.low, interval.high, p];
        let Expected { se, df, low, high, p, .. } = expected;
        close(&found, &[se, df, low, high, p], 1e-9);
        let variance = statistic.covariance(&statistic);
        let expected = match crossed.replicates() {
            1 => crossed.own,
            replicates => crossed.mean_square() / replicates as f64 + crossed.shared,
        };
        close(&[variance], &[expected], 1e-15);
    }
}

/// Correctness of two arms by replicate and image, and the images.
fn two_arms() -> (Vec<Vec<f64>>, Vec<Vec<f64>>, Sample) {
    let arm = |step: usize| {
        let score = move |replicate, image| f64::from((image * step + replicate * image) % 5 < 3);
        (0..4).map(|r| (0..36).map(|image| score(r, image)).collect()).collect::<Vec<Vec<f64>>>()
    };
    (arm(3), arm(7), sample(&(0..36).map(|image| image % 3).collect::<Vec<_>>(), None))
}

#[test]
fn a_difference_of_two_arms_is_that_of_their_scores() {
    let (a, b, sample) = two_arms();
    let minus = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
    let differences = a.iter().zip(&b).map(minus).collect::<Vec<Vec<f64>>>();
    let expected = Crossed::of(&differences, sample.units, |scores| sample.mean(scores));
    let terms = [Term::whole(1.0, &a), Term::whole(-1.0, &b)];
    assert_eq!(Statistic::of(&terms, &sample).unwrap().crossed(), expected);
    let one = |scores| Statistic::of(&[Term::whole(1.0, scores)], &sample).unwrap();
    let found = one(&a).minus(&one(&b)).unwrap().crossed();
    close(&found.values, &expected.values, 1e-12);
    close(&[found.own, found.shared], &[expected.own, expected.shared], 1e-15);
}

#[test]
fn a_class_against_others_is_a_linear_contrast() {
    let (a, b, sample) = two_arms();
    let classes = sample.classes.clone();
    let gain = |weight: f64, class: usize| {
        [Term::on(&classes[class], weight, &a), Term::on(&classes[class], -weight, &b)]
    };
    let terms = [gain(-0.5, 0), gain(1.0, 1), gain(-0.5, 2)].concat();
    let expected = Statistic::of(&terms, &sample).unwrap().crossed();
    let gains = [0, 1, 2].map(|class| Statistic::of(&gain(1.0, class), &sample).unwrap());
    let found = Statistic::against_others(&gains, 1).unwrap().crossed();
    close(&found.values, &expected.values, 1e-12);
    close(&[found.own, found.shared], &[expected.own, expected.shared], 1e-15);
    assert_eq!(found.units, 12);
    assert_eq!(Statistic::against_others(&gains[..1], 0), Err(LinearError::Empty));
}

#[test]
fn changes_that_cancel_are_identical_not_rounding() {
    use crate::stats::crossed::Basis;
    let (a, b, sample) = two_arms();
    let evens = (0..36).step_by(2).collect::<Vec<_>>();
    let on = |weight, scores| Term::on(&evens, weight, scores);
    let terms = [on(0.1, &a), on(0.2, &a), on(-0.3, &a), on(1.0, &b), on(-1.0, &b)];
    let crossed = Statistic::of(&terms, &sample).unwrap().crossed();
    let answer = crossed.infer(crossed.floor(), 0.95);
    assert_eq!((answer.basis, answer.p), (Basis::Identical, Some(1.0)));
}

#[test]
fn arms_that_do_not_fit_are_refused() {
    let (a, b, sample) = two_arms();
    let refused = |terms: &[Term<'_>]| Statistic::of(terms, &sample).unwrap_err();
    let found = [
        refused(&[]),
        refused(&[Term::whole(1.0, &a), Term::whole(1.0, &b[..2])]),
        refused(&[Term::whole(1.0, &[vec![0.0; 35]])]),
        refused(&[Term::on(&[], 1.0, &a)]),
        refused(&[Term::on(&[36], 1.0, &a)]),
        refused(&[Term::whole(f64::NAN, &a)]),
    ];
    let expected = [
        LinearError::Empty,
        LinearError::Replicates { found: 2, expected: 4 },
        LinearError::Images { found: 35, expected: 36 },
        LinearError::NoImages,
        LinearError::UnknownImage { image: 36, images: 36 },
        LinearError::NotFinite,
    ];
    assert_eq!(found, expected);
    let (one, few) = (Statistic::of(&[Term::whole(1.0, &a)], &sample).unwrap(), &b[..2]);
    let few = Statistic::of(&[Term::whole(1.0, few)], &sample).unwrap();
    assert_eq!(one.minus(&few), Err(LinearError::Replicates { found: 2, expected: 4 }));
}
