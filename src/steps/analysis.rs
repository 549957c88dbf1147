//! Scores, intervals and tests from the stored predictions of every cell.

use super::context::{Context, json_output};
use super::{Outputs, StepError};
use crate::ml::classify::train::Epoch;
use crate::plan::kinds;
use crate::stats::analysis::{Cell, Config, Losses, analyse};

/// Output: analysis.json.
pub fn run(params: kinds::Analysis, context: &mut Context) -> Result<Outputs, StepError> {
    let config = Config { confidence: params.confidence, q: params.q };
    let mut cells = Vec::new();
    for (role, cell) in &params.cells {
        let curve: Vec<Epoch> = context.json(role, "curve.json")?;
        let losses = curve
            .iter()
            .map(|epoch| (epoch.training_loss, epoch.validation_loss))
            .collect::<Vec<_>>();
        cells.push(Cell {
            n: cell.n,
            arm: cell.arm.clone(),
            dose: cell.dose,
            transforms: cell.transforms,
            regime: cell.regime,
            replicate: cell.replicate,
            predictions: context.json(role, "predictions.json")?,
            losses: Losses::of(&losses),
        });
    }
    Ok(vec![json_output("analysis.json", &analyse(cells, config)?)])
}
