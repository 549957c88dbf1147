//! The classifiers' pretrained body.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::study;
use crate::vocabulary;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backbone {
    pub architecture: String,
    pub training: study::Classifier,
    pub transforms: vocabulary::Transforms,
}

impl Spec for Backbone {
    const KIND: Kind =
        Kind { name: "backbone", version: 2, noun: "pretraining (backbone)", on_device: false };
}

impl Backbone {
    /// On a corpus of so many images.
    pub fn work(&self, images: usize) -> Work {
        Work::of([(Unit::ClassifierTraining, self.training.shown(images))])
    }
}
