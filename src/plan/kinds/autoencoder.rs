//! The base's autoencoder.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::study;

/// The parameters of an autoencoder's training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Autoencoder {
    /// The network and its training.
    pub autoencoder: study::Autoencoder,
}

impl Spec for Autoencoder {
    const KIND: Kind = Kind {
        name: "autoencoder",
        version: 1,
        noun: "pretraining (autoencoder)",
        on_device: true,
    };
}

impl Autoencoder {
    /// One task's work.
    pub fn work(&self) -> Work {
        let study::Autoencoder { steps, batch, .. } = self.autoencoder;
        Work::of([(Unit::AutoencoderTraining, steps * batch)])
    }
}
