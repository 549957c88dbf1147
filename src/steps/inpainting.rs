//! Continues the pretrained UNet as an inpainting model, as Stable Diffusion's was: further input
//! channels start at zero.

use candle_core::DType;

use super::base::{self, Prompts, UNET};
use super::context::{Context, losses_output};
use super::images::{named_shard, pixels};
use super::{Outputs, StepError};
use crate::ml::latent::denoising::{Batch, Denoising, dropped};
use crate::ml::latent::mask::{Distribution, Mask};
use crate::ml::latent::sample::{encode, inpainting_condition};
use crate::ml::latent::train::{Part, optimise};
use crate::ml::latent::unet::{self, UNet2DConditionModel, inpainting_from};
use crate::ml::params::Params;
use crate::plan::kinds;

/// Outputs: unet/* with the inputs of an inpainting model (f16), losses.json.
pub fn run(params: kinds::Inpainting, context: &mut Context) -> Result<Outputs, StepError> {
    let kinds::Inpainting { unet: settings, steps } = params;
    let seed = context.seed()?;
    let items = named_shard(context, "corpus", "train.tar")?;
    let images = pixels(&items)?;
    let autoencoder = base::autoencoder(context)?;
    let schedule = base::schedule(context, "unet")?;
    let prompts = Prompts::load(context, "unet")?;
    let start = base::constants(context, "unet", UNET.1, DType::F32)?;
    let narrow = base::unet_config(context, "unet")?;
    start.build(|vb| UNet2DConditionModel::new(&narrow, vb))?;
    // Noisy latents, the mask, the masked image's latents.
    let config = unet::Config { in_channels: 2 * narrow.in_channels + 1, ..narrow };
    let weights = Params::trainable_from(
        inpainting_from(&start, config.in_channels)?,
        DType::F32,
        &context.device()?,
    );
    let unet = weights.build(|vb| UNet2DConditionModel::new(&config, vb))?;
    let denoising = Denoising {
        schedule: &schedule,
        snr_gamma: super::unet::snr_gamma(&settings),
        gradient_checkpointing: false,
    };
    let side = images.size() / autoencoder.config().downsampling();

    let budget = super::unet::budget(&settings, steps);
    let loss = |part: Part| {
        let Part { indices, stream, .. } = part;
        let drop = dropped(indices.len(), settings.caption_dropout, &stream.child("dropout"));
        let caption =
            |(&index, drop): (&usize, bool)| if drop { "" } else { items[index].caption.as_str() };
        let captions = indices.iter().zip(drop).map(caption).collect::<Vec<_>>();
        let context = prompts.embed(&captions).map_err(candle_core::Error::wrap)?;
        let (pixels, masks) = (images.signed_batch(indices)?, stream.child("mask"));
        let mask =
            |item| Mask::random(images.size(), &Distribution::AUTHORS, &masks.nth(item as u64));
        let masks = (0..indices.len()).map(mask).collect::<Vec<_>>();
        let condition = Some(inpainting_condition(&autoencoder, &pixels, &masks, side)?);
        let batch = Batch { clean: encode(&autoencoder, &pixels)?, condition, context };
        denoising.gradients(&unet, &batch, 1.0, &stream)
    };
    let losses = context
        .training(|session| optimise(&weights, &budget, images.count(), &seed, loss, session))?;
    Ok(vec![
        (UNET.0.into(), config.to_json().into_bytes()),
        (UNET.1.into(), weights.to_safetensors(DType::F16)?),
        losses_output(&losses),
    ])
}
