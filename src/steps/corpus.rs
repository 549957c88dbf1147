//! Captioned images for pretraining; none is of a class of the study.

use super::context::Context;
use super::{Outputs, StepError};
use crate::data::sets::{self, Draw, ImageSet};
use crate::data::webdataset;
use crate::plan::kinds;

/// Outputs: train.tar, validation.tar.
pub fn run(params: kinds::Corpus, context: &mut Context) -> Result<Outputs, StepError> {
    let ImageSet::Embedded(set) = sets::of(params.source) else {
        let source = params.source.name();
        return Err(format!("no base is trained on images of the source {source}").into());
    };
    let draw = Draw {
        key: "base.corpus",
        classes: &params.classes,
        start: 0,
        count: params.train + params.validation,
        size: params.size,
        seed: context.seed()?,
    };
    let files = context.unpacked();
    let items = set.corpus(&draw, &files, &mut |done, total| context.images(done, total))?;
    let (train, validation) = items.split_at(params.train);
    Ok(vec![
        ("train.tar".into(), webdataset::write_shard(train)?),
        ("validation.tar".into(), webdataset::write_shard(validation)?),
    ])
}
