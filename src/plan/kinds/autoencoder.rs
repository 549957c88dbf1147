//! The base's autoencoder.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::study;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Autoencoder {
    pub autoencoder: study::Autoencoder,
}

impl Spec for Autoencoder {
    const KIND: Kind = Kind {
        name: "autoencoder",
        version: 1,
        noun: "pretraining (autoencoder)",
        on_device: false,
    };
}

impl Autoencoder {
    pub fn work(&self) -> Work {
        let study::Autoencoder { steps, batch, .. } = self.autoencoder;
        Work::of([(Unit::AutoencoderTraining, steps * batch)])
    }
}
