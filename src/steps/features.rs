//! What a frozen body makes of images: computed once for all heads that are trained on them.

use candle_core::DType;

use super::base::{self, BACKBONE};
use super::classifier::transforms_config;
use super::context::{Context, json_output};
use super::images::{pixels, shard_at};
use super::training_set::Entry;
use super::{Outputs, StepError};
use crate::data::Item;
use crate::ml::classify::batches;
use crate::ml::classify::efficientnet::{EfficientNet, Mode};
use crate::ml::classify::examples::{Features, Inputs};
use crate::ml::classify::transforms::Transform;
use crate::ml::params::{Params, StateDict};
use crate::plan::kinds;
use crate::seed::Seed;

/// The features' tensor in its file, [images, views, values].
pub const TENSOR: &str = "features";
/// Names of the outputs.
pub const FILES: (&str, &str) = ("features.safetensors", "items.json");

/// Outputs: features.safetensors (f32), items.json (what is known of each image),
/// backbone/config.json (with the head's kind).
pub fn run(params: kinds::Features, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    // The head's classes do not matter to what comes before it.
    let config = base::classifier_config(context, 1, params.head, params.normalisation)?;
    let weights = base::start(context, &config, &seed)?;
    let body = Params::frozen_from(weights, DType::F32, &context.device()?)
        .build(|vb| EfficientNet::new(&config, vb))?;
    let items = shard_at(context, "images", params.size)?;
    let features = features(context, &body, &items, params.views.as_ref(), &seed)?;
    let stored = StateDict::from_iter([(TENSOR.to_owned(), features.tensor()?)]);
    Ok(vec![
        (FILES.0.into(), stored.to_single_precision()?),
        json_output(FILES.1, &items.iter().map(Entry::from).collect::<Vec<_>>()),
        json_output(BACKBONE.0, &config),
    ])
}

/// The features of the views of `items`. An image's views are drawn from a stream of its own,
/// whatever it is computed beside.
fn features(
    context: &mut Context,
    body: &EfficientNet,
    items: &[Item],
    views: Option<&kinds::Views>,
    seed: &Seed,
) -> Result<Features, StepError> {
    let pixels = pixels(items)?;
    let transforms = views.map(|views| transforms_config(&views.transforms));
    let count = views.map_or(1, |views| views.count);
    let total = items.len() * count;
    let mut rows: Vec<f32> = Vec::new();
    for first in (0..total).step_by(pixels.chunk()) {
        let shown = first..(first + pixels.chunk()).min(total);
        let of = shown.clone().map(|at| at / count).collect::<Vec<_>>();
        let images = match &transforms {
            None => pixels.unit_batch(&of)?,
            Some(transforms) => batches::transformed(&pixels, &of, |place| {
                let view = (first + place) % count;
                Transform::draw(transforms, &seed.child(&items[of[place]].id).nth(view as u64))
            })?,
        };
        rows.extend(body.features(&images, Mode::Eval)?.flatten_all()?.to_vec1::<f32>()?);
        context.images(shown.end, total);
    }
    let mut features = Features::new(count, rows.len() / total);
    rows.chunks_exact(rows.len() / items.len()).for_each(|item| features.push(item));
    Ok(features)
}

/// The features of an input, and what is known of each image.
pub fn read(context: &Context, role: &str) -> Result<(Features, Vec<Entry<'static>>), StepError> {
    let stored = StateDict::read(&context.read(role, FILES.0)?)?;
    let tensor = stored
        .get(TENSOR)
        .ok_or_else(|| format!("input `{role}`, `{}` has no tensor `{TENSOR}`", FILES.0))?;
    Ok((Features::from_tensor(tensor)?, context.json(role, FILES.1)?))
}
