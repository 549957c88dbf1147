//! Accuracy against the number of real images, as a figure and as a table.

use super::columns::{arms, find, groups, of_design, percent};
use crate::report::block::{Block, Column, Drawing, Figure, Section, Table};
use crate::report::figure::accuracy::{Plot, Room};
use crate::report::inputs::Part;
use crate::report::wording::{interval_and_scope, interval_name, scope};
use crate::stats::analysis::{Accuracy, Analysis};

pub fn section(part: Part<'_>) -> Option<Section> {
    let mut counts = part.analysis.accuracy.iter().map(|row| row.design.n);
    let first = counts.next();
    let one = counts.all(|n| Some(n) == first);
    // A curve of one point is none.
    let figure = (!one || part.is_only()).then(|| Block::Figure(figure(part)));
    let title = if one { "Accuracy" } else { "Accuracy by number of real images" };
    Some(Section {
        id: "accuracy".into(),
        title: title.into(),
        short: "Accuracy".into(),
        blocks: figure.into_iter().chain([Block::Table(table(part.analysis))]).collect(),
    })
}

fn figure(part: Part<'_>) -> Figure {
    let analysis = part.analysis;
    let plot = Plot::of(analysis, part.inputs.chance(), Room::WIDE);
    Figure {
        path: part.figure("accuracy.svg"),
        drawing: Drawing::Panels { panels: plot.apart(), whole: plot.together() },
        alt: "Top-1 accuracy against real images per class, by arm",
        caption: format!(
            "Top-1 accuracy on held-out images against real images per class, by arm. Markers: \
             means over replicates; bars: {}s for {}; dots: replicates. Those of one n are set side \
             by side.",
            interval_name(analysis),
            scope(analysis)
        )
        .into(),
    }
}

fn table(analysis: &Analysis) -> Table {
    let mut columns = vec![
        Column::line("training", |rows: &[Accuracy]| rows[0].design.setting().to_string())
            .heading_rows(),
        Column::number("n", |rows: &[Accuracy]| rows[0].design.n).heading_rows(),
    ];
    columns.extend(arms(analysis).into_iter().map(|(arm, name)| {
        let own = arm.clone();
        Column::number(name, move |rows: &[Accuracy]| {
            find(rows, &arm).map(|row| percent(&row.accuracy))
        })
        .tracing(move |rows: &[Accuracy]| {
            find(rows, &own).map(|row| of_design(&row.design)).unwrap_or_default()
        })
    }));
    Table::new("Accuracy table", columns, groups(analysis)).captioned(format!(
        "Top-1 accuracy, mean over replicates [{}], percent.",
        interval_and_scope(analysis)
    ))
}
