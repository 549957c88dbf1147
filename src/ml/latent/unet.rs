//! diffusers' `UNet2DConditionModel`: predicts noise (or velocity) from noisy latents, time and
//! context.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::var_builder::VarBuilder;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use super::config::{ActFn, ConfigError, PerLevel};
use super::layers::{Conv2d, GroupNorm, Linear};
use super::resnet::ResnetStyle;
use super::transformer::TransformerStyle;
use super::unet_blocks::{Conditions, DownLevel, DownShape, MidLevel, UpLevel, UpShape};
use crate::ml::ops;
use crate::ml::params::{Params, ParamsError, StateDict};
use crate::ml::tape::{Tape, segment};

const CLASS: &str = "UNet2DConditionModel";
const EPS: f64 = 1e-5;

/// A level on the way down: with transformers, or of residual blocks only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DownBlock {
    /// Residual blocks, each followed by a transformer that attends to the prompt.
    CrossAttnDownBlock2D,
    /// Residual blocks.
    DownBlock2D,
}

/// A level on the way up: with transformers, or of residual blocks only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpBlock {
    /// Residual blocks, each followed by a transformer that attends to the prompt.
    CrossAttnUpBlock2D,
    /// Residual blocks.
    UpBlock2D,
}

/// The keys of diffusers' `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Height and width, in latents, that the model is made for; 0 where it does not say.
    #[serde(
        default,
        deserialize_with = "super::config::side",
        skip_serializing_if = "super::config::is_unsaid"
    )]
    pub sample_size: usize,
    /// Channels of the input: the latents', of inpainting models the mask and masked latents as
    /// well.
    pub in_channels: usize,
    /// Channels of the prediction: the latents'.
    pub out_channels: usize,
    /// The levels on the way down, finest first.
    pub down_block_types: Vec<DownBlock>,
    /// The levels on the way up, coarsest first.
    pub up_block_types: Vec<UpBlock>,
    /// Width of each level, from the input inwards; each level but the last halves height and
    /// width.
    pub block_out_channels: Vec<usize>,
    /// Layers a level on the way down; there is one more on the way up.
    pub layers_per_block: usize,
    /// The activation of residual blocks.
    pub act_fn: ActFn,
    /// Groups of the group normalisations.
    pub norm_num_groups: usize,
    /// Width of the prompt's embeddings.
    pub cross_attention_dim: usize,
    /// The *number of heads*, whatever its name: diffusers keeps the name for the sake of its first
    /// configurations.
    #[serde(default = "eight")]
    pub attention_head_dim: PerLevel,
    /// Whether transformers project by linear layers instead of 1x1 convolutions.
    #[serde(default)]
    pub use_linear_projection: bool,
    /// Attention blocks in each transformer.
    #[serde(default = "one_each")]
    pub transformer_layers_per_block: PerLevel,
    /// Whether the cosines of the time embedding come before the sines.
    #[serde(default = "yes")]
    pub flip_sin_to_cos: bool,
    /// Shift of the timestep embedding's frequencies.
    #[serde(default)]
    pub freq_shift: f64,
}

/// diffusers' `attention_head_dim` where a configuration doesn't say.
fn eight() -> PerLevel {
    PerLevel::All(8)
}

fn one_each() -> PerLevel {
    PerLevel::All(1)
}

fn yes() -> bool {
    true
}

impl Config {
    /// Reads diffusers' `config.json`; a key that asks for something not implemented here is an
    /// error.
    ///
    /// # Errors
    /// If it is not the configuration of such a UNet.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let always_here = [
            ("downsample_padding", json!(1)),
            ("mid_block_scale_factor", json!(1)),
            ("mid_block_type", json!("UNetMidBlock2DCrossAttn")),
            ("norm_eps", json!(EPS)),
            ("dropout", json!(0.0)),
            ("resnet_time_scale_shift", json!("default")),
            ("resnet_out_scale_factor", json!(1.0)),
            ("time_embedding_type", json!("positional")),
            ("conv_in_kernel", json!(3)),
            ("conv_out_kernel", json!(3)),
            ("attention_type", json!("default")),
            ("addition_embed_type_num_heads", json!(64)),
            // Attention is computed in single precision or better.
            ("upcast_attention", json!(true)),
            ("upcast_attention", json!(false)),
            ("upcast_attention", json!(null)),
        ];
        let config: Self = super::config::read(json, CLASS, &always_here)?;
        config.validate()?;
        Ok(config)
    }

    /// diffusers' `config.json`, class name included.
    pub fn to_json(&self) -> String {
        super::config::write(self, CLASS)
    }

    fn validate(&self) -> std::result::Result<(), ConfigError> {
        let levels = self.block_out_channels.len();
        let (down, up) = (self.down_block_types.len(), self.up_block_types.len());
        if levels == 0 || down != levels || up != levels {
            return Err(ConfigError::Inconsistent(format!(
                "{levels} block_out_channels for {down} down and {up} up blocks"
            )));
        }
        if !self.block_out_channels[0].is_multiple_of(2) || self.block_out_channels[0] < 4 {
            return Err(ConfigError::Inconsistent(
                "the first of block_out_channels is not an even number from 4 on".into(),
            ));
        }
        Ok(())
    }

    /// Heads and depth of each level's transformers.
    fn transformers(&self) -> std::result::Result<Vec<TransformerStyle>, ConfigError> {
        let levels = self.block_out_channels.len();
        let heads = self.attention_head_dim.resolve("attention_head_dim", levels)?;
        let depths =
            self.transformer_layers_per_block.resolve("transformer_layers_per_block", levels)?;
        let style = |(heads, depth)| TransformerStyle {
            heads,
            depth,
            context_channels: self.cross_attention_dim,
            groups: self.norm_num_groups,
            linear_projection: self.use_linear_projection,
        };
        Ok(heads.into_iter().zip(depths).map(style).collect())
    }
}

/// The UNet, with the architecture that [`Config`] describes.
pub struct UNet2DConditionModel {
    conv_in: Conv2d,
    time: TimeEmbedding,
    down: Vec<DownLevel>,
    mid: MidLevel,
    up: Vec<UpLevel>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    config: Config,
    device: Device,
    dtype: DType,
}

impl UNet2DConditionModel {
    /// Takes diffusers' tensors from `vb`, on whose device and in whose dtype it computes; an error
    /// where widths, groups, heads and levels don't fit each other.
    ///
    /// # Errors
    /// If `vb` lacks a tensor, or the numbers of `config` contradict each other.
    pub fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        config.validate()?;
        let widths = &config.block_out_channels;
        let (first, last) = (widths[0], widths.len() - 1);
        let style = ResnetStyle {
            groups: config.norm_num_groups,
            eps: EPS,
            time_channels: Some(4 * first),
        };
        let transformers = config.transformers()?;
        let down = |level: usize| {
            let attends = config.down_block_types[level] == DownBlock::CrossAttnDownBlock2D;
            let (from, to) = (widths[level.saturating_sub(1)], widths[level]);
            let shape =
                DownShape { from, to, layers: config.layers_per_block, halve: level < last };
            DownLevel::new(
                shape,
                style,
                attends.then(|| transformers[level]),
                vb.pp("down_blocks").pp(level),
            )
        };
        let up = |i: usize| {
            let level = last - i;
            let attends = config.up_block_types[i] == UpBlock::CrossAttnUpBlock2D;
            let to = widths[level];
            let mut skips = vec![to; config.layers_per_block];
            skips.push(widths[level.saturating_sub(1)]);
            let shape = UpShape {
                from: widths[(level + 1).min(last)],
                to,
                skips: &skips,
                double: level > 0,
            };
            UpLevel::new(
                shape,
                style,
                attends.then(|| transformers[level]),
                vb.pp("up_blocks").pp(i),
            )
        };
        Ok(Self {
            conv_in: Conv2d::same(config.in_channels, first, vb.pp("conv_in"))?,
            time: TimeEmbedding::new(config, vb.pp("time_embedding"))?,
            down: (0..=last).map(down).collect::<Result<_>>()?,
            mid: MidLevel::new(widths[last], style, transformers[last], vb.pp("mid_block"))?,
            up: (0..=last).map(up).collect::<Result<_>>()?,
            norm_out: GroupNorm::new(config.norm_num_groups, first, EPS, vb.pp("conv_norm_out"))?,
            conv_out: Conv2d::same(first, config.out_channels, vb.pp("conv_out"))?,
            config: config.clone(),
            device: vb.device().clone(),
            dtype: vb.dtype(),
        })
    }

    /// The configuration of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device that the model computes on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The prediction `[B,h,w,out_channels]` for `x [B,h,w,in_channels]` at `timesteps [B]` (0 to
    /// the number of training steps, one an item) in `context [B,M,cross_attention_dim]`, on the
    /// device and in the dtype of `x`. h and w are multiples of 2 to the number of levels less one.
    pub fn forward(&self, x: &Tensor, timesteps: &Tensor, context: &Tensor) -> Result<Tensor> {
        self.forward_on(None, x, timesteps, context)
    }

    /// [`Self::forward`], each layer a segment of the tape if there is one. `context` may have a
    /// graph only without a tape.
    pub fn forward_on<'m>(
        &'m self,
        tape: Option<&Tape<'m>>,
        x: &Tensor,
        timesteps: &Tensor,
        context: &Tensor,
    ) -> Result<Tensor> {
        let (_, height, width, _) = x.dims4()?;
        let step = 1 << (self.down.len() - 1);
        if height % step != 0 || width % step != 0 {
            candle_core::bail!("unet: {height}x{width} latents are not a multiple of {step}");
        }
        let own = |tensor: &Tensor| tensor.to_device(&self.device)?.to_dtype(self.dtype);
        let (asked, timesteps, context) = (x, timesteps.to_device(&self.device)?, own(context)?);
        let time = segment(tape, move || self.time.forward(&timesteps, self.dtype))?;
        let conditions = Conditions { time: &time, context: &context, tape };
        let mut x = {
            let x = own(asked)?;
            segment(tape, move || self.conv_in.forward(&x))?
        };
        let mut skips = vec![x.clone()];
        for level in &self.down {
            x = level.forward(&mut skips, x, conditions)?;
        }
        x = self.mid.forward(&x, conditions)?;
        for level in &self.up {
            x = level.forward(&mut skips, x, conditions)?;
        }
        let answer = self.conv_out.forward(&self.norm_out.forward_silu(&x)?)?;
        answer.to_dtype(asked.dtype())?.to_device(asked.device())
    }
}

/// Sinusoids of the time through two linear maps (diffusers' models/embeddings.py, `Timesteps` and
/// `TimestepEmbedding`).
struct TimeEmbedding {
    /// `[1, block_out_channels[0] / 2]`.
    frequencies: Tensor,
    cosines_first: bool,
    linear_1: Linear,
    linear_2: Linear,
}

impl TimeEmbedding {
    fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        let channels = config.block_out_channels[0];
        let half = channels / 2;
        let frequency =
            |i: usize| (-(10_000f64.ln()) * i as f64 / (half as f64 - config.freq_shift)).exp();
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        Ok(Self {
            frequencies: Tensor::from_vec(frequencies, (1, half), vb.device())?
                .to_dtype(DType::F32)?,
            cosines_first: config.flip_sin_to_cos,
            linear_1: Linear::new(channels, 4 * channels, vb.pp("linear_1"))?,
            linear_2: Linear::new(4 * channels, 4 * channels, vb.pp("linear_2"))?,
        })
    }

    /// `timesteps [B]` to the embedding after SiLU, `[B, 4 block_out_channels[0]]`, in `dtype`.
    fn forward(&self, timesteps: &Tensor, dtype: DType) -> Result<Tensor> {
        let angles =
            timesteps.to_dtype(DType::F32)?.unsqueeze(1)?.broadcast_mul(&self.frequencies)?;
        let (sin, cos) = (angles.sin()?, angles.cos()?);
        let waves = if self.cosines_first {
            Tensor::cat(&[cos, sin], D::Minus1)?
        } else {
            Tensor::cat(&[sin, cos], D::Minus1)?
        };
        let hidden = ops::silu(&self.linear_1.forward(&waves.to_dtype(dtype)?)?)?;
        ops::silu(&self.linear_2.forward(&hidden)?)
    }
}

/// The weights of a UNet with `in_channels` inputs that gives what `base` gives while the further
/// inputs, which come after `base`'s, have no effect yet: their weights in `conv_in` are zero.
/// Stable Diffusion's inpainting models started so, from 4 to 4 noisy latents + 1 mask + 4 latents
/// of the masked image.
///
/// # Errors
/// If `base` has no first convolution, or candle fails.
pub fn inpainting_from(
    base: &Params,
    in_channels: usize,
) -> std::result::Result<StateDict, ParamsError> {
    const NAME: &str = "conv_in.weight";
    let mut widened = base.state_dict()?;
    let missing =
        || candle_core::Error::Msg(format!("{NAME} is missing: the base is not a UNet")).bt();
    let weight = widened.get(NAME).ok_or_else(missing)?.clone();
    let (to, from, height, width) = weight.dims4()?;
    let Some(further) = in_channels.checked_sub(from) else {
        return Err(candle_core::Error::Msg(format!(
            "a UNet of {from} input channels cannot be narrowed to {in_channels}"
        ))
        .bt()
        .into());
    };
    if further > 0 {
        let zeros = Tensor::zeros((to, further, height, width), weight.dtype(), weight.device())?;
        widened.insert(NAME, Tensor::cat(&[&weight, &zeros], 1)?);
    }
    Ok(widened)
}
