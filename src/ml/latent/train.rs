//! Pretraining and fine-tuning of latent diffusion models.

use candle_core::{DType, Device, Error, Result, Tensor};
use rand::Rng;

use super::mask::Mask;
use super::sample::{encode, inpainting_condition};
use super::schedule::Schedule;
use super::unet::UNet2DConditionModel;
use super::vae::{self, AutoencoderKl};
use crate::ml::optim::{self, AdamW, AdamWConfig, Ema};
use crate::ml::params::Params;
use crate::ml::pixels::Pixels;
use crate::ml::training::{Batches, PARTS, Watch, finite, in_parts};
use crate::seed::Seed;

/// How long and how hard a model is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub steps: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    pub schedule: optim::Schedule,
    /// Decay of the moving average that replaces the weights at the end, if any.
    pub ema: Option<f64>,
}

/// One part of a step's batch.
pub struct Part<'a> {
    /// Positions of its images.
    pub indices: &'a [usize],
    /// All that it draws comes from here.
    pub stream: Seed,
}

/// Runs `budget.steps` steps of AdamW on `params` over batches of `count` images; `loss` builds the loss of one part of a batch.
pub fn optimise(
    params: &Params,
    budget: &Budget,
    count: usize,
    seed: &Seed,
    loss: impl Fn(Part<'_>) -> Result<Tensor> + Sync,
    watch: Watch<'_>,
) -> Result<()> {
    if !budget.batch.is_multiple_of(PARTS) {
        candle_core::bail!("a batch of {} cannot be cut into {PARTS} parts", budget.batch)
    }
    let mut batches = Batches::new(count, budget.batch, seed.child("order"));
    let vars = params.trainable();
    let config = AdamWConfig { weight_decay: budget.weight_decay, ..AdamWConfig::DIFFUSERS };
    let mut optimiser = AdamW::new(vars.clone(), config).map_err(Error::wrap)?;
    let mut average = budget.ema.map(|decay| Ema::new(vars.clone(), decay)).transpose().map_err(Error::wrap)?;
    for step in 0..budget.steps {
        let indices = batches.at(step);
        let stream = seed.child("step").nth(step as u64);
        let part = |part: usize| {
            let indices = &indices[part * budget.batch / PARTS..(part + 1) * budget.batch / PARTS];
            loss(Part { indices, stream: stream.nth(part as u64) })
        };
        let (value, gradients) = in_parts(&vars, part)?;
        finite(value, step)?;
        let rate = budget.learning_rate * budget.schedule.factor(step as u64, budget.steps as u64);
        optimiser.step(&gradients, rate, Some(budget.clip)).map_err(Error::wrap)?;
        if let Some(average) = &mut average {
            average.update().map_err(Error::wrap)?;
        }
        watch(step + 1, budget.steps, value);
    }
    if let Some(average) = average {
        average.assign().map_err(Error::wrap)?;
    }
    Ok(())
}

/// Weights of the autoencoder's loss terms beside the L1 reconstruction error.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoencoderLoss {
    /// Of the Kullback-Leibler divergence from the standard normal, a mean over latent values.
    pub kl: f64,
    /// Of the L1 error of differences between neighbouring pixels, which keeps edges and texture.
    pub gradient: f64,
}

/// Trains an autoencoder on `images`; returns the model whose latents it has scaled to unit variance.
pub fn train_autoencoder(
    config: &vae::Config,
    params: &Params,
    budget: &Budget,
    weights: &AutoencoderLoss,
    images: &Pixels,
    seed: &Seed,
    watch: Watch<'_>,
) -> Result<vae::Config> {
    let model = params.build(|vb| AutoencoderKl::new(config, vb))?;
    let loss = |part: Part| {
        let pixels = images.signed_batch(part.indices)?;
        let moments = model.encode(&pixels)?;
        let noise = normal(&part.stream.child("posterior"), moments.mean.shape().dims())?;
        let restored = model.decode(&moments.sample(&noise)?)?;
        let mut loss = (&restored - &pixels)?.abs()?.mean_all()?;
        for axis in [1, 2] {
            let slope = |image: &Tensor| -> Result<Tensor> {
                let length = image.dim(axis)? - 1;
                image.narrow(axis, 1, length)? - image.narrow(axis, 0, length)?
            };
            let error = (slope(&restored)? - slope(&pixels)?)?.abs()?.mean_all()?;
            loss = (loss + (error * weights.gradient)?)?;
        }
        let latents = moments.mean.elem_count() / moments.mean.dim(0)?;
        loss + (moments.kl()?.mean_all()? * (weights.kl / latents as f64))?
    };
    optimise(params, budget, images.count(), seed, loss, watch)?;
    let frozen = Params::frozen_from(params.state_dict()?, DType::F32, &Device::Cpu);
    let model = frozen.build(|vb| AutoencoderKl::new(config, vb))?;
    Ok(vae::Config { scaling_factor: 1.0 / latent_deviation(&model, images, seed)?, ..config.clone() })
}

/// Standard deviation of sampled latents over at most 1,024 images.
fn latent_deviation(model: &AutoencoderKl, images: &Pixels, seed: &Seed) -> Result<f64> {
    let count = images.count().min(1024);
    let mut squares = Vec::new();
    let mut means = Vec::new();
    for (index, chunk) in (0..count).collect::<Vec<_>>().chunks(64).enumerate() {
        let moments = model.encode(&images.signed_batch(chunk)?)?;
        let noise = normal(&seed.child("deviation").nth(index as u64), moments.mean.shape().dims())?;
        let latents = moments.sample(&noise)?;
        squares.push(f64::from(latents.sqr()?.mean_all()?.to_scalar::<f32>()?) * chunk.len() as f64);
        means.push(f64::from(latents.mean_all()?.to_scalar::<f32>()?) * chunk.len() as f64);
    }
    let mean = means.iter().sum::<f64>() / count as f64;
    Ok((squares.iter().sum::<f64>() / count as f64 - mean * mean).sqrt())
}

/// Standard normal values of a shape, from one stream.
pub fn normal(seed: &Seed, shape: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(seed.normals(shape.iter().product()), shape, &Device::Cpu)
}

/// Which inputs the UNet takes beside the noisy latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditioning {
    TextToImage,
    /// A random mask and the latents of the masked image.
    Inpainting,
}

/// The denoising loss: mean squared error at random timesteps, stratified over the images.
pub struct Denoising<'a> {
    pub vae: &'a AutoencoderKl,
    pub schedule: &'a Schedule,
    pub conditioning: Conditioning,
}

impl Denoising<'_> {
    /// The loss of `unet` on `pixels` [B, H, W, 3] in [-1, 1] under `context` [B, tokens, width]; all draws come from `stream`.
    pub fn loss(&self, unet: &UNet2DConditionModel, pixels: &Tensor, context: &Tensor, stream: &Seed) -> Result<Tensor> {
        let clean = encode(self.vae, pixels)?;
        let (count, side, ..) = clean.dims4()?;
        let noise = normal(&stream.child("noise"), clean.shape().dims())?;
        let timesteps = self.timesteps(count, &stream.child("timestep"));
        let noisy = self.schedule.add_noise(&clean, &noise, &timesteps)?;
        let input = match self.conditioning {
            Conditioning::TextToImage => noisy,
            Conditioning::Inpainting => {
                let size = pixels.dim(1)?;
                let masks = stream.child("mask");
                let masks = (0..count).map(|item| Mask::random(size, &masks.nth(item as u64))).collect::<Vec<_>>();
                Tensor::cat(&[&noisy, &inpainting_condition(self.vae, pixels, &masks, side)?], 3)?
            }
        };
        let asked = timesteps.iter().map(|&timestep| timestep as f32).collect::<Vec<_>>();
        let answer = unet.forward(&input, &Tensor::from_vec(asked, count, &Device::Cpu)?, context)?;
        let target = self.schedule.target(&clean, &noise, &timesteps)?;
        (answer - target)?.sqr()?.mean_all()
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
