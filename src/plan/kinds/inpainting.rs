//! The inpainting variant of the base's UNet.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::study;

/// The parameters of an inpainting UNet's training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inpainting {
    /// The network and its training.
    pub unet: study::UNet,
    /// Optimiser steps.
    pub steps: usize,
}

impl Spec for Inpainting {
    const KIND: Kind =
        Kind { name: "inpainting", version: 1, noun: "pretraining (inpainting)", on_device: true };
}

impl Inpainting {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::of([(Unit::UNetTraining, self.steps * self.unet.batch)])
    }
}
