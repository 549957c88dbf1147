//! Accuracy over doses: the points, the shape that fits, and the dose that brings most of what there
//! is to gain.

use super::columns::{of_design, percent};
use crate::report::block::{Block, Column, Drawing, Figure, Section, Table};
use crate::report::figure::doses::{self, Curves};
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::{interval_and_scope, interval_name};
use crate::stats::analysis::{Accuracy, Doses};
use crate::stats::dose_curve::{DoseCurve, MostOfPlateau, Shape};

/// None where no arm has several doses.
pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let curves = &analysis.doses;
    if curves.is_empty() {
        return None;
    }
    let mut blocks = vec![Block::Figure(figure(part))];
    blocks.extend(curves.iter().map(|doses| Block::paragraph(describe(doses))));
    blocks.extend(curves.iter().map(|doses| Block::Table(table(part, doses))));
    Some(Section {
        id: "doses".into(),
        title: "Accuracy by dose".into(),
        short: "Doses".into(),
        blocks,
    })
}

fn figure(part: Part<'_>) -> Figure {
    let Curves { apart: panels, together: whole } = doses::draw(part.analysis);
    Figure {
        path: part.figure("doses.svg"),
        drawing: Drawing::Panels { panels, whole },
        alt: "Accuracy over synthetic images per real image",
        caption: format!(
            "Top-1 accuracy over doses; dose 0 is real images only. Markers: means over \
             replicates; bars: {}s; dots: replicates; line: the shape that fits best (Emax, broken stick, line or constant, by \
             AICc).",
            interval_name(part.analysis)
        )
        .into(),
    }
}

/// What is known of an arm's curve.
fn describe(doses: &Doses) -> String {
    let design = &doses.design;
    let of = format!("{} at n = {}, {}:", design.arm, design.n, design.setting());
    let said = match &doses.curve {
        DoseCurve::Fitted { best, most, .. } => {
            format!("{}; {}.", name(*best), plateau(most))
        }
        DoseCurve::TooFewDoses { doses } => format!("{doses} doses are too few to fit a curve."),
        DoseCurve::OneReplicate => "with one replicate, no curve is fitted.".to_owned(),
        DoseCurve::NothingVaries => "nothing varies, so no curve is fitted.".to_owned(),
        DoseCurve::Unordered => "the doses are no scale, so no curve is fitted.".to_owned(),
    };
    format!("{of} {said}")
}

fn name(shape: Shape) -> &'static str {
    match shape {
        Shape::Flat => "the dose makes no difference that a curve would show",
        Shape::Linear => "a straight line fits best",
        Shape::Emax => "a curve that levels off (Emax) fits best",
        Shape::BrokenStick => "a line that breaks off (broken stick) fits best",
    }
}

fn plateau(most: &MostOfPlateau) -> String {
    match most {
        MostOfPlateau::At { dose, low, high } => {
            let dose = format::one_decimal(*dose);
            let low = format::one_decimal(*low);
            let high = high.map_or("beyond the largest dose".into(), format::one_decimal);
            format!("90% of what the plateau adds are reached at a dose of {dose} [{low}, {high}]")
        }
        MostOfPlateau::NotReached { largest, low } => format!(
            "90% of what the plateau adds are not reached by a dose of {largest} (at {} or more)",
            format::one_decimal(*low)
        ),
        MostOfPlateau::NoPlateau => {
            "a shape without a plateau fits as well, so no dose is named at which gains end".into()
        }
        MostOfPlateau::NoShape { p } => format!(
            "no shape fits ({}), as where accuracy falls at high doses",
            format::p_phrase("p", *p)
        ),
    }
}

/// The accuracy at each dose.
fn table(part: Part<'_>, doses: &Doses) -> Table {
    let analysis = part.analysis;
    let of = &doses.design;
    let rows = analysis.accuracies(doses);
    let origins = rows.iter().map(|row| of_design(&row.design)).collect::<Vec<_>>();
    let columns = vec![
        Column::number("synthetic per real image", |row: &Accuracy| row.design.dose).heading_rows(),
        Column::number("accuracy", |row: &Accuracy| percent(&row.accuracy)),
    ];
    let label = format!("Doses of {} at n = {}, {}", of.arm, of.n, of.setting());
    let table = Table::new(label.clone(), columns, rows).tracing(origins);
    table.captioned(format!(
        "{label}: top-1 accuracy, mean over replicates [{}], percent.",
        interval_and_scope(analysis)
    ))
}
