//! Heads, which turn the last feature maps into logits: torchvision's linear one, and fastai's of
//! two layers over two poolings.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::init::{FanInOut, NonLinearity, NormalOrUniform};
use candle_nn::{Init, VarBuilder};
use rand::Rng;

use super::config::Config;
use super::layers::{BatchNorm, Manner};
use super::mode::Mode;
use crate::ml::ops::{self, Activation};
use crate::seed::Seed;
use crate::vocabulary::HeadKind;

/// Width of the hidden layer of fastai's `create_head`.
const HIDDEN: usize = 512;

/// fastai's `apply_init(head, nn.init.kaiming_normal_)`.
const KAIMING_IN: Init = Init::Kaiming {
    dist: NormalOrUniform::Normal,
    fan: FanInOut::FanIn,
    non_linearity: NonLinearity::ReLU,
};

/// A head over feature maps of `channels` channels.
#[derive(Debug, Clone)]
pub enum Head {
    /// Mean pooling, dropout, a linear layer: tensors `classifier.1.*`, as torchvision's.
    Linear {
        /// `[classes, channels]`.
        weight: Tensor,
        /// `[classes]`.
        bias: Tensor,
        /// Probability that a feature is dropped in training.
        dropout: f64,
    },
    /// Largest and mean value of each channel, then normalisation, dropout and a linear layer
    /// twice, a rectifier between (fastai's `create_head`): tensors `classifier.{0,2,4,6}.*`, two
    /// less than fastai's numbers.
    ConcatPool {
        /// The normalisations before the two linear layers.
        norms: Box<[BatchNorm; 2]>,
        /// The first layer, `[512, 2 * channels]`.
        hidden: Tensor,
        /// The second layer, `[classes, 512]`.
        output: Tensor,
        /// Probability that a value is dropped before the second layer in training; before the
        /// first it is half of this.
        dropout: f64,
    },
}

impl Head {
    /// The head that `config` has; `vb` is at the network's root.
    pub fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        let (classes, channels, vb) = (config.classes, config.head_channels, vb.pp("classifier"));
        match config.head {
            HeadKind::Linear => {
                let bound = (classes as f64).sqrt().recip();
                let uniform = Init::Uniform { lo: -bound, up: bound };
                let weight = vb.pp(1).get_with_hints((classes, channels), "weight", uniform)?;
                let bias = vb.pp(1).get_with_hints(classes, "bias", Init::Const(0.0))?;
                Ok(Self::Linear { weight, bias, dropout: config.dropout })
            }
            HeadKind::ConcatPool => {
                let norm = |at: usize, width| {
                    BatchNorm::new(width, Manner::FASTAI, Activation::None, vb.pp(at))
                };
                let norms = Box::new([norm(0, 2 * channels)?, norm(4, HIDDEN)?]);
                let hidden =
                    vb.pp(2).get_with_hints((HIDDEN, 2 * channels), "weight", KAIMING_IN)?;
                let output = vb.pp(6).get_with_hints((classes, HIDDEN), "weight", KAIMING_IN)?;
                Ok(Self::ConcatPool { norms, hidden, output, dropout: config.dropout })
            }
        }
    }

    /// Pooled features of feature maps `[B,H,W,C]`: `[B,C]`, or `[B,2C]` with the largest values
    /// first.
    pub fn pool(&self, maps: &Tensor) -> Result<Tensor> {
        let mean = ops::avg_pool_global(maps)?;
        match self {
            Self::Linear { .. } => Ok(mean),
            Self::ConcatPool { .. } => Tensor::cat(&[max_pool_global(maps)?, mean], 1),
        }
    }

    fn device(&self) -> &Device {
        match self {
            Self::Linear { weight, .. } => weight.device(),
            Self::ConcatPool { output, .. } => output.device(),
        }
    }

    /// Logits `[B,classes]` of pooled features, on the device of `features`.
    pub fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        let x = features.to_device(self.device())?;
        let logits = match self {
            Self::Linear { weight, bias, dropout } => {
                ops::linear(&drop_out(&x, mode, "dropout", *dropout)?, weight, Some(bias))
            }
            Self::ConcatPool { norms, hidden, output, dropout } => {
                let train = mode.is_train();
                let x = drop_out(&norms[0].forward(&x, train)?, mode, "dropout", dropout / 2.0)?;
                let x = ops::linear(&x, hidden, None)?.relu()?;
                let x = drop_out(&norms[1].forward(&x, train)?, mode, "hidden dropout", *dropout)?;
                ops::linear(&x, output, None)
            }
        };
        logits?.to_device(features.device())
    }
}

/// The largest value of each channel of `[B,H,W,C]`; of equal ones the first has the gradient, as
/// in PyTorch.
fn max_pool_global(maps: &Tensor) -> Result<Tensor> {
    let places = maps.flatten(1, 2)?.transpose(1, 2)?.contiguous()?;
    let largest = places.detach().argmax_keepdim(D::Minus1)?;
    places.gather(&largest, D::Minus1)?.squeeze(D::Minus1)
}

/// Each value of `x [B,C]` dropped with a chance, drawn from the item's stream called `name`;
/// nothing outside training.
fn drop_out(x: &Tensor, mode: Mode, name: &str, chance: f64) -> Result<Tensor> {
    let Mode::Train { seed } = mode else { return Ok(x.clone()) };
    if chance == 0.0 {
        return Ok(x.clone());
    }
    let (batch, width) = x.dims2()?;
    let factors = Tensor::from_vec(
        draw_kept(draws(seed, name, batch, width), chance),
        x.shape(),
        x.device(),
    )?;
    x * factors.to_dtype(x.dtype())?
}

/// `count` uniform draws in [0, 1) for each item, item after item.
pub(super) fn draws(seed: Seed, name: &str, batch: usize, count: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(batch * count);
    for item in 0..batch as u64 {
        let mut rng = seed.nth(item).child(name).rng();
        values.extend((0..count).map(|_| rng.random::<f64>()));
    }
    values
}

/// The factor of each draw: 0 with chance `drop`, else what keeps the expectation.
pub(super) fn draw_kept(draws: impl IntoIterator<Item = f64>, drop: f64) -> Vec<f32> {
    draws.into_iter().map(|u| if u < drop { 0.0 } else { (1.0 / (1.0 - drop)) as f32 }).collect()
}
