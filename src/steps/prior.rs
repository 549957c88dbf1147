//! Images that the base makes of a prompt, for models to be tuned on beside their class's.

use super::context::Context;
use super::generate::{Models, painted};
use super::{Outputs, StepError};
use crate::data::{Item, RgbImage};
use crate::plan::kinds;

/// Output: shard.tar, all labelled [`kinds::PRIOR`].
pub fn run(params: kinds::Prior, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let models = Models::load(context, params.precision)?;
    let sampler = models.sampler((params.solver, params.steps, params.guidance), params.size)?;
    painted(context, params.images, |batch| {
        let streams = batch.clone().map(|image| seed.nth(image as u64)).collect::<Vec<_>>();
        let made = sampler.text_to_image(&streams)?;
        Ok(batch
            .enumerate()
            .map(|(at, index)| item(&params, index, made.image(at), made.size()))
            .collect())
    })
}

fn item(params: &kinds::Prior, index: usize, rgb: &[u8], size: usize) -> Item {
    Item {
        id: format!("{}-{index:05}", kinds::PRIOR),
        label: kinds::PRIOR.to_owned(),
        fst: 0,
        malignant: None,
        patient: String::new(),
        caption: params.prompt.clone(),
        source: "base model".to_owned(),
        image: RgbImage { width: size, height: size, pixels: rgb.to_vec() },
        synthetic: None,
    }
}
