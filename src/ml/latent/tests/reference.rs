//! What diffusers and transformers make of tiny models of Stable Diffusion's three shapes:
//! tests/fixtures/stable_diffusion/, whose script says which versions. Each item's largest error,
//! relative to the largest of the reference's values, is printed as a table.

use std::path::{Path, PathBuf};

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Tensor, Var};
use serde_json::Value;

use super::CPU;
use crate::ml::latent::layout::{SPECIAL_TOKENS, TOKENIZER_CONFIG};
use crate::ml::latent::mask::Mask;
use crate::ml::latent::sample::{Sampler, encode, inpainting_condition};
use crate::ml::latent::schedule::{self, Schedule};
use crate::ml::latent::unet::{self, UNet2DConditionModel};
use crate::ml::latent::vae::{self, AutoencoderKl};
use crate::ml::loss::mse;
use crate::ml::ops::without_kernels;
use crate::ml::optim::{AdamW, AdamWConfig};
use crate::ml::params::{Params, StateDict};
use crate::ml::text::clip::{self, TextEncoder};
use crate::ml::text::settings::SettingsFiles;
use crate::ml::text::tokenizer::ClipTokenizer;
use crate::vocabulary::Solver;

const TOLERANCE: f64 = 1e-4;

/// One folder of fixtures, and where the models that are compared with it are.
struct Reference {
    folder: PathBuf,
    device: Device,
    tensors: StateDict,
    facts: Value,
    rows: Vec<(String, f64)>,
}

impl Reference {
    fn new(name: &str, device: Device) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/stable_diffusion")
            .join(name);
        let tensors =
            StateDict::read(&std::fs::read(folder.join("expected.safetensors")).unwrap()).unwrap();
        let facts =
            serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        Self { folder, device, tensors, facts, rows: Vec::new() }
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.join(path)).unwrap()
    }

    fn weights(&self, path: &str) -> StateDict {
        StateDict::read(&std::fs::read(self.folder.join(path)).unwrap()).unwrap()
    }

    fn frozen(&self, path: &str) -> Params {
        Params::frozen_from(self.weights(path), DType::F32, &self.device)
    }

    fn unet(&self) -> (Params, UNet2DConditionModel) {
        let config = unet::Config::from_json(&self.text("unet/config.json")).unwrap();
        let params = Params::trainable_from(
            self.weights("unet/diffusion_pytorch_model.safetensors"),
            DType::F32,
            &self.device,
        );
        let model = params.build(|vb| UNet2DConditionModel::new(&config, vb)).unwrap();
        (params, model)
    }

    fn get(&self, name: &str) -> Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("no {name}")).clone()
    }

    /// A reference image or latents, channels last.
    fn image(&self, name: &str) -> Tensor {
        self.get(name).permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
    }

    fn compare(&mut self, item: &str, ours: &Tensor, theirs: &Tensor) {
        self.rows.push((item.to_owned(), relative(ours, theirs)));
    }
}

fn largest(x: &Tensor) -> f64 {
    f64::from(
        x.abs()
            .unwrap()
            .flatten_all()
            .unwrap()
            .max(0)
            .unwrap()
            .to_dtype(DType::F32)
            .unwrap()
            .to_scalar::<f32>()
            .unwrap(),
    )
}

fn relative(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.dims(), theirs.dims());
    let ours = ours.to_device(&CPU).unwrap();
    largest(&(ours - theirs).unwrap()) / largest(theirs)
}

/// The reference's gradients as a backward pass would give them.
fn gradients_of(reference: &Reference, variables: &[(String, Var)]) -> GradStore {
    let parts = variables
        .iter()
        .map(|(name, var)| {
            (var, reference.get(&format!("gradient.{name}")).to_device(&reference.device).unwrap())
        })
        .map(|(var, gradient)| (var.as_tensor() * gradient).unwrap().sum_all().unwrap());
    parts.reduce(|sum, part| (sum + part).unwrap()).unwrap().backward().unwrap()
}

fn check(name: &str, device: Device) {
    let mut reference = Reference::new(name, device);
    let facts = reference.facts.clone();

    let text_config: clip::Config =
        serde_json::from_str(&reference.text("text_encoder/config.json")).unwrap();
    let (vocabulary, merges) =
        (reference.text("tokenizer/vocab.json"), reference.text("tokenizer/merges.txt"));
    let length = text_config.max_position_embeddings;
    let tokenizer = ClipTokenizer::new(vocabulary.as_bytes(), merges.as_bytes(), length).unwrap();
    let some = |path: &str| std::fs::read(reference.folder.join(path)).ok();
    let (settings, special) = (some(TOKENIZER_CONFIG), some(SPECIAL_TOKENS));
    let tokenizer = tokenizer
        .configured(SettingsFiles {
            config: settings.as_deref(),
            special_tokens: special.as_deref(),
            ..SettingsFiles::default()
        })
        .unwrap();
    let mut ids = Vec::new();
    for case in facts["tokenizer"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let expected = case["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect::<Vec<_>>();
        assert_eq!(tokenizer.encode(text).unwrap(), expected, "{name}: tokens of {text:?}");
        ids.extend(expected);
    }
    let ids = Tensor::from_vec(ids.clone(), (ids.len() / length, length), &CPU).unwrap();
    let text = reference.weights("text_encoder/model.safetensors").renamed(clip::former_name);
    let text = Params::frozen_from(text.unwrap(), DType::F32, &reference.device);
    let text = text.build(|vb| TextEncoder::new(&text_config, vb)).unwrap();
    let embedded = text.forward(&ids).unwrap();
    reference.compare("text encoder", &embedded, &reference.get("text.hidden"));
    let (prompt, empty) = (embedded.narrow(0, 0, 1).unwrap(), embedded.narrow(0, 1, 1).unwrap());

    let (params, unet) = reference.unet();
    let timesteps = reference.get("unet.timesteps");
    let answer = unet
        .forward(&reference.image("unet.x"), &timesteps, &embedded.narrow(0, 0, 2).unwrap())
        .unwrap();
    reference.compare("UNet", &answer, &reference.image("unet.answer"));

    let vae_config = vae::Config::from_json(&reference.text("vae/config.json")).unwrap();
    let vae = reference.frozen("vae/diffusion_pytorch_model.safetensors");
    let vae = vae.build(|vb| AutoencoderKl::new(&vae_config, vb)).unwrap();
    let moments = vae.encode(&reference.image("vae.image")).unwrap();
    reference.compare("VAE encoder, mean", &moments.mean, &reference.image("vae.mean"));
    reference.compare("VAE encoder, log-variance", &moments.logvar, &reference.image("vae.logvar"));
    let decoded = vae.decode(&reference.image("vae.latents")).unwrap();
    reference.compare("VAE decoder", &decoded, &reference.image("vae.decoded"));

    let schedule_config =
        schedule::Config::from_json(&reference.text("scheduler/scheduler_config.json")).unwrap();
    let schedule = Schedule::new(&schedule_config).unwrap();
    let steps = facts["steps"].as_u64().unwrap() as usize;
    let numbers = |value: &Value| {
        value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect::<Vec<_>>()
    };
    let timesteps = numbers(&facts["solver"]["timesteps"]);
    let sigmas =
        facts["solver"]["sigmas"].as_array().unwrap().iter().map(|sigma| sigma.as_f64().unwrap());
    let errors = timesteps
        .iter()
        .chain([&0])
        .zip(sigmas)
        .map(|(&t, sigma)| ((-schedule.lambda(t)).exp() / sigma - 1.0).abs());
    reference.rows.push(("DPM-Solver++'s sigmas".into(), errors.fold(0.0, f64::max)));

    let mut sampler = Sampler {
        vae: &vae,
        unet: &unet,
        schedule: &schedule,
        prompt: &prompt,
        empty: &empty,
        method: Solver::DpmSolver,
        steps,
        guidance: facts["guidance"].as_f64().unwrap(),
        side: vae_config.sample_size / vae_config.downsampling(),
    };
    let painting = name == "inpainting";
    let strength = if painting { facts["strength"].as_f64().unwrap() } else { 1.0 };
    let noise = reference.image("sample.noise");
    assert_eq!(sampler.solver(1.0).timesteps(), timesteps, "{name}");
    let condition = painting.then(|| {
        let (image, masks) =
            (reference.image("inpaint.image"), [Mask::centre(vae_config.sample_size)]);
        let condition = inpainting_condition(&vae, &image, &masks, sampler.side).unwrap();
        reference.compare(
            "inpainting's condition",
            &condition,
            &reference.image("inpaint.condition"),
        );
        condition
    });
    for (method, expected) in
        [(Solver::DpmSolver, "sample.latents"), (Solver::Ddim, "ddim.latents")]
    {
        sampler.method = method;
        let mut start = noise.clone();
        if painting {
            let clean = encode(&vae, &reference.image("inpaint.image")).unwrap();
            start = schedule
                .add_noise(&clean, &noise, &sampler.solver(strength).timesteps()[..1])
                .unwrap();
        }
        if painting && method == Solver::DpmSolver {
            reference.compare("inpainting's start", &start, &reference.image("inpaint.start"));
        }
        let latents = sampler.denoise(start, sampler.solver(strength), condition.clone()).unwrap();
        reference.compare(
            &format!("a guided sample of {steps} steps, {method:?}"),
            &latents,
            &reference.image(expected),
        );
        if method == Solver::DpmSolver {
            let image = vae.decode(&(latents / vae_config.scaling_factor).unwrap()).unwrap();
            reference.compare("its image", &image, &reference.image("sample.image"));
        }
    }
    assert_eq!(sampler.solver(1.0).timesteps(), numbers(&facts["ddim"]["timesteps"]), "{name}");

    let (clean, noise) = (reference.image("step.clean"), reference.image("step.noise"));
    let timesteps = numbers(&facts["step"]["timesteps"]);
    let target = schedule.target(&clean, &noise, &timesteps).unwrap();
    reference.compare("a training step: target", &target, &reference.image("step.target"));
    let mut input = schedule.add_noise(&clean, &noise, &timesteps).unwrap();
    if let Some(condition) = condition {
        input = Tensor::cat(&[input, condition.repeat((2, 1, 1, 1)).unwrap()], D::Minus1).unwrap();
    }
    let asked = Tensor::from_iter(timesteps.iter().map(|&t| t as f32), &CPU).unwrap();
    let loss =
        mse(&unet.forward(&input, &asked, &prompt.repeat((2, 1, 1)).unwrap()).unwrap(), &target)
            .unwrap();
    let expected = facts["step"]["loss"].as_f64().unwrap();
    reference.rows.push((
        "a training step: loss".into(),
        (f64::from(loss.to_scalar::<f32>().unwrap()) / expected - 1.0).abs(),
    ));
    let gradients = loss.backward().unwrap();
    let variables = params.trainable();
    let worst = |errors: Vec<f64>| errors.into_iter().fold(0.0, f64::max);
    let gradient = |(name, var): &(String, Var)| {
        relative(gradients.get(var).unwrap(), &reference.get(&format!("gradient.{name}")))
    };
    let errors = worst(variables.iter().map(gradient).collect());
    reference
        .rows
        .push((format!("a training step: the worst of {} gradients", variables.len()), errors));
    // The first step of Adam is the gradient's sign wherever the gradient is larger than epsilon,
    // so where it is as small as rounding two implementations go opposite ways: by the authors'
    // learning rate, or, with the reference's own gradients, not at all.
    let start = params.state_dict().unwrap();
    let theirs = gradients_of(&reference, &variables);
    for (item, gradients) in [("updated", &gradients), ("optimised", &theirs)] {
        variables.iter().for_each(|(name, var)| {
            var.set(&start.get(name).unwrap().to_device(var.device()).unwrap()).unwrap()
        });
        let mut optimiser = AdamW::new(variables.clone(), AdamWConfig::DIFFUSERS).unwrap();
        let rate = facts["step"][item].as_f64().unwrap();
        optimiser.step(gradients, rate, None).unwrap();
        let error =
            |(name, var): &(String, Var)| relative(var, &reference.get(&format!("{item}.{name}")));
        let errors = worst(variables.iter().map(error).collect());
        let whose = if item == "updated" { "" } else { ", reference's gradients" };
        reference.rows.push((
            format!("a training step: the worst of {} weights at {rate:e}{whose}", variables.len()),
            errors,
        ));
    }

    println!("\n{name}, {:?}, against {}", reference.device.location(), facts["made_with"]);
    reference.rows.iter().for_each(|(item, error)| println!("  {item:<84} {error:.1e}"));
    for (item, error) in &reference.rows {
        assert!(*error <= TOLERANCE, "{name}: {item}: {error:e}");
    }
}

#[test]
fn stable_diffusion_1_5() {
    check("sd15", CPU);
}

#[test]
fn stable_diffusion_2_1() {
    check("sd21", CPU);
}

#[test]
fn stable_diffusion_inpainting() {
    check("inpainting", CPU);
}

/// The operations that a GPU runs, on the processor.
#[test]
fn as_a_gpu_computes() {
    without_kernels(|| {
        ["sd15", "sd21", "inpainting"].into_iter().for_each(|name| check(name, CPU));
    });
}

/// The same on a GPU, where this build has CUDA and the machine a GPU.
#[cfg(feature = "cuda")]
#[test]
fn on_a_gpu() {
    match Device::new_cuda(0) {
        Ok(device) => {
            ["sd15", "sd21", "inpainting"].into_iter().for_each(|name| check(name, device.clone()))
        }
        Err(error) => {
            use std::io::Write;
            // Past libtest's capture, so that it is seen.
            let _ = writeln!(std::io::stderr(), "skipped: no GPU can be used: {error}");
        }
    }
}
