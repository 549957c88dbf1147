//! Captioned images for pretraining.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary::ImageSource;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Corpus {
    pub source: ImageSource,
    pub size: usize,
    pub classes: Vec<String>,
    pub train: usize,
    pub validation: usize,
}

impl Spec for Corpus {
    const KIND: Kind = Kind { name: "corpus", version: 1, noun: "corpus", on_device: false };
}

impl Corpus {
    pub fn work(&self) -> Work {
        Work::of([(Unit::Images, self.train + self.validation)])
    }
}
