//! Synthetic and held-out real images in one plane by t-SNE.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use super::quality::Quality;
use crate::plan::work::Work;

/// The features of some of the images that quality compares, in a plane.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tsne {
    /// Those that quality compares.
    pub compared: Quality,
    /// Images of each set, at most.
    pub most: usize,
    /// Neighbours that an image's surroundings have, about.
    pub perplexity: f64,
}

impl Spec for Tsne {
    const KIND: Kind = Kind { name: "tsne", version: 1, noun: "t-SNE", on_device: false };
}

impl Tsne {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(10.0)
    }
}
