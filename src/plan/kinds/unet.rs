//! The base's UNet and text encoder, trained together (Rombach et al. 2022).

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::study;

/// The parameters of a UNet's pretraining.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UNet {
    /// The text encoder, which is trained with it.
    pub text_encoder: study::TextEncoder,
    /// The noise schedule.
    pub diffusion: study::Diffusion,
    /// The network and its training.
    pub unet: study::UNet,
}

impl Spec for UNet {
    const KIND: Kind =
        Kind { name: "unet", version: 1, noun: "pretraining (unet)", on_device: true };
}

impl UNet {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::of([(Unit::UNetTraining, self.unet.steps * self.unet.batch)])
    }
}
