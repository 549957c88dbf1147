//! What torchvision makes of V2, and efficientnet_lite_pytorch of Lite0:
//! tests/fixtures/efficientnet/, whose script says which versions, and how images and weights come
//! from names. Each item's largest error, relative to the largest of the reference's values of that
//! tensor, is printed as a table beside that of the reference itself in single precision.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Shape, Tensor, Var};
use serde_json::Value;

use super::super::*;
use super::recorded;
use crate::ml::classify::model::Model;
use crate::ml::loss::cross_entropy;
use crate::ml::ops::without_kernels;
use crate::ml::optim::{AdamW, AdamWConfig};
use crate::ml::params::{Params, StateDict};
use crate::vocabulary::{HeadKind, Regime};

const TOLERANCE: f64 = 1e-4;
const BATCH: usize = 4;
const SAMPLES: usize = 8;

/// The script's u: element `at` of the tensor `name`, in [-1, 1).
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    (1..=count as u64).map(move |at| {
        let z = seed.wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// The script's weights.
fn weight(name: &str, shape: &Shape) -> Tensor {
    let spread: &dyn Fn(f64) -> f64 = match shape.dims() {
        [_, inputs @ ..] if !inputs.is_empty() => {
            let bound = (6.0 / inputs.iter().product::<usize>() as f64).sqrt();
            &move |u| u * bound
        }
        _ if name.ends_with("running_var") => &|u| 1.0 + 0.3 * u,
        _ if name.ends_with("weight") => &|u| 0.5 + 0.1 * u,
        _ => &|u| 0.4 * u,
    };
    let values: Vec<f32> = uniform(name, shape.elem_count()).map(|u| spread(u) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The script's images, `[B,H,W,3]`.
fn images(side: usize, dtype: DType) -> Tensor {
    let squares = side / 4;
    let values: Vec<f64> =
        uniform("images", BATCH * squares * squares * 3).map(|u| (u + 1.0) / 2.0).collect();
    let squares =
        Tensor::from_vec(values, (BATCH, squares, 1, squares, 1, 3), &Device::Cpu).unwrap();
    let images =
        squares.broadcast_as((BATCH, side / 4, 4, side / 4, 4, 3)).unwrap().contiguous().unwrap();
    images.reshape((BATCH, side, side, 3)).unwrap().to_dtype(dtype).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn largest(values: &[f64]) -> f64 {
    // `max` would drop a NaN.
    values.iter().fold(0.0, |m, v| if v.abs() <= m { m } else { v.abs() })
}

fn relative(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    largest(&ours.iter().zip(theirs).map(|(a, b)| a - b).collect::<Vec<_>>()) / largest(theirs)
}

type Tensors = BTreeMap<String, Tensor>;

/// One model's fixture.
struct Reference {
    stored: StateDict,
    facts: Value,
    /// Variables, and running statistics, each in name order.
    names: [Vec<String>; 2],
    rows: Vec<(String, f64, Option<f64>)>,
}

impl Reference {
    fn get(&self, name: &str) -> Vec<f64> {
        flat(self.stored.get(name).unwrap_or_else(|| panic!("no {name}")))
    }

    /// Notes how far `item` is, beside the reference itself in single precision.
    fn row(&mut self, item: &str, key: &str, error: f64) {
        self.rows.push((item.to_owned(), error, self.facts["single"][key].as_f64()));
    }

    /// Whether every value of the tensors is stored.
    fn whole(&self) -> bool {
        self.facts["whole"].as_bool().unwrap()
    }

    /// What is stored of `group`'s tensor `name` under `key`.
    fn part(&self, group: &str, key: &str, name: &str) -> Vec<f64> {
        let names = &self.names[usize::from(group == "running")];
        let (at, all) = (
            names.binary_search_by(|other| other.as_str().cmp(name)).unwrap(),
            self.get(&format!("{group}.{key}")),
        );
        let each = all.len() / names.len();
        all[at * each..][..each].to_vec()
    }

    /// The stored values of `group`'s tensor `name`, all or some.
    fn values(&self, group: &str, name: &str) -> Vec<f64> {
        if self.whole() {
            self.get(&format!("{group}.{name}"))
        } else {
            self.part(group, "samples", name)
        }
    }

    /// The values of a tensor that the reference stores.
    fn sampled(&self, name: &str, values: &[f64]) -> Vec<f64> {
        if self.whole() {
            return values.to_vec();
        }
        let place =
            |u: f64| (((u + 1.0) / 2.0 * values.len() as f64) as usize).min(values.len() - 1);
        uniform(&format!("{name}.positions"), SAMPLES).map(|u| values[place(u)]).collect()
    }

    /// The reference's largest magnitude in `group`'s tensor `name`.
    fn most(&self, group: &str, name: &str) -> f64 {
        if self.whole() {
            largest(&self.values(group, name))
        } else {
            self.part(group, "largest", name)[0]
        }
    }

    /// The largest error of `group`'s tensors: of their values, and where not all are stored, of
    /// their norm, of their largest magnitude and of a sum that every value is in.
    fn error(&self, group: &str, ours: &Tensors) -> f64 {
        let each = ours.iter().map(|(name, tensor)| {
            let (values, most) = (flat(tensor), self.most(group, name));
            let pairs = self.sampled(name, &values).into_iter().zip(self.values(group, name));
            let mut errors: Vec<f64> = pairs.map(|(ours, theirs)| (ours - theirs) / most).collect();
            if !self.whole() {
                let part = |key: &str| self.part(group, key, name)[0];
                let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
                let product = values
                    .iter()
                    .zip(uniform(&format!("{name}.product"), values.len()))
                    .map(|(v, u)| v * u)
                    .sum::<f64>();
                errors.push((norm - part("norm")) / part("norm"));
                errors.push((product - part("product")) / part("norm"));
                errors.push((largest(&values) - most) / most);
            }
            largest(&errors)
        });
        largest(&each.collect::<Vec<_>>())
    }

    /// The largest error after a step at `rate` of the stored values alone, with the reference's
    /// own gradients.
    fn optimised(&self, start: &StateDict, rate: f64) -> f64 {
        let variable = |name: &String| {
            let values = self.sampled(name, &flat(start.get(name).unwrap()));
            (
                name.clone(),
                Var::new(values.iter().map(|&v| v as f32).collect::<Vec<_>>(), &Device::Cpu)
                    .unwrap(),
            )
        };
        let variables: Vec<(String, Var)> = self.names[0].iter().map(variable).collect();
        let products = variables.iter().map(|(name, var)| {
            let gradient: Vec<f32> =
                self.values("gradient", name).iter().map(|&g| g as f32).collect();
            (var.as_tensor() * Tensor::new(gradient, &Device::Cpu).unwrap())
                .unwrap()
                .sum_all()
                .unwrap()
        });
        let gradients =
            products.reduce(|sum, product| (sum + product).unwrap()).unwrap().backward().unwrap();
        AdamW::new(variables.clone(), AdamWConfig::FASTAI)
            .unwrap()
            .step(&gradients, rate, None)
            .unwrap();
        let error = |(name, var): &(String, Var)| {
            let pairs = flat(var).into_iter().zip(self.values("optimised", name));
            largest(&pairs.map(|(ours, theirs)| ours - theirs).collect::<Vec<_>>())
                / self.most("optimised", name)
        };
        largest(&variables.iter().map(error).collect::<Vec<_>>())
    }
}

fn check(name: &str, config: &Config, dtype: DType, device: &Device) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/efficientnet");
    let all: Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let stored =
        StateDict::read(&std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap())
            .unwrap();
    let (shapes, described) = recorded(config);
    let (running, variables) = shapes.keys().cloned().partition(|name| name.contains("running_"));
    let mut reference = Reference {
        stored,
        facts: all[name].clone(),
        names: [variables, running],
        rows: Vec::new(),
    };

    // Stochastic depth and dropout are drawn here from other streams than PyTorch's: compared as
    // chances, and left out of the step.
    for (at, (ours, theirs)) in described
        .stochastic_depth()
        .iter()
        .zip(reference.facts["stochastic_depth"].as_array().unwrap())
        .enumerate()
    {
        let fits = match (ours, theirs[0].as_f64()) {
            (Some(ours), Some(chance)) => (ours - chance).abs() < 1e-12 && theirs[1] == "row",
            (ours, chance) => ours.is_none() && chance.is_none(),
        };
        assert!(fits, "{name}: stochastic depth of block {at} is {ours:?}, torchvision's {theirs}");
    }

    let still = Config {
        dropout: 0.0,
        stochastic_depth: 0.0,
        normalisation: Normalisation::NONE,
        ..config.clone()
    };
    let start: StateDict =
        shapes.iter().map(|(name, shape)| (name.clone(), weight(name, shape))).collect();
    let params = Params::trainable_from(start.clone(), dtype, device);
    let network = params.build(|vb| EfficientNet::new(&still, vb)).unwrap();

    let images = images(reference.facts["side"].as_u64().unwrap() as usize, dtype);
    let evaluated = network.forward(&images, Mode::Eval).unwrap();
    let error = relative(&flat(&evaluated), &reference.get("evaluated"));
    reference.row("logits, evaluation", "evaluated", error);
    let seed = crate::seed::Seed::of_study(1);
    let trained = network.forward(&images, Mode::Train { seed }).unwrap();
    let error = relative(&flat(&trained), &reference.get("trained"));
    reference.row("logits, training", "trained", error);
    let state = params.state_dict().unwrap();
    let running: Tensors = state
        .iter()
        .filter(|(name, _)| name.contains("running_"))
        .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
        .collect();
    let error = reference.error("running", &running);
    reference.row(&format!("{} running statistics after a step", running.len()), "running", error);

    let labels: Vec<u32> = all["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| label.as_u64().unwrap() as u32)
        .collect();
    let loss = cross_entropy(&trained, &Tensor::new(labels, &Device::Cpu).unwrap(), 0.0).unwrap();
    let gradients = loss.backward().unwrap();
    let variables = params.trainable();
    let gradient = |(name, var): &(String, Var)| {
        (name.clone(), gradients.get(var).unwrap_or_else(|| panic!("{name}")).clone())
    };
    let floor = 1e-9
        * variables.iter().map(|(name, _)| reference.most("gradient", name)).fold(0.0, f64::max);
    let all_gradients = variables.iter().map(gradient);
    // A constant that the next normalisation takes away again has no gradient but for rounding.
    let (vanishing, gradient): (Tensors, Tensors) =
        all_gradients.partition(|(name, _)| reference.most("gradient", name) < floor);
    let error = reference.error("gradient", &gradient);
    reference.row(&format!("{} gradients", gradient.len()), "gradient", error);
    assert_eq!(vanishing.len(), reference.facts["vanishing"].as_u64().unwrap() as usize, "{name}");
    let rest = vanishing.values().map(|gradient| largest(&flat(gradient))).fold(0.0, f64::max);
    let most = gradient.values().map(|gradient| largest(&flat(gradient))).fold(0.0, f64::max);
    reference.rows.push((
        format!("{} gradients that are zero in exact arithmetic, of the largest", vanishing.len()),
        rest / most,
        None,
    ));

    let rate = |item: &str| all["rates"][item].as_f64().unwrap();
    let mut optimiser = AdamW::new(variables.clone(), AdamWConfig::FASTAI).unwrap();
    optimiser.step(&gradients, rate("updated"), None).unwrap();
    let updated = variables.iter().filter(|(name, _)| gradient.contains_key(name));
    let updated: Tensors =
        updated.map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let error = reference.error("updated", &updated);
    reference.row(
        &format!("{} weights after a step at {:e}", updated.len(), rate("updated")),
        "updated",
        error,
    );
    let error = reference.optimised(&start, rate("optimised"));
    let item =
        format!("weights after a step at {:e}, from the reference's gradients", rate("optimised"));
    reference.rows.push((item, error, None));

    println!(
        "\n{name} as {dtype:?}, {:?}, against {} (in single precision itself)",
        device.location(),
        all["made_with"]
    );
    for (item, error, single) in &reference.rows {
        println!(
            "  {item:<84} {error:.1e}{}",
            single.map_or(String::new(), |single| format!(" ({single:.1e})"))
        );
    }
    for (item, error, _) in &reference.rows {
        assert!(*error <= TOLERANCE, "{name}: {item}: {error:e}");
    }
}

/// V2's two kinds of block, with and without residual and expansion.
fn small() -> Config {
    let stage = |fused, expand, stride, in_channels, out_channels, layers| Stage {
        fused,
        expand,
        kernel: 3,
        stride,
        in_channels,
        out_channels,
        layers,
    };
    let stages = vec![
        stage(true, 1, 1, 8, 8, 2),
        stage(true, 2, 2, 8, 16, 2),
        stage(false, 4, 2, 16, 24, 2),
    ];
    Config { stem_channels: 8, head_channels: 64, stages, stochastic_depth: 0.2, ..Config::tiny(7) }
}

#[test]
fn small_v2_with_every_gradient() {
    check("small", &small(), DType::F32, &Device::Cpu);
}

#[test]
fn v2_s() {
    check("v2-s", &Config::v2_s(1000), DType::F32, &Device::Cpu);
}

#[test]
fn v2_m() {
    check("v2-m", &Config::v2_m(1000), DType::F32, &Device::Cpu);
}

/// In double precision: where ReLU6 has its kinks, rounding to single decides whether a pixel has a
/// gradient.
#[test]
fn lite0() {
    check("lite0", &Config::lite0(1000), DType::F64, &Device::Cpu);
}

/// fastai's own Learner, body frozen: which tensors move, and where they are after two steps.
/// The operations that a GPU runs, on the processor.
#[test]
fn as_a_gpu_computes() {
    without_kernels(|| {
        check("small", &small(), DType::F32, &Device::Cpu);
        check("v2-s", &Config::v2_s(1000), DType::F32, &Device::Cpu);
        check("lite0", &Config::lite0(1000), DType::F64, &Device::Cpu);
    });
}

/// The same on a GPU, where this build has CUDA and the machine a GPU.
#[cfg(feature = "cuda")]
#[test]
fn on_a_gpu() {
    match Device::new_cuda(0) {
        Ok(device) => {
            check("small", &small(), DType::F32, &device);
            check("v2-s", &Config::v2_s(1000), DType::F32, &device);
            check("v2-m", &Config::v2_m(1000), DType::F32, &device);
            check("lite0", &Config::lite0(1000), DType::F64, &device);
        }
        Err(error) => {
            use std::io::Write;
            // Past libtest's capture, so that it is seen.
            let _ = writeln!(std::io::stderr(), "skipped: no GPU can be used: {error}");
        }
    }
}

#[test]
fn the_authors_regime_is_fastais_frozen_body() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/efficientnet");
    let mut expected =
        StateDict::read(&std::fs::read(folder.join("authors.safetensors")).unwrap()).unwrap();
    let evaluated = expected.remove("evaluated").unwrap();
    let config =
        Config { head: HeadKind::ConcatPool, dropout: 0.0, stochastic_depth: 0.0, ..small() };
    let (shapes, _) = recorded(&config);
    let start: StateDict =
        shapes.iter().map(|(name, shape)| (name.clone(), weight(name, shape))).collect();
    let model = Model::of_regime(Regime::Authors, &config, start.clone(), &Device::Cpu).unwrap();
    let (images, labels) =
        (images(32, DType::F32), Tensor::new(&[3u32, 1, 4, 1], &Device::Cpu).unwrap());
    // As in fastai, scales, shifts and biases don't decay.
    let decays = |_: &str, variable: &Var| variable.rank() > 1;
    let mut optimiser =
        AdamW::with_decay(model.params.trainable(), AdamWConfig::FASTAI, decays).unwrap();
    for step in 0..2 {
        let logits = model
            .learner
            .forward(&images, Mode::Train { seed: crate::seed::Seed::of_study(step) })
            .unwrap();
        let gradients = cross_entropy(&logits, &labels, 0.0).unwrap().backward().unwrap();
        optimiser.step(&gradients, 1e-4, None).unwrap();
    }
    let state = model.params.state_dict().unwrap();
    assert_eq!(
        state.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        expected.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    let mut worst = (0.0, String::new());
    let mut moved = 0;
    for ((name, ours), (_, theirs)) in state.iter().zip(expected.iter()) {
        let error = relative(&flat(ours), &flat(theirs));
        if error > worst.0 {
            worst = (error, name.to_owned());
        }
        // A gradient that is zero but for rounding moves a weight by less.
        let moves =
            |after: &Tensor| largest(&flat(&(after - start.get(name).unwrap()).unwrap())) > 3e-5;
        assert_eq!(moves(ours), moves(theirs), "{name}: moves here or there only");
        moved += usize::from(moves(ours));
    }
    let logits = model.twin.forward(&images, Mode::Eval).unwrap();
    let error = relative(&flat(&logits), &flat(&evaluated));
    println!(
        "\nfastai's frozen body: {moved} of {} tensors move, at most {:.1e} apart ({}), logits {error:.1e}",
        shapes.len(),
        worst.0,
        worst.1
    );
    assert!(worst.0 <= TOLERANCE && error <= TOLERANCE, "{worst:?} {error:e}");
}
