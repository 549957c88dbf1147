//! Scores other than top-1 accuracy. A score is a line of [`SCORES`], or of [`MALIGNANCY`] if it
//! concerns malignant against benign classes.

use super::columns::{self, percent, score};
use crate::report::block::{Block, Cell, Column, Section, Table};
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::interval_and_scope;
use crate::stats::analysis::{Accuracy, Analysis};
use crate::stats::scores::{AMONG, BINS, Malignancy, Scores, THRESHOLD};

/// A score: its column, and the sentence that explains it.
struct Score {
    head: &'static str,
    explain: fn() -> String,
    /// None where the score is not defined.
    cell: fn(&Scores, &Analysis) -> Option<Cell>,
}

const SCORES: &[Score] = &[
    Score {
        head: "top-3",
        explain: || "Top-3: the true class is among the three most probable.".into(),
        // Among three classes every one is among the first three.
        cell: |scores, analysis| (analysis.classes.len() > AMONG).then(|| percent(&scores.top_3)),
    },
    Score {
        head: "AUROC",
        explain: || "AUROC: each class against the rest, mean over classes.".into(),
        cell: |scores, _| scores.auroc.as_ref().map(score),
    },
    Score {
        head: "Brier",
        explain: || {
            "Brier: squared distance of the probabilities from the truth, 0 to 2; lower is better."
                .into()
        },
        cell: |scores, _| Some(score(&scores.brier)),
    },
    Score {
        head: "log loss",
        explain: || {
            "Log loss: mean of −ln of the true class's probability; lower is better, and ln of \
             the number of classes is what equal probabilities have."
                .into()
        },
        cell: |scores, _| Some(score(&scores.log_loss)),
    },
    Score {
        head: "calibration error",
        explain: || {
            format!(
                "Calibration error: root mean square distance between confidence and accuracy in \
                 {BINS} bins of confidence, without the bias of small bins (Kumar et al. 2019); \
                 lower is better."
            )
        },
        cell: |scores, _| Some(percent(&scores.calibration_error)),
    },
];

/// Fills the cell of a score that tells malignant from benign classes.
type Fill = fn(&Malignancy) -> Cell;

/// The scores that tell malignant from benign classes, each with the head of its column.
const MALIGNANCY: &[(&str, Fill)] = &[
    ("malignant AUROC", |told| score(&told.auroc)),
    ("average precision", |told| score(&told.average_precision)),
    ("sensitivity", |told| percent(&told.sensitivity)),
    ("specificity", |told| percent(&told.specificity)),
];

pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let malignancy = analysis.accuracy.iter().any(|row| row.scores.malignancy.is_some());
    Some(Section {
        id: "scores".into(),
        title: "Other scores".into(),
        short: "Other scores".into(),
        blocks: vec![
            Block::paragraph(explain(analysis, malignancy)),
            Block::Table(table(analysis, malignancy)),
        ],
    })
}

fn explain(analysis: &Analysis, malignancy: bool) -> String {
    let mut sentences = vec![format!(
        "Means over replicates [{}]; no test was made of them.",
        interval_and_scope(analysis)
    )];
    sentences.extend(SCORES.iter().map(|shown| (shown.explain)()));
    if malignancy {
        sentences.push(format!(
            "Malignant against benign: by the sum of the malignant classes' probabilities; \
             sensitivity and specificity where {} or more is called malignant.",
            format::level(THRESHOLD)
        ));
    }
    sentences.join(" ")
}

fn table(analysis: &Analysis, malignancy: bool) -> Table {
    let mut columns = columns::designs(analysis, |row: &Accuracy| &row.design);
    columns.extend(SCORES.iter().map(|shown| {
        Column::number(shown.head, |row: &Accuracy| (shown.cell)(&row.scores, analysis))
    }));
    if malignancy {
        columns.extend(MALIGNANCY.iter().map(|(head, cell)| {
            Column::number(*head, move |row: &Accuracy| row.scores.malignancy.as_ref().map(cell))
        }));
    }
    Table::new("Other scores", columns, &analysis.accuracy)
        .tracing(analysis.accuracy.iter().map(|row| columns::of_design(&row.design)))
}
