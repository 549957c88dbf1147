//! A classifier trained on plentiful real images, to judge generators with.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::memory::Memory;
use crate::plan::work::{Unit, Work};
use crate::study;
use crate::vocabulary;

/// The parameters of the probe's training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// Settings of the training.
    pub training: study::Classifier,
    /// Transforms of the training images.
    pub transforms: vocabulary::Transforms,
    /// The study's classes.
    pub classes: Vec<String>,
}

impl Spec for Probe {
    const KIND: Kind = Kind { name: "probe", version: 3, noun: "probe", on_device: true };

    fn memory(&self, side: usize) -> Memory {
        Memory::of_classifier(self.training.largest_batch(), self.training.side_of(side))
    }
}

impl Probe {
    /// One task's work, on `images` images.
    pub fn work(&self, images: usize) -> Work {
        Work::of([(Unit::ClassifierTraining, self.training.shown(images))])
    }
}
