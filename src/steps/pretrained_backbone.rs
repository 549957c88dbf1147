//! A file of a classifier's weights: read, checked to be the network that the study names, and put
//! into one form whatever it came in.

use super::base::BACKBONE;
use super::context::{Context, json_output};
use super::{Outputs, StepError};
use crate::ml::checkpoint;
use crate::ml::classify::pretrained::network;
use crate::plan::kinds;

/// Outputs: backbone/config.json, backbone/model.safetensors (f32).
pub fn run(params: kinds::PretrainedBackbone, context: &mut Context) -> Result<Outputs, StepError> {
    let kinds::PretrainedBackbone { architecture } = params;
    let (name, bytes) = context.files("files").next().ok_or("no file of weights")??;
    let weights = checkpoint::read(&bytes).map_err(|error| format!("{name}: {error}"))?;
    let found = network(&architecture, weights).map_err(|error| {
        format!("{name}, with base.backbone.architecture = \"{architecture}\": {error}")
    })?;
    let (config, weights) = found.ok_or_else(|| {
        format!("base.backbone.architecture: unknown architecture `{architecture}`")
    })?;
    Ok(vec![json_output(BACKBONE.0, &config), (BACKBONE.1.into(), weights.to_single_precision()?)])
}

#[cfg(test)]
mod tests {
    use crate::ml::classify::efficientnet::Config;
    use crate::study::ARCHITECTURES;

    #[test]
    fn every_architecture_of_a_study_is_a_network() {
        assert!(ARCHITECTURES.iter().all(|name| Config::named(name, 9).is_some()));
    }
}
