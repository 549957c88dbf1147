//! What Python makes of titrate's outputs. A model that titrate tuned and exported, opened by
//! diffusers: the same image from the same noise. Shards, read by webdataset. Needs a Python with
//! torch, diffusers, transformers and webdataset: the one that TITRATE_PEER_PYTHON names, or
//! `python3`; without them a test says so and passes.

mod pictures;
mod report;
mod shards;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use titrate::ml::latent::layout::{
    SCHEDULER, SPECIAL_TOKENS, TEXT, TOKENIZER, TOKENIZER_CONFIG, UNET, VAE,
};
use titrate::ml::latent::mask::Mask;
use titrate::ml::latent::sample::Sampler;
use titrate::ml::latent::schedule::{self, Schedule};
use titrate::ml::latent::unet::{self, UNet2DConditionModel};
use titrate::ml::latent::vae::{self, AutoencoderKl};
use titrate::ml::params::{Params, StateDict};
use titrate::ml::text::clip::{self, TextEncoder};
use titrate::ml::text::settings::SettingsFiles;
use titrate::ml::text::tokenizer::ClipTokenizer;
use titrate::seed::Seed;
use titrate::vocabulary::Solver;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/diffusers_sample.py");
const PROMPT: &str = "An image of psoriasis, a skin disease";
const STEPS: usize = 20;
const GUIDANCE: f64 = 3.0;

fn python() -> String {
    std::env::var("TITRATE_PEER_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// Whether Python lacks one of these packages here, which is said.
fn lacks(packages: &str) -> bool {
    let asked = Command::new(python()).args(["-c", &format!("import {packages}")]).output();
    let why = match asked {
        Ok(output) if output.status.success() => return false,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            said.lines().last().unwrap_or("it fails").to_owned()
        }
        Err(error) => error.to_string(),
    };
    let _ = writeln!(std::io::stderr(), "skipped: {} cannot import {packages} ({why})", python());
    true
}

/// Runs titrate on the smoke study with these parameters; returns its stdout.
fn titrate(arguments: &[&str], sets: &[String], store: &Path) -> Vec<u8> {
    let study = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/smoke.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_titrate"));
    let named: &[&str] = match arguments[0] {
        "reproduce" => &[study, "--quiet"],
        "export" => &["--study", study],
        _ => &[study],
    };
    command.args(arguments).args(named);
    // A model of one class: the smallest that can be exported.
    command.args(["--set", "generator.dreambooth.models=per-class"]);
    for set in sets {
        command.args(["--set", set]);
    }
    let output = command.arg("--store").arg(store).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn frozen(folder: &Path, name: &str) -> Params {
    Params::frozen_from(
        StateDict::read(&fs::read(folder.join(name)).unwrap()).unwrap(),
        DType::F32,
        &Device::Cpu,
    )
}

/// An image of `size` pixels that an inpainting starts from, [1, size, size, 3] in [-1, 1].
fn start(size: usize) -> Tensor {
    let values = (0..size * size * 3).map(|at| ((at as f32) * 0.01).sin()).collect::<Vec<_>>();
    Tensor::from_vec(values, (1, size, size, 3), &Device::Cpu).unwrap()
}

/// Samples from the pipeline in `folder`, and leaves beside it what diffusers needs to do the same.
fn sample(folder: &Path, settings: &Path, tensors: &Path) {
    let vae_config = vae::Config::from_json(&text(folder, VAE.0)).unwrap();
    let vae = frozen(folder, VAE.1).build(|vb| AutoencoderKl::new(&vae_config, vb)).unwrap();
    let unet_config = unet::Config::from_json(&text(folder, UNET.0)).unwrap();
    let unet =
        frozen(folder, UNET.1).build(|vb| UNet2DConditionModel::new(&unet_config, vb)).unwrap();
    let text_config: clip::Config = serde_json::from_str(&text(folder, TEXT.0)).unwrap();
    let encoder = frozen(folder, TEXT.1).build(|vb| TextEncoder::new(&text_config, vb)).unwrap();
    let length = text_config.max_position_embeddings;
    let (vocabulary, merges) = (text(folder, TOKENIZER.0), text(folder, TOKENIZER.1));
    let tokenizer = ClipTokenizer::new(vocabulary.as_bytes(), merges.as_bytes(), length).unwrap();
    let some = |name: &str| fs::read(folder.join(name)).ok();
    let (settings_of, special) = (some(TOKENIZER_CONFIG), some(SPECIAL_TOKENS));
    let tokenizer = tokenizer
        .configured(SettingsFiles {
            config: settings_of.as_deref(),
            special_tokens: special.as_deref(),
            ..SettingsFiles::default()
        })
        .unwrap();
    let embed = |prompt: &str| {
        let ids =
            Tensor::from_vec(tokenizer.encode(prompt).unwrap(), (1, length), &Device::Cpu).unwrap();
        encoder.forward(&ids).unwrap()
    };
    let schedule =
        Schedule::new(&schedule::Config::from_json(&text(folder, SCHEDULER)).unwrap()).unwrap();
    let side = unet_config.sample_size;
    let size = side * vae_config.downsampling();
    let (prompt, empty) = (&embed(PROMPT), &embed(""));
    let (vae, unet, schedule) = (&vae, &unet, &schedule);
    let sampler = Sampler {
        vae,
        unet,
        schedule,
        prompt,
        empty,
        method: Solver::DpmSolver,
        steps: STEPS,
        guidance: GUIDANCE,
        side,
    };

    let stream = Seed::of_study(1).child("peer");
    let channels = vae_config.latent_channels;
    let noise = Tensor::from_vec(
        stream.normals(side * side * channels),
        (1, side, side, channels),
        &Device::Cpu,
    )
    .unwrap();
    let channels_first = |x: Tensor| x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    let mut kept = StateDict::default();
    kept.insert("noise", channels_first(noise));
    let pixels = if unet_config.in_channels == unet_config.out_channels {
        sampler.text_to_image(&[stream]).unwrap()
    } else {
        let mask = Mask::centre(size);
        let painted = (0..size * size)
            .map(|at| f32::from(u8::from(mask.is_painted(at / size, at % size))))
            .collect::<Vec<_>>();
        kept.insert("mask", Tensor::from_vec(painted, (1, 1, size, size), &Device::Cpu).unwrap());
        kept.insert("image", channels_first(start(size)));
        sampler.inpaint(&start(size), &[mask], 1.0, &[stream]).unwrap()
    };
    let expected = pixels.image(0).iter().map(|&level| f32::from(level)).collect::<Vec<_>>();
    kept.insert("expected", Tensor::from_vec(expected, (size, size, 3), &Device::Cpu).unwrap());
    fs::write(tensors, kept.to_safetensors(DType::F32).unwrap()).unwrap();
    let json =
        serde_json::json!({ "prompt": PROMPT, "steps": STEPS, "guidance": GUIDANCE, "size": size });
    fs::write(settings, json.to_string()).unwrap();
}

#[test]
fn a_tuned_model_makes_the_same_image_in_diffusers() {
    if lacks("diffusers, torch, transformers") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    // diffusers' inpainting pipeline takes UNets of 9 channels only, which the small base, with
    // more latent channels, has not.
    let tiny = |key: &str, family: &str| {
        let fixture =
            format!("{}/tests/fixtures/stable_diffusion/{family}", env!("CARGO_MANIFEST_DIR"));
        ["images.size=16".to_owned(), format!("base.pretrained.{key}={fixture}")]
    };
    // Stable Diffusion 2's texts are filled up by another token than its tokenizer's configuration
    // says.
    let (second, inpainting) = (tiny("text_to_image", "sd21"), tiny("inpainting", "inpainting"));
    for (name, conditioning, sets) in [
        ("base", "text-to-image", [].as_slice()),
        ("sd21", "text-to-image", &second),
        ("inpainting", "inpainting", &inpainting),
    ] {
        let label = format!("dreambooth/psoriasis/{conditioning}");
        let pipeline = folder.path().join(name);
        titrate(&["reproduce", "--only", &label], sets, &store);
        titrate(&["export", &label, pipeline.to_str().unwrap()], sets, &store);
        let (settings, tensors) =
            (folder.path().join("settings.json"), folder.path().join("tensors.safetensors"));
        sample(&pipeline, &settings, &tensors);
        let output = Command::new(python())
            .arg(SCRIPT)
            .args([&pipeline, &settings, &tensors])
            .output()
            .unwrap();
        let _ = write!(std::io::stderr(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if let "sd21" | "inpainting" = name {
            saved_again_is_the_same(conditioning, &pipeline, &store);
        }
    }
}

/// diffusers loads an exported pipeline and saves it again: a study takes either, and has the same
/// weights.
fn saved_again_is_the_same(conditioning: &str, exported: &Path, store: &Path) {
    let again = exported.with_extension("again");
    let script = "import sys, diffusers; diffusers.DiffusionPipeline.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])";
    let saved = Command::new(python()).args(["-c", script]).args([exported, &again]).output();
    let saved = saved.unwrap();
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let label = format!("pretrained/{conditioning}");
    let key = format!("base.pretrained.{}", conditioning.replace('-', "_"));
    let [first, second] = [exported, &again].map(|pipeline| {
        let sets = ["images.size=16".to_owned(), format!("{key}={}", pipeline.display())];
        titrate(&["reproduce", "--only", &label], &sets, store);
        [UNET.1, VAE.1, TEXT.1].map(|name| titrate(&["cat", &label, name], &sets, store))
    });
    assert!(first.iter().all(|weights| weights.len() > 1000));
    assert!(first == second, "the weights of {label} are others");
}
