//! The base models as steps load them: from the entries of artifacts in diffusers' layout.

use candle_core::{DType, Device, Tensor};

use super::StepError;
use super::context::Context;
use crate::ml::classify::efficientnet::{self, EfficientNet, Normalisation};
use crate::ml::classify::heads::Head;
use crate::ml::classify::model::is_of_head;
use crate::ml::latent::layout::{ADDED_TOKENS, SPECIAL_TOKENS, TOKENIZER_CONFIG};
pub use crate::ml::latent::layout::{SCHEDULER, TEXT, TOKENIZER, UNET, VAE};
use crate::ml::latent::schedule::{self, Schedule};
use crate::ml::latent::unet::{self, UNet2DConditionModel};
use crate::ml::latent::vae::{self, AutoencoderKl};
use crate::ml::params::{Params, StateDict};
use crate::ml::text::clip::{self, TextEncoder};
use crate::ml::text::settings::SettingsFiles;
use crate::ml::text::tokenizer::ClipTokenizer;
use crate::vocabulary::{HeadKind, NormalisationKind, Precision};

pub const BACKBONE: (&str, &str) = ("backbone/config.json", "backbone/model.safetensors");

/// The weights of an entry as constants, where the task's models compute.
pub fn constants(
    context: &Context,
    role: &str,
    entry: &str,
    dtype: DType,
) -> Result<Params, StepError> {
    Ok(Params::frozen_from(
        StateDict::read(&context.read(role, entry)?)?,
        dtype,
        &context.device()?,
    ))
}

/// The precision that a study asks for.
pub fn dtype(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
        Precision::F16 => DType::F16,
    }
}

pub fn autoencoder(context: &Context) -> Result<AutoencoderKl, StepError> {
    let config = vae::Config::from_json(&context.text("autoencoder", VAE.0)?)?;
    Ok(constants(context, "autoencoder", VAE.1, DType::F32)?
        .build(|vb| AutoencoderKl::new(&config, vb))?)
}

pub fn unet_config(context: &Context, role: &str) -> Result<unet::Config, StepError> {
    Ok(unet::Config::from_json(&context.text(role, UNET.0)?)?)
}

pub fn frozen_unet(
    context: &Context,
    role: &str,
    precision: Precision,
) -> Result<UNet2DConditionModel, StepError> {
    let config = unet_config(context, role)?;
    Ok(constants(context, role, UNET.1, dtype(precision))?
        .build(|vb| UNet2DConditionModel::new(&config, vb))?)
}

pub fn schedule(context: &Context, role: &str) -> Result<Schedule, StepError> {
    Ok(Schedule::new(&schedule::Config::from_json(&context.text(role, SCHEDULER)?)?)?)
}

/// Prompts to embeddings, frozen.
pub struct Prompts {
    tokenizer: ClipTokenizer,
    encoder: TextEncoder,
}

impl Prompts {
    pub fn load(context: &Context, role: &str) -> Result<Self, StepError> {
        let config = context.json::<clip::Config>(role, TEXT.0)?;
        let (vocabulary, merges) =
            (context.read(role, TOKENIZER.0)?, context.read(role, TOKENIZER.1)?);
        let input = context.input(role)?;
        let some = |name: &str| input.entry(name).map(|_| context.read(role, name)).transpose();
        let (settings, special) = (some(TOKENIZER_CONFIG)?, some(SPECIAL_TOKENS)?);
        let added = some(ADDED_TOKENS)?;
        let tokenizer = ClipTokenizer::new(&vocabulary, &merges, config.max_position_embeddings)?;
        let tokenizer = tokenizer.configured(SettingsFiles {
            config: settings.as_deref(),
            special_tokens: special.as_deref(),
            added_tokens: added.as_deref(),
        })?;
        let encoder = constants(context, role, TEXT.1, DType::F32)?
            .build(|vb| TextEncoder::new(&config, vb))?;
        Ok(Self { tokenizer, encoder })
    }

    /// [prompts, tokens, width].
    pub fn embed<S: AsRef<str>>(&self, prompts: &[S]) -> Result<Tensor, StepError> {
        let mut ids = Vec::new();
        for prompt in prompts {
            ids.extend(self.tokenizer.encode(prompt.as_ref())?);
        }
        let length = ids.len() / prompts.len();
        Ok(self.encoder.forward(&Tensor::from_vec(ids, (prompts.len(), length), &Device::Cpu)?)?)
    }
}

/// A classifier as it was trained, frozen: the backbone, or a probe.
pub fn classifier(context: &Context, role: &str) -> Result<EfficientNet, StepError> {
    let config: efficientnet::Config = context.json(role, BACKBONE.0)?;
    Ok(constants(context, role, BACKBONE.1, DType::F32)?
        .build(|vb| EfficientNet::new(&config, vb))?)
}

/// `vision_learner`'s `ps`.
const FASTAI_DROPOUT: f64 = 0.5;

/// The backbone's architecture with the head for `classes` that a training asks for.
pub fn classifier_config(
    context: &Context,
    classes: usize,
    head: HeadKind,
    normalisation: NormalisationKind,
) -> Result<efficientnet::Config, StepError> {
    let config: efficientnet::Config = context.json("backbone", BACKBONE.0)?;
    let dropout = match head {
        HeadKind::Linear => config.dropout,
        HeadKind::ConcatPool => FASTAI_DROPOUT,
    };
    let normalisation = match normalisation {
        NormalisationKind::Backbone => config.normalisation,
        NormalisationKind::None => Normalisation::NONE,
        NormalisationKind::Imagenet => Normalisation::IMAGENET,
    };
    Ok(efficientnet::Config { classes, head, dropout, normalisation, ..config })
}

/// Weights of the network of `config`: the backbone's, with a head drawn from `seed`.
pub fn start(
    context: &Context,
    config: &efficientnet::Config,
    seed: &crate::seed::Seed,
) -> Result<StateDict, StepError> {
    let drawn = Params::drawn(*seed, DType::F32, &Device::Cpu);
    drawn.build(|vb| Head::new(config, vb))?;
    let mut start = drawn.state_dict()?;
    let stored = StateDict::read(&context.read("backbone", BACKBONE.1)?)?;
    for (name, tensor) in stored.iter().filter(|(name, _)| !is_of_head(name)) {
        start.insert(name, tensor.to_dtype(DType::F32)?);
    }
    Ok(start)
}
