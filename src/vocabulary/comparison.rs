//! Comparisons that a study declares beside that of every arm with real only.

use serde::{Deserialize, Serialize};

use super::{Arm, Design, Regime};

/// A comparison, made for each design that `of` selects: with the same design but for what
/// `against` changes. All of them are one family, corrected together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The question that it answers.
    pub question: String,
    /// The designs that are compared.
    pub of: Selection,
    /// What is different in the design that each is compared with.
    pub against: Change,
    /// The class whose held-out images alone count; left out: all do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// The designs with these values; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Numbers of real images per class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<Vec<usize>>,
    /// Arms, `real` among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arms: Option<Vec<Arm>>,
    /// Synthetic images per real image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doses: Option<Vec<usize>>,
    /// Whether training images are transformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transforms: Option<bool>,
    /// Which part of the classifier is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regime: Option<Regime>,
}

/// What is different in a design; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Real images per class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// The arm; where it has no dose, the dose is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<Arm>,
    /// Synthetic images per real image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dose: Option<usize>,
    /// Whether training images are transformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transforms: Option<bool>,
    /// Which part of the classifier is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regime: Option<Regime>,
}

impl Selection {
    /// Whether `design` has all of these values.
    pub fn has(&self, design: &Design) -> bool {
        fn is_in<T: PartialEq>(allowed: &Option<Vec<T>>, value: &T) -> bool {
            allowed.as_ref().is_none_or(|allowed| allowed.contains(value))
        }
        is_in(&self.n, &design.n)
            && is_in(&self.arms, &design.arm)
            && is_in(&self.doses, &design.dose)
            && self.transforms.is_none_or(|transforms| transforms == design.transforms)
            && self.regime.is_none_or(|regime| regime == design.regime)
    }
}

impl Change {
    /// `design` with the changes made.
    pub fn of(&self, design: &Design) -> Design {
        let arm = self.arm.clone().unwrap_or_else(|| design.arm.clone());
        let dose = if arm.has_dose() { self.dose.unwrap_or(design.dose) } else { 0 };
        Design {
            n: self.n.unwrap_or(design.n),
            arm,
            dose,
            transforms: self.transforms.unwrap_or(design.transforms),
            regime: self.regime.unwrap_or(design.regime),
        }
    }
}

impl Comparison {
    /// The designs among `known` that are compared, each with what it is compared with. Nothing is
    /// compared with itself.
    pub fn pairs<'a>(
        &self,
        known: impl IntoIterator<Item = &'a Design>,
    ) -> Vec<(&'a Design, Design)> {
        let selected = known.into_iter().filter(|design| self.of.has(design));
        let pairs = selected.map(|design| (design, self.against.of(design)));
        pairs.filter(|(design, other)| *design != other).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(n: usize, arm: &str, dose: usize, transforms: bool) -> Design {
        Design { n, arm: arm.parse().unwrap(), dose, transforms, regime: Regime::Full }
    }

    #[test]
    fn a_change_of_arm_brings_its_dose() {
        let arm = design(8, "inpaint", 10, true);
        let to = |arm: &str| Change { arm: Some(arm.parse().unwrap()), ..Change::default() };
        assert_eq!(to("real").of(&arm), design(8, "real", 0, true));
        assert_eq!(to("duplicate").of(&arm), design(8, "duplicate", 10, true));
        let plain = Change { transforms: Some(false), ..Change::default() };
        assert_eq!(plain.of(&arm), design(8, "inpaint", 10, false));
    }

    #[test]
    fn nothing_is_compared_with_itself() {
        let known = [design(4, "real", 0, false), design(4, "inpaint", 2, false)];
        let against = Change { arm: Some(Arm::Real), ..Change::default() };
        let question = String::new();
        let all = Comparison { question, of: Selection::default(), against, class: None };
        assert_eq!(all.pairs(&known), [(&known[1], known[0].clone())]);
    }
}
