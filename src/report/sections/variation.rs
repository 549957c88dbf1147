//! Replicates one by one, the components of the differences' variance, and the tests that hold for
//! the trained classifiers only.

use super::{columns, power};
use crate::report::block::{Block, Column, Section, Table};
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::{DASH, interval_name};
use crate::stats::analysis::{Accuracy, Analysis, Contrast};

/// How far replicates differ, and what that means for the comparisons.
pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let mut blocks = list_replicates(analysis).to_vec();
    if !analysis.contrasts.is_empty() {
        blocks.extend(list_components(analysis));
        blocks.extend(power::blocks(analysis));
        blocks.extend(test_these_classifiers(analysis));
    }
    Some(Section {
        id: "variation".into(),
        title: "Replicates, variances and power".into(),
        short: "Replicates and power".into(),
        blocks,
    })
}

/// Every design's accuracies, and their differences from real only.
fn list_replicates(analysis: &Analysis) -> [Block; 2] {
    let differences = |row: &Accuracy| {
        let contrast = analysis.contrasts.iter().find(|contrast| contrast.design == row.design);
        contrast.map(|contrast| join(&contrast.replicates, format::points)).unwrap_or_default()
    };
    let mut columns = columns::designs(analysis, |row: &Accuracy| &row.design);
    columns.extend([
        Column::line("accuracy", |row: &Accuracy| {
            join(&row.replicates, format::percent).replace('%', "")
        })
        .tracing(|row: &Accuracy| columns::of_design(&row.design)),
        Column::number("SD", |row: &Accuracy| row.deviation.map(format::width).unwrap_or_default())
            .tracing(|row: &Accuracy| columns::of_design(&row.design)),
        Column::line("difference", differences)
            .tracing(|row: &Accuracy| columns::of_contrast(&row.design)),
    ]);
    let table = Table::new("Table by replicate", columns, &analysis.accuracy).captioned(
        "Accuracy in percent and difference from real only in points, in each replicate; SD is \
         the standard deviation of the accuracies, in points.",
    );
    [Block::heading("Replicate by replicate"), Block::Table(table)]
}

/// Every comparison's standard error and the components of its variance.
fn list_components(analysis: &Analysis) -> [Block; 2] {
    let deviation = |variance: f64| format::width(variance.sqrt());
    let mut columns = columns::designs(analysis, |contrast: &Contrast| &contrast.design);
    columns.extend([
        Column::number("standard error", |contrast: &Contrast| {
            format::width(contrast.answer.standard_error)
        }),
        Column::number("degrees of freedom", |contrast: &Contrast| {
            contrast.answer.degrees.map_or(DASH.into(), format::one_decimal)
        }),
        Column::number("replicates", move |contrast: &Contrast| {
            deviation(contrast.components.rerun)
        }),
        Column::number("interval", move |contrast: &Contrast| {
            contrast.rerun_interval.map_or(DASH.into(), |interval| {
                format!("[{}, {}]", deviation(interval.low), deviation(interval.high))
            })
        }),
        Column::number("images", move |contrast: &Contrast| deviation(contrast.components.image)),
        Column::number("rest", move |contrast: &Contrast| deviation(contrast.components.residual)),
    ]);
    let table = Table::new("Table of variance components", columns, &analysis.contrasts)
        .tracing(analysis.contrasts.iter().map(|it| columns::of_contrast(&it.design)));
    let caption = format!(
        "Standard error of each difference and its degrees of freedom; standard deviations between \
         replicates [{}], between images (the same in all replicates; of one image) and of the \
         rest (of one image in one replicate), all in points.",
        interval_name(analysis)
    );
    [Block::heading("What the differences vary with"), Block::Table(table.captioned(caption))]
}

/// Tests that say nothing of reruns.
fn test_these_classifiers(analysis: &Analysis) -> [Block; 2] {
    let mut columns = columns::designs(analysis, |contrast: &Contrast| &contrast.design);
    columns.extend([
        Column::number("sign flips p", |contrast: &Contrast| format::p(contrast.sign_flip)),
        Column::line("McNemar p", |contrast: &Contrast| join(&contrast.mcnemar, format::p))
            .tracing(|contrast: &Contrast| columns::of_contrast(&contrast.design)),
    ]);
    let table = Table::new("Tests of these classifiers", columns, &analysis.contrasts)
        .tracing(analysis.contrasts.iter().map(|it| columns::of_contrast(&it.design)));
    let table = table.captioned(
        "Tests of the trained classifiers on new images, which say nothing of reruns: exact sign \
         flips over all replicates, and McNemar's exact p in each, not adjusted.",
    );
    [Block::heading("These classifiers only"), Block::Table(table)]
}

fn join(values: &[f64], form: fn(f64) -> String) -> String {
    values.iter().map(|value| form(*value)).collect::<Vec<_>>().join(", ")
}
