//! Curves over an experiment's counts: the real images that a synthetic one is worth, and the
//! accuracy over doses.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::cells::Classifiers;
use super::error::AnalysisError;
use super::held_out::{Config, HeldOut};
use crate::stats::dose_curve::DoseCurve;
use crate::stats::exchange::{Exchange, RealOnly, WithSynthetic};
use crate::stats::linear::{Statistic, Term};
use crate::vocabulary::{Arm, Design};

/// The exchange rate of a design with synthetic images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExchangeRate {
    /// The design.
    #[serde(flatten)]
    pub design: Design,
    /// In real images of a class per synthetic one.
    pub rate: Exchange,
}

/// The accuracy of an arm over its doses, dose 0 being real images only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Doses {
    /// The design at the smallest dose above 0.
    #[serde(flatten)]
    pub design: Design,
    /// Ascending, 0 first.
    pub doses: Vec<usize>,
    /// The fitted curve, or why there is none.
    pub curve: DoseCurve,
}

/// Accuracies on all held-out images, by design.
pub struct Curves<'a> {
    accuracy: BTreeMap<&'a Design, Statistic>,
    replicates: BTreeMap<&'a Design, &'a [usize]>,
    confidence: f64,
}

impl<'a> Curves<'a> {
    /// Of an experiment's classifiers.
    ///
    /// # Errors
    /// If scores do not fit the held-out images.
    pub fn of(
        arms: &'a BTreeMap<Design, Classifiers>,
        held_out: &HeldOut,
        config: &Config,
    ) -> Result<Self, AnalysisError> {
        let accuracy = |(design, arm): (&'a Design, &Classifiers)| {
            let term = Term::whole(1.0, &arm.correct);
            Ok((design, Statistic::of(&[term], &held_out.sample)?))
        };
        let accuracy = arms.iter().map(accuracy).collect::<Result<_, AnalysisError>>()?;
        let replicates = arms.iter().map(|(design, arm)| (design, arm.replicates.as_slice()));
        let (replicates, confidence) = (replicates.collect(), config.confidence);
        Ok(Self { accuracy, replicates, confidence })
    }

    /// Of every design with synthetic images, where real only has been trained at two n or more
    /// with the same replicates.
    ///
    /// # Errors
    /// If a design has other replicates than real only.
    pub fn exchange_rates(&self) -> Result<Vec<ExchangeRate>, AnalysisError> {
        let mut rates = Vec::new();
        for (design, accuracy) in &self.accuracy {
            if design.arm.synthetic().is_none() {
                continue;
            }
            let curve = self.real_only(design);
            if curve.len() < 2 {
                continue;
            }
            let (real, synthetic) = (design.n, design.n * design.dose);
            let arm = WithSynthetic { real, synthetic, accuracy };
            let rate = Exchange::of(&curve, arm, self.confidence)?;
            rates.push(ExchangeRate { design: (*design).clone(), rate });
        }
        Ok(rates)
    }

    /// Real only in a design's setting with its replicates, by ascending n.
    fn real_only(&self, of: &Design) -> Vec<RealOnly<'_>> {
        let real = self.accuracy.iter().filter(|(design, _)| {
            design.arm == Arm::Real
                && design.setting() == of.setting()
                && self.replicates[*design] == self.replicates[of]
        });
        let mut curve =
            real.map(|(design, accuracy)| RealOnly { n: design.n, accuracy }).collect::<Vec<_>>();
        curve.sort_by_key(|size| size.n);
        curve
    }

    /// Of every arm with two doses or more above 0.
    ///
    /// # Errors
    /// If doses have different replicates.
    pub fn doses(&self) -> Result<Vec<Doses>, AnalysisError> {
        let mut all = Vec::new();
        let mut known = BTreeSet::new();
        for design in self.accuracy.keys().filter(|design| design.arm.synthetic().is_some()) {
            if !known.insert((design.setting(), design.n, &design.arm)) {
                continue;
            }
            let same = |other: &&&Design| {
                (other.setting(), other.n) == (design.setting(), design.n)
                    && (other.arm == design.arm || other.arm == Arm::Real)
                    && self.replicates[**other] == self.replicates[design]
            };
            let mut doses = self.accuracy.keys().filter(same).copied().collect::<Vec<_>>();
            doses.sort_by_key(|design| design.dose);
            if doses.len() < 3 {
                continue;
            }
            let arms = doses
                .iter()
                .map(|design| (design.dose as f64, &self.accuracy[*design]))
                .collect::<Vec<_>>();
            all.push(Doses {
                design: (*design).clone(),
                doses: doses.iter().map(|design| design.dose).collect(),
                curve: DoseCurve::of(&arms, self.confidence)?,
            });
        }
        Ok(all)
    }
}
