//! Where synthetic images come from: DreamBooth, sampling, released sets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocabulary::{
    LearningRateSchedule, Lora, Precision, Solver, TuningMask, TuningTransforms,
};

/// The generator of the synthetic images, and variants of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// Folder of WebDataset shards of the authors' released synthetic images, or of others in that
    /// layout: a path, or a place in the Hugging Face hub (`hf://...`). Its images are used and
    /// none are generated. Empty: images are generated.
    pub released: String,
    /// Prompt of tuning and of sampling. It must contain `{label}`, which stands for the class.
    pub prompt: String,
    /// Fine-tuning of the diffusion models.
    pub dreambooth: DreamBooth,
    /// Sampling of the synthetic images.
    pub sampling: Sampling,
    /// Further generators by name (`a` to `z`, `0` to `9` and `-`), each with an arm for every
    /// strategy. A study file gives the keys in which a variant differs from the generator, at
    /// least one; a resolved study lists all of its keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, Generator>,
}

/// Which images each fine-tuned model has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Models {
    /// One model for each class, tuned on its whole pool and shared by all replicates, as the
    /// authors did.
    PerClass,
    /// One model for each class and replicate, tuned on the class's whole pool, so that intervals
    /// cover repeated tuning too.
    PerReplicate,
    /// One model of all classes, each image under its own class's prompt, shared by all
    /// replicates.
    All,
    /// One model of all classes for each replicate: intervals cover repeated tuning, at the price
    /// of one tuning a replicate, however many classes there are.
    AllPerReplicate,
    /// One model for each class, replicate and n, tuned only on the n images that the replicate's
    /// classifiers see.
    LeakFree,
    /// No tuning: the pretrained models, or those of the base, make the images as they are.
    Untuned,
}

/// DreamBooth (Ruiz et al. 2023): AdamW tunes the UNet; autoencoder and text encoder stay as they
/// are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DreamBooth {
    /// How many models are tuned, and on which images.
    pub models: Models,
    /// Optimiser steps of a tuning. 0: as many as `epochs` takes; exactly one of the two is 0.
    pub steps: usize,
    /// Passes over the training images, 1 or more where `steps` is 0. 0: `steps` decides.
    pub epochs: usize,
    /// Optimiser steps by class (1 or more each) where they differ from `steps`. Empty where one
    /// model learns all classes.
    pub steps_by_class: BTreeMap<String, usize>,
    /// Images in a batch: even, 2 or more (its halves are trained side by side).
    pub batch: usize,
    /// Batches whose mean gradient makes one optimiser step, 1 or more (diffusers'
    /// `gradient_accumulation_steps`).
    pub accumulate: usize,
    /// Learning rate of AdamW, more than 0: the highest one, which `warmup` leads up to.
    pub learning_rate: f64,
    /// Course of the learning rate after the warm-up.
    pub schedule: LearningRateSchedule,
    /// Optimiser steps in which the learning rate rises linearly to `learning_rate`. 0: no warm-up.
    pub warmup: usize,
    /// AdamW's decay rates of the first and the second moment, each 0 or more and less than 1.
    pub betas: [f64; 2],
    /// AdamW's term in the denominator, more than 0.
    pub epsilon: f64,
    /// Decoupled weight decay of AdamW, 0 or more.
    pub weight_decay: f64,
    /// Largest global norm of the gradient, more than 0; a larger gradient is scaled down to it.
    pub clip: f64,
    /// Decay per step of the moving average of the weights, 0 or more and less than 1; the average
    /// is kept. 0: the last weights are kept, as the authors do.
    pub ema: f64,
    /// Probability, 0 to 1, that a prompt is replaced by the empty prompt, which trains
    /// classifier-free guidance. The authors' is 0.
    pub caption_dropout: f64,
    /// Gamma of the min-SNR weighting of the loss (Hang et al. 2023), 0 or more. 0: all timesteps
    /// weigh the same, as in the authors' tuning.
    pub snr_gamma: f64,
    /// Number format of the UNet's computations: `f32` or `bf16`, as small gradients vanish in
    /// `f16`.
    pub precision: Precision,
    /// Whether the UNet's activations are computed again in the backward pass instead of being
    /// kept: less memory, more time, the same result but for rounding.
    pub gradient_checkpointing: bool,
    /// Transformed views of each training image, 1 or more, encoded once; pass `p` over the images
    /// shows view `p` modulo this number.
    pub views: usize,
    /// Times during a tuning that a few images are sampled for a look at its progress, the last
    /// time at its end. 0: never.
    pub previews: usize,
    /// Transforms of the training images.
    pub transforms: TuningTransforms,
    /// Masks of the inpainting model's training images.
    pub mask: TuningMask,
    /// Prior preservation.
    pub prior: Prior,
    /// Low-rank adaptation.
    pub lora: Lora,
}

/// Prior preservation (Ruiz et al. 2023, equation 2): each training image is paired with one that
/// the untuned base model made, so that tuning does not make the model forget other images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Images that the base's text-to-image model makes, shared by all models. 0: no prior
    /// preservation, as in the authors' tuning.
    pub images: usize,
    /// Factor of these images' loss, more than 0 (diffusers' `prior_loss_weight`).
    pub weight: f64,
    /// Prompt that these images are made from and trained with (diffusers' `class_prompt`).
    pub prompt: String,
}

/// Sampling of synthetic images by a latent diffusion model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Numerical method from noise to image.
    pub solver: Solver,
    /// Steps of the solver, 1 to `base.diffusion.timesteps`. Inpainting takes a share of them, its
    /// strength.
    pub steps: usize,
    /// Scale of classifier-free guidance, 0 or more (diffusers' `guidance_scale`; the authors use
    /// 3). 1: the prompt without guidance; 0: the prompt has no influence.
    pub guidance: f64,
    /// Number format of the UNet's computations; the autoencoder always computes in single
    /// precision.
    pub precision: Precision,
    /// Strength of the pass that paints the centre, more than 0 and at most 1: the share of the
    /// steps that are taken, from the source with that much noise. At 1 it starts from noise alone.
    pub inpaint_strength: f64,
    /// Strength of the pass that paints the surroundings, as `inpaint_strength`.
    pub outpaint_strength: f64,
    /// Source images that one shard (one task) covers, 1 or more.
    pub sources_per_shard: usize,
    /// Synthetic images of each source image in one shard, 1 or more. Doses of up to this many
    /// share a shard.
    pub generations_per_shard: usize,
}
