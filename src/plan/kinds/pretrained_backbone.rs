//! A file of a classifier's weights, checked.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;

/// Weights of a file are checked to be those of this network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PretrainedBackbone {
    /// Name of the network.
    pub architecture: String,
}

impl Spec for PretrainedBackbone {
    const KIND: Kind = Kind {
        name: "pretrained-backbone",
        version: 2,
        noun: "pretrained backbone",
        on_device: false,
    };
}

impl PretrainedBackbone {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(1.0)
    }
}
