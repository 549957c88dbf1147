//! Input of the analysis: trained classifiers with their designs and their predictions of the same
//! held-out images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::AnalysisError;
use crate::metrics::Predictions;
use crate::vocabulary::{Arm, Design, Regime};

/// One trained classifier's predictions, and what it was trained on.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Real images per class.
    pub n: usize,
    /// The images added to the real ones.
    pub arm: Arm,
    /// Synthetic images per real image.
    pub dose: usize,
    /// Whether it was trained with image transforms.
    pub transforms: bool,
    /// Which part of it was trained.
    pub regime: Regime,
    /// The rerun's number; equal numbers share their real images across arms.
    pub replicate: usize,
    /// Its predictions of the held-out images.
    pub predictions: Predictions,
    /// Its losses at the end of training.
    pub losses: Losses,
}

/// Losses at the end of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Epochs that ran.
    pub epochs: f64,
    /// Mean loss over the steps of the last epoch.
    pub training: f64,
    /// The same, [`STRETCH`] of the epochs earlier. If it is far above the last, training was cut
    /// short.
    pub training_before: f64,
    /// On the validation images, after the last epoch.
    pub validation: f64,
}

/// Share of a training, at its end, over which losses are compared.
pub const STRETCH: f64 = 0.2;

impl Losses {
    /// Of a learning curve, the training and the validation loss of each epoch; of no epochs,
    /// zeros.
    pub fn of(curve: &[(f64, f64)]) -> Self {
        let Some(&(training, validation)) = curve.last() else {
            return Self { epochs: 0.0, training: 0.0, training_before: 0.0, validation: 0.0 };
        };
        let back = (curve.len() as f64 * STRETCH).round() as usize;
        let training_before = curve[curve.len() - 1 - back.min(curve.len() - 1)].0;
        Self { epochs: curve.len() as f64, training, training_before, validation }
    }

    /// The mean of each, of at least one training.
    fn mean(all: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        Self {
            epochs: mean(|losses| losses.epochs),
            training: mean(|losses| losses.training),
            training_before: mean(|losses| losses.training_before),
            validation: mean(|losses| losses.validation),
        }
    }
}

/// A design's classifiers by ascending replicate: predictions, and for each image whether it is
/// right (1) or not (0).
pub struct Classifiers {
    pub replicates: Vec<usize>,
    pub predictions: Vec<Predictions>,
    pub correct: Vec<Vec<f64>>,
    losses: Vec<Losses>,
}

impl Classifiers {
    /// How its trainings ended, on average.
    pub fn losses(&self) -> Losses {
        Losses::mean(&self.losses)
    }
}

/// The cells by design and ascending replicate, checked for repeats and for pairing.
pub fn arms(mut cells: Vec<Cell>) -> Result<BTreeMap<Design, Classifiers>, AnalysisError> {
    cells.sort_by_key(|cell| cell.replicate);
    let mut arms = BTreeMap::<Design, Classifiers>::new();
    for cell in cells {
        let Cell { n, arm, dose, transforms, regime, replicate, predictions, losses } = cell;
        let design = Design { n, arm, dose, transforms, regime };
        if let Some(first) = arms.values().next()
            && let Some(difference) = first.predictions[0].find_difference(&predictions)
        {
            return Err(AnalysisError::Unpaired {
                design: Box::new(design),
                replicate,
                difference,
            });
        }
        let empty = || Classifiers {
            replicates: vec![],
            predictions: vec![],
            correct: vec![],
            losses: vec![],
        };
        let arm = arms.entry(design.clone()).or_insert_with(empty);
        if arm.replicates.contains(&replicate) {
            return Err(AnalysisError::Twice { design: Box::new(design), replicate });
        }
        arm.replicates.push(replicate);
        arm.correct
            .push(predictions.images().iter().map(|image| f64::from(image.correct())).collect());
        arm.predictions.push(predictions);
        arm.losses.push(losses);
    }
    Ok(arms)
}
