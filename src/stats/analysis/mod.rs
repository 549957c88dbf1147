//! The study's analysis: from the predictions of every cell to accuracies, contrasts and the family
//! that they are corrected in.
//!
//! The primary inference is over reruns: replicates and held-out images are both random and crossed
//! (`stats/crossed.rs`). Sign flips and McNemar's test stand beside it for the trained classifiers
//! alone.

mod cells;
mod claims;
mod contrast;
mod curves;
mod error;
mod held_out;
mod questions;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use cells::{Cell, Losses, STRETCH};
use cells::{Classifiers, arms};
pub use claims::{Finding, Measure, Ruling, Verdict};
pub use contrast::{Answer, Contrast, Family, SkinTypeContrast};
use contrast::{Pair, family};
use curves::Curves;
pub use curves::{Doses, ExchangeRate};
pub use error::AnalysisError;
pub use held_out::Config;
use held_out::HeldOut;
pub use questions::Questions;

use super::crossed::{Basis, Components, Crossed};
use super::interval::{deviation, mean};
use super::power::{self, Power};
use super::scores::{Estimate, Scores};
use crate::vocabulary::{Arm, Comparison, Design, Regime, Rule};

/// The analysis of a study; its JSON is the same bytes for the same cells in any order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Analysis {
    /// The settings of the analysis.
    pub config: Config,
    /// Class labels, in the order of every per-class list.
    pub classes: Vec<String>,
    /// Held-out images.
    pub images: usize,
    /// Held-out patients, where they are known; they are what was sampled then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patients: Option<usize>,
    /// Held-out images by class.
    pub images_per_class: Vec<usize>,
    /// Held-out images by Fitzpatrick skin type, of the types present; empty if unknown.
    pub images_per_fst: BTreeMap<u8, usize>,
    /// Accuracy of every design, in the order of tables.
    pub accuracy: Vec<Accuracy>,
    /// With real images only.
    pub contrasts: Vec<Contrast>,
    /// The hypotheses of `contrasts`, corrected together.
    pub family: Family,
    /// Of each arm of a variant of the generator with the generator's own; a family apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variant_contrasts: Vec<Contrast>,
    /// The comparisons that the study declares beside these, by name; each a family.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub comparisons: BTreeMap<String, Declared>,
    /// The verdicts on claims, by the claim's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Verdict>,
    /// The exchange rate of every design with synthetic images, where the experiment has real only
    /// at several n.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchange: Vec<ExchangeRate>,
    /// The accuracy over doses of every arm that has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doses: Vec<Doses>,
    /// The power of the study; none where nothing is compared over reruns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
}

/// A comparison that the study declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Declared {
    /// Each of a design with another, in the order of tables.
    pub contrasts: Vec<Contrast>,
    /// What each is compared with.
    pub against: Vec<Design>,
}

impl Analysis {
    /// The accuracies of an arm over its doses, dose 0 first.
    pub fn accuracies(&self, doses: &Doses) -> Vec<&Accuracy> {
        let of = &doses.design;
        let same = |row: &&Accuracy| {
            let design = &row.design;
            (design.n, design.setting()) == (of.n, of.setting())
                && (design.arm == of.arm || design.arm == Arm::Real)
        };
        let mut rows = self.accuracy.iter().filter(same).collect::<Vec<_>>();
        rows.sort_by_key(|row| row.design.dose);
        rows
    }

    /// Number of the family's hypotheses that are rejected.
    pub fn count_rejected(&self) -> usize {
        self.contrasts.iter().filter(|contrast| contrast.answer.rejected).count()
    }
}

/// Top-1 accuracy of one design, all rates 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Accuracy {
    /// The design.
    #[serde(flatten)]
    pub design: Design,
    /// Mean over replicates, with an interval for new replicates and new images.
    pub accuracy: Estimate,
    /// Standard deviation over replicates, of two or more.
    pub deviation: Option<f64>,
    /// By ascending replicate.
    pub replicates: Vec<f64>,
    /// Of each class's images; none of a class without.
    pub per_class: Vec<Option<Estimate>>,
    /// By Fitzpatrick skin type.
    pub per_fst: BTreeMap<u8, Estimate>,
    /// Images by true class (row) and predicted class (column), summed over replicates.
    pub confusion: Vec<Vec<usize>>,
    /// Scores other than top-1 accuracy.
    pub scores: Scores,
    /// Losses at the end of the trainings, means over replicates.
    pub losses: Losses,
}

/// Analyses `cells`, whose predictions must be of the same held-out images. Every synthetic design
/// and control is compared with the real-only one of the same n, transforms and regime, and all
/// these comparisons are one family. Declared comparisons are families of their own.
///
/// # Errors
/// If cells do not pair, or a share is out of range.
pub fn analyse(
    cells: Vec<Cell>,
    config: Config,
    questions: &Questions,
) -> Result<Analysis, AnalysisError> {
    config.check()?;
    let arms = arms(cells)?;
    let first = arms.values().next().ok_or(AnalysisError::Empty)?;
    let held_out = HeldOut::of(&first.predictions[0]);
    let accuracy =
        arms.iter().map(|(design, arm)| accuracy(design, arm, &held_out, &config)).collect();
    let real = |design: &Design| {
        (design.arm != Arm::Real).then(|| Design { arm: Arm::Real, dose: 0, ..design.clone() })
    };
    let (contrasts, crossed, rule) = family(&pairs(&arms, real)?, None, &held_out, &config);
    let generator = |design: &Design| Some(Design { arm: design.arm.varied()?, ..design.clone() });
    let (variant_contrasts, ..) = family(&pairs(&arms, generator)?, None, &held_out, &config);
    let hypotheses = contrasts
        .iter()
        .map(|contrast| format!("{}: as accurate as real only", contrast.design))
        .collect();
    let sample = &held_out.sample;
    let classes = first.predictions[0].classes();
    let declare = |(name, comparison): (&String, &Comparison)| -> Result<_, AnalysisError> {
        Ok((name.clone(), declared(comparison, &arms, &held_out, &config)?))
    };
    let judge = |(name, rule): (&String, &Rule)| {
        (name.clone(), claims::judge(rule, &arms, classes, &held_out, questions, &config))
    };
    let curves = Curves::of(&arms, &held_out, &config)?;
    Ok(Analysis {
        config,
        classes: classes.to_vec(),
        images: sample.images(),
        patients: sample.patients.then_some(sample.units),
        images_per_class: sample.classes.iter().map(Vec::len).collect(),
        images_per_fst: held_out.by_fst.iter().map(|(fst, images)| (*fst, images.len())).collect(),
        accuracy,
        power: power_of(&contrasts, &crossed, &config),
        contrasts,
        variant_contrasts,
        comparisons: questions.comparisons.iter().map(declare).collect::<Result<_, _>>()?,
        claims: questions.claims.iter().map(judge).collect(),
        exchange: curves.exchange_rates()?,
        doses: curves.doses()?,
        family: Family { name: family_name(&arms), hypotheses, rule },
    })
}

/// The contrasts of a declared comparison.
fn declared(
    comparison: &Comparison,
    arms: &BTreeMap<Design, Classifiers>,
    held_out: &HeldOut,
    config: &Config,
) -> Result<Declared, AnalysisError> {
    let against = comparison.pairs(arms.keys());
    let other = |design: &Design| {
        against.iter().find(|(of, _)| *of == design).map(|(_, other)| other.clone())
    };
    let first = arms.values().next().ok_or(AnalysisError::Empty)?;
    let place = |class: &String| {
        let place = first.predictions[0].classes().iter().position(|known| known == class);
        place.ok_or_else(|| AnalysisError::Class { class: class.clone() })
    };
    let place = comparison.class.as_ref().map(place).transpose()?;
    let among = place.map(|place| held_out.sample.classes[place].as_slice());
    let (contrasts, ..) = family(&pairs(arms, other)?, among, held_out, config);
    Ok(Declared { contrasts, against: against.iter().map(|(_, other)| other.clone()).collect() })
}

/// The name of the family of contrasts with real only.
fn family_name(arms: &BTreeMap<Design, Classifiers>) -> String {
    let alike = if arms.keys().all(|design| design.regime == Regime::Full) {
        "n and transforms"
    } else {
        "n, transforms and regime"
    };
    let control = |design: &&Design| matches!(design.arm, Arm::Control(_));
    let compared = || arms.keys().filter(|design| design.arm != Arm::Real);
    let which = match (
        compared().any(|design| control(&design)),
        compared().all(|design| control(&design)),
    ) {
        (true, true) => "every control",
        (true, false) => "every synthetic arm and control",
        _ => "every synthetic arm",
    };
    format!("{which} against real only, at the same {alike}")
}

/// The power of the study, from the mean variances of its contrasts over reruns.
fn power_of(contrasts: &[Contrast], crossed: &[Crossed], config: &Config) -> Option<Power> {
    let over_reruns = contrasts
        .iter()
        .zip(crossed)
        .filter(|(contrast, _)| contrast.answer.basis == Basis::Reruns);
    let crossed = over_reruns.map(|(_, crossed)| crossed).collect::<Vec<_>>();
    let first = crossed.first()?;
    let components = Components::pool(&crossed);
    let (replicates, units) = (first.replicates(), first.units);
    Some(Power::of(power::Design {
        components,
        replicates,
        units,
        contrasts: contrasts.len(),
        q: config.q,
    }))
}

/// Each design that has a baseline, with it.
fn pairs<'a>(
    arms: &'a BTreeMap<Design, Classifiers>,
    baseline: impl Fn(&Design) -> Option<Design>,
) -> Result<Vec<Pair<'a>>, AnalysisError> {
    let mut pairs = Vec::new();
    for (design, arm) in arms {
        let Some(other) = baseline(design) else { continue };
        let no_baseline = || AnalysisError::NoBaseline {
            design: Box::new(design.clone()),
            baseline: other.arm.clone(),
        };
        let baseline = arms.get(&other).ok_or_else(no_baseline)?;
        if arm.replicates != baseline.replicates {
            let (found, expected) = (arm.replicates.clone(), baseline.replicates.clone());
            return Err(AnalysisError::Replicates {
                design: Box::new(design.clone()),
                found,
                expected,
            });
        }
        pairs.push(Pair { design, arm, baseline });
    }
    Ok(pairs)
}

fn accuracy(design: &Design, arm: &Classifiers, held_out: &HeldOut, config: &Config) -> Accuracy {
    let sample = &held_out.sample;
    let mut confusion = vec![vec![0; sample.classes.len()]; sample.classes.len()];
    for predictions in &arm.predictions {
        for (sums, counts) in confusion.iter_mut().zip(predictions.confusion()) {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    let part = |images: &Vec<usize>| {
        let crossed = Crossed::of(&arm.correct, sample.units_of(images), |scores| {
            sample.mean_of(scores, images)
        });
        Estimate::of_rate(&crossed, config.confidence)
    };
    let whole = Crossed::of(&arm.correct, sample.units, |scores| sample.mean(scores));
    Accuracy {
        design: design.clone(),
        accuracy: Estimate::of_rate(&whole, config.confidence),
        deviation: deviation(&whole.values),
        per_class: sample
            .classes
            .iter()
            .map(|images| (!images.is_empty()).then(|| part(images)))
            .collect(),
        per_fst: held_out.by_fst.iter().map(|(fst, images)| (*fst, part(images))).collect(),
        replicates: whole.values,
        confusion,
        scores: Scores::of(&arm.predictions, sample, config.confidence),
        losses: arm.losses(),
    }
}

impl Components {
    /// The mean of several contrasts' components. Mean squares are averaged before what is below 0
    /// is cut off.
    pub fn pool(contrasts: &[&Crossed]) -> Self {
        let of = |value: fn(&Crossed) -> f64| {
            mean(&contrasts.iter().map(|contrast| value(contrast)).collect::<Vec<_>>())
        };
        let units = of(|contrast| contrast.units as f64);
        let (square, error, shared) =
            (of(Crossed::mean_square), of(Crossed::error), of(|contrast| contrast.shared));
        Self {
            rerun: (square - error).max(0.0),
            image: shared.max(0.0) * units,
            residual: error * units,
        }
    }
}

#[cfg(test)]
mod tests;
