//! Whole models as the quick study has them, but for four latent channels: Stable Diffusion's
//! number.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use titrate::ml::latent::config::{ActFn, PerLevel};
use titrate::ml::latent::denoising::{Batch, Denoising};
use titrate::ml::latent::sample::Sampler;
use titrate::ml::latent::schedule::{self, Schedule};
use titrate::ml::latent::train::{Budget, Part, optimise};
use titrate::ml::latent::unet::{self, UNet2DConditionModel};
use titrate::ml::latent::vae::{self, AutoencoderKl};
use titrate::ml::params::Params;
use titrate::ml::training::Session;
use titrate::seed::Seed;
use titrate::vocabulary::{PredictionType, Solver};

use crate::{Case, classifiers, repeated, repeated_after};

pub const LATENTS: usize = 4;
/// Tokens of a prompt and their width.
const CONTEXT: (usize, usize) = (32, 64);
const GUIDANCE: f64 = 3.0;

/// A generator, and how it is trained and sampled.
pub struct Generator {
    pub unet: unet::Config,
    pub vae: vae::Config,
    /// The UNet's parameters, where another program has counted them.
    pub parameters: Option<usize>,
    /// Tokens of a prompt.
    pub tokens: usize,
    pub device: Device,
    /// What the UNet computes in; it is trained through masters in single precision.
    pub precision: DType,
    pub gradient_checkpointing: bool,
    /// The solver's steps, and those of the sampling before the first that is timed.
    pub steps: usize,
    pub warm_up: usize,
}

impl Generator {
    fn small() -> Self {
        Self {
            unet: unet_config(),
            vae: vae_config(),
            parameters: None,
            tokens: CONTEXT.0,
            device: Device::Cpu,
            precision: DType::F32,
            gradient_checkpointing: false,
            steps: 12,
            warm_up: 12,
        }
    }
}

fn unet_config() -> unet::Config {
    unet::Config {
        sample_size: 8,
        in_channels: LATENTS,
        out_channels: LATENTS,
        down_block_types: vec![unet::DownBlock::CrossAttnDownBlock2D; 2],
        up_block_types: vec![unet::UpBlock::CrossAttnUpBlock2D; 2],
        block_out_channels: vec![48, 96],
        layers_per_block: 1,
        act_fn: ActFn::Silu,
        norm_num_groups: 8,
        cross_attention_dim: CONTEXT.1,
        attention_head_dim: PerLevel::All(4),
        use_linear_projection: true,
        transformer_layers_per_block: PerLevel::All(1),
        flip_sin_to_cos: true,
        freq_shift: 0.0,
    }
}

fn vae_config() -> vae::Config {
    vae::Config {
        in_channels: 3,
        out_channels: 3,
        down_block_types: vec![vae::DownBlock::DownEncoderBlock2D; 3],
        up_block_types: vec![vae::UpBlock::UpDecoderBlock2D; 3],
        block_out_channels: vec![16, 32, 64],
        layers_per_block: 1,
        act_fn: ActFn::Silu,
        latent_channels: LATENTS,
        norm_num_groups: 1,
        sample_size: 32,
        scaling_factor: 0.18215,
        mid_block_add_attention: true,
    }
}

fn schedule_config() -> schedule::Config {
    schedule::Config {
        num_train_timesteps: 1000,
        beta_start: 0.00085,
        beta_end: 0.012,
        beta_schedule: "scaled_linear".into(),
        trained_betas: None,
        prediction_type: PredictionType::VPrediction,
    }
}

/// Writes `unet.json`, `vae.json` and `scheduler.json`, as diffusers reads them, and
/// `classifier.json`.
pub fn write_configurations(folder: &Path) -> Result<()> {
    let scheduler = serde_json::to_string_pretty(&schedule_config())?;
    for (name, text) in [
        ("unet", unet_config().to_json()),
        ("vae", vae_config().to_json()),
        ("scheduler", scheduler),
        ("classifier", classifiers::configuration()?),
    ] {
        let path = folder.join(name).with_extension("json");
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The case of this kind, if it is one of whole models.
pub fn case(kind: &str, numbers: &[usize]) -> Result<Option<Case>> {
    let small = Generator::small();
    Ok(Some(match (kind, numbers) {
        ("train", &[side, batch]) => small.train(side, batch)?,
        ("sample", &[side, count]) => small.sample(side, count)?,
        ("encode", &[size, batch]) => {
            let (vae, images) = (small.vae()?, normal(&[batch, size, size, 3])?);
            repeated(move || vae.encode(&images).map(drop))
        }
        ("decode", &[size, batch]) => {
            let (vae, side) = (small.vae()?, size / small.vae.downsampling());
            let latents = normal(&[batch, side, side, LATENTS])?;
            repeated(move || vae.decode(&latents).map(drop))
        }
        _ => return Ok(None),
    }))
}

pub fn seed() -> Seed {
    Seed::of_study(3)
}

pub fn normal(shape: &[usize]) -> Result<Tensor> {
    let values = seed().child("values").normals(shape.iter().product());
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

pub fn drawn() -> Params {
    Params::drawn(seed().child("weights"), DType::F32, &Device::Cpu)
}

impl Generator {
    fn drawn(&self, dtype: DType) -> Params {
        Params::drawn(seed().child("weights"), dtype, &self.device)
    }

    /// The UNet of `params`, which it fills.
    fn unet(&self, params: &Params) -> Result<UNet2DConditionModel> {
        let unet = params.build(|vb| UNet2DConditionModel::new(&self.unet, vb))?;
        let (ours, expected) = (params.params_count(), self.parameters);
        ensure!(
            expected.is_none_or(|expected| ours == expected),
            "the UNet has {ours} parameters, not {expected:?}"
        );
        Ok(unet)
    }

    /// The autoencoder as steps load it: frozen, in single precision.
    fn vae(&self) -> Result<AutoencoderKl> {
        let params = self.drawn(DType::F32);
        params.build(|vb| AutoencoderKl::new(&self.vae, vb))?;
        Ok(params.shared_constants().build(|vb| AutoencoderKl::new(&self.vae, vb))?)
    }

    /// Steps of the training that DreamBooth and pretraining do, on latents that are there already.
    pub fn train(self, side: usize, batch: usize) -> Result<Case> {
        let params = self.drawn(DType::F32);
        let unet = self.unet(&params)?;
        let schedule = Schedule::new(&schedule_config())?;
        let latents = normal(&[batch, side, side, LATENTS])?;
        let context = normal(&[batch, self.tokens, self.unet.cross_attention_dim])?;
        Ok(Box::new(move |count| {
            let budget =
                Budget { steps: count + 1, batch, learning_rate: 5e-4, ..Budget::default() };
            let denoising = Denoising {
                schedule: &schedule,
                snr_gamma: None,
                gradient_checkpointing: self.gradient_checkpointing,
            };
            let loss = |part: Part| {
                let positions = Tensor::from_iter(
                    part.indices.iter().map(|&index| index as u32),
                    &Device::Cpu,
                )?;
                let (clean, context) =
                    (latents.index_select(&positions, 0)?, context.index_select(&positions, 0)?);
                let batch = Batch { clean, condition: None, context };
                match self.precision {
                    DType::F32 => denoising.gradients(&unet, &batch, 1.0, &part.stream),
                    dtype => {
                        let unet = UNet2DConditionModel::new(&self.unet, params.builder_as(dtype))?;
                        denoising.gradients(&unet, &batch, 1.0, &part.stream)
                    }
                }
            };
            let mut clock = None;
            let mut seconds = 0.0;
            let mut watch = |_, _, _| {
                seconds = clock.get_or_insert_with(Instant::now).elapsed().as_secs_f64();
                Ok(())
            };
            optimise(
                &params,
                &budget,
                batch,
                &seed(),
                loss,
                Session { watch: &mut watch, keep: None },
            )?;
            Ok(seconds)
        }))
    }

    /// Images from prompts: guided denoising and decoding.
    pub fn sample(self, side: usize, count: usize) -> Result<Case> {
        let params = self.drawn(self.precision);
        self.unet(&params)?;
        let unet = self.unet(&params.shared_constants())?;
        let (vae, schedule) = (self.vae()?, Schedule::new(&schedule_config())?);
        let prompts = normal(&[2, self.tokens, self.unet.cross_attention_dim])?;
        let (prompt, empty) = (prompts.narrow(0, 0, 1)?, prompts.narrow(0, 1, 1)?);
        let streams =
            (0..count).map(|image| seed().child("image").nth(image as u64)).collect::<Vec<_>>();
        let paint = move |steps| {
            let sampler = Sampler {
                vae: &vae,
                unet: &unet,
                schedule: &schedule,
                prompt: &prompt,
                empty: &empty,
                method: Solver::DpmSolver,
                steps,
                guidance: GUIDANCE,
                side,
            };
            sampler.text_to_image(&streams).map(drop)
        };
        Ok(repeated_after(paint, self.warm_up, self.steps))
    }
}
