//! Pretrains UNet and text encoder together on the captioned corpus, as the first latent diffusion
//! models were (Rombach et al. 2022, section 3.3).

use candle_core::{DType, Device, Tensor};

use super::base::{self, SCHEDULER, TEXT, TOKENIZER, UNET};
use super::context::{Context, json_output, losses_output};
use super::images::{named_shard, pixels};
use super::{Outputs, StepError};
use crate::ml::latent::config::{ActFn, PerLevel};
use crate::ml::latent::denoising::{Batch, Denoising, dropped};
use crate::ml::latent::sample::encode_all;
use crate::ml::latent::schedule::{self, Schedule};
use crate::ml::latent::train::{Budget, Part, optimise};
use crate::ml::latent::unet::{self, UNet2DConditionModel};
use crate::ml::optim;
use crate::ml::params::Params;
use crate::ml::text::clip::{self, TextEncoder};
use crate::ml::text::tokenizer::{ClipTokenizer, Vocabulary};
use crate::ml::training::backward;
use crate::plan::kinds;
use crate::study;

/// Outputs: unet/*, text_encoder/*, tokenizer/*, scheduler/*, losses.json; weights in f16.
pub fn run(settings: kinds::UNet, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let items = named_shard(context, "corpus", "train.tar")?;
    let images = pixels(&items)?;
    let autoencoder = base::autoencoder(context)?;
    let vocabulary = Vocabulary::train(
        items.iter().map(|item| &item.caption),
        settings.text_encoder.vocabulary,
    )?;
    let tokenizer = ClipTokenizer::of(&vocabulary, settings.text_encoder.context)?;
    let captions =
        items.iter().map(|item| tokenizer.encode(&item.caption)).collect::<Result<Vec<_>, _>>()?;
    let nothing = tokenizer.encode("")?;

    let side = images.size() / autoencoder.config().downsampling();
    let unet_config = unet_config(&settings, side, autoencoder.config().latent_channels);
    let text_config = text_config(
        &settings.text_encoder,
        tokenizer.vocab_size(),
        tokenizer.start(),
        tokenizer.end(),
    );
    let weights = Params::drawn(seed.child("init"), DType::F32, &context.device()?);
    let unet = weights.build(|vb| UNet2DConditionModel::new(&unet_config, vb.pp("unet")))?;
    let text = weights.build(|vb| TextEncoder::new(&text_config, vb.pp("text_encoder")))?;
    let schedule_config = schedule_config(&settings.diffusion);
    let schedule = Schedule::new(&schedule_config)?;
    let denoising = Denoising {
        schedule: &schedule,
        snr_gamma: snr_gamma(&settings.unet),
        gradient_checkpointing: false,
    };
    let latents = encode_all(&autoencoder, &images)?;

    let budget = budget(&settings.unet, settings.unet.steps);
    let loss = |part: Part| {
        let Part { indices, stream, .. } = part;
        let drop = dropped(indices.len(), settings.unet.caption_dropout, &stream.child("dropout"));
        let ids = indices.iter().zip(drop).flat_map(|(&index, drop)| {
            if drop { nothing.clone() } else { captions[index].clone() }
        });
        let ids = Tensor::from_vec(
            ids.collect::<Vec<u32>>(),
            (indices.len(), nothing.len()),
            &Device::Cpu,
        )?;
        let positions = indices.iter().map(|&index| index as u32).collect::<Vec<_>>();
        let clean = latents.index_select(&Tensor::new(positions, &Device::Cpu)?, 0)?;
        backward(&denoising.loss(
            &unet,
            &Batch { clean, condition: None, context: text.forward(&ids)? },
            &stream,
        )?)
    };
    let losses = context
        .training(|session| optimise(&weights, &budget, images.count(), &seed, loss, session))?;
    let [unet, text] =
        ["unet.", "text_encoder."].map(|prefix| weights.state_dict().map(|all| all.under(prefix)));
    Ok(vec![
        (UNET.0.into(), unet_config.to_json().into_bytes()),
        (UNET.1.into(), unet?.to_safetensors(DType::F16)?),
        json_output(TEXT.0, &text_config),
        (TEXT.1.into(), text?.to_safetensors(DType::F16)?),
        (TOKENIZER.0.into(), vocabulary.vocab_json),
        (TOKENIZER.1.into(), vocabulary.merges_txt),
        json_output(SCHEDULER, &schedule_config),
        losses_output(&losses),
    ])
}

/// The optimiser's budget of a UNet's pretraining.
pub fn budget(settings: &study::UNet, steps: usize) -> Budget {
    Budget {
        steps,
        batch: settings.batch,
        learning_rate: settings.learning_rate,
        weight_decay: 0.01,
        clip: 1.0,
        schedule: optim::Schedule::WarmupCosine { warmup: steps.min(200) as u64 / 2, floor: 0.01 },
        ema: Some(settings.ema),
        ..Budget::default()
    }
}

/// As [`Denoising`] takes it.
pub fn snr_gamma(settings: &study::UNet) -> Option<f64> {
    (settings.snr_gamma > 0.0).then_some(settings.snr_gamma)
}

fn schedule_config(settings: &study::Diffusion) -> schedule::Config {
    schedule::Config {
        num_train_timesteps: settings.timesteps,
        beta_start: settings.beta_start,
        beta_end: settings.beta_end,
        beta_schedule: "scaled_linear".into(),
        trained_betas: None,
        prediction_type: settings.prediction,
    }
}

fn unet_config(settings: &kinds::UNet, side: usize, latent_channels: usize) -> unet::Config {
    let levels = settings.unet.channels.len();
    unet::Config {
        sample_size: side,
        in_channels: latent_channels,
        out_channels: latent_channels,
        down_block_types: vec![unet::DownBlock::CrossAttnDownBlock2D; levels],
        up_block_types: vec![unet::UpBlock::CrossAttnUpBlock2D; levels],
        block_out_channels: settings.unet.channels.clone(),
        layers_per_block: settings.unet.layers_per_block,
        act_fn: ActFn::Silu,
        norm_num_groups: settings.unet.norm_groups,
        cross_attention_dim: settings.text_encoder.width,
        attention_head_dim: PerLevel::All(settings.unet.heads),
        use_linear_projection: true,
        transformer_layers_per_block: PerLevel::All(1),
        flip_sin_to_cos: true,
        freq_shift: 0.0,
    }
}

fn text_config(
    settings: &study::TextEncoder,
    vocab_size: usize,
    start: u32,
    end: u32,
) -> clip::Config {
    clip::Config {
        vocab_size,
        hidden_size: settings.width,
        intermediate_size: 4 * settings.width,
        num_hidden_layers: settings.layers,
        num_attention_heads: settings.heads,
        max_position_embeddings: settings.context,
        hidden_act: clip::HiddenAct::QuickGelu,
        layer_norm_eps: 1e-5,
        eos_token_id: Some(end),
        bos_token_id: Some(start),
    }
}
