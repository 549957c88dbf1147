use candle_core::DType;

use super::*;
use crate::ml::classify::efficientnet::{Config, EfficientNet, Stage};
use crate::ml::classify::examples::{Features, Inputs};
use crate::ml::classify::frames::{Frames, Photographs};
use crate::ml::classify::heads::Head;
use crate::ml::classify::model::is_of_head;
use crate::ml::classify::transforms;
use crate::ml::ops::without_kernels;
use crate::ml::params::Params;
use crate::ml::pixels::Pixels;
use crate::ml::training::Keep;
use crate::vocabulary::{HeadKind, Regime};

fn config(head: HeadKind) -> Config {
    let stage = |fused, stride, in_channels, out_channels| Stage {
        fused,
        expand: 2,
        kernel: 3,
        stride,
        in_channels,
        out_channels,
        layers: 1,
    };
    let stages = vec![stage(true, 1, 8, 8), stage(false, 2, 8, 16)];
    Config { stem_channels: 8, head_channels: 24, stages, head, ..Config::tiny(3) }
}

fn start(config: &Config) -> StateDict {
    let params = Params::drawn(Seed::of_study(1), DType::F32, &Device::Cpu);
    params.build(|vb| EfficientNet::new(config, vb)).unwrap();
    params.state_dict().unwrap()
}

/// Images of three classes, each with a colour of its own and noise.
fn images(count: usize, seed: u64) -> (Pixels, Vec<u32>) {
    let mut pixels = Pixels::new(16);
    let labels = (0..count as u32).map(|at| at % 3).collect::<Vec<_>>();
    for (at, label) in labels.iter().enumerate() {
        let noise = Seed::of_study(seed).nth(at as u64).normals(16 * 16 * 3);
        let value = |(at, noise): (usize, &f32)| {
            (100.0 + 20.0 * noise + if at % 3 == *label as usize { 40.0 } else { 0.0 }) as u8
        };
        pixels.push(&noise.iter().enumerate().map(value).collect::<Vec<_>>());
    }
    (pixels, labels)
}

const TRAINING: Training = Training {
    epochs: 3,
    steps_per_epoch: 0,
    batch: 4,
    drop_last: false,
    learning_rate: 3e-3,
    weight_decay: 0.01,
    decay_norms_and_biases: true,
    schedule: optim::Schedule::Constant,
    patience: 10,
    label_smoothing: 0.0,
    class_weights: Vec::new(),
    mixture: None,
    kept: WeightsKept::Best,
};

/// Trains on ten transformed images; `keep` is what a session keeps.
fn trained(
    regime: Regime,
    head: HeadKind,
    training: &Training,
    keep: &mut dyn Keep,
) -> Result<(StateDict, Vec<Epoch>)> {
    let config = config(head);
    let model = Model::of_regime(regime, &config, start(&config), &Device::Cpu).unwrap();
    let ((pixels, labels), (validation, validation_labels)) = (images(10, 2), images(6, 3));
    let mut frames = Frames::new(pixels.size());
    (0..pixels.count()).for_each(|at| frames.push(pixels.size(), pixels.size(), pixels.image(at)));
    let inputs = Photographs { frames: &frames, transforms: Some(&transforms::Config::FASTAI) };
    let lesson = Lesson {
        train: Examples { inputs: &inputs, labels: &labels },
        reals: 4,
        validation: Examples { inputs: &validation, labels: &validation_labels },
    };
    let session = Session { watch: &mut |_, _, _| Ok(()), keep: Some(keep) };
    let curve = fit(&model, training, lesson, &Seed::of_study(5), session)?;
    Ok((model.params.state_dict()?, curve))
}

/// Keeps every state that is offered, and gives one of them at first.
#[derive(Default)]
struct Every {
    first: Option<StateDict>,
    offered: Vec<StateDict>,
}

impl Keep for Every {
    fn load(&mut self) -> Result<Option<StateDict>> {
        Ok(self.first.clone())
    }

    fn offer(&mut self, state: &dyn Fn() -> Result<StateDict>) -> Result<()> {
        self.offered.push(state()?);
        Ok(())
    }
}

#[test]
fn each_regime_changes_what_it_says() {
    for head in [HeadKind::Linear, HeadKind::ConcatPool] {
        let before = start(&config(head));
        let changed = |regime| {
            let (after, _) = trained(regime, head, &TRAINING, &mut Every::default()).unwrap();
            let differs = |(name, value): &(&str, &Tensor)| {
                let gap =
                    (before.get(name).unwrap() - *value).unwrap().abs().unwrap().sum_all().unwrap();
                gap.to_scalar::<f32>().unwrap() > 0.0
            };
            after.iter().filter(differs).map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        let names = before.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(changed(Regime::Full), names);
        let in_head = |name: &String| is_of_head(name);
        assert_eq!(
            changed(Regime::Head),
            names.iter().filter(|name| in_head(name)).cloned().collect::<Vec<_>>()
        );
        let of_norm = |name: &String| {
            before.get(&format!("{}.running_var", name.rsplit_once('.').unwrap().0)).is_some()
        };
        let expected =
            names.iter().filter(|name| in_head(name) || of_norm(name)).cloned().collect::<Vec<_>>();
        assert_eq!(changed(Regime::Authors), expected);
        assert!(
            expected.contains(&"features.0.1.bias".to_owned())
                && !expected.contains(&"features.0.0.weight".to_owned())
        );
    }
}

/// By the operations of a GPU, but for rounding.
#[test]
fn each_regime_learns_without_kernels_too() {
    for head in [HeadKind::Linear, HeadKind::ConcatPool] {
        for regime in [Regime::Full, Regime::Authors, Regime::Head] {
            let train = || trained(regime, head, &TRAINING, &mut Every::default()).unwrap().1;
            let (with, without) = (train(), without_kernels(train));
            for (with, without) in with.iter().zip(&without) {
                let apart = (with.training_loss - without.training_loss).abs();
                assert!(apart < 1e-3 * with.training_loss, "{regime:?} {head:?} {apart:e}");
            }
        }
    }
}

#[test]
fn a_training_that_broke_off_goes_on_to_the_same_bits() {
    let plain = Training { kept: WeightsKept::Last, patience: 1, ..TRAINING };
    let odd = Training { drop_last: true, class_weights: vec![1.0, 2.0, 1.0], ..TRAINING };
    let whole = Training { kept: WeightsKept::Last, patience: 0, ..TRAINING };
    let mixed = |mixture| Training { mixture: Some(mixture), ..whole.clone() };
    let shares = mixed(Mixture { weight: 0.5, share: 0.25, pretraining: 0.0 });
    let in_turn = mixed(Mixture { pretraining: 0.4, ..Mixture::PLAIN });
    for (regime, head, training) in [
        (Regime::Full, HeadKind::Linear, plain),
        (Regime::Authors, HeadKind::ConcatPool, odd),
        (Regime::Full, HeadKind::ConcatPool, whole.clone()),
        (Regime::Full, HeadKind::Linear, shares),
        (Regime::Full, HeadKind::Linear, in_turn),
    ] {
        let mut keep = Every::default();
        let (expected, curve) = trained(regime, head, &training, &mut keep).unwrap();
        assert!(keep.offered.len() >= 3, "a state after each step");
        for first in keep.offered {
            let mut broken = Every { first: Some(first), offered: Vec::new() };
            let (weights, its) = trained(regime, head, &training, &mut broken).unwrap();
            assert_eq!(its, curve);
            assert_eq!(weights.largest_difference(&expected).unwrap(), Some(0.0));
        }
    }
}

/// The weights that are kept are those of the epoch that the curve calls best, or of the last.
#[test]
fn what_is_kept_is_what_was_judged() {
    let (validation, labels) = images(6, 3);
    for kept in [WeightsKept::Best, WeightsKept::Last] {
        // A rate so high that the last epoch is not the best.
        let class_weights = vec![0.5, 2.0, 1.0];
        let training = Training {
            kept,
            epochs: 8,
            learning_rate: 0.1,
            class_weights: class_weights.clone(),
            ..TRAINING
        };
        let (weights, curve) =
            trained(Regime::Full, HeadKind::Linear, &training, &mut Every::default()).unwrap();
        let frozen = Params::frozen_from(weights, DType::F32, &Device::Cpu);
        let network = frozen.build(|vb| EfficientNet::new(&config(HeadKind::Linear), vb)).unwrap();
        let (loss, _) =
            judge(&network, Examples { inputs: &validation, labels: &labels }, &class_weights)
                .unwrap();
        let losses = curve.iter().map(|line| line.validation_loss).collect::<Vec<_>>();
        let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(losses[7] > lowest, "{losses:?}");
        assert!(
            (loss - if kept == WeightsKept::Best { lowest } else { losses[7] }).abs() < 1e-9,
            "{kept:?}: {loss} of {losses:?}"
        );
    }
}

#[test]
fn training_ends_after_so_many_epochs_without_a_lower_loss() {
    let training = Training { epochs: 40, patience: 2, learning_rate: 0.1, ..TRAINING };
    let (_, curve) =
        trained(Regime::Full, HeadKind::Linear, &training, &mut Every::default()).unwrap();
    let losses = curve.iter().map(|line| line.validation_loss).collect::<Vec<_>>();
    let best =
        (0..losses.len()).fold(0, |best, at| if losses[at] < losses[best] { at } else { best });
    assert_eq!(losses.len(), best + 3, "{losses:?}");
}

/// Without patience a training goes to its last epoch, however long ago its best one was, by the
/// steps that a patient one takes.
#[test]
fn without_patience_training_goes_to_its_last_epoch() {
    let training =
        |patience, kept| Training { epochs: 12, patience, kept, learning_rate: 0.1, ..TRAINING };
    let of = |patience, kept| {
        trained(Regime::Full, HeadKind::Linear, &training(patience, kept), &mut Every::default())
            .unwrap()
    };
    let (_, short) = of(1, WeightsKept::Best);
    assert!(short.len() < 12, "one that has patience would have stopped: {short:?}");
    for kept in [WeightsKept::Best, WeightsKept::Last] {
        let ((weights, curve), (patient, its)) = (of(0, kept), of(12, kept));
        assert_eq!((curve.len(), &curve), (12, &its), "{kept:?}");
        assert_eq!(curve[..short.len()], short);
        assert_eq!(weights.largest_difference(&patient).unwrap(), Some(0.0), "{kept:?}");
    }
}

/// The best weights are copied where they can be wanted, and nowhere else.
#[test]
fn the_best_weights_are_kept_for_those_who_want_them() {
    for (kept, wanted) in [(WeightsKept::Best, true), (WeightsKept::Last, false)] {
        let mut states = Every::default();
        trained(Regime::Full, HeadKind::Linear, &Training { kept, ..TRAINING }, &mut states)
            .unwrap();
        let last = states.offered.last().unwrap();
        assert_eq!(last.iter().any(|(name, _)| name.starts_with("best.")), wanted, "{kept:?}");
    }
}

/// Features that were computed before teach a head the same as images through the frozen body.
#[test]
fn a_head_learns_from_features_as_from_images() {
    for kind in [HeadKind::Linear, HeadKind::ConcatPool] {
        let config = config(kind);
        let start = start(&config);
        let body = Params::frozen_from(start.clone(), DType::F32, &Device::Cpu);
        let body = body.build(|vb| EfficientNet::new(&config, vb)).unwrap();
        let ((pixels, labels), (validation, validation_labels)) = (images(10, 2), images(6, 3));
        let features = |pixels: &Pixels| {
            let mut features = Features::new(1, if kind == HeadKind::Linear { 24 } else { 48 });
            for image in 0..pixels.count() {
                let row = body.features(&pixels.unit_batch(&[image]).unwrap(), Mode::Eval).unwrap();
                features.push(&row.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            }
            features
        };
        let curve = |model: &Model, train: &dyn Inputs, validation: &dyn Inputs| {
            let lesson = Lesson {
                train: Examples { inputs: train, labels: &labels },
                reals: labels.len(),
                validation: Examples { inputs: validation, labels: &validation_labels },
            };
            let session = Session { watch: &mut |_, _, _| Ok(()), keep: None };
            fit(model, &TRAINING, lesson, &Seed::of_study(5), session).unwrap()
        };
        let whole = Model::of_regime(Regime::Head, &config, start.clone(), &Device::Cpu).unwrap();
        let head = start.iter().filter(|(name, _)| is_of_head(name));
        let head =
            head.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect::<StateDict>();
        let head = Params::trainable_from(head, DType::F32, &Device::Cpu);
        let alone = Model::new(head, |vb| Head::new(&config, vb)).unwrap();
        let from_images = curve(&whole, &pixels, &validation);
        let from_features = curve(&alone, &features(&pixels), &features(&validation));
        for (a, b) in from_images.iter().zip(&from_features) {
            assert!((a.validation_loss - b.validation_loss).abs() < 1e-4, "{a:?} {b:?}");
        }
    }
}

#[test]
fn too_few_images_for_a_batch_are_an_error_where_it_has_to_be_full() {
    let training = Training { drop_last: true, batch: 11, ..TRAINING };
    let error = trained(Regime::Full, HeadKind::Linear, &training, &mut Every::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("10 training images do not fill one batch of 11"), "{error}");
}
