//! DreamBooth: tunes the UNet on the photographs of one class, or of each under its own, by the
//! prompt that names it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;

use candle_core::{DType, Device, Error, Tensor};
use rand::Rng;

use super::base::{self, UNET};
use super::context::{Context, json_output, thinned};
use super::latents::Latents;
use super::previews::{self, Kept};
use super::{Outputs, StepError, prompt};
use crate::ml::latent::denoising::{Batch, Denoising, dropped};
use crate::ml::latent::lora::Adapted;
use crate::ml::latent::schedule::Schedule;
use crate::ml::latent::train::{Budget, Part, optimise};
use crate::ml::latent::unet::{self, UNet2DConditionModel};
use crate::ml::latent::vae::AutoencoderKl;
use crate::ml::optim;
use crate::ml::params::{Params, StateDict};
use crate::ml::training::Session;
use crate::plan::kinds;
use crate::seed::Seed;
use crate::vocabulary::{LearningRateSchedule, Lora};

pub const LOSSES: &str = "losses.json";
pub const PREVIEWS: &str = "previews.png";
/// Points of a loss curve: so many that each is a mean over some steps, whose losses differ a lot.
const CURVE: usize = 40;

/// The products of a low-rank adaptation, as diffusers' `load_lora_weights` reads them.
const LORA: &str = "lora/pytorch_lora_weights.safetensors";

/// Outputs: unet/* (f32), losses.json, previews.png (a row a stage of the training); with a
/// low-rank adaptation its products beside the UNet that they are merged into.
pub fn run(params: kinds::DreamBooth, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let examples = Examples::read(context, &params)?;
    let schedule = base::schedule(context, "text")?;
    let snr_gamma = (params.snr_gamma > 0.0).then_some(params.snr_gamma);
    let denoising = Denoising {
        schedule: &schedule,
        snr_gamma,
        gradient_checkpointing: params.gradient_checkpointing,
    };
    let prior =
        params.prior_weight.map(|weight| Prior::read(context, weight, params.views)).transpose()?;
    let config = base::unet_config(context, "unet")?;
    let device = context.device()?;
    let tuned = Tuned::new(
        &config,
        StateDict::read(&context.read("unet", UNET.1)?)?,
        &params,
        (&device, &seed),
    )?;
    let loss = |part: Part| {
        let Part { indices, passes, stream } = part;
        let drop = dropped(indices.len(), params.caption_dropout, &stream.child("dropout"));
        let batch = examples.batch(indices, passes, &drop)?;
        tuned.with(&config, |unet| {
            let (mut loss, mut gradients) = denoising.gradients(unet, &batch, 1.0, &stream)?;
            if let Some(prior) = &prior {
                let stream = stream.child("prior");
                let (more, its) = denoising.gradients(
                    unet,
                    &prior.batch(indices.len(), &stream)?,
                    prior.weight,
                    &stream,
                )?;
                loss += more;
                gradients.extend(its)?;
            }
            Ok((loss, gradients))
        })
    };
    let budget = budget(&params);
    let autoencoder = if params.previews > 0 { Some(base::autoencoder(context)?) } else { None };
    let scene =
        autoencoder.as_ref().map(|vae| examples.scene(vae, &schedule, &seed)).transpose()?;
    let stages = previews::stages(params.previews, params.steps);
    let made = RefCell::new(BTreeMap::new());
    let mut keep = Kept { checkpoint: context.checkpoint(), made: &made };
    // For those who look in on a long training.
    let so_far = context.attempt().join(PREVIEWS);
    let mut tell = context.steps();
    let mut watch = |done: usize, total: usize, loss: f64| -> candle_core::Result<()> {
        tell(done, total, loss)?;
        if let Some(scene) = scene.as_ref().filter(|_| stages.contains(&done)) {
            let images = tuned.with(&config, |unet| scene.sample(unet))?;
            made.borrow_mut().insert(done, images);
            fs::write(&so_far, previews::sheet(&made.borrow()).map_err(Error::wrap)?)?;
        }
        Ok(())
    };
    let session = Session { watch: &mut watch, keep: Some(&mut keep) };
    let losses = optimise(tuned.params(), &budget, examples.count(), &seed, loss, session)?;
    let mut outputs = vec![
        (UNET.0.into(), config.to_json().into_bytes()),
        (UNET.1.into(), tuned.weights()?.to_safetensors(DType::F32)?),
        json_output(LOSSES, &thinned(&losses, CURVE)),
    ];
    if !made.borrow().is_empty() {
        outputs.push((PREVIEWS.into(), previews::sheet(&made.borrow())?));
    }
    if let Tuned::Products { adapted, .. } = &tuned {
        outputs.push((LORA.into(), adapted.exported()?.to_safetensors(DType::F32)?));
    }
    Ok(outputs)
}

fn budget(params: &kinds::DreamBooth) -> Budget {
    let warmup = params.warmup as u64;
    Budget {
        steps: params.steps,
        batch: params.batch,
        accumulate: params.accumulate,
        learning_rate: params.learning_rate,
        betas: params.betas,
        epsilon: params.epsilon,
        weight_decay: params.weight_decay,
        clip: params.clip,
        schedule: match params.schedule {
            LearningRateSchedule::Constant => optim::Schedule::WarmupConstant { warmup },
            LearningRateSchedule::Linear => optim::Schedule::WarmupLinear { warmup },
            LearningRateSchedule::Cosine => optim::Schedule::WarmupCosine { warmup, floor: 0.0 },
        },
        ema: (params.ema > 0.0).then_some(params.ema),
    }
}

/// What is trained: the UNet's own weights, masters of what it computes with, or products beside
/// them.
enum Tuned {
    Whole { params: Params, unet: Box<UNet2DConditionModel> },
    Masters { params: Params, dtype: DType },
    Products { adapted: Adapted, dtype: DType },
}

impl Tuned {
    fn new(
        config: &unet::Config,
        weights: StateDict,
        params: &kinds::DreamBooth,
        (device, seed): (&Device, &Seed),
    ) -> Result<Self, StepError> {
        let dtype = base::dtype(params.precision);
        if let Some(Lora { rank, alpha, targets }) = &params.lora {
            let adapted = Adapted::new(
                &weights,
                (*rank, *alpha),
                targets,
                (DType::F32, device),
                &seed.child("lora"),
            )?;
            return Ok(Self::Products { adapted, dtype });
        }
        let params = Params::trainable_from(weights, DType::F32, device);
        let unet = params.build(|vb| UNet2DConditionModel::new(config, vb))?;
        match dtype {
            DType::F32 => Ok(Self::Whole { params, unet: Box::new(unet) }),
            dtype => Ok(Self::Masters { params, dtype }),
        }
    }

    fn params(&self) -> &Params {
        match self {
            Self::Whole { params, .. } | Self::Masters { params, .. } => params,
            Self::Products { adapted, .. } => adapted.products(),
        }
    }

    /// What `f` makes of the UNet with the present weights.
    fn with<T>(
        &self,
        config: &unet::Config,
        f: impl FnOnce(&UNet2DConditionModel) -> candle_core::Result<T>,
    ) -> candle_core::Result<T> {
        match self {
            Self::Whole { unet, .. } => f(unet),
            Self::Masters { params, dtype } => {
                f(&UNet2DConditionModel::new(config, params.builder_as(*dtype))?)
            }
            Self::Products { adapted, dtype } => {
                f(&UNet2DConditionModel::new(config, adapted.builder(*dtype)?)?)
            }
        }
    }

    fn weights(&self) -> Result<StateDict, StepError> {
        match self {
            Self::Whole { params, .. } | Self::Masters { params, .. } => Ok(params.state_dict()?),
            Self::Products { adapted, .. } => Ok(adapted.weights()?),
        }
    }
}

/// The images of all classes together, class by class, as latents with their prompts.
struct Examples {
    classes: Vec<Class>,
    /// Class and position in its latents of each image.
    images: Vec<(usize, usize)>,
    views: usize,
}

struct Class {
    latents: Latents,
    prompt: Tensor,
    empty: Tensor,
}

/// The images that the base made, as latents with their prompt.
struct Prior {
    latents: Latents,
    prompt: Tensor,
    views: usize,
    /// Of the loss on them.
    weight: f64,
}

impl Prior {
    fn read(context: &Context, weight: f64, views: usize) -> Result<Self, StepError> {
        let (prompt, _) = prompt::read(context, "prior/prompt")?;
        Ok(Self { latents: Latents::read(context, "prior/latents", views)?, prompt, views, weight })
    }

    /// `count` views drawn from `stream`.
    fn batch(&self, count: usize, stream: &Seed) -> candle_core::Result<Batch> {
        let mut rng = stream.child("order").rng();
        let mut drawn =
            || (rng.random_range(0..self.views), rng.random_range(0..self.latents.images()));
        let views = (0..count).map(|_| drawn()).map(|(view, image)| self.latents.view(view, image));
        let (clean, conditions): (Vec<_>, Vec<_>) =
            views.collect::<candle_core::Result<Vec<_>>>()?.into_iter().unzip();
        let conditions = conditions.into_iter().flatten().collect::<Vec<_>>();
        let condition =
            if conditions.is_empty() { None } else { Some(Tensor::cat(&conditions, 0)?) };
        Ok(Batch {
            clean: Tensor::cat(&clean, 0)?,
            condition,
            context: self.prompt.repeat((count, 1, 1))?,
        })
    }
}

/// The first two prompts whose embeddings are equal.
fn find_alike<'a>(
    prompts: impl Iterator<Item = &'a Tensor>,
) -> candle_core::Result<Option<(usize, usize)>> {
    let values = prompts.map(|prompt| prompt.flatten_all()?.to_vec1::<f32>());
    let values = values.collect::<candle_core::Result<Vec<_>>>()?;
    let first = |at: &usize| values[..*at].iter().position(|other| *other == values[*at]);
    Ok((0..values.len()).find_map(|at| Some((first(&at)?, at))))
}

impl Examples {
    fn read(context: &Context, params: &kinds::DreamBooth) -> Result<Self, StepError> {
        let (mut classes, mut images) = (Vec::new(), Vec::new());
        let sources: &BTreeMap<_, Vec<usize>> = &params.classes;
        for (at, (class, positions)) in sources.iter().enumerate() {
            let latents = Latents::read(context, &format!("latents/{class}"), params.views)?;
            let all = 0..latents.images();
            match positions.iter().find(|position| !all.contains(position)) {
                Some(beyond) => {
                    return Err(format!(
                        "`{class}` has {} images, not {}",
                        latents.images(),
                        beyond + 1
                    )
                    .into());
                }
                None if positions.is_empty() => images.extend(all.map(|image| (at, image))),
                None => images.extend(positions.iter().map(|&image| (at, image))),
            }
            let (prompt, empty) = prompt::read(context, &format!("prompt/{class}"))?;
            classes.push(Class { latents, prompt, empty });
        }
        let prompts = classes.iter().map(|class| &class.prompt);
        if let Some((first, second)) = find_alike(prompts)? {
            let [first, second] =
                [first, second].map(|at| sources.keys().nth(at).expect("it is there"));
            return Err(format!(
                "the prompts of `{first}` and `{second}` are one to the text encoder, as they are once both are cut to its length: \
                 shorten generator.prompt, or name the classes otherwise"
            )
            .into());
        }
        Ok(Self { classes, images, views: params.views })
    }

    fn count(&self) -> usize {
        self.images.len()
    }

    /// Previews of the first class, of inpainting models from its first images' first views.
    fn scene<'a>(
        &'a self,
        vae: &'a AutoencoderKl,
        schedule: &'a Schedule,
        seed: &Seed,
    ) -> candle_core::Result<previews::Scene<'a>> {
        let (Class { latents, prompt, empty }, seed) = (&self.classes[0], seed.child("previews"));
        let own = self
            .images
            .iter()
            .filter(|(class, _)| *class == 0)
            .map(|(_, image)| *image)
            .cycle()
            .take(previews::IMAGES);
        let views =
            own.map(|image| latents.view(0, image)).collect::<candle_core::Result<Vec<_>>>()?;
        let conditions =
            views.iter().filter_map(|(_, condition)| condition.as_ref()).collect::<Vec<_>>();
        let condition =
            if conditions.is_empty() { None } else { Some(Tensor::cat(&conditions, 0)?) };
        Ok(previews::Scene {
            vae,
            schedule,
            prompt,
            empty,
            condition,
            side: views[0].0.dim(1)?,
            seed,
        })
    }

    fn batch(
        &self,
        indices: &[usize],
        passes: &[usize],
        dropped: &[bool],
    ) -> candle_core::Result<Batch> {
        let (mut clean, mut conditions, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
        for ((&index, &pass), &dropped) in indices.iter().zip(passes).zip(dropped) {
            let (class, image) = self.images[index];
            let class = &self.classes[class];
            let (latents, condition) = class.latents.view(pass % self.views, image)?;
            clean.push(latents);
            conditions.extend(condition);
            contexts.push(if dropped { &class.empty } else { &class.prompt });
        }
        let condition =
            if conditions.is_empty() { None } else { Some(Tensor::cat(&conditions, 0)?) };
        Ok(Batch { clean: Tensor::cat(&clean, 0)?, condition, context: Tensor::cat(&contexts, 0)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_that_are_one_to_the_text_encoder_are_found() {
        let prompts = [[0.0_f32, 1.0], [0.5, 1.0], [0.0, 1.0]]
            .map(|values| Tensor::new(&[values], &candle_core::Device::Cpu).unwrap());
        assert_eq!(find_alike(prompts.iter()).unwrap(), Some((0, 2)));
        assert_eq!(find_alike(prompts[..2].iter()).unwrap(), None);
    }
}
