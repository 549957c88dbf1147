//! Scores and their sampling covariances, against brute force in another language.

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
        let places =
            |wanted: &dyn Fn(usize) -> bool| all.iter().copied().filter(|at| wanted(case.labels[*at])).collect::<Vec<_>>();
        let malignant = |class: usize| case.malignant_classes[class];
        let positive = case.labels.iter().map(|label| malignant(*label)).collect::<Vec<_>>();
        let scores = |one: &Predictions| malignant_scores(one, &case.malignant_classes);
        let called = |one: &Predictions, is: bool| {
            scores(one).into_iter().map(|score| f64::from((score >= THRESHOLD) == is)).collect::<Vec<_>>()
        };
        let right = |one: &Predictions| scored(one, |image| f64::from(image.correct()));
        let found = |name: &str| {
            let of = |one: &Predictions| match name {
                "auroc" => macro_auroc(one, &sample),
                "malignant_auroc" => area(&scores(one), &positive, &sample),
                "malignant_average_precision" => average_precision(&scores(one), &positive, &sample),
                "calibration" => Some(calibration(one, &sample)),
                "brier" => Some(sample.mean_of(&scored(one, brier), &all)),
                "sensitivity" => Some(sample.mean_of(&called(one, true), &places(&malignant))),
                "specificity" => Some(sample.mean_of(&called(one, false), &places(&|class| !malignant(class)))),
                "class_accuracy_0" => Some(sample.mean_of(&right(one), &places(&|class| class == 0))),
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
        // Probabilities are kept in single precision, so confidences of exactly a bin's edge may fall on its other side.
        let edges = case.name.contains("edges");
        for (name, expected) in case.expected.iter().filter(|(name, _)| !edges || *name != "calibration") {
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
        Ranking::new(kept.map(|at| (scores[at], positive[at]))).auroc().unwrap()
    };
    close(&[value], &[area(None)], 1e-12);
    close(&without, &(0..6).map(|patient| area(Some(patient))).collect::<Vec<_>>(), 1e-12);
    assert_eq!(auroc(&scores[..2], &positive[..2], &crate::stats::crossed::tests::sample(&[0, 1], None)), None);
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
        probabilities: vec![vec![vec![0.75, 0.25], vec![0.5, 0.5], vec![0.25, 0.75], vec![0.0, 1.0]]],
        expected: BTreeMap::new(),
    };
    let replicates = predictions(&case);
    assert_eq!(Scores::of(&replicates, &Sample::of(&replicates[0]), 0.95).malignancy, None, "nothing is malignant");
}
