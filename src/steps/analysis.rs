//! Scores, intervals and tests from the stored predictions of every cell.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::context::{Context, json_output};
use super::{Outputs, StepError};
use crate::ml::classify::train::Epoch;
use crate::plan::kinds::{self, RATINGS};
use crate::stats::analysis::{Cell, Config, Losses, Questions, analyse};
use crate::vocabulary::{Arm, rated};

/// Output: analysis.json.
pub fn run(params: kinds::Analysis, context: &mut Context) -> Result<Outputs, StepError> {
    let kinds::Analysis { confidence, q, correction, .. } = params;
    let config = Config { confidence, q, correction };
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
    let ratings = match context.has_input("ratings") {
        true => ratings(&context.text("ratings", RATINGS)?)?,
        false => BTreeMap::new(),
    };
    let (comparisons, claims) = (params.comparisons, params.claims);
    let questions = Questions { comparisons, claims, ratings };
    Ok(vec![json_output("analysis.json", &analyse(cells, config, &questions)?)])
}

/// A row of the table of ratings.
#[derive(Deserialize)]
struct Row {
    class: String,
    arm: Arm,
    rating: f64,
}

/// The mean rating of each class and arm.
fn ratings(table: &str) -> Result<BTreeMap<String, f64>, StepError> {
    let mut sums = BTreeMap::<String, (f64, usize)>::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(table.as_bytes());
    for row in reader.deserialize::<Row>() {
        let Row { class, arm, rating } = row.map_err(|error| {
            format!("{RATINGS}: {error}; its columns are class, arm and rating, a row a rating")
        })?;
        let (sum, count) = sums.entry(rated(&arm, &class)).or_default();
        *sum += rating;
        *count += 1;
    }
    Ok(sums.into_iter().map(|(of, (sum, count))| (of, sum / count as f64)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_are_means_of_their_rows() {
        let table = "class,arm,rating\nacne,inpaint,3\nacne,inpaint,4\nacne,text-to-image,1\n";
        let expected = [("acne by inpaint", 3.5), ("acne by text-to-image", 1.0)];
        let expected = expected.map(|(of, rating)| (of.to_owned(), rating));
        assert_eq!(ratings(table).unwrap(), BTreeMap::from(expected));
        let error = ratings("class,arm,rating\nacne,outpaint,3\n").unwrap_err().to_string();
        assert!(error.contains("no arm is called `outpaint`"), "{error}");
    }
}
