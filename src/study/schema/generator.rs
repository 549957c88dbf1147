//! Where synthetic images come from: DreamBooth, sampling, released sets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocabulary::{
    LearningRateSchedule, Lora, Precision, Solver, TuningMask, TuningTransforms,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// A folder of shards of the released synthetic set, or of others in its layout; their images
    /// are then taken, and none are generated. Empty: images are generated.
    pub released: String,
    /// Prompt of fine-tuning and sampling; `{label}` stands for the class.
    pub prompt: String,
    pub dreambooth: DreamBooth,
    pub sampling: Sampling,
    /// Other generators by name, each an arm beside this one. A study file says of each what
    /// differs; here each is complete.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, Generator>,
}

/// What each fine-tuned model has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Models {
    /// One model a class, tuned on the class's whole pool, as the authors did. All replicates share
    /// it.
    PerClass,
    /// One model for each class and replicate, tuned on the class's whole pool: intervals then
    /// cover reruns of the tuning too.
    PerReplicate,
    /// One model of all classes, each image under its own class's prompt. All replicates share it.
    All,
    /// One model of all classes for each replicate: reruns of the tuning as `PerReplicate` has
    /// them, at the price of one tuning a replicate, however many classes there are.
    AllPerReplicate,
    /// One model for each class, replicate and n, tuned on the n images that the replicate's
    /// classifiers see, and on no other.
    LeakFree,
    /// None: images are made by the pretrained models, or the base's, as they are.
    Untuned,
}

/// DreamBooth: the UNet alone is tuned, by AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DreamBooth {
    pub models: Models,
    /// Steps of the optimiser; 0: as many as `epochs` take.
    pub steps: usize,
    /// Passes over the images where `steps` is 0.
    pub epochs: usize,
    /// Steps of single classes, where they differ.
    pub steps_by_class: BTreeMap<String, usize>,
    pub batch: usize,
    /// Batches whose mean gradient makes a step.
    pub accumulate: usize,
    pub learning_rate: f64,
    pub schedule: LearningRateSchedule,
    /// Steps in which the learning rate rises.
    pub warmup: usize,
    /// AdamW's, for the first and the second moment.
    pub betas: [f64; 2],
    pub epsilon: f64,
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Decay of the weights' moving average, which is then what is kept; 0: the last weights are
    /// kept (the authors').
    pub ema: f64,
    /// Share of prompts replaced by the empty prompt (the authors': 0).
    pub caption_dropout: f64,
    /// Gamma of the min-SNR weighting of the loss; 0: every timestep counts alike (the authors').
    pub snr_gamma: f64,
    /// f32 or bf16; in f16 small gradients would vanish.
    pub precision: Precision,
    /// Whether the UNet's layers are computed twice rather than kept, for less memory and more
    /// time; rounding apart, nothing changes.
    pub gradient_checkpointing: bool,
    /// Transformed views of each image, encoded once; pass p over the images shows view p modulo
    /// this number.
    pub views: usize,
    /// How often in a training images are sampled to look at, the last time at its end; 0: never.
    pub previews: usize,
    pub transforms: TuningTransforms,
    pub mask: TuningMask,
    pub prior: Prior,
    pub lora: Lora,
}

/// Prior preservation (Ruiz et al. 2023, equation 2): beside each of the class's images one that
/// the base model made itself is learnt, so that tuning does not make it forget what else there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Images that the base's text-to-image model makes, of all models together; 0: no prior
    /// preservation (the authors').
    pub images: usize,
    /// Weight of their loss.
    pub weight: f64,
    /// What they are made from and learnt by.
    pub prompt: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    pub solver: Solver,
    pub steps: usize,
    pub guidance: f64,
    /// Of the UNet; the autoencoder computes in single precision.
    pub precision: Precision,
    /// Strength of the first pass (centre masked), in (0, 1].
    pub inpaint_strength: f64,
    /// Strength of the second pass (surroundings masked), in (0, 1].
    pub outpaint_strength: f64,
    /// Source images that one shard covers.
    pub sources_per_shard: usize,
    /// Generations of each source image that one shard covers.
    pub generations_per_shard: usize,
}
