//! Pretrains the classifier's body on the kinds of the base corpus: the stand-in for ImageNet
//! weights.

use candle_core::DType;

use super::base::BACKBONE;
use super::classifier::{training, transforms_config};
use super::context::{Context, json_output};
use super::images::{frames, labelled, labels, named_shard};
use super::{Outputs, StepError};
use crate::ml::classify::efficientnet::{self, EfficientNet};
use crate::ml::classify::examples::Examples;
use crate::ml::classify::frames::Photographs;
use crate::ml::classify::model::Model;
use crate::ml::classify::train::{Lesson, fit};
use crate::ml::params::Params;
use crate::plan::kinds;

/// Outputs: backbone/config.json, backbone/model.safetensors (f16), curve.json, kinds.json.
pub fn run(params: kinds::Backbone, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let (train, validation) = (
        named_shard(context, "corpus", "train.tar")?,
        named_shard(context, "corpus", "validation.tar")?,
    );
    let mut kinds = train.iter().map(|item| item.label.clone()).collect::<Vec<_>>();
    kinds.sort();
    kinds.dedup();
    let (labels, validation) = (labels(&train, &kinds)?, labelled(&validation, &kinds)?);
    let config =
        efficientnet::Config::named(&params.architecture, kinds.len()).ok_or_else(|| {
            format!("base.backbone.architecture: unknown architecture `{}`", params.architecture)
        })?;
    let weights = Params::drawn(seed.child("init"), DType::F32, &context.device()?);
    let model = Model::new(weights, |vb| EfficientNet::new(&config, vb))?;
    let transforms = transforms_config(&params.transforms);
    let settings = training(&params.training, &kinds, labels.len());
    let inputs = Photographs { frames: &frames(&train)?, transforms: Some(&transforms) };
    let lesson = Lesson {
        train: Examples { inputs: &inputs, labels: &labels },
        reals: labels.len(),
        validation: Examples { inputs: &validation.pixels, labels: &validation.labels },
    };
    let curve = context
        .training(|session| fit(&model, &settings, lesson, &seed.child("train"), session))?;
    Ok(vec![
        json_output(BACKBONE.0, &config),
        (BACKBONE.1.into(), model.params.to_safetensors(DType::F16)?),
        json_output("curve.json", &curve),
        json_output("kinds.json", &kinds),
    ])
}
