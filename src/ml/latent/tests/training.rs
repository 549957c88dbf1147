//! The losses that models are trained on.

use candle_core::{DType, Result, Tensor};
use candle_nn::Init;

use super::{CPU, apart, drawn, largest, normal, tiny_unet, tiny_vae, unet_of, vae_of};
use crate::ml::classify::efficientnet::{Config, EfficientNet};
use crate::ml::gradcheck::check_gradients;
use crate::ml::latent::denoising::{Batch, Denoising};
use crate::ml::latent::reconstruction::{
    AutoencoderLoss, FIRST_LOGVAR, narrow_posterior, perceptual_distance,
};
use crate::ml::latent::schedule::tests::stable_diffusion;
use crate::ml::latent::train::{Budget, Part, optimise};
use crate::ml::latent::unet::UNet2DConditionModel;
use crate::ml::optim;
use crate::ml::params::StateDict;
use crate::ml::training::{Keep, Session, backward};
use crate::seed::Seed;
use crate::vocabulary::PredictionType;

fn judge(dtype: DType) -> EfficientNet {
    drawn(dtype).build(|vb| EfficientNet::new(&Config::tiny(4), vb)).unwrap()
}

fn images(name: &str, dtype: DType) -> Tensor {
    (normal(name, &[2, 8, 8, 3], dtype) * 0.4).unwrap()
}

fn value(loss: &Tensor) -> f64 {
    loss.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

#[test]
fn the_perceptual_distance_is_a_distance() {
    let (judge, a, b) = (judge(DType::F64), images("a", DType::F64), images("b", DType::F64));
    let distance = |a: &Tensor, b: &Tensor| value(&perceptual_distance(&judge, a, b).unwrap());
    assert_eq!(distance(&a, &a), 0.0);
    assert_eq!(distance(&a, &b), distance(&b, &a));
    let slightly = (&a + (&b * 0.01).unwrap()).unwrap();
    assert!(0.0 < distance(&a, &slightly) && distance(&a, &slightly) < distance(&a, &b));
    assert!(distance(&a, &b) < 4.0, "directions are at most 2 apart");
}

/// Each term reaches the reconstruction with the right gradient, past the frozen classifier.
#[test]
fn the_reconstruction_loss_has_the_gradient_of_its_differences() {
    let (judge, pixels) = (judge(DType::F64), images("pixels", DType::F64));
    let none =
        AutoencoderLoss { kl: 0.0, gradient: 0.0, chroma: 0.0, perceptual: 0.0, judge: &judge };
    let terms = [
        none.clone(),
        AutoencoderLoss { gradient: 0.5, ..none.clone() },
        AutoencoderLoss { chroma: 1.0, ..none.clone() },
        AutoencoderLoss { perceptual: 2.0, ..none },
    ];
    for terms in terms {
        let params = drawn(DType::F64);
        let init = Init::Randn { mean: 0.0, stdev: 0.5 };
        let restored =
            params.build(|vb| vb.get_with_hints((2, 8, 8, 3), "restored", init)).unwrap();
        check_gradients(&params, 5, || terms.reconstruction(&restored, &pixels));
    }
}

#[test]
fn colour_alone_is_what_chroma_weighs() {
    let (judge, pixels) = (judge(DType::F64), images("pixels", DType::F64));
    let loss = |chroma: f64, error: [f64; 3]| {
        let terms =
            AutoencoderLoss { kl: 0.0, gradient: 0.0, chroma, perceptual: 0.0, judge: &judge };
        let restored = pixels.broadcast_add(&Tensor::new(&error, &CPU).unwrap()).unwrap();
        value(&terms.reconstruction(&restored, &pixels).unwrap())
    };
    assert!(
        (loss(1.0, [0.3; 3]) - loss(0.0, [0.3; 3])).abs() < 1e-12,
        "a change of brightness is no change of colour"
    );
    assert!((loss(1.0, [0.3, 0.0, 0.0]) - loss(0.0, [0.3, 0.0, 0.0]) - 0.4 / 3.0).abs() < 1e-12);
}

#[test]
fn a_new_posterior_is_narrow() {
    let config = tiny_vae();
    let (params, model) = vae_of(&config, DType::F32);
    let before = model.encode(&images("x", DType::F32)).unwrap();
    narrow_posterior(&params, config.latent_channels).unwrap();
    let after = model.encode(&images("x", DType::F32)).unwrap();
    assert_eq!(apart(&before.mean, &after.mean), 0.0);
    assert!(largest(&(after.logvar - f64::from(FIRST_LOGVAR)).unwrap()) < 1.5);
}

#[test]
fn min_snr_weighs_an_image() {
    let schedule = stable_diffusion(PredictionType::VPrediction);
    let config =
        crate::ml::latent::unet::Config { in_channels: 2, out_channels: 2, ..tiny_unet(2, true) };
    let (_, unet) = unet_of(&config, DType::F32);
    let (clean, context) =
        (normal("x", &[1, 4, 4, 2], DType::F32), normal("context", &[1, 3, 6], DType::F32));
    let loss = |snr_gamma| {
        let denoising = Denoising { schedule: &schedule, snr_gamma, gradient_checkpointing: false };
        let batch = Batch { clean: clean.clone(), condition: None, context: context.clone() };
        value(&denoising.loss(&unet, &batch, &Seed::of_study(1)).unwrap())
    };
    // One image has one timestep, so the weighting is a factor: of v, at most gamma / (SNR + 1).
    let (plain, half, whole) = (loss(None), loss(Some(1e-6)), loss(Some(2e-6)));
    assert!((whole / half - 2.0).abs() < 1e-5, "{half} {whole}");
    assert!(whole < plain);
}

/// A layer's gradients do not depend on whether its graph was kept or built again.
#[test]
fn gradient_checkpointing_changes_no_gradient() {
    let schedule = stable_diffusion(PredictionType::Epsilon);
    let config =
        crate::ml::latent::unet::Config { in_channels: 5, out_channels: 2, ..tiny_unet(2, true) };
    let (params, unet) = unet_of(&config, DType::F32);
    let batch = Batch {
        clean: normal("x", &[3, 4, 4, 2], DType::F32),
        condition: Some(normal("condition", &[3, 4, 4, 3], DType::F32)),
        context: normal("context", &[3, 3, 6], DType::F32),
    };
    let gradients = |gradient_checkpointing| {
        let denoising = Denoising { schedule: &schedule, snr_gamma: None, gradient_checkpointing };
        denoising.gradients(&unet, &batch, 0.5, &Seed::of_study(1)).unwrap()
    };
    let (kept, again) = (gradients(false), gradients(true));
    assert_eq!(kept.0, again.0);
    for (name, variable) in params.trainable() {
        let [kept, again] = [&kept.1, &again.1]
            .map(|store| store.get(&variable).unwrap_or_else(|| panic!("{name}")));
        assert!(
            apart(kept, again) <= 1e-5 * largest(kept).max(1e-3),
            "{name}: {} of {}",
            apart(kept, again),
            largest(kept)
        );
    }
}

/// What a UNet answers in half precision, and the gradients of its masters, are those of single
/// precision but for their few bits.
#[test]
fn half_precision_has_masters_in_single() {
    let schedule = stable_diffusion(PredictionType::Epsilon);
    let config =
        crate::ml::latent::unet::Config { in_channels: 2, out_channels: 2, ..tiny_unet(2, true) };
    let (params, unet) = unet_of(&config, DType::F32);
    let batch = Batch {
        clean: normal("x", &[3, 4, 4, 2], DType::F32),
        condition: None,
        context: normal("context", &[3, 3, 6], DType::F32),
    };
    let denoising =
        Denoising { schedule: &schedule, snr_gamma: None, gradient_checkpointing: false };
    let single = denoising.gradients(&unet, &batch, 1.0, &Seed::of_study(1)).unwrap();
    for (dtype, bits) in [(DType::BF16, 8), (DType::F16, 11)] {
        let unet = UNet2DConditionModel::new(&config, params.builder_as(dtype)).unwrap();
        let half = denoising.gradients(&unet, &batch, 1.0, &Seed::of_study(1)).unwrap();
        let allowed = 20.0 * 0.5_f64.powi(bits);
        assert!((half.0 / single.0 - 1.0).abs() < allowed, "{dtype:?}: {} {}", half.0, single.0);
        let mut worst = 0.0_f64;
        let whole = params
            .trainable()
            .iter()
            .map(|(_, v)| largest(single.1.get(v).unwrap()))
            .fold(0.0, f64::max);
        for (name, variable) in params.trainable() {
            let gradient = half.1.get(&variable).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(gradient.dtype(), DType::F32, "{name}");
            worst = worst.max(apart(gradient, single.1.get(&variable).unwrap()) / whole);
        }
        assert!(worst < allowed, "{dtype:?}: {worst}");
    }
}

/// Batches that are accumulated count as one of all their images.
#[test]
fn accumulated_gradients_are_those_of_one_batch() {
    let train = |batch: usize, accumulate: usize| {
        let params = drawn(DType::F64);
        let weight = params
            .build(|vb| vb.get_with_hints((1, 6), "weight", Init::Randn { mean: 0.0, stdev: 1.0 }))
            .unwrap();
        // Each image pulls at a place of its own.
        let loss = |part: Part| {
            let wanted = part
                .indices
                .iter()
                .flat_map(|&image| (0..6).map(move |at| f64::from(u8::from(at == image))));
            let wanted = Tensor::from_iter(wanted, &CPU)?.reshape((part.indices.len(), 6))?;
            backward(&weight.broadcast_sub(&wanted)?.sqr()?.mean_all()?.to_dtype(DType::F64)?)
        };
        let budget = Budget {
            steps: 3,
            batch,
            accumulate,
            learning_rate: 0.1,
            clip: 0.05,
            ..Budget::default()
        };
        let session = Session { watch: &mut |_, _, _| Ok(()), keep: None };
        let losses = optimise(&params, &budget, 6, &Seed::of_study(3), loss, session).unwrap();
        (losses, weight)
    };
    // Every step sees all six images once.
    let (at_once, accumulated) = (train(6, 1), train(2, 3));
    for (one, other) in at_once.0.iter().zip(&accumulated.0) {
        assert!((one - other).abs() < 1e-6 * one, "{one} {other}");
    }
    assert!(apart(&at_once.1, &accumulated.1) < 1e-9, "{}", apart(&at_once.1, &accumulated.1));
    assert!(apart(&at_once.1, &train(2, 1).1) > 1e-3, "one batch of two images leads elsewhere");
}

/// Keeps every state in memory.
#[derive(Default)]
struct Memory(Option<StateDict>);

impl Keep for Memory {
    fn load(&mut self) -> Result<Option<StateDict>> {
        Ok(self.0.clone())
    }

    fn offer(&mut self, state: &dyn Fn() -> Result<StateDict>) -> Result<()> {
        let copied = |(name, tensor): (&str, &Tensor)| Ok((name.to_owned(), tensor.copy()?));
        self.0 = Some(state()?.iter().map(copied).collect::<Result<_>>()?);
        Ok(())
    }
}

#[test]
fn a_training_that_broke_off_goes_on_to_the_same_bits() {
    let budget = Budget {
        steps: 7,
        batch: 4,
        learning_rate: 0.1,
        weight_decay: 0.01,
        clip: 1.0,
        schedule: optim::Schedule::WarmupCosine { warmup: 2, floor: 0.0 },
        ema: Some(0.9),
        ..Budget::default()
    };
    let train = |keep: &mut Memory, breaks_at: Option<usize>| {
        let params = drawn(DType::F32);
        let weight = params
            .build(|vb| vb.get_with_hints((3, 5), "weight", Init::Randn { mean: 0.0, stdev: 1.0 }))
            .unwrap();
        let loss = |part: Part| {
            let noise = Tensor::from_vec(part.stream.normals(5), (1, 5), &CPU)?;
            backward(
                &(weight.broadcast_sub(&noise)?.sqr()?.mean_all()?
                    * part.indices.iter().sum::<usize>() as f64)?
                    .sqrt()?,
            )
        };
        let mut steps = Vec::new();
        let mut watch = |done: usize, _: usize, _: f64| {
            assert_ne!(Some(done), breaks_at, "broken off");
            steps.push((done, params.to_safetensors(DType::F32).unwrap()));
            Ok(())
        };
        let session = Session { watch: &mut watch, keep: Some(keep) };
        let losses = optimise(&params, &budget, 9, &Seed::of_study(3), loss, session).unwrap();
        let weights = params.to_safetensors(DType::F32).unwrap();
        assert!(
            steps.last().is_none_or(|(_, last)| *last == weights),
            "the last step shows what is kept, the average"
        );
        ((losses, weights), steps.len())
    };
    let (whole, steps) = train(&mut Memory::default(), None);
    assert_eq!((whole.0.len(), steps), (7, 7));
    for breaks_at in [1, 4, 7] {
        let mut keep = Memory::default();
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            train(&mut keep, Some(breaks_at))
        }));
        assert!(broken.is_err());
        // The state of a step is kept after it was watched.
        let (again, steps) = train(&mut keep, None);
        assert!(again == whole, "broken off at step {breaks_at}");
        assert_eq!(steps, 7 - (breaks_at - 1), "it goes on, and does not start anew");
    }
    let mut keep = Memory::default();
    train(&mut keep, None);
    assert!(train(&mut keep, None) == (whole, 0), "a state after the last step is the end");
}
