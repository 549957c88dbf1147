//! Comparisons that the study declares beside those with real only.

use super::columns;
use crate::report::block::{Block, Column, Origin, Section, Table, Text};
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::{DASH, interval, interval_name, name_arm};
use crate::stats::analysis::{Contrast, Declared};
use crate::vocabulary::Design;

/// None where the experiment declares none.
pub fn section(part: Part<'_>) -> Option<Section> {
    let declared = &part.analysis.comparisons;
    if declared.is_empty() {
        return None;
    }
    let blocks = declared.iter().flat_map(|(name, comparison)| {
        let question = part.experiment.comparisons.get(name).map_or(name, |question| question);
        [Block::heading(question.clone()), Block::Table(table(part, name, comparison))]
    });
    Some(Section {
        id: "declared".into(),
        title: "Further comparisons".into(),
        short: "Further comparisons".into(),
        blocks: blocks.collect(),
    })
}

/// What a design is compared with, as far as it differs.
fn name_other(design: &Design, other: &Design) -> String {
    let mut parts = Vec::new();
    if (&design.arm, design.dose) != (&other.arm, other.dose) {
        parts.push(name_arm(other, other.arm.has_dose()));
    }
    if design.n != other.n {
        parts.push(format!("n = {}", other.n));
    }
    if design.setting() != other.setting() {
        parts.push(other.setting().to_string());
    }
    parts.join(", ")
}

fn table(part: Part<'_>, name: &str, declared: &Declared) -> Table {
    let analysis = part.analysis;
    let rows = declared.contrasts.iter().zip(&declared.against).collect::<Vec<_>>();
    let probability = |p: Option<f64>| p.map_or(DASH.into(), format::p);
    let mut columns = columns::designs(analysis, |row: &(&Contrast, &Design)| &row.0.design);
    columns.extend([
        Column::text("compared with", |row: &(&Contrast, &Design)| {
            name_other(&row.0.design, row.1)
        })
        .naming_rows(),
        Column::number("difference", |row: &(&Contrast, &Design)| {
            let answer = &row.0.answer;
            Text::strong_if(answer.rejected, format::points(answer.difference))
        }),
        Column::number("interval", |row: &(&Contrast, &Design)| interval(&row.0.answer)),
        Column::number("p", move |row: &(&Contrast, &Design)| probability(row.0.answer.p)),
        Column::number("adjusted p", move |row: &(&Contrast, &Design)| {
            probability(row.0.answer.p_adjusted)
        }),
    ]);
    let caption = format!(
        "Difference in accuracy in percentage points [{}]; p adjusted over {}, a family of its own. \
         Bold: significant at {}.",
        interval_name(analysis),
        format::count(rows.len(), "comparison"),
        format::level(analysis.config.q)
    );
    let origin = |row: &(&Contrast, &Design)| Origin {
        designs: vec![row.0.design.clone(), row.1.clone()],
        ..Origin::default()
    };
    let table = Table::new(format!("Table of {name}"), columns, &rows).captioned(caption);
    table.tracing(rows.iter().map(origin))
}
