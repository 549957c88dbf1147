//! Captioned images for pretraining; none is of a class of the study.

use super::context::Context;
use super::images::fashion_mnist;
use super::{Outputs, StepError};
use crate::data::{phantom, selection, webdataset};
use crate::plan::kinds;
use crate::study::ImageSource;

/// Outputs: train.tar, validation.tar.
pub fn run(params: kinds::Corpus, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let total = params.train + params.validation;
    let items = match params.source {
        ImageSource::Phantom => {
            let mut items = Vec::with_capacity(total);
            for index in 0..total {
                items.push(phantom::base::render(index, params.size, seed));
                if index % 500 == 0 {
                    context.images(index, total);
                }
            }
            items
        }
        ImageSource::Idx => {
            selection::of_all(fashion_mnist(context)?, &params.classes, total, "base.corpus", seed)?
        }
        source => {
            return Err(
                format!("no base is trained on images of the source {}", source.name()).into()
            );
        }
    };
    let (train, validation) = items.split_at(params.train);
    Ok(vec![
        ("train.tar".into(), webdataset::write_shard(train)?),
        ("validation.tar".into(), webdataset::write_shard(validation)?),
    ])
}
