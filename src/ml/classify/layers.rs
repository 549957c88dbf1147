//! Convolution with batch normalisation and squeeze-and-excitation, channels-last, with
//! torchvision's names.

use candle_core::{Result, Tensor, Var, bail};
use candle_nn::init::{FanInOut, NonLinearity, NormalOrUniform};
use candle_nn::{Init, VarBuilder};

use super::config::{Config, Nonlinearity, Zeros};
use crate::ml::ops::{self, Activation, Padding, Stride};

/// torchvision's `kaiming_normal_(mode="fan_out")`.
const KAIMING_OUT: Init = Init::Kaiming {
    dist: NormalOrUniform::Normal,
    fan: FanInOut::FanOut,
    non_linearity: NonLinearity::ReLU,
};

/// Batch normalisation with running statistics, then an activation.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    eps: f64,
    momentum: f64,
    activation: Activation,
}

impl BatchNorm {
    /// Tensors `weight`, `bias`, `running_mean` and `running_var`.
    pub fn new(
        channels: usize,
        manner: Manner,
        activation: Activation,
        vb: VarBuilder,
    ) -> Result<Self> {
        let Manner { eps, momentum, shift, .. } = manner;
        let get = |name: &str, value| vb.get_with_hints(channels, name, Init::Const(value));
        let (weight, bias) = (get("weight", 1.0)?, get("bias", shift)?);
        let (running_mean, running_var) = (get("running_mean", 0.0)?, get("running_var", 1.0)?);
        Ok(Self { weight, bias, running_mean, running_var, eps, momentum, activation })
    }

    /// `x [..,C]` with the batch's statistics, which move the running ones, or with these.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (weight, bias) = (&self.weight, &self.bias);
        if !train {
            return ops::batch_norm_eval(
                x,
                weight,
                bias,
                &self.running_mean,
                &self.running_var,
                self.eps,
                self.activation,
            );
        }
        self.track(ops::batch_norm_train(x, weight, bias, self.eps, self.activation)?)
    }

    /// The output of a normalisation by its batch's mean and variance, which move the running ones.
    fn track(&self, (y, mean, variance): (Tensor, Tensor, Tensor)) -> Result<Tensor> {
        let count = y.elem_count() / mean.elem_count();
        if count < 2 {
            bail!(
                "batch normalisation: one value a channel in {:?} has no variance to train with",
                y.shape()
            );
        }
        self.move_towards(&self.running_mean, &mean)?;
        self.move_towards(&self.running_var, &(variance * (count as f64 / (count - 1) as f64))?)?;
        Ok(y)
    }

    fn move_towards(&self, running: &Tensor, batch: &Tensor) -> Result<()> {
        if !running.is_variable() {
            bail!("batch normalisation: training, but the running statistics are frozen");
        }
        let moved =
            ((running.detach() * (1.0 - self.momentum))? + (batch.detach() * self.momentum)?)?;
        Var::from_tensor(running)?.set(&moved)
    }
}

/// The settings that all convolutions of a network share.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    eps: f64,
    momentum: f64,
    /// Initial bias of normalisations.
    shift: f64,
    /// Activation after a normalisation.
    pub activation: Activation,
    padding: Zeros,
}

impl Manner {
    /// PyTorch's defaults, as the heads of fastai have them, but for the biases (fastai's
    /// `BatchNorm`).
    pub const FASTAI: Self = Self {
        eps: 1e-5,
        momentum: 0.1,
        shift: 1e-3,
        activation: Activation::None,
        padding: Zeros::Symmetric,
    };

    pub fn of(config: &Config) -> Self {
        let activation = match config.nonlinearity {
            Nonlinearity::Silu => Activation::Silu,
            Nonlinearity::Relu6 => Activation::Relu6,
        };
        Self {
            eps: config.bn_eps,
            momentum: config.bn_momentum,
            shift: 0.0,
            activation,
            padding: config.padding,
        }
    }
}

/// The window of a [`ConvNorm`].
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub depthwise: bool,
}

impl Window {
    pub const POINT: Self = Self { kernel: 1, stride: 1, depthwise: false };
}

/// torchvision's `Conv2dNormActivation`: tensors `0.weight` and `1.*`.
#[derive(Debug, Clone)]
pub struct ConvNorm {
    weight: Tensor,
    norm: BatchNorm,
    window: Window,
    padding: Zeros,
}

impl ConvNorm {
    /// `activation` is that of `manner`, or none.
    pub fn new(
        [inputs, outputs]: [usize; 2],
        window: Window,
        manner: Manner,
        activation: Activation,
        vb: VarBuilder,
    ) -> Result<Self> {
        let depth = if window.depthwise { 1 } else { inputs };
        let weight = vb.pp(0).get_with_hints(
            (outputs, depth, window.kernel, window.kernel),
            "weight",
            KAIMING_OUT,
        )?;
        Ok(Self {
            weight,
            norm: BatchNorm::new(outputs, manner, activation, vb.pp(1))?,
            window,
            padding: manner.padding,
        })
    }

    /// `x [B,H,W,Cin]` to `[B,H/stride,W/stride,Cout]`, rounded up.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let Window { kernel, stride, depthwise } = self.window;
        let padding = match self.padding {
            Zeros::Symmetric => Padding::same(kernel / 2),
            Zeros::TensorflowSame => {
                Padding::tensorflow_same((x.dim(1)?, x.dim(2)?), kernel, stride)
            }
        };
        let norm = &self.norm;
        if train {
            let affine = [&norm.weight, &norm.bias];
            let stride = Stride { stride, padding, depthwise };
            return norm.track(ops::conv_norm_train(
                x,
                &self.weight,
                stride,
                affine,
                norm.eps,
                norm.activation,
            )?);
        }
        let convolve = if depthwise { ops::depthwise_conv2d } else { ops::conv2d };
        norm.forward(&convolve(x, &self.weight, None, stride, padding)?, false)
    }
}

/// Scales the channels of an image by a function of their means.
#[derive(Debug, Clone)]
pub struct SqueezeExcitation {
    squeeze: [Tensor; 2],
    excite: [Tensor; 2],
}

impl SqueezeExcitation {
    pub fn new(channels: usize, squeezed: usize, vb: VarBuilder) -> Result<Self> {
        let pair = |inputs: usize, outputs: usize, vb: VarBuilder| -> Result<[Tensor; 2]> {
            let weight = vb.get_with_hints((outputs, inputs, 1, 1), "weight", KAIMING_OUT)?;
            Ok([weight, vb.get_with_hints(outputs, "bias", Init::Const(0.0))?])
        };
        Ok(Self {
            squeeze: pair(channels, squeezed, vb.pp("fc1"))?,
            excite: pair(squeezed, channels, vb.pp("fc2"))?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let linear = |x: &Tensor, [weight, bias]: &[Tensor; 2]| {
            ops::linear(x, &weight.flatten_from(1)?, Some(bias))
        };
        let squeezed = ops::silu(&linear(&ops::avg_pool_global(x)?, &self.squeeze)?)?;
        ops::scale_channels(x, &ops::sigmoid(&linear(&squeezed, &self.excite)?)?)
    }
}
