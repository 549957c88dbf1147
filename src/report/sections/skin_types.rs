//! The comparisons by pair of Fitzpatrick skin types.

use super::columns;
use crate::report::block::{Block, Cell, Column, Section, Table};
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::{DASH, interval, interval_and_scope};
use crate::stats::analysis::{Analysis, Contrast, SkinTypeContrast};

/// None where no skin type is known.
pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let parts = &analysis.contrasts.first()?.skin_types;
    (!parts.is_empty()).then(|| Section {
        id: "skin-types".into(),
        title: "Comparisons by skin type".into(),
        short: "By skin type".into(),
        blocks: vec![Block::Table(table(analysis, parts))],
    })
}

/// A column for each of `parts`, the pairs of skin types of any one contrast.
fn table(analysis: &Analysis, parts: &[SkinTypeContrast]) -> Table {
    let mut columns = columns::designs(analysis, |contrast: &Contrast| &contrast.design);
    columns.extend(parts.iter().enumerate().map(|(place, part)| {
        let (one, other) = part.skin_types.split_at(1);
        let head = format!("FST {one}-{other}, {}", format::count(part.images, "image"));
        Column::number(head, move |contrast: &Contrast| content(&contrast.skin_types[place]))
    }));
    let hypotheses =
        analysis.contrasts.iter().map(|contrast| contrast.skin_types.len()).sum::<usize>();
    let caption = format!(
        "Difference in accuracy on the held-out images of a pair of Fitzpatrick skin types, arm \
         less real only, in percentage points [{}]; p adjusted over these {hypotheses} hypotheses, \
         a family apart. Bold: significant at {}.",
        interval_and_scope(analysis),
        format::level(analysis.config.q)
    );
    Table::new("Table of comparisons by skin type", columns, &analysis.contrasts)
        .captioned(caption)
        .tracing(analysis.contrasts.iter().map(|contrast| columns::of_contrast(&contrast.design)))
}

/// The difference, its interval and its adjusted p.
fn content(part: &SkinTypeContrast) -> Cell {
    let adjusted = part.answer.p_adjusted.map_or(DASH.into(), |p| format::p_phrase("p", p));
    let sure = format!("{}, {adjusted}", interval(&part.answer));
    let difference = format::points(part.answer.difference);
    Cell::estimate(difference, Some(sure)).strong_if(part.answer.rejected)
}
