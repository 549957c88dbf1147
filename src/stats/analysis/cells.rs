//! What is analysed: classifiers by what they were trained on, and their predictions of the same
//! held-out images.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::AnalysisError;
use crate::metrics::Predictions;

/// The name of the arm that is trained on real images only; its dose is 0.
pub const REAL: &str = "real";

/// The name of the control that is real only again, from other seeds.
pub const RESEEDED: &str = "reseeded";

/// The regime that trains all of a classifier, which needs no mention.
pub const FULL: &str = "full";

/// The order of the known regimes in tables; others follow by name.
const REGIMES: [&str; 3] = [FULL, "authors", "head"];

/// The order of the known arms in tables; others follow by name.
const ARMS: [&str; 5] = [REAL, RESEEDED, "text-to-image", "inpaint", "in-then-outpaint"];

/// One trained classifier's predictions, and what it was trained on.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Real images per class.
    pub n: usize,
    /// [`REAL`], or the strategy of the synthetic images that were added, after `@` the variant of
    /// the generator that made them.
    pub arm: String,
    /// Synthetic images per real image.
    pub dose: usize,
    /// Whether it was trained with image transforms.
    pub transforms: bool,
    /// Which part of it was trained: [`FULL`] or another.
    pub regime: String,
    /// The rerun's number; equal numbers share their real images across arms.
    pub replicate: usize,
    pub predictions: Predictions,
    pub losses: Losses,
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Epochs that ran.
    pub epochs: f64,
    /// Mean loss over the steps of the last epoch.
    pub training: f64,
    /// The same [`STRETCH`] of the epochs earlier: still far above the last, training was cut
    /// short.
    pub training_before: f64,
    /// On the validation images, after the last epoch.
    pub validation: f64,
}

/// How much of a training the losses at its end are compared over.
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

/// What is trained: a cell apart from its replicate. Ordered as tables are: by setting, n, arm and
/// dose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Design {
    pub n: usize,
    pub arm: String,
    pub dose: usize,
    pub transforms: bool,
    #[serde(default = "full", skip_serializing_if = "is_full")]
    pub regime: String,
}

fn full() -> String {
    FULL.into()
}

fn is_full(regime: &String) -> bool {
    regime == FULL
}

/// How a design is trained, whatever on: regime and use of transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting<'a> {
    pub regime: &'a str,
    pub transforms: bool,
}

impl<'a> Setting<'a> {
    fn rank(&self) -> (usize, &'a str, bool) {
        let known =
            REGIMES.iter().position(|regime| *regime == self.regime).unwrap_or(REGIMES.len());
        (known, self.regime, self.transforms)
    }
}

impl PartialOrd for Setting<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Setting<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// `with transforms`, or where not all of the classifier is trained `head, with transforms`.
impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.regime != FULL {
            write!(f, "{}, ", self.regime)?;
        }
        f.write_str(if self.transforms { "with transforms" } else { "no transforms" })
    }
}

impl Design {
    pub fn setting(&self) -> Setting<'_> {
        Setting { regime: &self.regime, transforms: self.transforms }
    }

    fn rank(&self) -> (Setting<'_>, usize, usize, &str, usize) {
        let strategy = self.arm.split('@').next();
        let known = ARMS.iter().position(|arm| Some(*arm) == strategy).unwrap_or(ARMS.len());
        (self.setting(), self.n, known, &self.arm, self.dose)
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
        if self.regime == FULL { Ok(()) } else { write!(f, ", {}", self.regime) }
    }
}

/// A design's classifiers by ascending replicate: predictions, and for each image whether it is
/// right (1) or not (0).
pub struct Arm {
    pub replicates: Vec<usize>,
    pub predictions: Vec<Predictions>,
    pub correct: Vec<Vec<f64>>,
    losses: Vec<Losses>,
}

impl Arm {
    /// How its trainings ended, on average.
    pub fn losses(&self) -> Losses {
        Losses::mean(&self.losses)
    }
}

/// The cells by design and ascending replicate, checked for repeats and for pairing.
pub fn arms(mut cells: Vec<Cell>) -> Result<BTreeMap<Design, Arm>, AnalysisError> {
    cells.sort_by_key(|cell| cell.replicate);
    let mut arms = BTreeMap::<Design, Arm>::new();
    for cell in cells {
        let Cell { n, arm, dose, transforms, regime, replicate, predictions, losses } = cell;
        let design = Design { n, arm, dose, transforms, regime };
        if let Some(first) = arms.values().next()
            && let Some(difference) = first.predictions[0].unpaired(&predictions)
        {
            return Err(AnalysisError::Unpaired { design, replicate, difference });
        }
        let empty =
            || Arm { replicates: vec![], predictions: vec![], correct: vec![], losses: vec![] };
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
