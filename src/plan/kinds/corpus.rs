//! Captioned images for pretraining.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary::ImageSource;

/// The parameters of a base's corpus.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Corpus {
    /// The image set.
    pub source: ImageSource,
    /// Side of the images in pixels.
    pub size: usize,
    /// The classes to use.
    pub classes: Vec<String>,
    /// Training images in total.
    pub train: usize,
    /// Validation images in total.
    pub validation: usize,
}

impl Spec for Corpus {
    const KIND: Kind = Kind { name: "corpus", version: 1, noun: "corpus", on_device: false };
}

impl Corpus {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::of([(Unit::Images, self.train + self.validation)])
    }
}
