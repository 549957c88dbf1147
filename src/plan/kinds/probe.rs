//! A classifier trained on plentiful real images, to judge generators with.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::study;
use crate::vocabulary;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Probe {
    pub training: study::Classifier,
    pub transforms: vocabulary::Transforms,
    pub classes: Vec<String>,
}

impl Spec for Probe {
    const KIND: Kind = Kind { name: "probe", version: 3, noun: "probe", on_device: false };
}

impl Probe {
    /// On so many images.
    pub fn work(&self, images: usize) -> Work {
        Work::of([(Unit::ClassifierTraining, self.training.shown(images))])
    }
}
