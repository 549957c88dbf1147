//! A pipeline in diffusers' layout: read, checked to be one that the study can use, and put into
//! one form whatever it came in.

use std::collections::BTreeMap;

use candle_core::{DType, Device};

use super::base::{SCHEDULER, TEXT, TOKENIZER, UNET, VAE};
use super::context::Context;
use super::{Outputs, StepError};
use crate::ml::latent::layout::{ADDED_TOKENS, SPECIAL_TOKENS, TOKENIZER_CONFIG, TOKENIZER_JSON};
use crate::ml::latent::schedule::{self, Schedule};
use crate::ml::latent::unet::{self, UNet2DConditionModel};
use crate::ml::latent::vae::{self, AutoencoderKl};
use crate::ml::params::{Params, ParamsError, StateDict, foreign, low_rank};
use crate::ml::text::clip::{self, TextEncoder};
use crate::ml::text::settings::SettingsFiles;
use crate::ml::text::tokenizer::{ClipTokenizer, Vocabulary};
use crate::plan::kinds;
use crate::vocabulary::Conditioning;

/// Outputs: vae/*, unet/*, text_encoder/*, tokenizer/*, scheduler/*, each model's weights in one
/// file and in the precision they came in.
pub fn run(params: kinds::Pretrained, context: &mut Context) -> Result<Outputs, StepError> {
    let mut texts = BTreeMap::new();
    let mut weights: BTreeMap<String, StateDict> = BTreeMap::new();
    for file in context.files("files") {
        let (name, bytes) = file?;
        if let Some(what) = foreign(&bytes) {
            return Err(format!("{name}: it is {what}").into());
        }
        if name.ends_with(".safetensors") {
            let room = name.split('/').next().unwrap_or(name).to_owned();
            let part = StateDict::read(&bytes).map_err(|error| format!("{name}: {error}"))?;
            if let Some(kind) = low_rank(part.iter().map(|(name, _)| name)) {
                return Err(format!(
                    "{name}: it is {kind}, not the weights of a whole model: {FUSE}"
                )
                .into());
            }
            weights
                .entry(room)
                .or_default()
                .extend(part)
                .map_err(|error| format!("{name}: {error}"))?;
        } else {
            texts.insert(name.to_owned(), bytes);
        }
    }
    if let Some(json) = texts.remove(TOKENIZER_JSON) {
        let vocabulary = Vocabulary::from_tokenizer_json(&json)?;
        texts.insert(TOKENIZER.0.to_owned(), vocabulary.vocab_json);
        texts.insert(TOKENIZER.1.to_owned(), vocabulary.merges_txt);
    }
    for (room, rename) in
        [("vae", vae::current_name as fn(&str) -> String), ("text_encoder", clip::former_name)]
    {
        let named = weights.remove(room).unwrap_or_default().renamed(rename)?;
        weights.insert(room.into(), named);
    }
    let models = Models { texts, weights };
    models.check(params.conditioning)?;
    let Models { texts, weights } = models;
    let mut outputs = texts.into_iter().collect::<Outputs>();
    for (room, name) in [("vae", VAE.1), ("unet", UNET.1), ("text_encoder", TEXT.1)] {
        let stored = &weights[room];
        outputs.push((name.to_owned(), safetensors::serialize(stored.iter(), None)?));
    }
    Ok(outputs)
}

/// The way on with a low-rank adaptation.
const FUSE: &str = "put it into its pipeline with diffusers' load_lora_weights and fuse_lora, and save that with save_pretrained";

struct Models {
    texts: BTreeMap<String, Vec<u8>>,
    weights: BTreeMap<String, StateDict>,
}

impl Models {
    fn text(&self, name: &str) -> Result<&str, StepError> {
        let bytes = self.texts.get(name).ok_or_else(|| format!("{name} is missing"))?;
        Ok(std::str::from_utf8(bytes).map_err(|error| format!("{name}: {error}"))?)
    }

    /// That every tensor is there in its shape, and that the models fit each other and the
    /// conditioning.
    fn check(&self, conditioning: Conditioning) -> Result<(), StepError> {
        let of = |name: &'static str| {
            move |error: &dyn std::fmt::Display| StepError::from(format!("{name}: {error}"))
        };
        let vae = vae::Config::from_json(self.text(VAE.0)?).map_err(|error| of(VAE.0)(&error))?;
        let unet =
            unet::Config::from_json(self.text(UNET.0)?).map_err(|error| of(UNET.0)(&error))?;
        let text =
            clip::Config::from_json(self.text(TEXT.0)?).map_err(|error| of(TEXT.0)(&error))?;
        let scheduler = schedule::Config::from_json(self.text(SCHEDULER)?)
            .map_err(|error| of(SCHEDULER)(&error))?;
        Schedule::new(&scheduler).map_err(|error| of(SCHEDULER)(&error))?;
        let (vocabulary, merges) = (self.text(TOKENIZER.0)?, self.text(TOKENIZER.1)?);
        let tokenizer = ClipTokenizer::new(
            vocabulary.as_bytes(),
            merges.as_bytes(),
            text.max_position_embeddings,
        )?;
        let some = |name: &str| self.texts.get(name).map(Vec::as_slice);
        tokenizer.configured(SettingsFiles {
            config: some(TOKENIZER_CONFIG),
            special_tokens: some(SPECIAL_TOKENS),
            added_tokens: some(ADDED_TOKENS),
        })?;
        fits(&unet, &vae, &text, conditioning)?;
        self.build(VAE.1, |params| params.build(|vb| AutoencoderKl::new(&vae, vb)).map(drop))?;
        self.build(UNET.1, |params| {
            params.build(|vb| UNet2DConditionModel::new(&unet, vb)).map(drop)
        })?;
        self.build(TEXT.1, |params| params.build(|vb| TextEncoder::new(&text, vb)).map(drop))
    }

    fn build(
        &self,
        name: &str,
        build: impl FnOnce(Params) -> Result<(), ParamsError>,
    ) -> Result<(), StepError> {
        let room = name.split('/').next().unwrap_or(name);
        let stored = self.weights.get(room).ok_or_else(|| format!("{name} is missing"))?;
        let dtype = stored.iter().next().map_or(DType::F32, |(_, tensor)| tensor.dtype());
        build(Params::frozen_from(stored.clone(), dtype, &Device::Cpu))
            .map_err(|error| format!("{room}: {error}").into())
    }
}

fn fits(
    unet: &unet::Config,
    vae: &vae::Config,
    text: &clip::Config,
    conditioning: Conditioning,
) -> Result<(), StepError> {
    let latents = vae.latent_channels;
    let (expected, other, key) = match conditioning {
        Conditioning::TextToImage => (latents, 2 * latents + 1, "base.pretrained.inpainting"),
        Conditioning::Inpainting => (2 * latents + 1, latents, "base.pretrained.text_to_image"),
    };
    if unet.in_channels != expected {
        let hint = if unet.in_channels == other {
            format!("; this one belongs under {key}")
        } else {
            String::new()
        };
        let (name, found) = (conditioning.name(), unet.in_channels);
        return Err(format!(
            "{}: {name} takes a UNet of {expected} input channels, this one has {found}{hint}",
            UNET.0
        )
        .into());
    }
    if unet.out_channels != latents {
        let found = unet.out_channels;
        return Err(format!(
            "{}: out_channels = {found} is not supported: the UNet predicts the autoencoder's {latents} latent channels and nothing else",
            UNET.0
        )
        .into());
    }
    if unet.cross_attention_dim != text.hidden_size {
        let (width, given) = (unet.cross_attention_dim, text.hidden_size);
        return Err(format!(
            "{}: the UNet attends to embeddings of {width} values, the text encoder gives {given}",
            UNET.0
        )
        .into());
    }
    Ok(())
}
