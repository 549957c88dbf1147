//! A classifier of the experiment that is a head over features, and its predictions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec, training_images};
use crate::plan::work::{Unit, Work};
use crate::study;

/// A head over the features of the inputs `pool`, `validation`, `held_out` and `synthetic/...`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// Positions in the pool of the real images to train on, a list for each class.
    pub sources: BTreeMap<String, Vec<usize>>,
    /// Synthetic images per real image; 0: real only.
    pub dose: usize,
    /// Times that a pass shows each image; absent: once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<usize>,
    /// The only class that dose and repeats are for; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_to: Option<String>,
    /// Settings of the training.
    pub training: study::Classifier,
    /// The study's classes.
    pub classes: Vec<String>,
}

impl Spec for Head {
    const KIND: Kind = Kind { name: "head", version: 3, noun: "classifier head", on_device: false };
}

impl Head {
    /// One task's work.
    pub fn work(&self) -> Work {
        let times = (1 + self.dose) * self.repeats.unwrap_or(1);
        let images = training_images(&self.sources, times, self.added_to.as_deref());
        Work::of([(Unit::HeadTraining, self.training.shown(images))])
    }
}
