//! Input of the analysis: trained classifiers with their designs and their predictions of the same
//! held-out images.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::AnalysisError;
use crate::metrics::Predictions;
use crate::vocabulary::{Arm, Regime};

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

/// The design of a classifier: a cell without its replicate. Ordered as tables are: by setting, n,
/// arm and dose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Design {
    /// Real images per class.
    pub n: usize,
    /// The images added to them.
    pub arm: Arm,
    /// Synthetic images per real image; 0 where the arm has none.
    pub dose: usize,
    /// Whether training images are transformed.
    pub transforms: bool,
    /// Which part of the classifier is trained.
    pub regime: Regime,
}

/// The setting of a design, whatever images it is trained on. Ordered as tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// Which part of the classifier is trained.
    pub regime: Regime,
    /// Whether training images are transformed.
    pub transforms: bool,
}

/// `with transforms`, or where not all of the classifier is trained `head, with transforms`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.regime != Regime::Full {
            write!(f, "{}, ", self.regime.name())?;
        }
        f.write_str(if self.transforms { "with transforms" } else { "no transforms" })
    }
}

impl Design {
    /// The part of the design that is equal in all arms that are compared.
    pub fn setting(&self) -> Setting {
        Setting { regime: self.regime, transforms: self.transforms }
    }

    fn rank(&self) -> (Setting, usize, &Arm, usize) {
        (self.setting(), self.n, &self.arm, self.dose)
    }
}

impl PartialOrd for Design {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Design {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transforms = if self.transforms { "transforms" } else { "no transforms" };
        match self.dose {
            0 => write!(f, "n = {}, {}, {transforms}", self.n, self.arm)?,
            dose => write!(f, "n = {}, {} x {dose}, {transforms}", self.n, self.arm)?,
        }
        match self.regime {
            Regime::Full => Ok(()),
            regime => write!(f, ", {}", regime.name()),
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
            return Err(AnalysisError::Unpaired { design, replicate, difference });
        }
        let empty = || Classifiers {
            replicates: vec![],
            predictions: vec![],
            correct: vec![],
            losses: vec![],
        };
        let arm = arms.entry(design.clone()).or_insert_with(empty);
        if arm.replicates.contains(&replicate) {
            return Err(AnalysisError::Twice { design, replicate });
        }
        arm.replicates.push(replicate);
        arm.correct
            .push(predictions.images().iter().map(|image| f64::from(image.correct())).collect());
        arm.predictions.push(predictions);
        arm.losses.push(losses);
    }
    Ok(arms)
}
