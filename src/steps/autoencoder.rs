//! Pretrains the autoencoder on the base corpus.

use candle_core::DType;

use super::base::{self, VAE};
use super::context::{Context, losses_output};
use super::images::{named_shard, pixels};
use super::{Outputs, StepError};
use crate::ml::latent::config::ActFn;
use crate::ml::latent::reconstruction::{AutoencoderLoss, train_autoencoder};
use crate::ml::latent::train::Budget;
use crate::ml::latent::vae;
use crate::ml::optim::Schedule;
use crate::ml::params::Params;
use crate::ml::training::Session;
use crate::plan::kinds;
use crate::study;

/// Outputs: vae/config.json, vae/diffusion_pytorch_model.safetensors (f16), losses.json.
pub fn run(params: kinds::Autoencoder, context: &mut Context) -> Result<Outputs, StepError> {
    let kinds::Autoencoder { autoencoder: settings } = params;
    let seed = context.seed()?;
    let images = pixels(&named_shard(context, "corpus", "train.tar")?)?;
    let config = config(&settings, images.size());
    let weights = Params::drawn(seed.child("init"), DType::F32, &context.device()?);
    let budget = Budget {
        steps: settings.steps,
        batch: settings.batch,
        learning_rate: settings.learning_rate,
        weight_decay: 0.0,
        clip: 1.0,
        schedule: Schedule::WarmupCosine { warmup: settings.steps.min(100) as u64 / 2, floor: 0.0 },
        ..Budget::default()
    };
    let judge = base::classifier(context, "backbone")?;
    let terms = AutoencoderLoss {
        kl: settings.kl_weight,
        gradient: settings.gradient_weight,
        chroma: settings.chroma_weight,
        perceptual: settings.perceptual_weight,
        judge: &judge,
    };
    let train = |session: Session<'_>| {
        train_autoencoder(&config, &weights, &budget, &terms, &images, &seed, session)
    };
    let (config, losses) = context.training(train)?;
    Ok(vec![
        (VAE.0.into(), config.to_json().into_bytes()),
        (VAE.1.into(), weights.to_safetensors(DType::F16)?),
        losses_output(&losses),
    ])
}

fn config(settings: &study::Autoencoder, size: usize) -> vae::Config {
    let levels = settings.channels.len();
    vae::Config {
        in_channels: 3,
        out_channels: 3,
        down_block_types: vec![vae::DownBlock::DownEncoderBlock2D; levels],
        up_block_types: vec![vae::UpBlock::UpDecoderBlock2D; levels],
        block_out_channels: settings.channels.clone(),
        layers_per_block: settings.layers_per_block,
        act_fn: ActFn::Silu,
        latent_channels: settings.latent_channels,
        norm_num_groups: settings.norm_groups,
        sample_size: size,
        scaling_factor: 1.0,
        mid_block_add_attention: true,
    }
}
