//! Figures as SVG. Colours are presentation attributes with classes, so that a figure stands alone
//! on white and a page's style sheet can repaint it: `fig-s0` .. `fig-s5` are the series,
//! `fig-paper` the background.

mod accuracy;
mod forest;
mod svg;
mod training;

use super::inputs::Training;
use crate::stats::analysis::{Accuracy, Analysis, Design, REAL};

/// A study's figures.
pub struct Figures {
    /// Accuracy against n, a panel for each setting, side by side.
    pub accuracy: String,
    /// The same panels, each by itself.
    pub panels: Vec<String>,
    /// The contrasts as a forest plot, if there are any.
    pub contrasts: Option<String>,
    /// The tuned models' losses, if there are any.
    pub training: Option<String>,
}

impl Figures {
    /// The figures of an analysis, with a line at `chance` if it is known.
    pub fn of(analysis: &Analysis, chance: Option<f64>, trainings: &[Training]) -> Self {
        let plot = accuracy::Plot::of(analysis, chance);
        let contrasts = (!analysis.contrasts.is_empty()).then(|| forest::draw(analysis));
        Self {
            accuracy: plot.together(),
            panels: plot.apart(),
            contrasts,
            training: training::draw(trainings),
        }
    }
}

/// A line of a plot: an arm at a dose.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Series {
    arm: String,
    dose: usize,
    /// The arm's place among the study's arms, which gives its colour and marker.
    style: usize,
    /// The dose's place among the arm's doses, which gives its dashes.
    variant: usize,
    name: String,
}

impl Series {
    fn holds(&self, design: &Design) -> bool {
        self.arm == design.arm && self.dose == design.dose
    }
}

/// The series of a table of accuracies, in its order.
fn series(rows: &[Accuracy]) -> Vec<Series> {
    let mut found = Vec::<Series>::new();
    let doses = several_doses(rows);
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
            name: arm_name(design, doses),
        });
    }
    found
}

/// Whether synthetic arms come at more than one dose, so that names must tell them apart.
pub(super) fn several_doses(rows: &[Accuracy]) -> bool {
    let mut doses = rows.iter().map(|row| row.design.dose).filter(|dose| *dose > 0);
    let first = doses.next();
    doses.any(|dose| Some(dose) != first)
}

/// What an arm is called in tables and legends.
pub(super) fn arm_name(design: &Design, several_doses: bool) -> String {
    match design.arm.as_str() {
        REAL => "real only".into(),
        arm if several_doses => format!("{arm} \u{d7}\u{2009}{}", design.dose),
        arm => arm.into(),
    }
}
