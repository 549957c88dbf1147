//! EfficientNet-V2 (Tan & Le 2021), trainable, with torchvision's tensor names; activations are channels-last.

use candle_core::{Result, Tensor, bail};
use candle_nn::{Init, VarBuilder};
use rand::Rng;

pub use super::config::{Config, Stage};
use super::layers::{ConvNorm, SqueezeExcitation, Window};
use crate::ml::ops::{self, Activation};
use crate::seed::Seed;

/// Whether the network is being trained.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// Batch statistics, which move the running ones; dropout and stochastic depth drawn for item `i` of the batch from
    /// `seed.nth(i)`.
    Train { seed: Seed },
    /// Running statistics; nothing is drawn.
    Eval,
}

impl Mode {
    fn is_train(self) -> bool {
        matches!(self, Self::Train { .. })
    }
}

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
    fn new(stage: &Stage, norm: [f64; 2], drop: f64, vb: VarBuilder) -> Result<Self> {
        let Stage { fused, expand, kernel, stride, in_channels: input, out_channels: output, .. } = *stage;
        let (vb, inner) = (vb.pp("block"), divisible_by_8(input * expand));
        let spatial = Window { kernel, stride, depthwise: !fused };
        let conv = |at: usize, channels, window, activation| ConvNorm::new(channels, window, norm, activation, vb.pp(at));
        let mut before = Vec::new();
        let (mut squeeze_excitation, mut projection) = (None, None);
        if fused {
            let width = if expand == 1 { output } else { inner };
            before.push(conv(0, [input, width], spatial, Activation::Silu)?);
            if expand != 1 {
                projection = Some(conv(1, [inner, output], Window::POINT, Activation::None)?);
            }
        } else {
            if inner != input {
                before.push(conv(0, [input, inner], Window::POINT, Activation::Silu)?);
            }
            before.push(conv(before.len(), [inner, inner], spatial, Activation::Silu)?);
            squeeze_excitation = Some(SqueezeExcitation::new(inner, (input / 4).max(1), vb.pp(before.len()))?);
            projection = Some(conv(before.len() + 1, [inner, output], Window::POINT, Activation::None)?);
        }
        Ok(Self { before, squeeze_excitation, projection, residual: stride == 1 && input == output, drop })
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

/// The multiple of 8 nearest to `channels`, not below nine tenths of it (torchvision's `_make_divisible`).
fn divisible_by_8(channels: usize) -> usize {
    let nearest = ((channels + 4) / 8 * 8).max(8);
    if nearest * 10 < channels * 9 { nearest + 8 } else { nearest }
}

/// The network: stem, blocks, head, and a linear classifier of the pooled features.
#[derive(Debug, Clone)]
pub struct EfficientNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    /// Blocks up to the end of each stage.
    ends: Vec<usize>,
    head: ConvNorm,
    weight: Tensor,
    bias: Tensor,
    dropout: f64,
}

impl EfficientNet {
    /// Tensors are named as torchvision's: `features.0.0.weight`, `features.N.M.block...`, `classifier.1.weight`.
    pub fn new(config: &Config, vb: VarBuilder) -> Result<Self> {
        check(config)?;
        let norm = [config.bn_eps, config.bn_momentum];
        let features = vb.pp("features");
        let stem_window = Window { kernel: 3, stride: config.stem_stride, depthwise: false };
        let stem = ConvNorm::new([3, config.stem_channels], stem_window, norm, Activation::Silu, features.pp(0))?;
        let total: usize = config.stages.iter().map(|stage| stage.layers).sum();
        let mut blocks = Vec::with_capacity(total);
        let mut ends = Vec::with_capacity(config.stages.len());
        for (at, stage) in config.stages.iter().enumerate() {
            for layer in 0..stage.layers {
                let inside = Stage { in_channels: stage.out_channels, stride: 1, ..*stage };
                let drop = config.stochastic_depth * blocks.len() as f64 / total as f64;
                let vb = features.pp(at + 1).pp(layer);
                blocks.push(Block::new(if layer == 0 { stage } else { &inside }, norm, drop, vb)?);
            }
            ends.push(blocks.len());
        }
        let last = config.stages.last().map_or(config.stem_channels, |stage| stage.out_channels);
        let head_vb = features.pp(config.stages.len() + 1);
        let head = ConvNorm::new([last, config.head_channels], Window::POINT, norm, Activation::Silu, head_vb)?;
        let bound = (config.classes as f64).sqrt().recip();
        let classifier = vb.pp("classifier").pp(1);
        let uniform = Init::Uniform { lo: -bound, up: bound };
        let weight = classifier.get_with_hints((config.classes, config.head_channels), "weight", uniform)?;
        let bias = classifier.get_with_hints(config.classes, "bias", Init::Const(0.0))?;
        Ok(Self { stem, blocks, ends, head, weight, bias, dropout: config.dropout })
    }

    /// Logits `[B,classes]` of images `[B,H,W,3]` in [0, 1].
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut pooled = self.pooled(images, mode)?;
        if let Mode::Train { seed } = mode
            && self.dropout > 0.0
        {
            let draws = draws(seed, "dropout", pooled.dim(0)?, pooled.dim(1)?);
            let factors = Tensor::from_vec(kept(draws, self.dropout), pooled.shape(), pooled.device())?;
            pooled = (&pooled * factors.to_dtype(pooled.dtype())?)?;
        }
        ops::linear(&pooled, &self.weight, Some(&self.bias))
    }

    /// Pooled features `[B,head_channels]` of images `[B,H,W,3]` in [0, 1], as in evaluation.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        self.pooled(images, Mode::Eval)
    }

    /// What the stem and each stage give for images `[B,H,W,3]` in [0, 1], as in evaluation: `[B,h,w,C]` each, finest first.
    pub fn levels(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let mut x = self.stem.forward(images, false)?;
        let mut levels = vec![x.clone()];
        for (at, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x, false, None)?;
            if self.ends.contains(&(at + 1)) {
                levels.push(x.clone());
            }
        }
        Ok(levels)
    }

    fn pooled(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let (batch, _, _, _) = images.dims4()?;
        let train = mode.is_train();
        let depth = match mode {
            Mode::Train { seed } => draws(seed, "stochastic depth", batch, self.blocks.len()),
            Mode::Eval => Vec::new(),
        };
        let mut x = self.stem.forward(images, train)?;
        for (at, block) in self.blocks.iter().enumerate() {
            let drops = train && block.residual && block.drop > 0.0;
            let column = depth.iter().skip(at).step_by(self.blocks.len()).copied();
            x = block.forward(&x, train, drops.then(|| kept(column, block.drop)))?;
        }
        ops::avg_pool_global(&self.head.forward(&x, train)?)
    }
}

fn check(config: &Config) -> Result<()> {
    let mut channels = config.stem_channels;
    for (at, stage) in config.stages.iter().enumerate() {
        if stage.in_channels != channels {
            bail!("EfficientNet: stage {at} takes {} channels, but {channels} come in", stage.in_channels);
        }
        if stage.layers == 0 || stage.expand == 0 || stage.stride == 0 || stage.kernel % 2 == 0 {
            bail!("EfficientNet: stage {at} needs layers, expansion and stride of at least 1 and an odd kernel: {stage:?}");
        }
        channels = stage.out_channels;
    }
    for (name, chance) in [("dropout", config.dropout), ("stochastic depth", config.stochastic_depth)] {
        if !(0.0..1.0).contains(&chance) {
            bail!("EfficientNet: {name} {chance} is outside [0, 1)");
        }
    }
    Ok(())
}

/// `count` uniform draws in [0, 1) for each item, item after item.
fn draws(seed: Seed, name: &str, batch: usize, count: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(batch * count);
    for item in 0..batch as u64 {
        let mut rng = seed.nth(item).child(name).rng();
        values.extend((0..count).map(|_| rng.random::<f64>()));
    }
    values
}

/// The factor of each draw: 0 with chance `drop`, else what keeps the expectation.
fn kept(draws: impl IntoIterator<Item = f64>, drop: f64) -> Vec<f32> {
    draws.into_iter().map(|u| if u < drop { 0.0 } else { (1.0 / (1.0 - drop)) as f32 }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use candle_core::{DType, Device, Shape};
    use candle_nn::var_builder::SimpleBackend;

    use super::*;
    use crate::ml::gradcheck::check_gradients;
    use crate::ml::loss::cross_entropy;
    use crate::ml::optim::{AdamW, AdamWConfig};
    use crate::ml::params::Params;

    /// Notes names and shapes, and gives zeros.
    #[derive(Clone, Default)]
    struct Names(Arc<Mutex<BTreeMap<String, Shape>>>);

    impl SimpleBackend for Names {
        fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
            self.0.lock().unwrap().insert(name.to_owned(), shape.clone());
            Tensor::zeros(shape, dtype, device)
        }

        fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
            bail!("{name} was asked for without a shape")
        }

        fn contains_tensor(&self, _: &str) -> bool {
            false
        }
    }

    fn micro() -> Config {
        let stage = |fused, expand, stride, in_channels, out_channels, layers| Stage {
            fused,
            expand,
            kernel: 3,
            stride,
            in_channels,
            out_channels,
            layers,
        };
        let stages = vec![stage(true, 1, 1, 8, 8, 1), stage(true, 2, 2, 8, 8, 2), stage(false, 2, 2, 8, 16, 2)];
        let head = Config { stem_channels: 8, head_channels: 12, stages, dropout: 0.3, stochastic_depth: 0.5, ..Config::tiny(3) };
        Config { bn_eps: 1e-2, ..head }
    }

    fn model(config: &Config, dtype: DType) -> (Params, EfficientNet) {
        let params = Params::drawn(Seed::of_study(1), dtype, &Device::Cpu);
        let network = params.build(|vb| EfficientNet::new(config, vb)).unwrap();
        (params, network)
    }

    fn images(batch: usize, size: usize, dtype: DType) -> Tensor {
        let values: Vec<f32> = Seed::of_study(2).normals(batch * size * size * 3).iter().map(|z| 0.5 + 0.2 * z).collect();
        Tensor::from_vec(values, (batch, size, size, 3), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn train(item: u64) -> Mode {
        Mode::Train { seed: Seed::of_study(3).nth(item) }
    }

    /// `len([n for n in torchvision.models.efficientnet_v2_s().state_dict() if "num_batches" not in n])` is 672, and
    /// `sum(p.numel() for p in efficientnet_v2_s().parameters())` is 21,458,488.
    #[test]
    fn names_and_sizes_of_v2_s() {
        let names = Names::default();
        let vb = VarBuilder::from_backend(Box::new(names.clone()), DType::F32, Device::Cpu);
        EfficientNet::new(&Config::v2_s(1000), vb).unwrap();
        let shapes = names.0.lock().unwrap();
        let trained = shapes.iter().filter(|(name, _)| !name.contains("running_"));
        assert_eq!(trained.map(|(_, shape)| shape.elem_count()).sum::<usize>(), 21_458_488);
        assert_eq!(shapes.len(), 672);
        for (name, shape) in [
            ("features.0.0.weight", vec![24, 3, 3, 3]),
            ("features.1.1.block.0.1.running_var", vec![24]),
            ("features.2.0.block.1.0.weight", vec![48, 96, 1, 1]),
            ("features.4.0.block.1.0.weight", vec![256, 1, 3, 3]),
            ("features.5.0.block.2.fc1.weight", vec![32, 768, 1, 1]),
            ("features.6.14.block.3.1.bias", vec![256]),
            ("features.7.0.weight", vec![1280, 256, 1, 1]),
            ("classifier.1.bias", vec![1000]),
        ] {
            assert_eq!(shapes.get(name).unwrap_or_else(|| panic!("{name}")).dims(), shape, "{name}");
        }
    }

    #[test]
    fn tiny_is_tiny() {
        let config = Config::tiny(9);
        let (params, network) = model(&config, DType::F32);
        assert!((100_000..250_000).contains(&params.params_count()), "{}", params.params_count());
        assert!(config.multiply_adds(32) <= 3_000_000, "{}", config.multiply_adds(32));
        for size in [28, 32] {
            assert_eq!(network.forward(&images(2, size, DType::F32), Mode::Eval).unwrap().dims(), [2, 9]);
        }
        assert_eq!(network.features(&images(1, 32, DType::F32)).unwrap().dims(), [1, 192]);
    }

    #[test]
    fn gradients_agree_with_differences() {
        let (params, network) = model(&micro(), DType::F64);
        let (images, targets) = (images(4, 16, DType::F64), Tensor::new(&[0u32, 1, 2, 1], &Device::Cpu).unwrap());
        for mode in [train(0), Mode::Eval] {
            check_gradients(&params, 2, || cross_entropy(&network.forward(&images, mode)?, &targets, 0.1));
        }
    }

    #[test]
    fn an_item_is_judged_alone() {
        let (_, network) = model(&Config::tiny(9), DType::F32);
        let images = images(3, 32, DType::F32);
        network.forward(&images, train(0)).unwrap();
        let all = network.forward(&images, Mode::Eval).unwrap();
        for item in 0..3 {
            let alone = network.forward(&images.narrow(0, item, 1).unwrap(), Mode::Eval).unwrap();
            let difference = values(&(alone - all.narrow(0, item, 1).unwrap()).unwrap());
            assert!(difference.iter().all(|d| d.abs() < 1e-5), "item {item}: {difference:?}");
        }
    }

    /// PyTorch: `running = 0.9 running + 0.1 batch`, the batch's variance being the unbiased one.
    #[test]
    fn running_statistics_move_in_training_alone() {
        let (params, network) = model(&micro(), DType::F64);
        let images = images(4, 16, DType::F64);
        let state = || params.state_dict().unwrap();
        network.forward(&images, Mode::Eval).unwrap();
        assert_eq!(values(state().get("features.0.1.running_mean").unwrap()), [0.0; 8]);
        network.forward(&images, train(0)).unwrap();
        let stem = state().get("features.0.0.weight").unwrap().clone();
        let y = values(&ops::conv2d(&images, &stem, None, 2, ops::Padding::same(1)).unwrap());
        let channel: Vec<f64> = y.iter().skip(3).step_by(8).copied().collect();
        let mean = channel.iter().sum::<f64>() / channel.len() as f64;
        let variance = channel.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (channel.len() - 1) as f64;
        let (running_mean, running_var) = (state(), state());
        assert!((values(running_mean.get("features.0.1.running_mean").unwrap())[3] - 0.1 * mean).abs() < 1e-9);
        assert!((values(running_var.get("features.0.1.running_var").unwrap())[3] - (0.9 + 0.1 * variance)).abs() < 1e-9);
        let frozen = Params::frozen_from(state(), DType::F64, &Device::Cpu);
        let network = frozen.build(|vb| EfficientNet::new(&micro(), vb)).unwrap();
        assert!(network.forward(&images, train(0)).unwrap_err().to_string().contains("frozen"));
    }

    #[test]
    fn what_is_dropped_follows_the_seed() {
        let (_, network) = model(&micro(), DType::F32);
        let forward = |mode| values(&network.forward(&images(4, 16, DType::F32), mode).unwrap());
        assert_eq!(forward(train(0)), forward(train(0)));
        assert_ne!(forward(train(0)), forward(train(1)));
        let item = draws(Seed::of_study(1), "dropout", 3, 5);
        assert_eq!(item[..10], draws(Seed::of_study(1), "dropout", 2, 5));
    }

    #[test]
    fn overfits_one_batch() {
        let config = Config { dropout: 0.0, stochastic_depth: 0.0, ..Config::tiny(9) };
        let (params, network) = model(&config, DType::F32);
        let (images, targets) = (images(18, 32, DType::F32), Tensor::from_iter((0..18u32).map(|i| i % 9), &Device::Cpu).unwrap());
        let mut optimiser = AdamW::new(params.trainable(), AdamWConfig::FASTAI).unwrap();
        let mut last = f32::NAN;
        for _ in 0..40 {
            let loss = cross_entropy(&network.forward(&images, train(0)).unwrap(), &targets, 0.0).unwrap();
            last = loss.to_scalar().unwrap();
            optimiser.step(&loss.backward().unwrap(), 3e-3, None).unwrap();
        }
        assert!(last < 0.05, "{last}");
    }
}
