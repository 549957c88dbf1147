//! The audit of a set of pictures: its contents and its copies.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;
use crate::vocabulary;
use crate::vocabulary::ImageSource;

/// The study's set of pictures as it is listed and drawn from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// The pictures.
    pub set: PictureSet,
    /// How the set's tables and files fit together, and which of them are not used; a sentence each.
    pub listing: Vec<String>,
    /// Files that the set lists and that are not there.
    pub missing: Vec<String>,
}

/// A set of pictures, of the inputs `pictures/...`, `annotations`, `held_out_list` and
/// `training_list`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PictureSet {
    /// The image set.
    pub source: ImageSource,
    /// Side of the squares in pixels.
    pub size: usize,
    /// The study's classes.
    pub classes: Vec<String>,
    /// Which annotation of the skin type counts.
    pub skin_type: vocabulary::SkinTypeScale,
    /// What happens to pictures that cannot be used.
    pub unusable: vocabulary::Unusable,
    /// What happens to copies.
    pub dedupe: vocabulary::Dedupe,
    /// Columns and fields that are not read.
    pub ignored_columns: Vec<String>,
    /// Ids of pictures that are never used, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The study's sets and their counts, in the order in which they draw. A cohort is the last of
    /// them; those after it are not named.
    pub sets: Vec<(String, usize)>,
}

impl Spec for Audit {
    const KIND: Kind = Kind { name: "audit", version: 5, noun: "audit", on_device: false };
}

impl Audit {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(1.0)
    }
}
