//! diffusers' `AutoencoderKL`: images to and from a smaller grid of latents.

use candle_core::{Device, Result, Tensor};
use candle_nn::var_builder::VarBuilder;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use super::config::{ActFn, ConfigError};
use super::layers::Linear;
use super::vae_blocks::{Decoder, Encoder};

const CLASS: &str = "AutoencoderKL";

/// A level of the encoder; there is one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DownBlock {
    /// Residual blocks, then a halving of the side.
    DownEncoderBlock2D,
}

/// A level of the decoder; there is one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpBlock {
    /// Residual blocks, then a doubling of the side.
    UpDecoderBlock2D,
}

/// The keys of diffusers' `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Channels of images.
    pub in_channels: usize,
    /// Channels of reconstructions.
    pub out_channels: usize,
    /// The encoder's levels, finest first.
    pub down_block_types: Vec<DownBlock>,
    /// The decoder's levels, coarsest first.
    pub up_block_types: Vec<UpBlock>,
    /// Width of each level, from the image inwards; each level but the last halves height and
    /// width.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks a level in the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// The activation of residual blocks.
    pub act_fn: ActFn,
    /// Channels of latents.
    pub latent_channels: usize,
    /// Groups of the group normalisations.
    pub norm_num_groups: usize,
    /// Height and width, in pixels, of the images that the model is made for; 0 where it does not
    /// say.
    #[serde(
        default,
        deserialize_with = "super::config::side",
        skip_serializing_if = "super::config::is_unsaid"
    )]
    pub sample_size: usize,
    /// Factor that gives latents unit variance. The caller multiplies by it before the UNet sees
    /// them.
    #[serde(default = "stable_diffusion_scaling")]
    pub scaling_factor: f64,
    /// Whether the middle block has self-attention.
    #[serde(default = "yes")]
    pub mid_block_add_attention: bool,
}

fn stable_diffusion_scaling() -> f64 {
    0.18215
}

fn yes() -> bool {
    true
}

impl Config {
    /// Reads diffusers' `config.json`; a key that asks for something not implemented here is an
    /// error.
    ///
    /// # Errors
    /// If it is not the configuration of such an autoencoder.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let always_here = [
            ("use_quant_conv", json!(true)),
            ("use_post_quant_conv", json!(true)),
            // The autoencoder computes in single precision.
            ("force_upcast", json!(true)),
            ("force_upcast", json!(false)),
            ("force_upcast", json!(null)),
        ];
        let config: Self = super::config::read(json, CLASS, &always_here)?;
        config.validate()?;
        Ok(config)
    }

    /// diffusers' `config.json`, class name included.
    pub fn to_json(&self) -> String {
        super::config::write(self, CLASS)
    }

    /// Pixels a latent, in height and in width.
    pub fn downsampling(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    fn validate(&self) -> std::result::Result<(), ConfigError> {
        for (key, channels) in
            [("in_channels", self.in_channels), ("out_channels", self.out_channels)]
        {
            if channels != 3 {
                return Err(ConfigError::Unsupported {
                    key: key.to_owned(),
                    value: channels.into(),
                    hint: ": images have three channels",
                });
            }
        }
        let levels = self.block_out_channels.len();
        if levels == 0
            || self.down_block_types.len() != levels
            || self.up_block_types.len() != levels
        {
            let (down, up) = (self.down_block_types.len(), self.up_block_types.len());
            return Err(ConfigError::Inconsistent(format!(
                "{levels} block_out_channels for {down} down and {up} up blocks"
            )));
        }
        Ok(())
    }
}

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
