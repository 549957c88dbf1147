//! One of the study's sets of real images: pool, validation, held-out or plentiful.

use super::audit::{self, DUPLICATES};
use super::context::Context;
use super::decode::SHARD;
use super::picture_set::PictureSet;
use super::{Outputs, StepError};
use crate::data::sets::{self, Draw, Embedded, ImageSet};
use crate::data::{Item, webdataset};
use crate::plan::kinds;

/// Output: shard.tar, class by class in the study's order.
pub fn run(params: kinds::Cohort, context: &mut Context) -> Result<Outputs, StepError> {
    let items = match sets::of(params.source) {
        ImageSet::Embedded(set) => embedded(context, set, &params)?,
        ImageSet::Pictures(_) => pictures(
            context,
            params.pictures.as_ref().ok_or("a set of pictures without its parameters")?,
        )?,
    };
    Ok(vec![(SHARD.into(), webdataset::write_shard(&items)?)])
}

fn embedded(
    context: &mut Context,
    set: &dyn Embedded,
    params: &kinds::Cohort,
) -> Result<Vec<Item>, StepError> {
    let draw = Draw {
        key: &format!("images.{}", params.set),
        classes: &params.classes,
        start: params.start,
        count: params.count,
        size: params.size,
        seed: context.seed()?,
    };
    let files = context.unpacked();
    set.cohort(&draw, &files, &mut |done, total| context.images(done, total))
}

/// The last of the sets that the parameters name.
fn pictures(context: &mut Context, params: &kinds::PictureSet) -> Result<Vec<Item>, StepError> {
    let seed = context.seed()?;
    let mut set = PictureSet::open(context, params, &[])?;
    set.keep_usable(params.unusable)?;
    let pairs = match context.has_input("audit") {
        true => context.json::<Vec<audit::Duplicate>>("audit", DUPLICATES)?,
        false => Vec::new(),
    };
    let pairs = pairs.into_iter().map(|pair| (pair.first, pair.second)).collect::<Vec<_>>();
    let sets = set.split(params, &set.together(&pairs), seed)?;
    set.items(context, params.source, sets.last().map(Vec::as_slice).unwrap_or_default())
}
