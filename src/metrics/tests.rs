//! Scores against scikit-learn's: tests/fixtures/metrics/metrics.json, whose script says which version and what it does in the cases
//! that are not plain.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Probabilities are `counts` over this.
    denominator: u32,
    labels: Vec<usize>,
    counts: Vec<Vec<u32>>,
    /// For k = 1, 2, 3.
    top_k: Vec<f64>,
    accuracy: f64,
    per_class: Vec<Option<f64>>,
    balanced_accuracy: f64,
    confusion: Vec<Vec<usize>>,
    auroc_per_class: Vec<Option<f64>>,
    auroc: Option<f64>,
    ranking: RankingCase,
    calibration: Vec<CalibrationCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RankingCase {
    /// The classes of the positive set.
    positive: Vec<usize>,
    auroc: Option<f64>,
    average_precision: Option<f64>,
    /// Threshold, sensitivity, specificity.
    sensitivity_specificity: Vec<(f64, Option<f64>, Option<f64>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibrationCase {
    bins: usize,
    error: f64,
    /// Images, confidence, accuracy.
    curve: Vec<(usize, f64, f64)>,
}

/// The largest error of each score over all cases.
#[derive(Default)]
struct Errors(BTreeMap<&'static str, (f64, usize)>);

impl Errors {
    fn note(&mut self, score: &'static str, case: usize, found: impl Into<Option<f64>>, expected: impl Into<Option<f64>>) {
        let error = match (found.into(), expected.into()) {
            (Some(found), Some(expected)) => (found - expected).abs(),
            (None, None) => 0.0,
            (found, expected) => panic!("case {case}: {score} is {found:?}, expected {expected:?}"),
        };
        assert!(error <= TOLERANCE, "case {case}: {score} is off by {error}");
        let (largest, values) = self.0.entry(score).or_default();
        *largest = largest.max(error);
        *values += 1;
    }
}

fn predictions(case: &Case) -> Predictions {
    let image = |(at, (label, counts)): (usize, (&usize, &Vec<u32>))| Prediction {
        id: format!("{at:03}"),
        label: *label,
        probabilities: counts.iter().map(|count| *count as f32 / case.denominator as f32).collect(),
        fst: None,
        malignant: None,
        patient: String::new(),
        source: String::new(),
    };
    let images = case.labels.iter().zip(&case.counts).enumerate().map(image).collect();
    Predictions::new((0..case.confusion.len()).map(|class| class.to_string()).collect(), images).unwrap()
}

fn check(at: usize, case: &Case, errors: &mut Errors) {
    let predictions = predictions(case);
    for (k, expected) in (1..).zip(&case.top_k) {
        errors.note("top-k", at, predictions.top_k(k).accuracy(), *expected);
    }
    errors.note("accuracy", at, predictions.top_k(1).accuracy(), case.accuracy);
    for (score, expected) in predictions.per_class(1).iter().zip(&case.per_class) {
        errors.note("accuracy by class", at, (score.images > 0).then(|| score.accuracy()), *expected);
    }
    errors.note("balanced accuracy", at, predictions.balanced_accuracy(), case.balanced_accuracy);
    assert_eq!(predictions.confusion(), case.confusion, "case {at}");
    for (found, expected) in predictions.auroc_per_class().into_iter().zip(&case.auroc_per_class) {
        errors.note("AUROC by class", at, found, *expected);
    }
    errors.note("AUROC, macro", at, predictions.auroc(), case.auroc);
    let set = (0..case.confusion.len()).map(|class| case.ranking.positive.contains(&class)).collect::<Vec<_>>();
    let ranking = predictions.ranking(&set);
    errors.note("AUROC of a set", at, ranking.auroc(), case.ranking.auroc);
    errors.note("average precision", at, ranking.average_precision(), case.ranking.average_precision);
    for (threshold, sensitivity, specificity) in &case.ranking.sensitivity_specificity {
        errors.note("sensitivity", at, ranking.sensitivity(*threshold), *sensitivity);
        errors.note("specificity", at, ranking.specificity(*threshold), *specificity);
    }
    for CalibrationCase { bins, error, curve } in &case.calibration {
        errors.note("calibration error", at, predictions.expected_calibration_error(*bins), *error);
        let found = predictions.reliability(*bins);
        assert_eq!(found.len(), curve.len(), "case {at}: bins that hold images");
        for (bin, (images, confidence, accuracy)) in found.iter().zip(curve) {
            assert_eq!(bin.images, *images, "case {at}");
            errors.note("confidence of a bin", at, bin.confidence, *confidence);
            errors.note("accuracy of a bin", at, bin.accuracy, *accuracy);
        }
    }
}

#[test]
fn reference_values_of_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/fixtures/metrics/metrics.json")).unwrap();
    assert_eq!(cases.len(), 50);
    let mut errors = Errors::default();
    cases.iter().enumerate().for_each(|(at, case)| check(at, case, &mut errors));
    println!("{:<20} {:>6} {:>14}", "score", "values", "largest error");
    for (score, (error, values)) in errors.0 {
        println!("{score:<20} {values:>6} {error:>14.1e}");
    }
}

fn image(id: &str, label: usize, probabilities: [f32; 3], fst: Option<u8>, malignant: Option<bool>) -> Prediction {
    let (probabilities, patient, source) = (probabilities.into(), String::new(), String::new());
    Prediction { id: id.into(), label, probabilities, fst, malignant, patient, source }
}

fn of(images: impl Into<Vec<Prediction>>) -> Predictions {
    Predictions::new(["a", "b", "c"].map(String::from).into(), images.into()).unwrap()
}

#[test]
fn scores_by_class_and_skin_type() {
    let predictions = of([
        image("4", 2, [0.2, 0.3, 0.5], Some(6), None),
        image("1", 0, [0.5, 0.5, 0.0], Some(1), None),
        image("2", 1, [0.5, 0.5, 0.0], Some(5), None),
        image("3", 1, [0.0, 0.1, 0.9], None, None),
    ]);
    let pairs = |scores: Vec<Score>| scores.iter().map(|score| (score.correct, score.images)).collect::<Vec<_>>();
    assert_eq!(pairs(vec![predictions.top_k(1), predictions.top_k(2), predictions.top_k(3)]), [(2, 4), (4, 4), (4, 4)]);
    assert_eq!(pairs(predictions.per_class(1)), [(1, 1), (0, 2), (1, 1)]);
    assert_eq!(pairs(predictions.per_class(2)), [(1, 1), (2, 2), (1, 1)]);
    let by_type = predictions.per_fst(1).into_iter().map(|(fst, score)| (fst, score.correct, score.images)).collect::<Vec<_>>();
    assert_eq!(by_type, [(1, 1, 1), (5, 0, 1), (6, 1, 1)]);
    let bins = predictions.per_fst_bin(1).into_iter().map(|(bin, score)| (bin, score.correct, score.images)).collect::<Vec<_>>();
    assert_eq!(bins, [("12", 1, 1), ("56", 1, 2)]);
}

#[test]
fn malignancy_is_known_where_each_class_has_one() {
    let with = |last: Option<bool>, label: usize| {
        let first = [
            image("1", 0, [1.0, 0.0, 0.0], None, Some(true)),
            image("2", 1, [1.0, 0.0, 0.0], None, Some(false)),
            image("3", 1, [1.0, 0.0, 0.0], None, Some(false)),
        ];
        of(first.into_iter().chain([image("4", label, [0.0, 0.0, 1.0], None, last)]).collect::<Vec<_>>()).malignant_classes()
    };
    assert_eq!(with(Some(true), 2), Some(vec![true, false, true]));
    assert_eq!(with(None, 2), None, "one image's is unknown");
    assert_eq!(with(Some(false), 0), None, "a class with both");
    assert_eq!(with(Some(false), 1), None, "a class without images");
}
