//! The arithmetic that tasks compute with.

use serde::{Deserialize, Serialize};

use crate::plan::kinds::Kind;

/// The arithmetic that a task computes with; a part of every key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numerics {
    /// The class of device, such as `cpu`.
    pub device: String,
    /// The element type of weights and activations, such as `f32`.
    pub dtype: String,
    /// The tensor library with its version.
    pub backend: String,
}

impl Numerics {
    /// Single precision on the processor.
    pub fn cpu() -> Self {
        Self::on("cpu")
    }

    /// Masters and what is not asked to be coarser in single precision, on a device.
    pub fn on(device: &str) -> Self {
        Self { device: device.into(), dtype: "f32".into(), backend: "candle 0.11.1".into() }
    }

    /// Those of a kind: not every step leaves the processor.
    pub fn of(&self, kind: &Kind) -> Self {
        if kind.on_device { self.clone() } else { Self { device: "cpu".into(), ..self.clone() } }
    }
}
