//! A classifier trained on plentiful real images: the judge of generators and autoencoders, never
//! an arm of the experiment.

use super::classifier::{Taught, outputs, transforms_config};
use super::context::Context;
use super::images::frames_at;
use super::{Outputs, StepError};
use crate::plan::kinds;
use crate::vocabulary::Regime;

/// Outputs as a classifier's.
pub fn run(params: kinds::Probe, context: &mut Context) -> Result<Outputs, StepError> {
    let items = frames_at(context, "plentiful", params.training.size)?;
    let taught = Taught { reals: items.len(), items, mixture: None };
    let transforms = transforms_config(&params.transforms);
    outputs(context, taught, &params.classes, &params.training, Regime::Full, Some(&transforms))
}
