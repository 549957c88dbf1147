//! One of the study's sets of real images: pool, validation, held-out or plentiful.

use super::audit::{self, DUPLICATES};
use super::context::Context;
use super::decode::SHARD;
use super::images::fashion_mnist;
use super::picture_set::PictureSet;
use super::{Outputs, StepError};
use crate::data::{Item, phantom, selection, webdataset};
use crate::plan::kinds;
use crate::study::ImageSource;

/// Output: shard.tar, class by class in the study's order.
pub fn run(params: kinds::Cohort, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let items = match params.source {
        ImageSource::Phantom => {
            let mut items = Vec::new();
            for class in &params.classes {
                let condition = phantom::Condition::named(class).ok_or_else(|| {
                    format!("images.classes: the phantom has no condition called `{class}`")
                })?;
                items.extend(
                    (params.start..params.start + params.count)
                        .map(|index| phantom::render(condition, index, params.size, seed)),
                );
                context.images(items.len(), params.count * params.classes.len());
            }
            items
        }
        ImageSource::Idx => {
            let all = fashion_mnist(context)?;
            let range = params.start..params.start + params.count;
            selection::of_each(
                all,
                &params.classes,
                range,
                &format!("images.{}", params.set),
                seed,
            )?
        }
        _ => pictures(
            context,
            params.pictures.as_ref().ok_or("a set of pictures without its parameters")?,
        )?,
    };
    Ok(vec![(SHARD.into(), webdataset::write_shard(&items)?)])
}

/// The last of the sets that the parameters name.
fn pictures(context: &mut Context, params: &kinds::PictureSet) -> Result<Vec<Item>, StepError> {
    let seed = context.seed()?;
    let mut set = PictureSet::open(context, params)?;
    set.keep_usable(params.unusable)?;
    let pairs = match context.has_input("audit") {
        true => context.json::<Vec<audit::Duplicate>>("audit", DUPLICATES)?,
        false => Vec::new(),
    };
    let pairs = pairs.into_iter().map(|pair| (pair.first, pair.second)).collect::<Vec<_>>();
    let sets = set.split(params, &set.together(&pairs), seed)?;
    set.items(context, params.source, sets.last().map(Vec::as_slice).unwrap_or_default())
}
