//! A classifier of the experiment: trained on real, or real and synthetic, images; tested on every
//! held-out image.

use std::collections::BTreeMap;

use candle_core::DType;

use super::base::{self, BACKBONE};
use super::context::{Context, Output, json_output};
use super::images::{frames, frames_of, labelled, labels, pixels, shard_at, squares_of};
use super::training_set::{self, Entry, reals, repeated};
use super::{Outputs, StepError};
use crate::data::Item;
use crate::metrics::{Prediction, Predictions};
use crate::ml::classify::examples::Examples;
use crate::ml::classify::frames::Photographs;
use crate::ml::classify::judge::predict;
use crate::ml::classify::model::Model;
use crate::ml::classify::train::{Lesson, Training, fit};
use crate::ml::classify::transforms;
use crate::ml::optim::Schedule;
use crate::plan::kinds;
use crate::study;
use crate::vocabulary;

/// Outputs: backbone/config.json, backbone/model.safetensors (what the regime trains, as it is
/// kept; all else is the input `backbone`'s), predictions.json, curve.json.
pub fn run(params: kinds::Classifier, context: &mut Context) -> Result<Outputs, StepError> {
    let taught = training_items(context, &params)?;
    let transforms = params.transforms.as_ref().map(transforms_config);
    outputs(context, taught, &params.classes, &params.training, params.regime, transforms.as_ref())
}

/// What a classifier is trained on.
pub struct Taught {
    /// Images, real ones before synthetic ones.
    pub items: Vec<Item>,
    /// How many of them are real.
    pub reals: usize,
    /// How batches are made of both; absent: images come as they are.
    pub mixture: Option<vocabulary::Mixture>,
}

/// Trains from the backbone on the images of `taught`, and predicts every held-out image with the
/// weights that are kept.
pub fn outputs(
    context: &mut Context,
    taught: Taught,
    classes: &[String],
    settings: &study::Classifier,
    regime: vocabulary::Regime,
    transforms: Option<&transforms::Config>,
) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let validation = labelled(&shard_at(context, "validation", settings.size)?, classes)?;
    let held_out = shard_at(context, "held_out", settings.size)?;
    let config =
        base::classifier_config(context, classes.len(), settings.head, settings.normalisation)?;
    let start = base::start(context, &config, &seed.child("head"))?;
    let model = Model::of_regime(regime, &config, start, &context.device()?)?;
    let labels = labels(&taught.items, classes)?;
    let inputs = Photographs { frames: &frames(&taught.items)?, transforms };
    let lesson = Lesson {
        train: Examples { inputs: &inputs, labels: &labels },
        reals: taught.reals,
        validation: Examples { inputs: &validation.pixels, labels: &validation.labels },
    };
    let mixture = taught.mixture;
    let training = Training { mixture, ..training(settings, classes, labels.len()) };
    let curve = context
        .training(|session| fit(&model, &training, lesson, &seed.child("train"), session))?;
    let rows = predict(model.twin.as_ref(), &pixels(&held_out)?)?;
    Ok(vec![
        json_output(BACKBONE.0, &config),
        (BACKBONE.1.into(), model.params.variables()?.to_safetensors(DType::F32)?),
        predictions(held_out.iter().map(Entry::from), rows, classes)?,
        json_output("curve.json", &curve),
    ])
}

/// The sampled reals, and the synthetic images that the arm adds to them. No others are decoded.
fn training_items(context: &Context, params: &kinds::Classifier) -> Result<Taught, StepError> {
    let images = &params.images;
    let mut items = sampled_reals(context, params)?;
    let added = |item: &Item| images.adds_to(&item.label);
    let of_reals = items.iter().filter(|item| added(item)).map(Entry::from);
    let wanted = training_set::added(context, images, of_reals)?;
    items = repeated(items, images.repeats, added);
    let reals = items.len();
    if wanted.any() {
        for role in context.roles("synthetic/") {
            let takes = |entry: &Entry| wanted.takes(entry);
            items.extend(squares_of(context, role, params.training.size, takes)?);
        }
    }
    wanted.check(items.len() - reals)?;
    Ok(Taught { items, reals, mixture: images.mixture })
}

/// The images of the pool that `sources` names, class by class.
fn sampled_reals(context: &Context, params: &kinds::Classifier) -> Result<Vec<Item>, StepError> {
    let (mut pool, mut sampled) = (Vec::new(), Vec::new());
    let mut met = BTreeMap::<String, usize>::new();
    let is_sampled = |entry: &Entry| {
        let position = met.entry(entry.label.clone().into_owned()).or_default();
        let places = params.images.sources.get(entry.label.as_ref());
        let is_sampled = places.is_some_and(|places| places.contains(position));
        *position += 1;
        if is_sampled {
            sampled.push(pool.len());
        }
        pool.push(entry.clone().into_owned());
        is_sampled
    };
    let items = frames_of(context, "pool", params.training.size, is_sampled)?;
    let by_place = sampled.into_iter().zip(items).collect::<BTreeMap<_, _>>();
    let chosen = reals(&pool, &params.classes, &params.images.sources)?;
    Ok(chosen.iter().map(|place| by_place[place].clone()).collect())
}

/// The output predictions.json: what was said of the held-out images.
pub fn predictions<'a>(
    held_out: impl Iterator<Item = Entry<'a>>,
    rows: Vec<Vec<f32>>,
    classes: &[String],
) -> Result<Output, StepError> {
    let images = held_out.zip(rows).map(|(entry, probabilities)| {
        Ok(Prediction {
            id: entry.id.clone().into_owned(),
            label: entry.label_in(classes)? as usize,
            probabilities,
            fst: (entry.fst > 0).then_some(entry.fst),
            malignant: entry.malignant,
            patient: entry.patient.into_owned(),
            source: entry.source.into_owned(),
        })
    });
    let predictions =
        Predictions::new(classes.to_vec(), images.collect::<Result<_, StepError>>()?)?;
    Ok(("predictions.json".into(), serde_json::to_vec(&predictions)?))
}

/// What a study says of a training on so many `images`.
pub fn training(settings: &study::Classifier, classes: &[String], images: usize) -> Training {
    let weight =
        |class: &String| settings.class_weights.get(class).map_or(1.0, |weight| *weight as f32);
    let class_weights = if settings.class_weights.is_empty() {
        Vec::new()
    } else {
        classes.iter().map(weight).collect()
    };
    Training {
        epochs: settings.epochs,
        steps_per_epoch: settings.steps_per_epoch,
        batch: settings.batch_of(images),
        drop_last: settings.drop_last,
        learning_rate: settings.learning_rate,
        weight_decay: settings.weight_decay,
        decay_norms_and_biases: settings.decay_norms_and_biases,
        schedule: match settings.schedule {
            vocabulary::ClassifierSchedule::WarmupCosine => {
                Schedule::WarmupCosine { warmup: 10, floor: 0.0 }
            }
            vocabulary::ClassifierSchedule::Constant => Schedule::Constant,
        },
        patience: settings.patience,
        label_smoothing: settings.label_smoothing,
        class_weights,
        mixture: None,
        kept: settings.keep,
    }
}

pub fn transforms_config(settings: &vocabulary::Transforms) -> transforms::Config {
    transforms::Config {
        flip_p: settings.flip,
        affine_p: settings.probability,
        lighting_p: settings.probability,
        max_warp: settings.warp,
        max_rotate: settings.rotate,
        max_zoom: settings.zoom,
        max_lighting: settings.lighting,
    }
}
