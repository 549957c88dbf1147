//! DreamBooth: tunes the UNet on the photographs of one class under one prompt, as the authors did.

use candle_core::{DType, Device, Tensor};

use super::base::{self, Prompts, UNET};
use super::context::{Context, losses_output};
use super::images::{of_class, pixels, shard};
use super::{Outputs, StepError};
use crate::ml::latent::augment::{Config, augment};
use crate::ml::latent::denoising::{self, Denoising, dropped};
use crate::ml::latent::train::{Budget, Part, optimise};
use crate::ml::latent::unet::UNet2DConditionModel;
use crate::ml::optim;
use crate::plan::params::{self, Conditioning};

/// Outputs: unet/* (f32), losses.json.
pub fn run(context: &mut Context) -> Result<Outputs, StepError> {
    let params: params::DreamBooth = context.params()?;
    let seed = context.seed()?;
    let images = pixels(&of_class(shard(context, "pool")?, &params.class))?;
    let autoencoder = base::autoencoder(context)?;
    let schedule = base::schedule(context, "text")?;
    let prompts = Prompts::load(context, "text")?;
    let (prompt, empty) = (prompts.embed(&[&params.prompt])?, prompts.embed(&[""])?);
    let config = base::unet_config(context, "unet")?;
    let weights = base::trainable(&context.read("unet", UNET.1)?)?;
    let unet = weights.build(|vb| UNet2DConditionModel::new(&config, vb))?;
    let conditioning = match params.conditioning {
        Conditioning::TextToImage => denoising::Conditioning::TextToImage,
        Conditioning::Inpainting => denoising::Conditioning::Inpainting,
    };
    let denoising = Denoising { vae: &autoencoder, schedule: &schedule, conditioning, snr_gamma: None };

    let budget = Budget {
        steps: params.steps,
        batch: params.batch,
        learning_rate: params.learning_rate,
        weight_decay: params.weight_decay,
        clip: params.clip,
        schedule: optim::Schedule::Constant,
        ema: None,
    };
    let loss = |part: Part| {
        let Part { indices, stream } = part;
        let size = images.size();
        let mut views = vec![0.0; indices.len() * size * size * 3];
        for (item, (&index, output)) in indices.iter().zip(views.chunks_mut(size * size * 3)).enumerate() {
            let stream = stream.child("view").nth(item as u64);
            augment(&images.unit(index), size, size, &Config::DREAMBOOTH, &stream, output);
        }
        let views = Tensor::from_vec(views, (indices.len(), size, size, 3), &Device::Cpu)?.affine(2.0, -1.0)?;
        let drop = dropped(indices.len(), params.caption_dropout, &stream.child("dropout"));
        let context = drop.into_iter().map(|drop| if drop { &empty } else { &prompt }).collect::<Vec<_>>();
        denoising.loss(&unet, &views, &Tensor::cat(&context, 0)?, &stream)
    };
    let losses = context.training(|session| optimise(&weights, &budget, images.count(), &seed, loss, session))?;
    Ok(vec![
        (UNET.0.into(), config.to_json().into_bytes()),
        (UNET.1.into(), weights.to_safetensors(DType::F32)?),
        losses_output(&losses),
    ])
}
