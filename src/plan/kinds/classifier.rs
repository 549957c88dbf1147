//! A classifier of the experiment and its predictions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec, training_images};
use crate::plan::work::{Unit, Work};
use crate::study;
use crate::vocabulary;

/// The parameters of a classifier's training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Classifier {
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
    /// Absent: images are shown as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transforms: Option<vocabulary::Transforms>,
    /// Which part of the network is trained.
    pub regime: vocabulary::Regime,
    /// The study's classes.
    pub classes: Vec<String>,
}

impl Spec for Classifier {
    const KIND: Kind =
        Kind { name: "classifier", version: 3, noun: "classifier", on_device: false };
}

impl Classifier {
    /// One task's work.
    pub fn work(&self) -> Work {
        let times = (1 + self.dose) * self.repeats.unwrap_or(1);
        let images = training_images(&self.sources, times, self.added_to.as_deref());
        Work::of([(Unit::ClassifierTraining, self.training.shown(images))])
    }
}
