//! A classifier of the experiment: trained on real, or real and synthetic, images; tested on every held-out image.

use candle_core::DType;

use super::base::{self, BACKBONE};
use super::context::{Context, json_output};
use super::images::{labelled, pixels, shard};
use super::{Outputs, StepError};
use crate::data::Item;
use crate::metrics::{Prediction, Predictions};
use crate::ml::classify::efficientnet::EfficientNet;
use crate::ml::classify::train::{Fitted, Lesson, Training, fit, predict};
use crate::ml::classify::transforms;
use crate::ml::optim::Schedule;
use crate::ml::params::Params;
use crate::plan::params;
use crate::study;

/// Outputs: model.safetensors and config.json (best weights), predictions.json, curve.json.
pub fn run(context: &mut Context) -> Result<Outputs, StepError> {
    let params: params::Classifier = context.params()?;
    let train = training_items(context, &params)?;
    let transforms = params.transforms.as_ref().map(transforms_config);
    outputs(context, &train, &params.classes, &params.training, transforms.as_ref())
}

/// Trains from the backbone on `train`, and predicts every held-out image with the best weights.
pub fn outputs(
    context: &mut Context,
    train: &[Item],
    classes: &[String],
    settings: &study::Classifier,
    transforms: Option<&transforms::Config>,
) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let train = labelled(train, classes)?;
    let validation = labelled(&shard(context, "validation")?, classes)?;
    let held_out = shard(context, "held_out")?;
    let (network, weights) = base::classifier(context, classes.len(), &seed.child("head"))?;
    let stream = seed.child("train");
    let settings = training(settings);
    let lesson = Lesson { train: &train, validation: &validation, augment: transforms };
    let fitted = fit(&network, &weights, &settings, &lesson, &stream, &mut context.steps())?;
    let config = base::classifier_config(context, classes.len())?;
    let predictions = test(&config, &fitted, &held_out, classes)?;
    Ok(vec![
        json_output(BACKBONE.0, &config),
        (BACKBONE.1.into(), fitted.weights.to_safetensors(DType::F32)?),
        ("predictions.json".into(), serde_json::to_vec(&predictions)?),
        json_output("curve.json", &fitted.curve),
    ])
}

/// The sampled reals and, of each, the first `dose` synthetic images.
fn training_items(context: &Context, params: &params::Classifier) -> Result<Vec<Item>, StepError> {
    let pool = shard(context, "pool")?;
    let mut items = Vec::new();
    for class in &params.classes {
        let of_class = pool.iter().filter(|item| item.label == *class).collect::<Vec<_>>();
        for &position in &params.sources[class] {
            let item = of_class.get(position);
            let item =
                item.ok_or_else(|| format!("the pool has {} images of `{class}`, not {}", of_class.len(), position + 1))?;
            items.push((*item).clone());
        }
    }
    if params.dose == 0 {
        return Ok(items);
    }
    let sources = items.iter().map(|item| item.id.clone()).collect::<std::collections::BTreeSet<_>>();
    let wanted = sources.len() * params.dose;
    let mut synthetic = Vec::with_capacity(wanted);
    for role in context.roles("synthetic/") {
        synthetic.extend(shard(context, role)?.into_iter().filter(|item| {
            let made = item.synthetic.as_ref();
            made.is_some_and(|made| sources.contains(&made.md5hash) && (made.generation_num as usize) < params.dose)
        }));
    }
    if synthetic.len() != wanted {
        return Err(format!("{wanted} synthetic images expected in the shards, {} found", synthetic.len()).into());
    }
    items.extend(synthetic);
    Ok(items)
}

fn test(
    config: &crate::ml::classify::efficientnet::Config,
    fitted: &Fitted,
    held_out: &[Item],
    classes: &[String],
) -> Result<Predictions, StepError> {
    let best = Params::frozen_from(fitted.weights.clone(), DType::F32, &candle_core::Device::Cpu);
    let network = best.build(|vb| EfficientNet::new(config, vb))?;
    let labels = labelled(held_out, classes)?.labels;
    let rows = predict(&network, &pixels(held_out)?)?;
    let images = held_out.iter().zip(labels).zip(rows).map(|((item, label), probabilities)| Prediction {
        id: item.id.clone(),
        label: label as usize,
        probabilities,
        fst: (item.fst > 0).then_some(item.fst),
        malignant: Some(item.malignant),
    });
    Ok(Predictions::new(classes.to_vec(), images.collect())?)
}

pub fn training(settings: &study::Classifier) -> Training {
    Training {
        epochs: settings.epochs,
        steps_per_epoch: settings.steps_per_epoch,
        batch: settings.batch,
        learning_rate: settings.learning_rate,
        weight_decay: settings.weight_decay,
        schedule: Schedule::WarmupCosine { warmup: 10, floor: 0.0 },
        patience: settings.patience,
        label_smoothing: settings.label_smoothing,
    }
}

pub fn transforms_config(settings: &study::Transforms) -> transforms::Config {
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
