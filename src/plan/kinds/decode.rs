//! Pictures from outside as squares, or as frames.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary;

/// A block of pictures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decode {
    /// Side of the squares in pixels.
    pub size: usize,
    /// How a picture becomes a square.
    pub fit: vocabulary::Fit,
    /// Whether frames are made instead: whole pictures, or nearly, with shorter sides of `size`.
    pub frames: bool,
    /// Whether the files are shards.
    pub packed: bool,
}

impl Spec for Decode {
    const KIND: Kind =
        Kind { name: "decode", version: 6, noun: "block of pictures", on_device: false };
}

impl Decode {
    /// One task's work, on a block of about `pictures` pictures.
    pub fn work(&self, pictures: usize) -> Work {
        Work::of([(Unit::Pictures, pictures)])
    }
}
