//! Layers with PyTorch's default initialisation: uniform within `1 / sqrt(fan-in)` for weights and
//! biases, 1 and 0 for norms.

use candle_core::{Result, Tensor};
use candle_nn::init::{Init, ONE, ZERO};
use candle_nn::var_builder::VarBuilder;

use crate::ml::ops::{self, Activation, Padding};

fn within(fan_in: usize) -> Init {
    let bound = 1.0 / (fan_in as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// Convolution with a square window.
pub struct Conv2d {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
    padding: Padding,
}

impl Conv2d {
    pub fn new(
        from: usize,
        to: usize,
        window: usize,
        stride: usize,
        padding: Padding,
        vb: VarBuilder,
    ) -> Result<Self> {
        let init = within(from * window * window);
        let weight = vb.get_with_hints((to, from, window, window), "weight", init)?;
        Ok(Self { weight, bias: vb.get_with_hints(to, "bias", init)?, stride, padding })
    }

    /// A 3x3 window that keeps the image's size.
    pub fn same(from: usize, to: usize, vb: VarBuilder) -> Result<Self> {
        Self::new(from, to, 3, 1, Padding::same(1), vb)
    }

    /// `x [B,H,W,from]` to `[B,H',W',to]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::conv2d(x, &self.weight, Some(&self.bias), self.stride, self.padding)
    }
}

/// Linear map of the last dimension.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub fn new(from: usize, to: usize, vb: VarBuilder) -> Result<Self> {
        let bias = vb.get_with_hints(to, "bias", within(from))?;
        Ok(Self { bias: Some(bias), ..Self::unbiased(from, to, vb)? })
    }

    pub fn unbiased(from: usize, to: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self { weight: vb.get_with_hints((to, from), "weight", within(from))?, bias: None })
    }

    /// The same map stored as a convolution with a 1x1 window, `[to,from,1,1]`.
    pub fn pointwise(from: usize, to: usize, vb: VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints((to, from, 1, 1), "weight", within(from))?;
        Ok(Self { weight, bias: Some(vb.get_with_hints(to, "bias", within(from))?) })
    }

    /// `x [..,from]` to `[..,to]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.weight.rank() == 2 {
            return ops::linear(x, &self.weight, self.bias.as_ref());
        }
        let (to, from, _, _) = self.weight.dims4()?;
        ops::linear(x, &self.weight.reshape((to, from))?, self.bias.as_ref())
    }
}

/// Group normalisation, by itself or followed by SiLU.
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    pub fn new(groups: usize, channels: usize, eps: f64, vb: VarBuilder) -> Result<Self> {
        if !channels.is_multiple_of(groups) {
            candle_core::bail!(
                "{}: {channels} channels cannot be split into {groups} groups",
                vb.prefix()
            );
        }
        let (weight, bias) = (
            vb.get_with_hints(channels, "weight", ONE)?,
            vb.get_with_hints(channels, "bias", ZERO)?,
        );
        Ok(Self { weight, bias, groups, eps })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::group_norm(x, self.groups, &self.weight, &self.bias, self.eps, Activation::None)
    }

    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        ops::group_norm(x, self.groups, &self.weight, &self.bias, self.eps, Activation::Silu)
    }
}

/// Normalisation of each token, with PyTorch's default eps.
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: vb.get_with_hints(channels, "weight", ONE)?,
            bias: vb.get_with_hints(channels, "bias", ZERO)?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, &self.weight, &self.bias, 1e-5)
    }
}
