//! The primary comparisons: every arm against real only.

use super::columns;
use crate::report::block::{Block, Column, Drawing, Figure, Section, Table, Text};
use crate::report::figure::forest;
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::{DASH, interval, interval_and_scope, interval_name, rate};
use crate::stats::analysis::{Analysis, Contrast};

pub fn section(part: Part<'_>) -> Option<Section> {
    let blocks = match part.analysis.contrasts.is_empty() {
        true => vec![Block::paragraph("The study has no synthetic arm.")],
        false => compare(part),
    };
    Some(Section {
        id: "contrasts".into(),
        title: "Comparisons with real images only".into(),
        short: "Comparisons".into(),
        blocks,
    })
}

fn compare(part: Part<'_>) -> Vec<Block> {
    let analysis = part.analysis;
    let q = format::level(analysis.config.q);
    let hypotheses = &analysis.family.hypotheses;
    let caption = format!(
        "Difference in accuracy, arm less real only, in percentage points [{}]; p raw and adjusted \
         over the family ({}: {} hypotheses); the probability that the arm is better in a rerun. \
         Bold: significant at {q}.",
        interval_and_scope(analysis),
        analysis.family.name,
        hypotheses.len()
    );
    vec![
        Block::Figure(figure(part)),
        Block::Table(
            table("Table of comparisons", analysis, &analysis.contrasts).captioned(caption),
        ),
        Block::Details {
            summary: format!("The declared family: {} null hypotheses", hypotheses.len()),
            blocks: Block::list(true, hypotheses).into_iter().collect(),
        },
    ]
}

fn figure(part: Part<'_>) -> Figure {
    let analysis = part.analysis;
    Figure {
        path: part.figure("contrasts.svg"),
        drawing: Drawing::Wide { whole: forest::draw(analysis) },
        alt: "Forest plot of the differences",
        caption: format!(
            "Each synthetic arm less real only at the same n and in the same training, in \
             percentage points. Bars: {}s; dots: replicates. Filled markers: significant at {}; hollow: not \
             significant.",
            interval_name(analysis),
            rate(analysis)
        )
        .into(),
    }
}

/// A table of contrasts, the significant ones marked.
pub fn table(label: &str, analysis: &Analysis, contrasts: &[Contrast]) -> Table {
    let probability = |p: Option<f64>, form: fn(f64) -> String| p.map_or(DASH.into(), form);
    let mut columns = columns::designs(analysis, |contrast: &Contrast| &contrast.design);
    columns.extend([
        Column::number("difference", |contrast: &Contrast| {
            let difference = format::points(contrast.answer.difference);
            Text::strong_if(contrast.answer.rejected, difference)
        }),
        Column::number("interval", |contrast: &Contrast| interval(&contrast.answer)),
        Column::number("p", move |contrast: &Contrast| probability(contrast.answer.p, format::p)),
        Column::number("adjusted p", move |contrast: &Contrast| {
            probability(contrast.answer.p_adjusted, format::p)
        }),
        Column::number("better in a rerun", move |contrast: &Contrast| {
            probability(contrast.better, format::probability)
        }),
        Column::text("significant", |contrast: &Contrast| match contrast.answer.rejected {
            true => Text::strong_if(true, "yes"),
            false => "no".into(),
        }),
    ]);
    Table::new(label, columns, contrasts)
        .marking(contrasts.iter().map(|contrast| contrast.answer.rejected))
        .tracing(contrasts.iter().map(|contrast| columns::of_contrast(&contrast.design)))
}
