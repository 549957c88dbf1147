//! A shard of a released synthetic set as squares, by strategy and class.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary;
use crate::vocabulary::Strategy;

/// A shard of a released synthetic set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unpack {
    /// Side of the squares in pixels.
    pub size: usize,
    /// How a picture becomes a square.
    pub fit: vocabulary::Fit,
    /// What happens to pictures that cannot be used.
    pub unusable: vocabulary::Unusable,
    /// Only images of these, and with smaller numbers than this, are taken.
    pub classes: Vec<String>,
    /// Strategies whose images are kept.
    pub strategies: Vec<Strategy>,
    /// Images of each source that are kept: those with smaller numbers.
    pub generations: usize,
}

impl Spec for Unpack {
    const KIND: Kind =
        Kind { name: "unpack", version: 4, noun: "unpacked shard", on_device: false };
}

impl Unpack {
    /// One task's work, on a shard of about `pictures` pictures.
    pub fn work(&self, pictures: usize) -> Work {
        Work::of([(Unit::Pictures, pictures)])
    }
}
