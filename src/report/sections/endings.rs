//! The losses with which the classifiers' trainings ended.

use super::columns;
use crate::report::block::{Block, Column, Section, Table};
use crate::report::format;
use crate::report::inputs::Part;
use crate::stats::analysis::{Accuracy, STRETCH};

pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let mut columns = columns::designs(analysis, |row: &Accuracy| &row.design);
    columns.extend([
        Column::number("epochs", |row: &Accuracy| {
            format::one_decimal(row.losses.epochs).trim_end_matches(".0").to_owned()
        }),
        Column::number("earlier", |row: &Accuracy| format::distance(row.losses.training_before)),
        Column::number("last", |row: &Accuracy| format::distance(row.losses.training)),
        Column::number("validation", |row: &Accuracy| format::distance(row.losses.validation)),
    ]);
    let caption = format!(
        "Mean cross-entropy over the last epoch and over the one {} of the epochs earlier, and on \
         the validation images after the last; means over replicates. Where the first two are \
         close, more training would change little.",
        format::level(STRETCH)
    );
    let table = Table::new("Losses of the classifiers", columns, &analysis.accuracy)
        .tracing(analysis.accuracy.iter().map(|row| columns::of_design(&row.design)));
    Some(Section {
        id: "endings".into(),
        title: "How the classifiers' trainings ended".into(),
        short: "How trainings ended".into(),
        blocks: vec![Block::Table(table.captioned(caption))],
    })
}
