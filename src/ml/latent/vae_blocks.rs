//! The autoencoder's halves (diffusers' models/autoencoders/vae.py).

use candle_core::{Result, Tensor};
use candle_nn::var_builder::VarBuilder;

use super::layers::{Conv2d, GroupNorm, Linear};
use super::resnet::{Downsample, ResnetBlock, ResnetStyle, Upsample};
use super::vae_config::Config;
use crate::ml::ops::{self, Padding};

const EPS: f64 = 1e-6;

fn style(config: &Config) -> ResnetStyle {
    ResnetStyle { groups: config.norm_num_groups, eps: EPS, time_channels: None }
}

fn resnets(
    count: usize,
    from: usize,
    to: usize,
    style: ResnetStyle,
    vb: VarBuilder,
) -> Result<Vec<ResnetBlock>> {
    (0..count)
        .map(|i| {
            ResnetBlock::new(if i == 0 { from } else { to }, to, style, vb.pp("resnets").pp(i))
        })
        .collect()
}

/// Self-attention of one head over all pixels, plus the input.
struct MidAttention {
    norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl MidAttention {
    fn new(channels: usize, groups: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            norm: GroupNorm::new(groups, channels, EPS, vb.pp("group_norm"))?,
            to_q: Linear::new(channels, channels, vb.pp("to_q"))?,
            to_k: Linear::new(channels, channels, vb.pp("to_k"))?,
            to_v: Linear::new(channels, channels, vb.pp("to_v"))?,
            to_out: Linear::new(channels, channels, vb.pp("to_out").pp(0))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        let tokens = self.norm.forward(x)?.reshape((batch, height * width, channels))?;
        let (q, k, v) =
            (self.to_q.forward(&tokens)?, self.to_k.forward(&tokens)?, self.to_v.forward(&tokens)?);
        self.to_out.forward(&ops::attention(&q, &k, &v, 1, false)?)?.reshape(x.shape())? + x
    }
}

struct MidBlock {
    before: ResnetBlock,
    attention: Option<MidAttention>,
    after: ResnetBlock,
}

impl MidBlock {
    fn new(channels: usize, config: &Config, vb: VarBuilder) -> Result<Self> {
        let attention =
            || MidAttention::new(channels, config.norm_num_groups, vb.pp("attentions").pp(0));
        Ok(Self {
            before: ResnetBlock::new(channels, channels, style(config), vb.pp("resnets").pp(0))?,
            attention: config.mid_block_add_attention.then(attention).transpose()?,
            after: ResnetBlock::new(channels, channels, style(config), vb.pp("resnets").pp(1))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.before.forward(x, None)?;
        if let Some(attention) = &self.attention {
            x = attention.forward(&x)?;
        }
        self.after.forward(&x, None)
    }
}

/// Image to the moments of its latents.
pub struct Encoder {
    conv_in: Conv2d,
    levels: Vec<(Vec<ResnetBlock>, Option<Downsample>)>,
    mid: MidBlock,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    pub fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        let widths = &config.block_out_channels;
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        // diffusers' encoder pads only after the image, so that rows 2i to 2i + 2 make row i.
        let after = Padding { top: 0, left: 0, bottom: 1, right: 1 };
        let level = |i: usize| {
            let vb = vb.pp("down_blocks").pp(i);
            let blocks = resnets(
                config.layers_per_block,
                widths[i.saturating_sub(1)],
                widths[i],
                style(config),
                vb.clone(),
            )?;
            let down = (i + 1 < widths.len())
                .then(|| Downsample::new(widths[i], after, vb.pp("downsamplers").pp(0)));
            Ok((blocks, down.transpose()?))
        };
        Ok(Self {
            conv_in: Conv2d::same(config.in_channels, first, vb.pp("conv_in"))?,
            levels: (0..widths.len()).map(level).collect::<Result<_>>()?,
            mid: MidBlock::new(last, config, vb.pp("mid_block"))?,
            norm_out: GroupNorm::new(config.norm_num_groups, last, EPS, vb.pp("conv_norm_out"))?,
            conv_out: Conv2d::same(last, 2 * config.latent_channels, vb.pp("conv_out"))?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.conv_in.forward(x)?;
        for (resnets, down) in &self.levels {
            for resnet in resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(down) = down {
                x = down.forward(&x)?;
            }
        }
        self.conv_out.forward(&self.norm_out.forward_silu(&self.mid.forward(&x)?)?)
    }
}

/// Latents to the image.
pub struct Decoder {
    conv_in: Conv2d,
    mid: MidBlock,
    levels: Vec<(Vec<ResnetBlock>, Option<Upsample>)>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    pub fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        let widths: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let level = |i: usize| {
            let vb = vb.pp("up_blocks").pp(i);
            let blocks = resnets(
                config.layers_per_block + 1,
                widths[i.saturating_sub(1)],
                widths[i],
                style(config),
                vb.clone(),
            )?;
            let up =
                (i + 1 < widths.len()).then(|| Upsample::new(widths[i], vb.pp("upsamplers").pp(0)));
            Ok((blocks, up.transpose()?))
        };
        Ok(Self {
            conv_in: Conv2d::same(config.latent_channels, first, vb.pp("conv_in"))?,
            mid: MidBlock::new(first, config, vb.pp("mid_block"))?,
            levels: (0..widths.len()).map(level).collect::<Result<_>>()?,
            norm_out: GroupNorm::new(config.norm_num_groups, last, EPS, vb.pp("conv_norm_out"))?,
            conv_out: Conv2d::same(last, config.out_channels, vb.pp("conv_out"))?,
        })
    }

    pub fn forward(&self, z: &Tensor) -> Result<Tensor> {
        let mut x = self.mid.forward(&self.conv_in.forward(z)?)?;
        for (resnets, up) in &self.levels {
            for resnet in resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(up) = up {
                x = up.forward(&x)?;
            }
        }
        self.conv_out.forward(&self.norm_out.forward_silu(&x)?)
    }
}
