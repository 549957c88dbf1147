//! The network's names, gradients, batches, draws and learning; what torchvision makes of it is in
//! `reference`.

mod reference;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Shape};
use candle_nn::Init;
use candle_nn::var_builder::SimpleBackend;

use super::*;
use crate::ml::gradcheck::check_gradients;
use crate::ml::loss::cross_entropy;
use crate::ml::optim::{AdamW, AdamWConfig};
use crate::ml::params::Params;
use crate::seed::Seed;

/// Notes names and shapes, and gives zeros.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<BTreeMap<String, Shape>>>);

impl SimpleBackend for Names {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
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
    let stages =
        vec![stage(true, 1, 1, 8, 8, 1), stage(true, 2, 2, 8, 8, 2), stage(false, 2, 2, 8, 16, 2)];
    let head = Config {
        stem_channels: 8,
        head_channels: 12,
        stages,
        dropout: 0.3,
        stochastic_depth: 0.5,
        ..Config::tiny(3)
    };
    Config { bn_eps: 1e-2, ..head }
}

fn model(config: &Config, dtype: DType) -> (Params, EfficientNet) {
    let params = Params::drawn(Seed::of_study(1), dtype, &Device::Cpu);
    let network = params.build(|vb| EfficientNet::new(config, vb)).unwrap();
    (params, network)
}

fn images(batch: usize, size: usize, dtype: DType) -> Tensor {
    let values: Vec<f32> =
        Seed::of_study(2).normals(batch * size * size * 3).iter().map(|z| 0.5 + 0.2 * z).collect();
    Tensor::from_vec(values, (batch, size, size, 3), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn train(item: u64) -> Mode {
    Mode::Train { seed: Seed::of_study(3).nth(item) }
}

/// What the network asks for, and the network with weights of zeros.
fn recorded(config: &Config) -> (BTreeMap<String, Shape>, EfficientNet) {
    let names = Names::default();
    let vb = VarBuilder::from_backend(Box::new(names.clone()), DType::F32, Device::Cpu);
    let network = EfficientNet::new(config, vb).unwrap();
    (std::mem::take(&mut *names.0.lock().unwrap()), network)
}

/// `len([n for n in model.state_dict() if "num_batches" not in n])` and `sum(p.numel() for p in
/// model.parameters())` of torchvision's efficientnet_v2_s and efficientnet_v2_m, and of
/// efficientnet_lite_pytorch's efficientnet-lite0.
#[test]
fn names_and_sizes() {
    for (config, tensors, parameters) in [
        (Config::v2_s(1000), 672, 21_458_488),
        (Config::v2_m(1000), 963, 54_139_356),
        (Config::lite0(1000), 247, 4_652_008),
    ] {
        let (shapes, _) = recorded(&config);
        let trained = shapes.iter().filter(|(name, _)| !name.contains("running_"));
        assert_eq!(trained.map(|(_, shape)| shape.elem_count()).sum::<usize>(), parameters);
        assert_eq!(shapes.len(), tensors);
    }
    let (shapes, _) = recorded(&Config::v2_s(1000));
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
        assert_eq!(
            network.forward(&images(2, size, DType::F32), Mode::Eval).unwrap().dims(),
            [2, 9]
        );
    }
    assert_eq!(network.features(&images(1, 32, DType::F32), Mode::Eval).unwrap().dims(), [1, 192]);
}

#[test]
fn gradients_agree_with_differences() {
    let (params, network) = model(&micro(), DType::F64);
    let (images, targets) =
        (images(4, 16, DType::F64), Tensor::new(&[0u32, 1, 2, 1], &Device::Cpu).unwrap());
    for mode in [train(0), Mode::Eval] {
        check_gradients(&params, 2, || {
            cross_entropy(&network.forward(&images, mode)?, &targets, 0.1)
        });
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
    let variance =
        channel.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (channel.len() - 1) as f64;
    let (running_mean, running_var) = (state(), state());
    assert!(
        (values(running_mean.get("features.0.1.running_mean").unwrap())[3] - 0.1 * mean).abs()
            < 1e-9
    );
    assert!(
        (values(running_var.get("features.0.1.running_var").unwrap())[3] - (0.9 + 0.1 * variance))
            .abs()
            < 1e-9
    );
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
    let (images, targets) = (
        images(18, 32, DType::F32),
        Tensor::from_iter((0..18u32).map(|i| i % 9), &Device::Cpu).unwrap(),
    );
    let mut optimiser = AdamW::new(params.trainable(), AdamWConfig::FASTAI).unwrap();
    let mut last = f32::NAN;
    for _ in 0..40 {
        let loss =
            cross_entropy(&network.forward(&images, train(0)).unwrap(), &targets, 0.0).unwrap();
        last = loss.to_scalar().unwrap();
        optimiser.step(&loss.backward().unwrap(), 3e-3, None).unwrap();
    }
    assert!(last < 0.05, "{last}");
}

/// The keys that Lite needs are not written for V2: configurations of before are read, and written
/// again to the same bytes.
#[test]
fn configurations_without_the_keys_of_lite_stay_as_they_are() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("experiments/base/backbone/backbone/config.json");
    let stored = std::fs::read_to_string(path).unwrap();
    let config: Config = serde_json::from_str(&stored).unwrap();
    assert_eq!(config, Config::tiny(config.classes));
    assert_eq!(serde_json::to_string_pretty(&config).unwrap(), stored);
    let lite: Config =
        serde_json::from_str(&serde_json::to_string(&Config::lite0(9)).unwrap()).unwrap();
    assert_eq!(lite, Config::lite0(9));
}

#[test]
fn images_are_normalised_as_the_configuration_says() {
    let config = Config { normalisation: Normalisation::LITE, ..micro() };
    let (params, network) = model(&config, DType::F64);
    let plain = params.build(|vb| EfficientNet::new(&micro(), vb)).unwrap();
    let images = images(2, 16, DType::F64);
    let by_hand = (((&images * 255.0).unwrap() - 127.0).unwrap() / 128.0).unwrap();
    let (ours, expected) = (network.levels(&images).unwrap(), plain.levels(&by_hand).unwrap());
    for (ours, expected) in ours.iter().zip(&expected) {
        assert!(values(&(ours - expected).unwrap()).iter().all(|d| d.abs() < 1e-12));
    }
    let (ours, expected) = (
        network.forward(&images, Mode::Eval).unwrap(),
        plain.forward(&by_hand, Mode::Eval).unwrap(),
    );
    assert!(values(&(ours - expected).unwrap()).iter().all(|d| d.abs() < 1e-12));
    assert_ne!(
        values(&network.features(&images, Mode::Eval).unwrap()),
        values(&plain.features(&images, Mode::Eval).unwrap())
    );
}
