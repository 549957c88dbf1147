//! The UNet's levels (diffusers' models/unets/unet_2d_blocks.py).

use candle_core::{Result, Tensor};
use candle_nn::var_builder::VarBuilder;

use super::resnet::{Downsample, ResnetBlock, ResnetStyle, Upsample};
use super::transformer::{SpatialTransformer, TransformerStyle};
use crate::ml::ops::{self, Padding};
use crate::ml::tape::{Tape, segment};

/// The inputs of every level: the time embedding after SiLU, `[B,time_channels]`, and the context,
/// `[B,M,cross_attention_dim]`.
#[derive(Clone, Copy)]
pub struct Conditions<'a, 'm> {
    pub time: &'a Tensor,
    pub context: &'a Tensor,
    /// The tape that each layer is a segment of.
    pub tape: Option<&'a Tape<'m>>,
}

/// A residual block, followed by a transformer on levels with attention.
struct Layer {
    resnet: ResnetBlock,
    transformer: Option<SpatialTransformer>,
}

impl Layer {
    fn new(
        from: usize,
        to: usize,
        index: usize,
        style: ResnetStyle,
        attention: Option<TransformerStyle>,
        vb: &VarBuilder,
    ) -> Result<Self> {
        Ok(Self {
            resnet: ResnetBlock::new(from, to, style, vb.pp("resnets").pp(index))?,
            transformer: attention
                .map(|style| SpatialTransformer::new(to, style, vb.pp("attentions").pp(index)))
                .transpose()?,
        })
    }

    fn forward<'m>(&'m self, x: Joined, conditions: Conditions<'_, 'm>) -> Result<Tensor> {
        let (time, context) = (conditions.time.clone(), conditions.context.clone());
        segment(conditions.tape, move || {
            let x = self.resnet.forward(&x.join()?, Some(&time))?;
            match &self.transformer {
                Some(transformer) => transformer.forward(&x, &context),
                None => Ok(x),
            }
        })
    }
}

/// A layer's input, with the skip that is joined to it on the way up.
struct Joined {
    x: Tensor,
    skip: Option<Tensor>,
}

impl Joined {
    fn alone(x: &Tensor) -> Self {
        Self { x: x.clone(), skip: None }
    }

    fn join(&self) -> Result<Tensor> {
        match &self.skip {
            Some(skip) => ops::concat_channels(&[&self.x, skip]),
            None => Ok(self.x.clone()),
        }
    }
}

/// diffusers' `CrossAttnDownBlock2D`, or `DownBlock2D` without attention.
pub struct DownLevel {
    layers: Vec<Layer>,
    down: Option<Downsample>,
}

/// The shape of a level on the way down.
pub struct DownShape {
    pub from: usize,
    pub to: usize,
    pub layers: usize,
    /// Whether the level ends by halving height and width.
    pub halve: bool,
}

impl DownLevel {
    pub fn new(
        shape: DownShape,
        style: ResnetStyle,
        attention: Option<TransformerStyle>,
        vb: VarBuilder,
    ) -> Result<Self> {
        let DownShape { from, to, layers, halve } = shape;
        let layer =
            |i: usize| Layer::new(if i == 0 { from } else { to }, to, i, style, attention, &vb);
        let down = || Downsample::new(to, Padding::same(1), vb.pp("downsamplers").pp(0));
        Ok(Self {
            layers: (0..layers).map(layer).collect::<Result<_>>()?,
            down: halve.then(down).transpose()?,
        })
    }

    /// Takes the last of `skips` as its input and appends what each layer gives.
    pub fn forward<'m>(
        &'m self,
        skips: &mut Vec<Tensor>,
        mut x: Tensor,
        conditions: Conditions<'_, 'm>,
    ) -> Result<Tensor> {
        for layer in &self.layers {
            x = layer.forward(Joined::alone(&x), conditions)?;
            skips.push(x.clone());
        }
        if let Some(down) = &self.down {
            x = segment(conditions.tape, move || down.forward(&x))?;
            skips.push(x.clone());
        }
        Ok(x)
    }
}

/// diffusers' `UNetMidBlock2DCrossAttn`.
pub struct MidLevel {
    before: Layer,
    after: ResnetBlock,
}

impl MidLevel {
    pub fn new(
        channels: usize,
        style: ResnetStyle,
        attention: TransformerStyle,
        vb: VarBuilder,
    ) -> Result<Self> {
        let before = Layer::new(channels, channels, 0, style, Some(attention), &vb)?;
        Ok(Self {
            before,
            after: ResnetBlock::new(channels, channels, style, vb.pp("resnets").pp(1))?,
        })
    }

    pub fn forward<'m>(&'m self, x: &Tensor, conditions: Conditions<'_, 'm>) -> Result<Tensor> {
        let (x, time) =
            (self.before.forward(Joined::alone(x), conditions)?, conditions.time.clone());
        segment(conditions.tape, move || self.after.forward(&x, Some(&time)))
    }
}

/// diffusers' `CrossAttnUpBlock2D`, or `UpBlock2D` without attention.
pub struct UpLevel {
    layers: Vec<Layer>,
    up: Option<Upsample>,
}

/// The shape of a level on the way up.
pub struct UpShape<'a> {
    pub from: usize,
    pub to: usize,
    /// Channels of the skip that each layer joins to its input.
    pub skips: &'a [usize],
    /// Whether the level ends by doubling height and width.
    pub double: bool,
}

impl UpLevel {
    pub fn new(
        shape: UpShape,
        style: ResnetStyle,
        attention: Option<TransformerStyle>,
        vb: VarBuilder,
    ) -> Result<Self> {
        let UpShape { from, to, skips, double } = shape;
        let layer = |(i, skip): (usize, &usize)| {
            let joined = skip + if i == 0 { from } else { to };
            Layer::new(joined, to, i, style, attention, &vb)
        };
        let up = || Upsample::new(to, vb.pp("upsamplers").pp(0));
        Ok(Self {
            layers: skips.iter().enumerate().map(layer).collect::<Result<_>>()?,
            up: double.then(up).transpose()?,
        })
    }

    /// Joins each layer's input with the last of `skips`, which it takes away.
    pub fn forward<'m>(
        &'m self,
        skips: &mut Vec<Tensor>,
        mut x: Tensor,
        conditions: Conditions<'_, 'm>,
    ) -> Result<Tensor> {
        for layer in &self.layers {
            let Some(skip) = skips.pop() else {
                candle_core::bail!("unet: fewer layers down than up")
            };
            x = layer.forward(Joined { x, skip: Some(skip) }, conditions)?;
        }
        match &self.up {
            Some(up) => segment(conditions.tape, move || up.forward(&x)),
            None => Ok(x),
        }
    }
}
