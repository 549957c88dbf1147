//! Scores of synthetic images, by which an arm chooses among those of a real one.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary::Choice;

/// Scores of the input `images`: pictures that the input `probe` judges, or features that are held
/// against those of the input `pool`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scores {
    /// What has a high score.
    pub choose: Choice,
    /// The study's classes, where the probe judges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Side of the squares that the probe sees, where it judges; 0: as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
}

impl Spec for Scores {
    const KIND: Kind = Kind { name: "scores", version: 1, noun: "set of scores", on_device: true };
}

impl Scores {
    /// One task's work, on `images` images.
    pub fn work(&self, images: usize) -> Work {
        let unit = if self.choose == Choice::Confident { Unit::Features } else { Unit::Images };
        Work::of([(unit, images)])
    }
}
