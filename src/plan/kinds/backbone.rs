//! The classifiers' pretrained body.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::study;
use crate::vocabulary;

/// The parameters of a backbone's training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backbone {
    /// Name of the network.
    pub architecture: String,
    /// Settings of the training.
    pub training: study::Classifier,
    /// Transforms of the training images.
    pub transforms: vocabulary::Transforms,
}

impl Spec for Backbone {
    const KIND: Kind =
        Kind { name: "backbone", version: 2, noun: "pretraining (backbone)", on_device: true };
}

impl Backbone {
    /// One task's work, on a corpus of `images` images.
    pub fn work(&self, images: usize) -> Work {
        Work::of([(Unit::ClassifierTraining, self.training.shown(images))])
    }
}
