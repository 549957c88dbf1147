//! The lineage of a study's results: the plan's tasks with the digests of what they made.

use super::context::{Context, json_output};
use super::{Outputs, StepError};
use crate::plan::kinds;
use crate::report::lineage::{Lineage, Made, Trained};

/// The file of the output.
pub const LINEAGE: &str = "lineage.json";

/// Output: lineage.json.
pub fn run(params: kinds::Lineage, context: &mut Context) -> Result<Outputs, StepError> {
    let made = |planned: kinds::Planned| -> Result<Made, StepError> {
        let output = context.input(&planned.label)?;
        let from = planned.places();
        Ok(Made {
            from: from.ok_or_else(|| format!("`{}` is no list of places", planned.from))?,
            label: planned.label,
            kind: planned.kind,
            seed: Some(planned.seed).filter(|seed| !seed.is_empty()),
            digest: output.digest(),
            bytes: output.entries().iter().map(|entry| entry.size).sum(),
            outside: planned.outside,
        })
    };
    let trained = |(cell, task): (crate::study::Cell, usize)| Trained {
        design: cell.design(),
        replicate: cell.replicate,
        task,
    };
    let classifiers =
        params.experiments.into_iter().map(|kinds::Classifiers { experiment, cells }| {
            (experiment, cells.into_iter().map(trained).collect())
        });
    let lineage = Lineage {
        classifiers: classifiers.collect(),
        tasks: params.tasks.into_iter().map(made).collect::<Result<_, _>>()?,
    };
    Ok(vec![json_output(LINEAGE, &lineage)])
}
