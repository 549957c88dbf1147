//! The lines of a plot, with what tells each apart.

use crate::report::wording::{have_several_doses, name_arm};
use crate::stats::analysis::Accuracy;
use crate::vocabulary::{Arm, Design};

/// A line of a plot: an arm at a dose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub arm: Arm,
    pub dose: usize,
    /// The arm's place among the study's arms, which gives its colour and marker.
    pub style: usize,
    /// The dose's place among the arm's doses, which gives its dashes.
    pub variant: usize,
    pub name: String,
}

impl Series {
    pub fn holds(&self, design: &Design) -> bool {
        self.arm == design.arm && self.dose == design.dose
    }
}

/// The series of a table of accuracies, in its order.
pub fn list_series(rows: &[Accuracy]) -> Vec<Series> {
    let mut found = Vec::<Series>::new();
    let doses = have_several_doses(rows);
    for Accuracy { design, .. } in rows {
        if found.iter().any(|series| series.holds(design)) {
            continue;
        }
        let same = |series: &&Series| series.arm == design.arm;
        let arms = found.iter().filter(|series| series.variant == 0).count();
        let style = found.iter().find(same).map_or(arms, |series| series.style);
        let variant = found.iter().filter(same).count();
        found.push(Series {
            arm: design.arm.clone(),
            dose: design.dose,
            style,
            variant,
            name: name_arm(design, doses),
        });
    }
    found
}
