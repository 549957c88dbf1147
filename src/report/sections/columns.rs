//! Columns and cells that several tables share.

use crate::report::block::{Cell, Column, Origin};
use crate::report::format;
use crate::report::wording::{have_several_doses, name_arm};
use crate::stats::analysis::{Accuracy, Analysis};
use crate::stats::scores::Estimate;
use crate::vocabulary::{Arm, Design};

/// The columns that tell the designs of a table apart: training, n and arm. `design` is the design
/// of a row.
pub fn designs<'a, T: 'a>(analysis: &Analysis, design: fn(&T) -> &Design) -> Vec<Column<'a, T>> {
    let doses = have_several_doses(&analysis.accuracy);
    vec![
        Column::line("training", move |row| design(row).setting().to_string()).heading_rows(),
        Column::number("n", move |row| design(row).n).naming_rows(),
        Column::line("arm", move |row| name_arm(design(row), doses)).naming_rows(),
    ]
}

/// Numbers that were computed from the classifiers of one design.
pub fn of_design(design: &Design) -> Origin {
    Origin { designs: vec![design.clone()], ..Origin::default() }
}

/// Numbers that were computed from the classifiers of a design and from those without its arm's
/// images.
pub fn of_contrast(design: &Design) -> Origin {
    let real = Design { arm: Arm::Real, dose: 0, ..design.clone() };
    Origin { designs: vec![design.clone(), real], ..Origin::default() }
}

/// The arms of the analysis with their names, in the order of tables.
pub fn arms(analysis: &Analysis) -> Vec<(Design, String)> {
    let doses = have_several_doses(&analysis.accuracy);
    let mut arms = Vec::<(Design, String)>::new();
    for Accuracy { design, .. } in &analysis.accuracy {
        if !arms.iter().any(|(known, _)| (&known.arm, known.dose) == (&design.arm, design.dose)) {
            arms.push((design.clone(), name_arm(design, doses)));
        }
    }
    arms
}

/// The rows of one n and setting, together.
pub fn groups(analysis: &Analysis) -> impl Iterator<Item = &[Accuracy]> {
    analysis
        .accuracy
        .chunk_by(|a, b| (a.design.setting(), a.design.n) == (b.design.setting(), b.design.n))
}

/// The row of a group that belongs to an arm at its dose.
pub fn find<'a>(rows: &'a [Accuracy], arm: &Design) -> Option<&'a Accuracy> {
    rows.iter().find(|row| (&row.design.arm, row.design.dose) == (&arm.arm, arm.dose))
}

/// A rate and its interval, in percent.
pub fn percent(estimate: &Estimate) -> Cell {
    Cell::estimate(format::percent(estimate.mean), estimate.interval.map(format::percent_interval))
}

/// An area under a curve or a score, and its interval, to three decimals.
pub fn score(estimate: &Estimate) -> Cell {
    Cell::estimate(format::score(estimate.mean), estimate.interval.map(format::score_interval))
}
