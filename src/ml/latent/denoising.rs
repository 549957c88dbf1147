//! The loss of a denoising UNet: noisy latents at random timesteps.

use candle_core::{Device, Result, Tensor};
use rand::Rng;

use super::schedule::Schedule;
use super::train::normal;
use super::unet::UNet2DConditionModel;
use crate::ml::tape::Tape;
use crate::ml::training::{Gradients, backward, value};
use crate::seed::Seed;

/// The denoising loss: mean squared error at random timesteps, stratified over the images.
pub struct Denoising<'a> {
    /// The noise schedule.
    pub schedule: &'a Schedule,
    /// Weighs each item's error by min(SNR, gamma) / (SNR + 1) for v, min(SNR, gamma) / SNR for the
    /// noise, so that no range of noise outweighs the others (Hang et al. 2023, section 3.4). None:
    /// all alike.
    pub snr_gamma: Option<f64>,
    /// Whether [`Denoising::gradients`] computes the UNet's layers twice rather than keep what they
    /// computed.
    pub gradient_checkpointing: bool,
}

/// The input of a loss.
pub struct Batch {
    /// Scaled latents [B, h, w, C].
    pub clean: Tensor,
    /// Appended to them once they are noisy, see [`super::sample::inpainting_condition`].
    pub condition: Option<Tensor>,
    /// [B, tokens, width].
    pub context: Tensor,
}

impl Denoising<'_> {
    /// The loss of `unet` on a batch. All draws come from `stream`.
    pub fn loss(
        &self,
        unet: &UNet2DConditionModel,
        batch: &Batch,
        stream: &Seed,
    ) -> Result<Tensor> {
        self.loss_on(None, unet, batch, stream)
    }

    /// [`Self::loss`] times `weight`, with its gradients.
    pub fn gradients(
        &self,
        unet: &UNet2DConditionModel,
        batch: &Batch,
        weight: f64,
        stream: &Seed,
    ) -> Result<Gradients> {
        let tape = self.gradient_checkpointing.then(Tape::default);
        let loss = (self.loss_on(tape.as_ref(), unet, batch, stream)? * weight)?;
        match tape {
            Some(tape) => Ok((value(&loss)?, tape.backward(&loss)?)),
            None => backward(&loss),
        }
    }

    fn loss_on<'m>(
        &self,
        tape: Option<&Tape<'m>>,
        unet: &'m UNet2DConditionModel,
        batch: &Batch,
        stream: &Seed,
    ) -> Result<Tensor> {
        let Batch { clean, condition, context } = batch;
        let count = clean.dim(0)?;
        let noise = normal(&stream.child("noise"), clean.shape().dims())?;
        let timesteps = self.timesteps(count, &stream.child("timestep"));
        let noisy = self.schedule.add_noise(clean, &noise, &timesteps)?;
        let input = match condition {
            None => noisy,
            Some(condition) => Tensor::cat(&[&noisy, condition], 3)?,
        };
        let asked = timesteps.iter().map(|&timestep| timestep as f32).collect::<Vec<_>>();
        let answer =
            unet.forward_on(tape, &input, &Tensor::from_vec(asked, count, &Device::Cpu)?, context)?;
        let target = self.schedule.target(clean, &noise, &timesteps)?;
        let error = (answer - target)?.sqr()?.flatten_from(1)?.mean(1)?;
        match self.snr_gamma {
            None => error.mean_all(),
            Some(gamma) => {
                let weights = timesteps
                    .iter()
                    .map(|&timestep| self.schedule.min_snr_weight(timestep, gamma) as f32);
                (error * Tensor::from_iter(weights, &Device::Cpu)?)?.mean_all()
            }
        }
    }

    /// One timestep in each of `count` equal stretches, which evens out the loss from step to step.
    fn timesteps(&self, count: usize, stream: &Seed) -> Vec<usize> {
        let mut rng = stream.rng();
        let stretch = self.schedule.timesteps() as f64 / count as f64;
        (0..count).map(|item| ((item as f64 + rng.random::<f64>()) * stretch) as usize).collect()
    }
}

/// Which of `count` prompts are replaced by the empty one, a share of `dropout` on average.
pub fn dropped(count: usize, dropout: f64, stream: &Seed) -> Vec<bool> {
    let mut rng = stream.rng();
    (0..count).map(|_| rng.random_bool(dropout)).collect()
}
