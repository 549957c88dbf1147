//! The base's UNet and text encoder, trained together (Rombach et al. 2022).

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::study;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UNet {
    pub text_encoder: study::TextEncoder,
    pub diffusion: study::Diffusion,
    pub unet: study::UNet,
}

impl Spec for UNet {
    const KIND: Kind =
        Kind { name: "unet", version: 1, noun: "pretraining (unet)", on_device: false };
}

impl UNet {
    pub fn work(&self) -> Work {
        Work::of([(Unit::UNetTraining, self.unet.steps * self.unet.batch)])
    }
}
