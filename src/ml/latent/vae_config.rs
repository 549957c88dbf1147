//! diffusers' `config.json` of an `AutoencoderKL`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config::{ActFn, ConfigError};

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
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
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

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
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
