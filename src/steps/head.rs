//! A classifier of the experiment that is a head over features of a frozen body: its arms differ by
//! which features they are shown.

use candle_core::DType;

use super::base::BACKBONE;
use super::classifier::{predictions, training};
use super::context::{Context, json_output};
use super::features::read;
use super::training_set::{self, Entry, reals, repeated};
use super::{Outputs, StepError};
use crate::ml::classify::efficientnet;
use crate::ml::classify::examples::{Examples, Features, Inputs};
use crate::ml::classify::heads::Head;
use crate::ml::classify::judge::predict;
use crate::ml::classify::model::Model;
use crate::ml::classify::train::{Lesson, Training, fit};
use crate::ml::params::Params;
use crate::plan::kinds;

/// Outputs: head/config.json (the whole network's), head/model.safetensors (the head's weights that
/// are kept), predictions.json, curve.json.
pub fn run(params: kinds::Head, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let classes = &params.classes;
    let (train, entries, reals) = training_features(context, &params)?;
    let (validation, known) = read(context, "validation")?;
    let (held_out, tested) = read(context, "held_out")?;
    let (labels, validation_labels) = (labels(&entries, classes)?, labels(&known, classes)?);
    let config =
        efficientnet::Config { classes: classes.len(), ..context.json("pool", BACKBONE.0)? };
    let drawn = Params::drawn(seed.child("head"), DType::F32, &context.device()?);
    let model = Model::new(drawn, |vb| Head::new(&config, vb))?;
    let lesson = Lesson {
        train: Examples { inputs: &train, labels: &labels },
        reals,
        validation: Examples { inputs: &validation, labels: &validation_labels },
    };
    let mixture = params.images.mixture;
    let training = Training { mixture, ..training(&params.training, classes, labels.len()) };
    let curve = context
        .training(|session| fit(&model, &training, lesson, &seed.child("train"), session))?;
    let rows = predict(model.twin.as_ref(), &held_out)?;
    Ok(vec![
        json_output("head/config.json", &config),
        ("head/model.safetensors".into(), model.params.to_safetensors(DType::F32)?),
        predictions(tested.into_iter(), rows, classes)?,
        json_output("curve.json", &curve),
    ])
}

/// Features of the sampled reals and of the synthetic images that the arm adds to them, what is
/// known of each, and how many are real.
fn training_features(
    context: &Context,
    params: &kinds::Head,
) -> Result<(Features, Vec<Entry<'static>>, usize), StepError> {
    let images = &params.images;
    let (pool, known) = read(context, "pool")?;
    let mut features = Features::new(pool.views(), pool.width());
    let mut entries = Vec::new();
    let added = |entry: &Entry<'_>| images.adds_to(&entry.label);
    let sampled = reals(&known, &params.classes, &images.sources)?;
    for at in repeated(sampled, images.repeats, |at| added(&known[*at])) {
        features.push(pool.item(at));
        entries.push(known[at].clone());
    }
    let of_reals = entries.iter().filter(|entry| added(entry)).cloned();
    let wanted = training_set::added(context, images, of_reals)?;
    let reals = features.count();
    if wanted.any() {
        for role in context.roles("synthetic/") {
            let (made, known) = read(context, role)?;
            for (at, entry) in
                known.into_iter().enumerate().filter(|(_, entry)| wanted.takes(entry))
            {
                features.push(made.item(at));
                entries.push(entry);
            }
        }
    }
    wanted.check(features.count() - reals)?;
    Ok((features, entries, reals))
}

fn labels(entries: &[Entry<'_>], classes: &[String]) -> Result<Vec<u32>, StepError> {
    entries.iter().map(|entry| entry.label_in(classes)).collect()
}
