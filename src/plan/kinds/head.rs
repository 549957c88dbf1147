//! A classifier of the experiment that is a head over features, and its predictions.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use super::training_images::TrainingImages;
use crate::plan::work::{Unit, Work};
use crate::study;

/// A head over the features of the inputs `pool`, `validation`, `held_out` and `synthetic/...`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The images.
    #[serde(flatten)]
    pub images: TrainingImages,
    /// Settings of the training.
    pub training: study::Classifier,
    /// The study's classes.
    pub classes: Vec<String>,
}

impl Spec for Head {
    const KIND: Kind = Kind { name: "head", version: 3, noun: "classifier head", on_device: true };
}

impl Head {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::of([(Unit::HeadTraining, self.training.shown(self.images.count()))])
    }
}
