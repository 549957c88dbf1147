//! Latents of transformed views of the images that a UNet is tuned on.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary;

/// Views of a class's images that a UNet is tuned on, as latents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latents {
    /// The class.
    pub class: String,
    /// Transformed views of each image.
    pub views: usize,
    /// Their transforms.
    pub transforms: vocabulary::TuningTransforms,
    /// How masks are drawn; only for inpainting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<vocabulary::TuningMask>,
}

impl Spec for Latents {
    const KIND: Kind =
        Kind { name: "latents", version: 1, noun: "set of latents", on_device: true };
}

impl Latents {
    /// One task's work, on `images` images.
    pub fn work(&self, images: usize) -> Work {
        Work::of([(Unit::Encodings, images * self.views)])
    }
}
