//! Scores, intervals and tests from the stored predictions of every cell.

use super::context::{Context, json_output};
use super::{Outputs, StepError};
use crate::plan::params;
use crate::stats::analysis::{Cell, Config, REAL, analyse};

/// Output: analysis.json.
pub fn run(context: &mut Context) -> Result<Outputs, StepError> {
    let params: params::Analysis = context.params()?;
    let settings = &params.analysis;
    let config = Config {
        confidence: settings.confidence,
        q: settings.q,
        permutations: settings.permutations,
        bootstraps: settings.bootstraps,
        seed: context.seed()?,
    };
    let mut cells = Vec::new();
    for (role, cell) in &params.cells {
        cells.push(Cell {
            n: cell.n,
            arm: match (&cell.synthetic, cell.control) {
                (Some(synthetic), _) => synthetic.arm(),
                (None, Some(control)) => control.name().to_owned(),
                (None, None) => REAL.to_owned(),
            },
            dose: cell.synthetic.as_ref().map_or(0, |synthetic| synthetic.dose),
            transforms: cell.transforms,
            regime: cell.regime.name().to_owned(),
            replicate: cell.replicate,
            predictions: context.json(role, "predictions.json")?,
        });
    }
    Ok(vec![json_output("analysis.json", &analyse(cells, config)?)])
}
