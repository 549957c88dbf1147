//! A tuned UNet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary;

/// The latents of a class are the input `latents/<class>`, its prompt the input `prompt/<class>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DreamBooth {
    /// The classes tuned on, each with the positions in its pool; none: all of it.
    pub classes: BTreeMap<String, Vec<usize>>,
    pub views: usize,
    pub steps: usize,
    pub batch: usize,
    pub accumulate: usize,
    pub learning_rate: f64,
    pub schedule: vocabulary::LearningRateSchedule,
    pub warmup: usize,
    pub betas: [f64; 2],
    pub epsilon: f64,
    pub weight_decay: f64,
    pub clip: f64,
    pub ema: f64,
    pub caption_dropout: f64,
    pub snr_gamma: f64,
    pub precision: vocabulary::Precision,
    pub gradient_checkpointing: bool,
    /// Weight of the loss on the prior's images, the inputs `prior/latents` and `prior/prompt`;
    /// absent: there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior_weight: Option<f64>,
    /// How often samples are drawn to look at.
    pub previews: usize,
    /// Absent: the UNet is tuned in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<vocabulary::Lora>,
}

impl Spec for DreamBooth {
    const KIND: Kind =
        Kind { name: "dreambooth", version: 5, noun: "fine-tuning", on_device: true };
}

impl DreamBooth {
    pub fn work(&self) -> Work {
        Work::of([(Unit::UNetTraining, self.steps * self.batch * self.accumulate)])
    }
}
