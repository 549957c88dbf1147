//! Residual blocks and changes of resolution, shared by the autoencoder and the UNet (diffusers'
//! models/resnet.py).

use candle_core::{Result, Tensor};
use candle_nn::var_builder::VarBuilder;

use super::layers::{Conv2d, GroupNorm, Linear};
use crate::ml::ops::{self, Padding};

/// The settings that the residual blocks of one model share.
#[derive(Clone, Copy)]
pub struct ResnetStyle {
    pub groups: usize,
    pub eps: f64,
    /// Channels of the time embedding; none in the autoencoder.
    pub time_channels: Option<usize>,
}

/// diffusers' `ResnetBlock2D`: norm, SiLU, convolution, plus the time embedding, norm, SiLU,
/// convolution, plus the input.
pub struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Linear>,
}

impl ResnetBlock {
    pub fn new(from: usize, to: usize, style: ResnetStyle, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            norm1: GroupNorm::new(style.groups, from, style.eps, vb.pp("norm1"))?,
            conv1: Conv2d::same(from, to, vb.pp("conv1"))?,
            time: style
                .time_channels
                .map(|channels| Linear::new(channels, to, vb.pp("time_emb_proj")))
                .transpose()?,
            norm2: GroupNorm::new(style.groups, to, style.eps, vb.pp("norm2"))?,
            conv2: Conv2d::same(to, to, vb.pp("conv2"))?,
            shortcut: (from != to)
                .then(|| Linear::pointwise(from, to, vb.pp("conv_shortcut")))
                .transpose()?,
        })
    }

    /// `x [B,H,W,from]` to `[B,H,W,to]`; `time [B,time_channels]` is the embedding after SiLU,
    /// which is the same in all blocks.
    pub fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        let mut hidden = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        if let (Some(projection), Some(time)) = (&self.time, time) {
            hidden =
                hidden.broadcast_add(&projection.forward(time)?.unsqueeze(1)?.unsqueeze(1)?)?;
        }
        let hidden = self.conv2.forward(&self.norm2.forward_silu(&hidden)?)?;
        match &self.shortcut {
            Some(shortcut) => shortcut.forward(x)? + hidden,
            None => x + hidden,
        }
    }
}

/// diffusers' `Downsample2D`: a 3x3 convolution of stride 2.
pub struct Downsample(Conv2d);

impl Downsample {
    pub fn new(channels: usize, padding: Padding, vb: VarBuilder) -> Result<Self> {
        Ok(Self(Conv2d::new(channels, channels, 3, 2, padding, vb.pp("conv"))?))
    }

    /// `[B,H,W,C]` to `[B,H/2,W/2,C]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }
}

/// diffusers' `Upsample2D`: each pixel doubled, then a 3x3 convolution.
pub struct Upsample(Conv2d);

impl Upsample {
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self(Conv2d::same(channels, channels, vb.pp("conv"))?))
    }

    /// `[B,H,W,C]` to `[B,2H,2W,C]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(&ops::upsample_nearest_2x(x)?)
    }
}
