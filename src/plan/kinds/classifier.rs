//! A classifier of the experiment and its predictions.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use super::training_images::TrainingImages;
use crate::plan::memory::Memory;
use crate::plan::work::{Unit, Work};
use crate::study;
use crate::vocabulary;

/// The parameters of a classifier's training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Classifier {
    /// The images.
    #[serde(flatten)]
    pub images: TrainingImages,
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
    const KIND: Kind = Kind { name: "classifier", version: 3, noun: "classifier", on_device: true };

    fn memory(&self, side: usize) -> Memory {
        let seen = self.training.side_of(side);
        Memory::of_classifier(self.training.largest_batch(), seen)
            .holding(self.images.count(), seen)
    }
}

impl Classifier {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::of([(Unit::ClassifierTraining, self.training.shown(self.images.count()))])
    }
}
