//! Images that the base makes of a prompt, for models to be tuned on beside their class's.

use super::context::Context;
use super::generate::Models;
use super::{Outputs, StepError};
use crate::data::{Item, RgbImage, webdataset};
use crate::plan::params;

/// Images per forward pass; guidance doubles them.
const BATCH: usize = 20;

/// Output: shard.tar, all labelled [`params::PRIOR`].
pub fn run(context: &mut Context) -> Result<Outputs, StepError> {
    let params: params::Prior = context.params()?;
    let seed = context.seed()?;
    let models = Models::load(context, params.precision)?;
    let sampler = models.sampler((params.solver, params.steps, params.guidance), params.size);
    let mut checkpoint = context.checkpoint();
    let mut items = match checkpoint.read()? {
        Some(made) => webdataset::read_shard(&made, "checkpoint")?,
        None => Vec::new(),
    };
    let streams = (0..params.images).map(|image| seed.nth(image as u64)).collect::<Vec<_>>();
    for chunk in streams.chunks(BATCH).skip(items.len() / BATCH) {
        let made = sampler.text_to_image(chunk)?;
        let first = items.len();
        items.extend((0..chunk.len()).map(|at| item(&params, first + at, made.image(at), made.size())));
        context.images(items.len(), params.images);
        checkpoint.offer(|| webdataset::write_shard(&items).map_err(StepError::from))?;
    }
    Ok(vec![("shard.tar".into(), webdataset::write_shard(&items)?)])
}

fn item(params: &params::Prior, index: usize, rgb: &[u8], size: usize) -> Item {
    Item {
        id: format!("{}-{index:05}", params::PRIOR),
        label: params::PRIOR.to_owned(),
        fst: 0,
        malignant: false,
        caption: params.prompt.clone(),
        source: "base model".to_owned(),
        image: RgbImage { width: size, height: size, pixels: rgb.to_vec() },
        synthetic: None,
    }
}
