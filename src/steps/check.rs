//! The generator check: does the probe recognise each class in the images made for it, and are they
//! copies of real ones?

use std::borrow::Cow;

use super::base;
use super::context::{Context, json_output};
use super::images::{labelled, pixels, shard};
use super::{Outputs, StepError};
use crate::data::fit;
use crate::data::{Item, RgbImage};
use crate::ml::classify::efficientnet::EfficientNet;
use crate::ml::classify::judge::{most_likely, predict};
use crate::ml::latent::vae::AutoencoderKl;
use crate::ml::pixels::{Pixels, from_signed};
use crate::plan::kinds::{self, ShardSet};
use crate::stats::check::{
    Check, ClassCheck, Distances, Recognition, Reconstruction, StrategyCheck,
};
use crate::vocabulary::{Arm, Fit, Strategy};

const DISTANCE: &str = "root mean square of pixel differences, 0 to 1";
const BATCH: usize = 64;

/// Output: check.json.
pub fn run(params: kinds::Check, context: &mut Context) -> Result<Outputs, StepError> {
    let probe = base::classifier(context, "probe")?;
    let (pool, held_out) = (shard(context, "pool")?, shard(context, "held_out")?);
    let judge = Judge { probe: &probe, pool: &pool, held_out: &held_out };
    let mut classes = Vec::new();
    for index in 0..params.classes.len() {
        classes.push(judge.class(context, &params, index)?);
        context.images(index + 1, params.classes.len());
    }
    let real = labelled(&held_out, &params.classes)?;
    let judge = accuracy(&probe, &real.pixels, &real.labels, params.size)?;
    let reconstruction = match context.has_input("autoencoder") {
        true => {
            let restored = restored(&base::autoencoder(context)?, &real.pixels)?;
            let accuracy_reconstructed = accuracy(&probe, &restored, &real.labels, params.size)?;
            Some(Reconstruction { accuracy_real: judge, accuracy_reconstructed })
        }
        false => None,
    };
    let chance = 1.0 / params.classes.len() as f64;
    Ok(vec![json_output(
        "check.json",
        &Check { chance, judge, distance: DISTANCE.into(), classes, reconstruction },
    )])
}

/// The probe, and the real images that synthetic ones are held against.
struct Judge<'a> {
    probe: &'a EfficientNet,
    pool: &'a [Item],
    held_out: &'a [Item],
}

impl Judge<'_> {
    /// The check of class number `index`.
    fn class(
        &self,
        context: &Context,
        params: &kinds::Check,
        index: usize,
    ) -> Result<ClassCheck, StepError> {
        let class = &params.classes[index];
        let recognise = |images: &[Item]| {
            let images = pixels(images)?;
            recognition(self.probe, &at_size(&images, params.size), index, params.confidence)
        };
        let made = |arm: Option<&Arm>| shards(context, &params.shards, arm, class);
        let mut strategies = Vec::new();
        for arm in &params.arms {
            let images = made(Some(arm))?;
            // An arm may add to another class alone.
            if !images.is_empty() {
                let recognition = recognise(&images)?;
                strategies.push(StrategyCheck { strategy: arm.to_string(), recognition });
            }
        }
        let painted = params
            .arms
            .iter()
            .find(|arm| arm.synthetic().is_some_and(|made| made.strategy == Strategy::TextToImage));
        let of_class = |items: &[Item]| {
            items.iter().filter(|item| item.label == *class).cloned().collect::<Vec<_>>()
        };
        let real = pixels(&of_class(self.pool))?;
        let nearest = |items: &[Item]| -> Result<Distances, StepError> {
            Ok(nearest(&pixels(items)?, &real))
        };
        Ok(ClassCheck {
            label: class.clone(),
            strategies,
            base: match made(None)? {
                images if images.is_empty() => None,
                images => Some(recognise(&images)?),
            },
            nearest_real: match painted.map(|arm| made(Some(arm))).transpose()? {
                Some(images) if !images.is_empty() => Some(nearest(&images)?),
                _ => None,
            },
            held_out: nearest(&of_class(self.held_out))?,
        })
    }
}

/// All images of an arm and class, each source and generation once.
fn shards(
    context: &Context,
    sets: &[ShardSet],
    arm: Option<&Arm>,
    class: &str,
) -> Result<Vec<Item>, StepError> {
    let mut items = Vec::new();
    for role in ShardSet::roles(sets, arm, class) {
        items.extend(shard(context, role)?);
    }
    items.sort_by(|a, b| a.id.cmp(&b.id));
    // Models of several n give different images of one name.
    items.dedup_by(|a, b| a.id == b.id && a.image == b.image);
    Ok(items)
}

/// The images as squares of `size` pixels; 0: as they are.
pub fn at_size(images: &Pixels, size: usize) -> Cow<'_, Pixels> {
    if size == 0 {
        return Cow::Borrowed(images);
    }
    let mut sized = Pixels::new(size);
    for image in 0..images.count() {
        let image = RgbImage {
            width: images.size(),
            height: images.size(),
            pixels: images.image(image).to_vec(),
        };
        sized.push(&fit::fit(&image, size, Fit::Squish).pixels);
    }
    Cow::Owned(sized)
}

fn recognition(
    probe: &EfficientNet,
    images: &Pixels,
    class: usize,
    confidence: f64,
) -> Result<Recognition, StepError> {
    let rows = predict(probe, images)?;
    let recognised = rows.iter().filter(|row| most_likely(row) == class).count();
    Ok(Recognition::of(recognised, images.count(), confidence))
}

/// From each image to the nearest of `real`.
fn nearest(images: &Pixels, real: &Pixels) -> Distances {
    let distance = |a: &[u8], b: &[u8]| {
        let squares = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum::<u64>();
        (squares as f64 / a.len() as f64).sqrt() / 255.0
    };
    let of = |image: usize| {
        let all = (0..real.count()).map(|other| distance(images.image(image), real.image(other)));
        all.fold(f64::INFINITY, f64::min)
    };
    Distances::of(&(0..images.count()).map(of).collect::<Vec<_>>())
}

/// The images after the autoencoder has encoded and decoded them.
fn restored(autoencoder: &AutoencoderKl, real: &Pixels) -> Result<Pixels, StepError> {
    let mut restored = Pixels::new(real.size());
    for chunk in (0..real.count()).collect::<Vec<_>>().chunks(BATCH) {
        let moments = autoencoder.encode(&real.signed_batch(chunk)?)?;
        let images = from_signed(&autoencoder.decode(moments.mode())?)?;
        (0..images.count()).for_each(|image| restored.push(images.image(image)));
    }
    Ok(restored)
}

/// The share of images whose class the probe names, which sees squares of `size` pixels; 0: as they
/// are.
fn accuracy(
    probe: &EfficientNet,
    images: &Pixels,
    labels: &[u32],
    size: usize,
) -> Result<f64, StepError> {
    let rows = predict(probe, at_size(images, size).as_ref())?;
    let right =
        rows.iter().zip(labels).filter(|(row, label)| most_likely(row) == **label as usize).count();
    Ok(right as f64 / rows.len() as f64)
}
