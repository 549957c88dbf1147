//! Names and phrases that several sections and figures share.

use super::format;
use crate::stats::analysis::{Accuracy, Analysis, Answer};
use crate::stats::crossed::Basis;
use crate::vocabulary::{Arm, Correction, Design};

/// Stands where there is no value.
pub const DASH: &str = "\u{2013}";

/// The kind of new data that the intervals and p hold for.
pub fn scope(analysis: &Analysis) -> &'static str {
    match analysis.accuracy.iter().all(|row| row.replicates.len() == 1) {
        true => "new images and these trained classifiers",
        false => "new images and new replicates",
    }
}

/// "95% interval".
pub fn interval_name(analysis: &Analysis) -> String {
    format!("{} interval", format::level(analysis.config.confidence))
}

/// "95% interval for new images and new replicates".
pub fn interval_and_scope(analysis: &Analysis) -> String {
    format!("{} for {}", interval_name(analysis), scope(analysis))
}

/// "a false discovery rate of 5%", or what else the correction bounds.
pub fn rate(analysis: &Analysis) -> String {
    let q = format::level(analysis.config.q);
    match analysis.config.correction {
        Correction::BenjaminiHochberg | Correction::BenjaminiYekutieli => {
            format!("a false discovery rate of {q}")
        }
        Correction::Holm => format!("a rate of {q} for any false rejection"),
    }
}

/// The interval of a difference in points, or why there is none.
pub fn interval(answer: &Answer) -> String {
    match (answer.interval, answer.basis) {
        (Some(interval), _) => format::points_interval(interval),
        (None, Basis::Identical) => "predictions are identical".into(),
        (None, _) => "not testable".into(),
    }
}

/// Whether synthetic arms come at more than one dose, so that names must tell them apart.
pub fn have_several_doses(rows: &[Accuracy]) -> bool {
    let mut doses = rows.iter().map(|row| row.design.dose).filter(|dose| *dose > 0);
    let first = doses.next();
    doses.any(|dose| Some(dose) != first)
}

/// The name of an arm in tables and legends.
pub fn name_arm(design: &Design, several_doses: bool) -> String {
    match &design.arm {
        Arm::Real => "real only".into(),
        arm if several_doses => format!("{arm} \u{d7}\u{2009}{}", design.dose),
        arm => arm.to_string(),
    }
}
