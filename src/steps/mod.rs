//! The code that each kind of task runs: it joins specs, image sets, models, metrics and
//! statistics. One file a kind.
//!
//! May import plan, store, study, data, ml, metrics, stats, report, id and seed. A step reads its
//! parameters and inputs from the job, draws from the job's seed, and returns named outputs; it
//! touches neither the store's index nor the terminal.

mod analysis;
mod audit;
mod autoencoder;
mod backbone;
mod base;
mod check;
mod checkpoint;
mod classifier;
mod cohort;
mod contact;
mod context;
mod corpus;
mod decode;
mod dreambooth;
mod features;
mod generate;
mod head;
mod images;
mod import;
mod inpainting;
mod latents;
mod picture_set;
#[cfg(test)]
mod pictures;
mod pretrained;
mod pretrained_backbone;
mod previews;
mod prior;
mod probe;
mod prompt;
mod released;
mod report;
mod training_set;
mod unet;
mod unpack;

use crate::plan::{Job, Progress, kind};
use crate::store::Objects;

use context::Context;

/// Named outputs of a step.
pub type Outputs = Vec<(String, Vec<u8>)>;

/// Why a step failed; the engine adds label, key and log.
pub type StepError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the step of `job`.
pub fn run(
    job: &Job,
    objects: &Objects,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outputs, StepError> {
    let mut context = Context::new(job, objects, progress);
    let step = STEPS.iter().find(|(kind, _)| *kind == job.kind);
    let (_, step) = step.ok_or_else(|| format!("no step runs tasks of kind `{}`", job.kind))?;
    step(&mut context)
}

type Step = fn(&mut Context<'_>) -> Result<Outputs, StepError>;

const STEPS: &[(&str, Step)] = &[
    (kind::IMPORT.name, import::run),
    (kind::DECODE.name, decode::run),
    (kind::AUDIT.name, audit::run),
    (kind::CORPUS.name, corpus::run),
    (kind::COHORT.name, cohort::run),
    (kind::AUTOENCODER.name, autoencoder::run),
    (kind::UNET.name, unet::run),
    (kind::INPAINTING.name, inpainting::run),
    (kind::BACKBONE.name, backbone::run),
    (kind::PRETRAINED.name, pretrained::run),
    (kind::PRETRAINED_BACKBONE.name, pretrained_backbone::run),
    (kind::PROMPT.name, prompt::run),
    (kind::LATENTS.name, latents::run),
    (kind::PRIOR.name, prior::run),
    (kind::DREAMBOOTH.name, dreambooth::run),
    (kind::UNPACK.name, unpack::run),
    (kind::RELEASED.name, released::run),
    (kind::GENERATE.name, generate::run),
    (kind::FEATURES.name, features::run),
    (kind::HEAD.name, head::run),
    (kind::CLASSIFIER.name, classifier::run),
    (kind::PROBE.name, probe::run),
    (kind::CHECK.name, check::run),
    (kind::CONTACT.name, contact::run),
    (kind::ANALYSIS.name, analysis::run),
    (kind::REPORT.name, report::run),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_step() {
        let steps = STEPS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
        assert_eq!(steps, kind::ALL.iter().map(|kind| kind.name).collect::<Vec<_>>());
    }
}
