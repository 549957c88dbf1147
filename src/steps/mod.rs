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

use crate::plan::kinds::{self, Spec, for_each_kind};
use crate::plan::{Job, Progress};
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

macro_rules! steps {
    ($($file:ident::$spec:ident,)*) => {
        /// The step of each kind: `run` of the file that has the kind's name, on its parameters.
        const STEPS: &[(&str, Step)] = &[
            $((kinds::$spec::KIND.name, |context| $file::run(context.params()?, context))),*
        ];
    };
}
for_each_kind!(steps);
