//! Studies of one arm with whole probabilities: do the intervals of accuracies and of other scores
//! hold the truth?
//!
//! The truth of a score is its mean over very many simulated studies.

use rayon::prelude::*;
use titrate::metrics::{Prediction, Predictions};
use titrate::seed::Seed;
use titrate::stats::Interval;
use titrate::stats::analysis::{Analysis, Cell, Config, Losses, Questions, analyse};
use titrate::vocabulary::{Arm, Correction, Regime};

const CLASSES: usize = 4;
const PER_CLASS: usize = 60;

/// Predictions of the same images by each replicate, which differ in how strong they are.
fn study(replicates: usize, seed: Seed) -> Vec<Predictions> {
    let ease = seed.child("images").normals(CLASSES * PER_CLASS);
    let strength = seed.child("replicates").normals(replicates);
    let replicate = |at: usize| {
        let noise = seed.child("noise").nth(at as u64).normals(CLASSES * PER_CLASS * CLASSES);
        let image = |(index, ease): (usize, &f32)| {
            let label = index % CLASSES;
            let score = |class: usize| {
                let own =
                    f32::from(u8::from(class == label)) * (1.0 + 0.8 * ease + 0.25 * strength[at]);
                own + 0.9 * noise[index * CLASSES + class]
            };
            // Sharper than it is right: there is something to calibrate.
            let weights = (0..CLASSES).map(|class| (1.5 * score(class)).exp()).collect::<Vec<_>>();
            let total = weights.iter().sum::<f32>();
            Prediction {
                id: format!("{index:04}"),
                label,
                probabilities: weights.iter().map(|weight| weight / total).collect(),
                fst: None,
                malignant: Some(label == 0),
                source: String::new(),
                patient: String::new(),
            }
        };
        let images = ease.iter().enumerate().map(image).collect();
        Predictions::new((0..CLASSES).map(|class| class.to_string()).collect(), images)
            .expect("made to be valid")
    };
    (0..replicates).map(replicate).collect()
}

fn analysed(replicates: usize, seed: Seed) -> Analysis {
    let cell = |(replicate, predictions)| Cell {
        n: 1,
        arm: Arm::Real,
        dose: 0,
        transforms: false,
        regime: Regime::Full,
        replicate,
        predictions,
        losses: Losses::of(&[]),
    };
    let cells = study(replicates, seed).into_iter().enumerate().map(cell).collect();
    analyse(
        cells,
        Config { confidence: 0.95, q: 0.05, correction: Correction::BenjaminiHochberg },
        &Questions::default(),
    )
    .expect("cells that pair")
}

/// The scores that are printed with an interval: name, value, interval.
fn estimates(analysis: &Analysis) -> Vec<(&'static str, f64, Option<Interval>)> {
    let row = &analysis.accuracy[0];
    let scores = &row.scores;
    let told = scores.malignancy.as_ref().expect("malignancy is known");
    let all = [
        ("accuracy", Some(row.accuracy)),
        ("accuracy of a class", row.per_class[0]),
        ("top-3 accuracy", Some(scores.top_3)),
        ("AUROC, mean over classes", scores.auroc),
        ("Brier score", Some(scores.brier)),
        ("log loss", Some(scores.log_loss)),
        ("calibration error", Some(scores.calibration_error)),
        ("malignant AUROC", Some(told.auroc)),
        ("average precision", Some(told.average_precision)),
        ("sensitivity", Some(told.sensitivity)),
        ("specificity", Some(told.specificity)),
    ];
    all.into_iter()
        .map(|(name, estimate)| estimate.map(|of| (name, of.mean, of.interval)).expect("defined"))
        .collect()
}

/// The share of intervals that hold the truth, by score.
pub fn coverage(replicates: usize, studies: usize) -> Vec<(&'static str, f64)> {
    let one = |study: u64| estimates(&analysed(replicates, Seed::of_study(study).child("scores")));
    // One replicate's scores have the same expectation as the mean of several; the calibration
    // error is the root of a mean square.
    let truths = (0..1500u64)
        .into_par_iter()
        .map(|study| estimates(&analysed(1, Seed::of_study(study).child("truth"))));
    let truths = truths.collect::<Vec<_>>();
    let truth = |at: usize, name: &str| {
        let values = truths.iter().map(|of| of[at].1);
        match name {
            "calibration error" => {
                (values.map(|value| value * value).sum::<f64>() / truths.len() as f64).sqrt()
            }
            _ => values.sum::<f64>() / truths.len() as f64,
        }
    };
    let found = (0..studies as u64).into_par_iter().map(one).collect::<Vec<_>>();
    let names = found[0].iter().map(|(name, ..)| *name).enumerate();
    let share = |(at, name): (usize, &'static str)| {
        let truth = truth(at, name);
        let holds = |of: &&Vec<(&str, f64, Option<Interval>)>| {
            of[at].2.is_some_and(|i| i.low <= truth && truth <= i.high)
        };
        (name, found.iter().filter(holds).count() as f64 / found.len() as f64)
    };
    names.map(share).collect()
}
