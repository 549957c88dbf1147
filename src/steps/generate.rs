//! A shard of synthetic images of one class by one strategy.

use std::ops::Range;

use super::base;
use super::context::Context;
use super::decode::SHARD;
use super::images::{of_class_at, pixels, shard};
use super::{Outputs, StepError, prompt};
use crate::data::{Item, RgbImage, Synthetic, webdataset};
use crate::ml::latent::mask::Mask;
use crate::ml::latent::sample::Sampler;
use crate::ml::pixels::Pixels;
use crate::plan::kinds;
use crate::seed::Seed;
use crate::vocabulary::{Precision, Solver, Strategy};

/// Images per forward pass; guidance doubles them.
const BATCH: usize = 20;

/// One image to make.
struct Wanted<'a> {
    source: &'a Item,
    generation: usize,
}

/// Output: shard.tar, source by source, generations in order.
pub fn run(params: kinds::Generate, context: &mut Context) -> Result<Outputs, StepError> {
    let sources = of_class_at(context, "pool", &params.class, &params.sources)?;
    let generations = params.first_generation..params.first_generation + params.generations;
    let of_source =
        |source| generations.clone().map(move |generation| Wanted { source, generation });
    let wanted = sources.iter().flat_map(of_source).collect::<Vec<_>>();
    let first_pass = match context.has_input("first_pass") {
        true => Some(shard(context, "first_pass")?),
        false => None,
    };
    let size = sources.first().map_or(0, |item| item.image.width);
    let models = Models::load(context, params.precision)?;
    let sampler = models.sampler((params.solver, params.steps, params.guidance), size)?;
    // A stream an image, named by what the image is: batches and shards cannot change it.
    let root =
        context.seed()?.child(&params.model).child(params.strategy.name()).child(&params.class);
    painted(context, wanted.len(), |batch| {
        let chunk = &wanted[batch.clone()];
        let streams = chunk
            .iter()
            .map(|wanted| root.child(&wanted.source.id).nth(wanted.generation as u64))
            .collect::<Vec<_>>();
        let start = match &first_pass {
            Some(first) => pixels(&first[batch])?,
            None => pixels(chunk.iter().map(|wanted| wanted.source))?,
        };
        let made = paint(&sampler, &params, &start, &streams)?;
        Ok(chunk
            .iter()
            .enumerate()
            .map(|(at, wanted)| item(&params, wanted, made.image(at), made.size()))
            .collect())
    })
}

/// The shard of `count` images, of which `paint` makes those of a batch, from where the last
/// attempt was.
pub fn painted(
    context: &mut Context,
    count: usize,
    mut paint: impl FnMut(Range<usize>) -> Result<Vec<Item>, StepError>,
) -> Result<Outputs, StepError> {
    let mut checkpoint = context.checkpoint();
    let mut items = match checkpoint.read()? {
        Some(made) => webdataset::read_shard(&made, "checkpoint")?,
        None => Vec::new(),
    };
    context.images(items.len(), count);
    while items.len() < count {
        items.extend(paint(items.len()..count.min(items.len() + BATCH))?);
        context.images(items.len(), count);
        checkpoint.offer(|| webdataset::write_shard(&items).map_err(StepError::from))?;
    }
    Ok(vec![(SHARD.into(), webdataset::write_shard(&items)?)])
}

fn paint(
    sampler: &Sampler,
    params: &kinds::Generate,
    start: &Pixels,
    streams: &[Seed],
) -> Result<Pixels, StepError> {
    let mask = match params.strategy {
        Strategy::TextToImage => return Ok(sampler.text_to_image(streams)?),
        Strategy::Inpaint => Mask::centre(start.size()),
        Strategy::InThenOutpaint => Mask::surroundings(start.size()),
    };
    let images = start.signed_batch(&(0..start.count()).collect::<Vec<_>>())?;
    Ok(sampler.inpaint(&images, &vec![mask; start.count()], params.strength, streams)?)
}

fn item(params: &kinds::Generate, wanted: &Wanted, rgb: &[u8], size: usize) -> Item {
    let source = wanted.source;
    let id = format!(
        "{}-{}-{}-{:02}",
        source.id,
        params.model,
        params.strategy.name(),
        wanted.generation
    );
    Item {
        id: id.clone(),
        label: params.class.clone(),
        // Painting keeps none or little of the source's skin, so its type is not the image's.
        fst: 0,
        malignant: source.malignant,
        patient: String::new(),
        caption: params.prompt.clone(),
        source: format!("{} model", params.model),
        image: RgbImage { width: size, height: size, pixels: rgb.to_vec() },
        synthetic: Some(Synthetic {
            name: id,
            md5hash: source.id.clone(),
            method: params.strategy.name().to_owned(),
            submethod: params.model.clone(),
            generation_num: wanted.generation as u32,
            tag: String::new(),
        }),
    }
}

/// The frozen models of a shard.
pub struct Models {
    vae: crate::ml::latent::vae::AutoencoderKl,
    unet: crate::ml::latent::unet::UNet2DConditionModel,
    schedule: crate::ml::latent::schedule::Schedule,
    prompt: candle_core::Tensor,
    empty: candle_core::Tensor,
}

impl Models {
    pub fn load(context: &Context, precision: Precision) -> Result<Self, StepError> {
        let (prompt, empty) = prompt::read(context, "prompt")?;
        Ok(Self {
            vae: base::autoencoder(context)?,
            unet: base::frozen_unet(context, "unet", precision)?,
            schedule: base::schedule(context, "text")?,
            prompt,
            empty,
        })
    }

    /// A sampler, with so many steps and so much guidance, of images of `size` pixels.
    pub fn sampler(
        &self,
        (solver, steps, guidance): (Solver, usize, f64),
        size: usize,
    ) -> Result<Sampler<'_>, StepError> {
        let timesteps = self.schedule.timesteps();
        if steps > timesteps {
            // What a study says of its own base was checked; a pretrained pipeline brings a
            // schedule of its own.
            return Err(format!(
                "generator.sampling.steps is {steps}, but the scheduler has {timesteps} timesteps"
            )
            .into());
        }
        Ok(Sampler {
            vae: &self.vae,
            unet: &self.unet,
            schedule: &self.schedule,
            prompt: &self.prompt,
            empty: &self.empty,
            method: solver,
            steps,
            guidance,
            side: size / self.vae.config().downsampling(),
        })
    }
}
