//! A tuned UNet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::memory::Memory;
use crate::plan::work::{Unit, Work};
use crate::vocabulary;

/// The latents of a class are the input `latents/<class>`, its prompt the input `prompt/<class>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DreamBooth {
    /// The classes tuned on, each with the positions in its pool; none: all of it.
    pub classes: BTreeMap<String, Vec<usize>>,
    /// Transformed views of each image.
    pub views: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Images in a batch.
    pub batch: usize,
    /// Batches whose mean gradient makes a step.
    pub accumulate: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Course of the learning rate after the warm-up.
    pub schedule: vocabulary::LearningRateSchedule,
    /// Steps of the warm-up.
    pub warmup: usize,
    /// AdamW's decay rates of the first and the second moment.
    pub betas: [f64; 2],
    /// AdamW's term in the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Decay of the moving average of the weights; 0: the last weights are kept.
    pub ema: f64,
    /// Probability that a prompt is replaced by the empty prompt.
    pub caption_dropout: f64,
    /// Gamma of the min-SNR weighting; 0: all timesteps weigh the same.
    pub snr_gamma: f64,
    /// Number format of the UNet's computations.
    pub precision: vocabulary::Precision,
    /// Whether activations are computed twice instead of being kept.
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

    fn memory(&self, side: usize) -> Memory {
        Memory::of_unet(self.batch, side)
    }
}

impl DreamBooth {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::of([(Unit::UNetTraining, self.steps * self.batch * self.accumulate)])
    }
}
