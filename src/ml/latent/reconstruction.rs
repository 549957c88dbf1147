//! Training of the autoencoder: what counts as a good reconstruction.

use candle_core::{DType, Device, Result, Tensor};

use super::train::{Budget, Part, normal, optimise};
use super::vae::{self, AutoencoderKl};
use crate::ml::classify::efficientnet::EfficientNet;
use crate::ml::params::Params;
use crate::ml::pixels::Pixels;
use crate::ml::training::{Session, backward};
use crate::seed::Seed;

/// Weights of the autoencoder's loss terms beside the L1 reconstruction error.
#[derive(Clone, Debug)]
pub struct AutoencoderLoss<'a> {
    /// Of the Kullback-Leibler divergence from the standard normal, a mean over latent values.
    pub kl: f64,
    /// Of the L1 error of differences between neighbouring pixels, which keeps edges and texture.
    pub gradient: f64,
    /// Of the L1 error of colour: each pixel less the mean of its channels.
    pub chroma: f64,
    /// Of the distance between a classifier's features, see [`perceptual_distance`].
    pub perceptual: f64,
    /// The classifier whose features those are; its weights are not trained.
    pub judge: &'a EfficientNet,
}

impl AutoencoderLoss<'_> {
    /// The loss of `restored` for `pixels`, both [B, H, W, 3] in [-1, 1], without the divergence.
    pub(super) fn reconstruction(&self, restored: &Tensor, pixels: &Tensor) -> Result<Tensor> {
        let error = (restored - pixels)?;
        let size = |error: &Tensor| error.abs()?.mean_all();
        let mut loss = size(&error)?;
        for axis in [1, 2] {
            let length = error.dim(axis)? - 1;
            let slope = (error.narrow(axis, 1, length)? - error.narrow(axis, 0, length)?)?;
            loss = (loss + (size(&slope)? * self.gradient)?)?;
        }
        if self.chroma > 0.0 {
            let colour = error.broadcast_sub(&error.mean_keepdim(3)?)?;
            loss = (loss + (size(&colour)? * self.chroma)?)?;
        }
        if self.perceptual > 0.0 {
            loss =
                (loss + (perceptual_distance(self.judge, restored, pixels)? * self.perceptual)?)?;
        }
        Ok(loss)
    }
}

/// The mean over a classifier's levels of the squared distance between the directions of two
/// images' features, averaged over positions: LPIPS (Zhang et al. 2018, equation 1) with all
/// channels weighted alike. Images are [B, H, W, 3] in [-1, 1].
pub fn perceptual_distance(judge: &EfficientNet, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let levels = |image: &Tensor| judge.levels(&image.affine(0.5, 0.5)?);
    let (a, b) = (levels(a)?, levels(b)?);
    let mut sum = Tensor::zeros((), DType::F32, &Device::Cpu)?.to_dtype(a[0].dtype())?;
    for (a, b) in a.iter().zip(&b) {
        let direction = |level: &Tensor| {
            let length = (level.sqr()?.sum_keepdim(3)? + 1e-6)?.sqrt()?;
            level.broadcast_div(&length)
        };
        sum = (sum + (direction(a)? - direction(b)?)?.sqr()?.sum(3)?.mean_all()?)?;
    }
    sum * (1.0 / a.len() as f64)
}

/// Trains an autoencoder on `images`; returns its configuration, which scales its latents to unit
/// variance, and the loss of every step.
///
/// # Errors
/// If a loss is not finite, or `session` ends the training.
pub fn train_autoencoder(
    config: &vae::Config,
    params: &Params,
    budget: &Budget,
    weights: &AutoencoderLoss<'_>,
    images: &Pixels,
    seed: &Seed,
    session: Session<'_>,
) -> Result<(vae::Config, Vec<f64>)> {
    let model = params.build(|vb| AutoencoderKl::new(config, vb))?;
    narrow_posterior(params, config.latent_channels)?;
    let loss = |part: Part| {
        let pixels = images.signed_batch(part.indices)?;
        let moments = model.encode(&pixels)?;
        let noise = normal(&part.stream.child("posterior"), moments.mean.shape().dims())?;
        let restored = model.decode(&moments.sample(&noise)?)?;
        let loss = weights.reconstruction(&restored, &pixels)?;
        let latents = moments.mean.elem_count() / moments.mean.dim(0)?;
        backward(&(loss + (moments.kl()?.mean_all()? * (weights.kl / latents as f64))?)?)
    };
    let losses = optimise(params, budget, images.count(), seed, loss, session)?;
    let frozen = Params::frozen_from(params.state_dict()?, DType::F32, params.device());
    let model = frozen.build(|vb| AutoencoderKl::new(config, vb))?;
    let scaling_factor = 1.0 / latent_deviation(&model, images, seed)?;
    Ok((vae::Config { scaling_factor, ..config.clone() }, losses))
}

/// The logarithm of the variance with which a new autoencoder's posterior starts. From 0, where
/// plain initialisation leaves it, the noise drowns the latents, and the optimiser spends thousands
/// of steps on bringing it down while colours and shapes can't pass.
pub(super) const FIRST_LOGVAR: f32 = -6.0;

/// Moves the bias of the posterior's log-variances to [`FIRST_LOGVAR`].
pub(super) fn narrow_posterior(params: &Params, latents: usize) -> Result<()> {
    let variables = params.trainable();
    let (_, bias) = variables
        .iter()
        .find(|(name, _)| name == "quant_conv.bias")
        .expect("every AutoencoderKl has a quant_conv");
    let mean = bias.narrow(0, 0, latents)?;
    let logvar = Tensor::full(FIRST_LOGVAR, latents, bias.device())?.to_dtype(bias.dtype())?;
    bias.set(&Tensor::cat(&[mean, logvar], 0)?)
}

/// Standard deviation of sampled latents over at most 1,024 images.
fn latent_deviation(model: &AutoencoderKl, images: &Pixels, seed: &Seed) -> Result<f64> {
    let count = images.count().min(1024);
    let mut squares = Vec::new();
    let mut means = Vec::new();
    for (index, chunk) in (0..count).collect::<Vec<_>>().chunks(64).enumerate() {
        let moments = model.encode(&images.signed_batch(chunk)?)?;
        let noise =
            normal(&seed.child("deviation").nth(index as u64), moments.mean.shape().dims())?;
        let latents = moments.sample(&noise)?;
        squares
            .push(f64::from(latents.sqr()?.mean_all()?.to_scalar::<f32>()?) * chunk.len() as f64);
        means.push(f64::from(latents.mean_all()?.to_scalar::<f32>()?) * chunk.len() as f64);
    }
    let mean = means.iter().sum::<f64>() / count as f64;
    Ok((squares.iter().sum::<f64>() / count as f64 - mean * mean).sqrt())
}
