//! The code that each kind of task runs: it joins specs, image sets, models, metrics and
//! statistics. One file a kind.
//!
//! May import `data`, `fst`, `id`, `metrics`, `ml`, `plan`, `regular`, `replace`, `report`, `seed`, `stats`,
//! `store`, `study`, `vocabulary` and `wording`. A step reads its parameters and inputs from the
//! job, draws from the job's seed, and returns named outputs; it touches neither the store's index
//! nor the terminal.

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
mod lineage;
mod pairs;
mod picture_set;
#[cfg(test)]
mod pictures;
mod predictions;
mod pretrained;
mod pretrained_backbone;
mod previews;
mod prior;
mod probe;
mod prompt;
mod quality;
mod released;
mod report;
mod scores;
mod sheets;
mod training_set;
mod tsne;
mod unet;
mod unpack;

use crate::plan::kinds::{self, Spec, for_each_kind};
use crate::plan::{Job, Progress};
use crate::store::Objects;

use context::Context;
pub use context::{Outputs, StepError};

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
