//! One of the study's sets of real images: pool, validation, held-out or plentiful.

use super::context::Context;
use super::images::fashion_mnist;
use super::{Outputs, StepError};
use crate::data::{phantom, selection, webdataset};
use crate::plan::params;
use crate::study::ImageSource;

/// Output: shard.tar, class by class in the study's order.
pub fn run(context: &mut Context) -> Result<Outputs, StepError> {
    let params: params::Cohort = context.params()?;
    let seed = context.seed()?;
    let items = match params.source {
        ImageSource::Phantom => {
            let mut items = Vec::new();
            for class in &params.classes {
                let condition = phantom::Condition::named(class)
                    .ok_or_else(|| format!("images.classes: the phantom has no condition called `{class}`"))?;
                items.extend(
                    (params.start..params.start + params.count).map(|index| phantom::render(condition, index, params.size, seed)),
                );
                context.images(items.len(), params.count * params.classes.len());
            }
            items
        }
        ImageSource::Idx => {
            let all = fashion_mnist(context)?;
            let range = params.start..params.start + params.count;
            selection::of_each(all, &params.classes, range, &format!("images.{}", params.set), seed)?
        }
    };
    Ok(vec![("shard.tar".into(), webdataset::write_shard(&items)?)])
}
