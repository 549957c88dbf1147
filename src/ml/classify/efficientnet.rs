//! EfficientNet-V2 (Tan & Le 2021) and Lite, trainable, with torchvision's tensor names;
//! activations are channels-last.

use candle_core::{Device, Result, Tensor, bail};
use candle_nn::VarBuilder;

pub use super::config::{Config, Nonlinearity, Normalisation, Stage, Zeros};
use super::heads::{Head, draw_kept, draws};
use super::layers::{ConvNorm, Manner, SqueezeExcitation, Window};
pub use super::mode::Mode;
use crate::ml::ops::{self, Activation};

/// One MBConv or Fused-MBConv block.
#[derive(Debug, Clone)]
struct Block {
    before: Vec<ConvNorm>,
    squeeze_excitation: Option<SqueezeExcitation>,
    /// Absent where a fused block does not expand.
    projection: Option<ConvNorm>,
    residual: bool,
    /// Chance that the branch beside the residual is dropped.
    drop: f64,
}

impl Block {
    /// `stage` is of this block alone: its own channels and stride.
    fn new(
        stage: &Stage,
        manner: Manner,
        squeezes: bool,
        drop: f64,
        vb: VarBuilder,
    ) -> Result<Self> {
        let Stage {
            fused, expand, kernel, stride, in_channels: input, out_channels: output, ..
        } = *stage;
        let (vb, inner) = (vb.pp("block"), divisible_by_8(input * expand));
        let spatial = Window { kernel, stride, depthwise: !fused };
        let conv = |at: usize, channels, window, activation| {
            ConvNorm::new(channels, window, manner, activation, vb.pp(at))
        };
        let active = manner.activation;
        let mut before = Vec::new();
        let (mut squeeze_excitation, mut projection) = (None, None);
        if fused {
            let width = if expand == 1 { output } else { inner };
            before.push(conv(0, [input, width], spatial, active)?);
            if expand != 1 {
                projection = Some(conv(1, [inner, output], Window::POINT, Activation::None)?);
            }
        } else {
            if inner != input {
                before.push(conv(0, [input, inner], Window::POINT, active)?);
            }
            before.push(conv(before.len(), [inner, inner], spatial, active)?);
            if squeezes {
                squeeze_excitation =
                    Some(SqueezeExcitation::new(inner, (input / 4).max(1), vb.pp(before.len()))?);
            }
            projection = Some(conv(
                before.len() + usize::from(squeezes),
                [inner, output],
                Window::POINT,
                Activation::None,
            )?);
        }
        Ok(Self {
            before,
            squeeze_excitation,
            projection,
            residual: stride == 1 && input == output,
            drop,
        })
    }

    /// `kept`: the factor on each item's branch, where any is dropped.
    fn forward(&self, x: &Tensor, train: bool, kept: Option<Vec<f32>>) -> Result<Tensor> {
        let mut y = x.clone();
        for conv in &self.before {
            y = conv.forward(&y, train)?;
        }
        if let Some(squeeze_excitation) = &self.squeeze_excitation {
            y = squeeze_excitation.forward(&y)?;
        }
        if let Some(projection) = &self.projection {
            y = projection.forward(&y, train)?;
        }
        if !self.residual {
            return Ok(y);
        }
        match kept {
            Some(kept) => scale_items(&y, kept)? + x,
            None => y + x,
        }
    }
}

/// Each item of `x [B,H,W,C]` times its factor.
fn scale_items(x: &Tensor, factors: Vec<f32>) -> Result<Tensor> {
    let channels = x.dim(3)?;
    let factors = Tensor::from_vec(factors, (x.dim(0)?, 1), x.device())?.to_dtype(x.dtype())?;
    ops::scale_channels(x, &factors.repeat((1, channels))?)
}

/// The multiple of 8 nearest to `channels`, not below nine tenths of it (torchvision's
/// `_make_divisible`).
fn divisible_by_8(channels: usize) -> usize {
    let nearest = ((channels + 4) / 8 * 8).max(8);
    if nearest * 10 < channels * 9 { nearest + 8 } else { nearest }
}

/// The network: stem, blocks, a last convolution, and a head over its feature maps.
#[derive(Debug, Clone)]
pub struct EfficientNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    /// Blocks up to the end of each stage.
    ends: Vec<usize>,
    /// The convolution after the last stage.
    last: ConvNorm,
    head: Head,
    normalisation: Normalisation,
    device: Device,
}

impl EfficientNet {
    /// Tensors are named as torchvision's: `features.0.0.weight`, `features.N.M.block...`,
    /// `classifier.1.weight`.
    pub fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        check(config)?;
        let manner = Manner::of(config);
        let features = vb.pp("features");
        let stem_window = Window { kernel: 3, stride: config.stem_stride, depthwise: false };
        let stem = ConvNorm::new(
            [3, config.stem_channels],
            stem_window,
            manner,
            manner.activation,
            features.pp(0),
        )?;
        let total: usize = config.stages.iter().map(|stage| stage.layers).sum();
        let mut blocks = Vec::with_capacity(total);
        let mut ends = Vec::with_capacity(config.stages.len());
        for (at, stage) in config.stages.iter().enumerate() {
            for layer in 0..stage.layers {
                let inside = Stage { in_channels: stage.out_channels, stride: 1, ..*stage };
                let drop = config.stochastic_depth * blocks.len() as f64 / total as f64;
                let vb = features.pp(at + 1).pp(layer);
                blocks.push(Block::new(
                    if layer == 0 { stage } else { &inside },
                    manner,
                    config.squeeze_excitation,
                    drop,
                    vb,
                )?);
            }
            ends.push(blocks.len());
        }
        let last = config.stages.last().map_or(config.stem_channels, |stage| stage.out_channels);
        let head_vb = features.pp(config.stages.len() + 1);
        let last = ConvNorm::new(
            [last, config.head_channels],
            Window::POINT,
            manner,
            manner.activation,
            head_vb,
        )?;
        let device = vb.device().clone();
        let head = Head::new(config, vb)?;
        let normalisation = config.normalisation;
        Ok(Self { stem, blocks, ends, last, head, normalisation, device })
    }

    /// Logits `[B,classes]` of images `[B,H,W,3]` in [0, 1], on the device of `images`.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let logits = self.head.forward(&self.pooled(&self.own(images)?, mode)?, mode)?;
        logits.to_device(images.device())
    }

    /// Pooled features of images `[B,H,W,3]` in [0, 1], as the head takes them:
    /// `[B,head_channels]`, or twice as many; on the device of `images`.
    pub fn features(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.pooled(&self.own(images)?, mode)?.to_device(images.device())
    }

    /// `images` where the network's tensors are.
    fn own(&self, images: &Tensor) -> Result<Tensor> {
        images.to_device(&self.device)
    }

    /// [`Self::features`] of images where the network's tensors are, and there too.
    fn pooled(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let (batch, _, _, _) = images.dims4()?;
        let train = mode.is_train();
        let depth = match mode {
            Mode::Train { seed } => draws(seed, "stochastic depth", batch, self.blocks.len()),
            Mode::Eval => Vec::new(),
        };
        let mut x = self.stem.forward(&self.normalise(images)?, train)?;
        for (at, block) in self.blocks.iter().enumerate() {
            let drops = train && block.residual && block.drop > 0.0;
            let column = depth.iter().skip(at).step_by(self.blocks.len()).copied();
            x = block.forward(&x, train, drops.then(|| draw_kept(column, block.drop)))?;
        }
        self.head.pool(&self.last.forward(&x, train)?)
    }

    /// Feature maps of the stem and of each stage for images `[B,H,W,3]` in [0, 1], as in
    /// evaluation: `[B,h,w,C]` each, finest first; on the device of `images`.
    pub fn levels(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let mut x = self.stem.forward(&self.normalise(&self.own(images)?)?, false)?;
        let mut levels = vec![x.to_device(images.device())?];
        for (at, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x, false, None)?;
            if self.ends.contains(&(at + 1)) {
                levels.push(x.to_device(images.device())?);
            }
        }
        Ok(levels)
    }

    /// The chance that each block's branch is dropped for an item of a training batch, if the block
    /// has a residual.
    pub fn stochastic_depth(&self) -> Vec<Option<f64>> {
        self.blocks.iter().map(|block| block.residual.then_some(block.drop)).collect()
    }

    fn normalise(&self, images: &Tensor) -> Result<Tensor> {
        if self.normalisation == Normalisation::NONE {
            return Ok(images.clone());
        }
        let channels =
            |values: [f64; 3]| Tensor::new(&values, images.device())?.to_dtype(images.dtype());
        let Normalisation { mean, std } = self.normalisation;
        images.broadcast_sub(&channels(mean)?)?.broadcast_div(&channels(std)?)
    }
}

fn check(config: &Config) -> Result<()> {
    let mut channels = config.stem_channels;
    for (at, stage) in config.stages.iter().enumerate() {
        if stage.in_channels != channels {
            bail!(
                "EfficientNet: stage {at} takes {} channels, but {channels} come in",
                stage.in_channels
            );
        }
        if stage.layers == 0 || stage.expand == 0 || stage.stride == 0 || stage.kernel % 2 == 0 {
            bail!(
                "EfficientNet: stage {at} needs layers, expansion and stride of at least 1 and an odd kernel: {stage:?}"
            );
        }
        channels = stage.out_channels;
    }
    for (name, chance) in
        [("dropout", config.dropout), ("stochastic depth", config.stochastic_depth)]
    {
        if !(0.0..1.0).contains(&chance) {
            bail!("EfficientNet: {name} {chance} is outside [0, 1)");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
