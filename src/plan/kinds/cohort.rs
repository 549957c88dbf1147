//! One of the study's sets of real images.

use serde::{Deserialize, Serialize};

use super::audit::PictureSet;
use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary::ImageSource;

/// `start..start + count` of each class's seeded order; sets are disjoint because their ranges are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cohort {
    /// The image set.
    pub source: ImageSource,
    /// Side of the images in pixels.
    pub size: usize,
    /// The study's classes.
    pub classes: Vec<String>,
    /// Position of the first image in each class's order; 0 for a set of pictures.
    pub start: usize,
    /// Images of each class.
    pub count: usize,
    /// The key of the study file that asked for them, for messages.
    pub set: String,
    /// Of a set of pictures, which comes in no range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PictureSet>,
}

impl Spec for Cohort {
    const KIND: Kind =
        Kind { name: "cohort", version: 5, noun: "real image set", on_device: false };
}

impl Cohort {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::of([(Unit::Images, self.count * self.classes.len())])
    }
}
