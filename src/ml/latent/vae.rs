//! diffusers' `AutoencoderKL`: images to and from a smaller grid of latents.

use candle_core::{Device, Result, Tensor};
use candle_nn::var_builder::VarBuilder;

pub use super::config::{ActFn, ConfigError};
use super::layers::Linear;
use super::vae_blocks::{Decoder, Encoder};
pub use super::vae_config::{Config, DownBlock, UpBlock};

/// The normal distribution, independent in each entry, of an image's latents.
pub struct Moments {
    /// `[B,h,w,latent_channels]`.
    pub mean: Tensor,
    /// Natural logarithm of the variance, within -30 to 20, shaped as `mean`.
    pub logvar: Tensor,
}

impl Moments {
    /// `mean + exp(logvar / 2) noise`, `noise` being standard normal and shaped as `mean`.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        &self.mean + ((&self.logvar * 0.5)?.exp()? * noise)?
    }

    /// The most probable latents.
    pub fn mode(&self) -> &Tensor {
        &self.mean
    }

    /// Kullback-Leibler divergence from the standard normal distribution, in nats, summed over an
    /// image's latents: `[B]`.
    pub fn kl(&self) -> Result<Tensor> {
        let each = ((self.mean.sqr()? + self.logvar.exp()?)? - (&self.logvar + 1.0)?)?;
        each.flatten_from(1)?.sum(1)? * 0.5
    }
}

/// The autoencoder. Images are `[B,H,W,in_channels]` in [-1, 1] with H and W multiples of
/// [`Config::downsampling`].
pub struct AutoencoderKl {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Linear,
    post_quant_conv: Linear,
    config: Config,
    device: Device,
}

impl AutoencoderKl {
    /// Takes diffusers' tensors from `vb`, on whose device it computes; an error where widths,
    /// groups and levels don't fit each other.
    ///
    /// # Errors
    /// If `vb` lacks a tensor, or the numbers of `config` contradict each other.
    pub fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        config.validate()?;
        let (moments, latents) = (2 * config.latent_channels, config.latent_channels);
        Ok(Self {
            encoder: Encoder::new(config, vb.pp("encoder"))?,
            decoder: Decoder::new(config, vb.pp("decoder"))?,
            quant_conv: Linear::pointwise(moments, moments, vb.pp("quant_conv"))?,
            post_quant_conv: Linear::pointwise(latents, latents, vb.pp("post_quant_conv"))?,
            config: config.clone(),
            device: vb.device().clone(),
        })
    }

    /// The configuration of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The distribution of the latents of `x [B,H,W,in_channels]`, on the device of `x`.
    pub fn encode(&self, x: &Tensor) -> Result<Moments> {
        let (_, height, width, _) = x.dims4()?;
        let step = self.config.downsampling();
        if height % step != 0 || width % step != 0 {
            candle_core::bail!(
                "autoencoder: an image of {height}x{width} pixels is not a multiple of {step}"
            );
        }
        let moments = self
            .quant_conv
            .forward(&self.encoder.forward(&x.to_device(&self.device)?)?)?
            .to_device(x.device())?;
        let latents = self.config.latent_channels;
        let mean = moments.narrow(3, 0, latents)?.contiguous()?;
        let logvar = moments.narrow(3, latents, latents)?.contiguous()?.clamp(-30.0, 20.0)?;
        Ok(Moments { mean, logvar })
    }

    /// The image of `z [B,h,w,latent_channels]`, not clamped, on the device of `z`.
    pub fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder
            .forward(&self.post_quant_conv.forward(&z.to_device(&self.device)?)?)?
            .to_device(z.device())
    }
}

/// The present name of a tensor that diffusers before 0.15 wrote as `query`, `key`, `value` or
/// `proj_attn`, for [`crate::ml::params::StateDict::renamed`]; any other name as it is.
pub fn current_name(name: &str) -> String {
    let formers = [
        (".query.", ".to_q."),
        (".key.", ".to_k."),
        (".value.", ".to_v."),
        (".proj_attn.", ".to_out.0."),
    ];
    formers.iter().fold(name.to_owned(), |name, (former, present)| name.replace(former, present))
}
