//! A pipeline of pretrained models, checked.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;
use crate::vocabulary::Conditioning;

/// A pipeline in diffusers' layout is checked to be one for this.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pretrained {
    /// The input of the pipeline's UNet beside latents and prompt.
    pub conditioning: Conditioning,
}

impl Spec for Pretrained {
    const KIND: Kind =
        Kind { name: "pretrained", version: 2, noun: "pretrained pipeline", on_device: false };
}

impl Pretrained {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(10.0)
    }
}
