//! Scores against scikit-learn's, and their sampling covariances against brute force in another
//! language.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::stats::crossed::tests::references;
use crate::stats::paired::tests::close;

#[derive(Deserialize)]
struct Case {
    name: String,
    classes: usize,
    labels: Vec<usize>,
    malignant_classes: Vec<bool>,
    probabilities: Vec<Vec<Vec<f32>>>,
    expected: BTreeMap<String, Option<Values>>,
}

#[derive(Deserialize)]
struct Values {
    replicates: Vec<f64>,
    own: f64,
    shared: f64,
}

fn predictions(case: &Case) -> Vec<Predictions> {
    let replicate = |rows: &Vec<Vec<f32>>| {
        let image = |(place, row): (usize, &Vec<f32>)| Prediction {
            id: format!("{place:03}"),
            label: case.labels[place],
            probabilities: row.clone(),
            fst: None,
            malignant: Some(case.malignant_classes[case.labels[place]]),
            source: String::new(),
            patient: String::new(),
        };
        let classes = (0..case.classes).map(|class| class.to_string()).collect();
        Predictions::new(classes, rows.iter().enumerate().map(image).collect()).unwrap()
    };
    case.probabilities.iter().map(replicate).collect()
}

#[test]
fn scores_agree_with_brute_force() {
    for case in references::<Case>("metrics") {
        let replicates = predictions(&case);
        let sample = Sample::of(&replicates[0]);
        let all = (0..case.labels.len()).collect::<Vec<_>>();
        let places = |wanted: &dyn Fn(usize) -> bool| {
            all.iter().copied().filter(|at| wanted(case.labels[*at])).collect::<Vec<_>>()
        };
        let malignant = |class: usize| case.malignant_classes[class];
        let positive = case.labels.iter().map(|label| malignant(*label)).collect::<Vec<_>>();
        let scores = |one: &Predictions| malignant_scores(one, &case.malignant_classes);
        let called = |one: &Predictions, is: bool| {
            scores(one)
                .into_iter()
                .map(|score| f64::from((score >= THRESHOLD) == is))
                .collect::<Vec<_>>()
        };
        let right = |one: &Predictions| score_images(one, |image| f64::from(image.correct()));
        let found = |name: &str| {
            let of = |one: &Predictions| match name {
                "auroc" => macro_auroc(one, &sample),
                "malignant_auroc" => area(&scores(one), &positive, &sample),
                "malignant_average_precision" => {
                    average_precision(&scores(one), &positive, &sample)
                }
                "calibration" => Some(calibration(one, &sample)),
                "brier" => Some(sample.mean_of(&score_images(one, brier), &all)),
                "sensitivity" => Some(sample.mean_of(&called(one, true), &places(&malignant))),
                "specificity" => {
                    Some(sample.mean_of(&called(one, false), &places(&|class| !malignant(class))))
                }
                "class_accuracy_0" => {
                    Some(sample.mean_of(&right(one), &places(&|class| class == 0)))
                }
                name => panic!("no score {name}"),
            };
            let units = match name {
                "sensitivity" => places(&malignant).len(),
                "specificity" => places(&|class| !malignant(class)).len(),
                "class_accuracy_0" => places(&|class| class == 0).len(),
                _ => sample.units,
            };
            crossed(&replicates, units, of).filter(|crossed| crossed.units > 1)
        };
        // Probabilities are kept in single precision, so confidences of exactly a bin's edge may
        // fall on its other side.
        let edges = case.name.contains("edges");
        for (name, expected) in
            case.expected.iter().filter(|(name, _)| !edges || *name != "calibration")
        {
            let found = found(name);
            let Some(expected) = expected else {
                assert!(found.is_none(), "{}: {name}", case.name);
                continue;
            };
            let found = found.unwrap_or_else(|| panic!("{}: no {name}", case.name));
            // Single precision moves a probability by 3e-8.
            close(&found.values, &expected.replicates, 1e-6);
            close(&[found.own, found.shared], &[expected.own, expected.shared], 1e-7);
        }
    }
}

/// A patient's images are one unit: leaving it out leaves all of them out.
#[test]
fn areas_without_a_patient_are_those_of_the_other_images() {
    let labels = [0, 1, 0, 1, 1, 0, 0, 1, 0, 1];
    let patients = [0, 0, 1, 1, 1, 2, 3, 3, 4, 5];
    let scores = [0.1, 0.4, 0.4, 0.35, 0.8, 0.3, 0.9, 0.9, 0.2, 0.7];
    let sample = crate::stats::crossed::tests::sample(&labels, Some(&patients));
    let positive = labels.map(|label| label == 1);
    let (value, without) = auroc(&scores, &positive, &sample).unwrap();
    let area = |left_out: Option<usize>| {
        let kept = (0..labels.len()).filter(|at| Some(patients[*at]) != left_out);
        let (ones, zeros): (Vec<usize>, Vec<usize>) = kept.partition(|at| positive[*at]);
        let pairs = ones
            .iter()
            .flat_map(|one| zeros.iter().map(move |zero| won(scores[*one], scores[*zero])));
        pairs.sum::<f64>() / (ones.len() * zeros.len()) as f64
    };
    close(&[value], &[area(None)], 1e-12);
    close(&without, &(0..6).map(|patient| area(Some(patient))).collect::<Vec<_>>(), 1e-12);
    assert_eq!(
        auroc(&scores[..2], &positive[..2], &crate::stats::crossed::tests::sample(&[0, 1], None)),
        None
    );
}

#[test]
fn rates_at_the_ends_have_intervals_inside() {
    let all_right = Crossed { values: vec![1.0; 3], own: 0.0, shared: 0.0, units: 40 };
    let estimate = Estimate::of_rate(&all_right, 0.95);
    let interval = estimate.interval.unwrap();
    assert!(estimate.mean == 1.0 && interval.high == 1.0 && interval.low > 0.9, "{interval:?}");
    let nearly = Crossed { values: vec![0.99, 1.0, 1.0], own: 1e-4, shared: 0.0, units: 40 };
    let interval = Estimate::of_rate(&nearly, 0.95).interval.unwrap();
    assert!(interval.low > 0.0 && interval.high < 1.0, "{interval:?}");
}

#[test]
fn what_is_not_known_to_be_malignant_has_no_such_scores() {
    let case = Case {
        name: String::new(),
        classes: 2,
        labels: vec![0, 1, 0, 1],
        malignant_classes: vec![false, false],
        probabilities: vec![vec![
            vec![0.75, 0.25],
            vec![0.5, 0.5],
            vec![0.25, 0.75],
            vec![0.0, 1.0],
        ]],
        expected: BTreeMap::new(),
    };
    let replicates = predictions(&case);
    assert_eq!(
        Scores::of(&replicates, &Sample::of(&replicates[0]), 0.95).malignancy,
        None,
        "nothing is malignant"
    );
}

/// Predictions and what scikit-learn makes of them (tests/fixtures/metrics/metrics.py).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    /// Probabilities are `counts` over this.
    denominator: u32,
    labels: Vec<usize>,
    counts: Vec<Vec<u32>>,
    /// For k = 1, 2, 3.
    top_k: Vec<f64>,
    accuracy: f64,
    per_class: Vec<Option<f64>>,
    confusion: Vec<Vec<usize>>,
    auroc_per_class: Vec<Option<f64>>,
    auroc: Option<f64>,
    ranking: Ranked,
}

/// Scores of telling a set of classes from the others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ranked {
    positive: Vec<usize>,
    auroc: Option<f64>,
    average_precision: Option<f64>,
    sensitivity: Option<f64>,
    specificity: Option<f64>,
}

impl Reference {
    fn predictions(&self) -> Predictions {
        let image = |(at, (label, counts)): (usize, (&usize, &Vec<u32>))| Prediction {
            id: format!("{at:03}"),
            label: *label,
            probabilities: counts
                .iter()
                .map(|count| *count as f32 / self.denominator as f32)
                .collect(),
            fst: None,
            malignant: None,
            patient: String::new(),
            source: String::new(),
        };
        let images = self.labels.iter().zip(&self.counts).enumerate().map(image).collect();
        Predictions::new((0..self.confusion.len()).map(|class| class.to_string()).collect(), images)
            .unwrap()
    }
}

fn agree(at: usize, score: &str, found: Option<f64>, expected: Option<f64>) {
    let same = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12,
        (found, expected) => found == expected,
    };
    assert!(same, "case {at}: {score} is {found:?}, scikit-learn's {expected:?}");
}

#[test]
fn scores_agree_with_scikit_learn() {
    let cases: Vec<Reference> =
        serde_json::from_str(include_str!("../../tests/fixtures/metrics/metrics.json")).unwrap();
    assert_eq!(cases.len(), 50);
    for (at, case) in cases.iter().enumerate() {
        let predictions = case.predictions();
        let sample = Sample::of(&predictions);
        for (k, expected) in (1..).zip(&case.top_k) {
            let within = score_images(&predictions, |image| f64::from(image.within(k)));
            agree(at, "top-k accuracy", Some(sample.mean(&within).value), Some(*expected));
        }
        let right = score_images(&predictions, |image| f64::from(image.correct()));
        agree(at, "accuracy", Some(sample.mean(&right).value), Some(case.accuracy));
        for (images, expected) in sample.classes.iter().zip(&case.per_class) {
            let found = (!images.is_empty()).then(|| sample.mean_of(&right, images).value);
            agree(at, "accuracy of a class", found, *expected);
        }
        assert_eq!(predictions.confusion(), case.confusion, "case {at}");

        // Without one image of a class that has no other, an area has no value, and so no
        // jackknife.
        let jackknifed = |positive: &[bool]| {
            let ones = positive.iter().filter(|positive| **positive).count();
            ones > 1 && positive.len() - ones > 1
        };
        let is = |class: usize| case.labels.iter().map(|label| *label == class).collect::<Vec<_>>();
        for (class, expected) in case.auroc_per_class.iter().enumerate() {
            let scores = score_images(&predictions, |image| f64::from(image.probabilities[class]));
            let found = auroc(&scores, &is(class), &sample).map(|(value, _)| value);
            agree(at, "AUROC of a class", found, expected.filter(|_| jackknifed(&is(class))));
        }
        let all = (0..case.confusion.len()).all(|class| jackknifed(&is(class)));
        agree(
            at,
            "AUROC",
            macro_auroc(&predictions, &sample).map(|of| of.value),
            case.auroc.filter(|_| all),
        );

        let set = (0..case.confusion.len())
            .map(|class| case.ranking.positive.contains(&class))
            .collect::<Vec<_>>();
        let positive = case.labels.iter().map(|label| set[*label]).collect::<Vec<_>>();
        let scores = malignant_scores(&predictions, &set);
        let found = auroc(&scores, &positive, &sample).map(|(value, _)| value);
        agree(at, "AUROC of a set", found, case.ranking.auroc.filter(|_| jackknifed(&positive)));
        let several = positive.iter().filter(|positive| **positive).count() > 1;
        let found = average_precision(&scores, &positive, &sample).map(|of| of.value);
        agree(at, "average precision", found, case.ranking.average_precision.filter(|_| several));
        for (is, expected) in [(true, case.ranking.sensitivity), (false, case.ranking.specificity)]
        {
            let images = (0..positive.len()).filter(|at| positive[*at] == is).collect::<Vec<_>>();
            let called = scores
                .iter()
                .map(|score| f64::from((*score >= THRESHOLD) == is))
                .collect::<Vec<_>>();
            let found = (!images.is_empty()).then(|| sample.mean_of(&called, &images).value);
            agree(at, "sensitivity or specificity", found, expected);
        }
    }
}

/// As sklearn.metrics.log_loss of the same in single precision.
#[test]
fn a_wrongly_certain_image_does_not_make_the_log_loss_infinite() {
    let rows = [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.0, 0.25, 0.75], [0.125, 0.625, 0.25]];
    let case = Case {
        name: "log loss".into(),
        classes: 3,
        labels: vec![0, 1, 0, 2],
        malignant_classes: vec![false; 3],
        probabilities: vec![rows.map(|row: [f32; 3]| row.to_vec()).to_vec()],
        expected: BTreeMap::new(),
    };
    let replicates = predictions(&case);
    let found = Scores::of(&replicates, &Sample::of(&replicates[0]), 0.95).log_loss;
    close(&[found.mean], &[4.505456924438477], 1e-6);
}
