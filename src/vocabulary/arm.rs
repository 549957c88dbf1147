//! Arms of an experiment: the images that are added to the real ones that a classifier is trained
//! on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How synthetic images are made from real ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// An image is made from the prompt alone.
    TextToImage,
    /// The centre of a real image is painted anew; its surroundings are kept.
    Inpaint,
    /// The centre of a real image is painted anew, and then its surroundings.
    InThenOutpaint,
}

impl Strategy {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 3] = [Self::TextToImage, Self::Inpaint, Self::InThenOutpaint];

    /// The name in study files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextToImage => "text-to-image",
            Self::Inpaint => "inpaint",
            Self::InThenOutpaint => "in-then-outpaint",
        }
    }
}

/// An arm without synthetic images that shows how large a difference chance alone makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Real images only, trained again from another seed (an A/A test).
    Reseeded,
}

impl Control {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 1] = [Self::Reseeded];

    /// The name in study files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reseeded => "reseeded",
        }
    }
}

/// Where synthetic images come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Synthetic {
    /// How they are made.
    pub strategy: Strategy,
    /// The generator's variant; empty: the generator itself.
    pub variant: String,
}

/// The images that a classifier is trained on beside the real ones. The order is that of tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Arm {
    /// Nothing: the arm that the others are compared with.
    Real,
    /// Nothing, in a control.
    Control(Control),
    /// Synthetic images.
    Synthetic(Synthetic),
}

impl Arm {
    /// The images of a strategy by the generator's variant; empty: by the generator itself.
    pub fn of(strategy: Strategy, variant: &str) -> Self {
        Self::Synthetic(Synthetic { strategy, variant: variant.to_owned() })
    }

    /// Where its synthetic images come from, if it has any.
    pub fn synthetic(&self) -> Option<&Synthetic> {
        match self {
            Self::Synthetic(synthetic) => Some(synthetic),
            Self::Real | Self::Control(_) => None,
        }
    }

    /// The same strategy by the generator itself, where this is an arm of a variant of it.
    pub fn without_variant(&self) -> Option<Self> {
        let Synthetic { strategy, variant } = self.synthetic()?;
        (!variant.is_empty()).then(|| Self::of(*strategy, ""))
    }
}

/// `real`, `reseeded`, `text-to-image`, or of a variant `text-to-image@lora`: the name in labels,
/// keys and results.
impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real => f.pad("real"),
            Self::Control(control) => f.pad(control.name()),
            Self::Synthetic(Synthetic { strategy, variant }) if variant.is_empty() => {
                f.pad(strategy.name())
            }
            Self::Synthetic(Synthetic { strategy, variant }) => {
                f.pad(&format!("{}@{variant}", strategy.name()))
            }
        }
    }
}

/// A name that no arm has.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("no arm is called `{0}`")]
pub struct UnknownArm(String);

impl FromStr for Arm {
    type Err = UnknownArm;

    fn from_str(name: &str) -> Result<Self, UnknownArm> {
        if name == Self::Real.to_string() {
            return Ok(Self::Real);
        }
        if let Some(control) = Control::ALL.into_iter().find(|control| control.name() == name) {
            return Ok(Self::Control(control));
        }
        let (strategy, variant) = name.split_once('@').unwrap_or((name, ""));
        let strategy = Strategy::ALL.into_iter().find(|known| known.name() == strategy);
        strategy
            .filter(|_| !name.ends_with('@'))
            .map(|strategy| Self::of(strategy, variant))
            .ok_or_else(|| UnknownArm(name.to_owned()))
    }
}

impl TryFrom<String> for Arm {
    type Error = UnknownArm;

    fn try_from(name: String) -> Result<Self, UnknownArm> {
        name.parse()
    }
}

impl From<Arm> for String {
    fn from(arm: Arm) -> Self {
        arm.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_arms_and_order_as_tables_do() {
        let names = ["real", "reseeded", "text-to-image", "text-to-image@a@b", "inpaint"];
        let arms = names.map(|name| name.parse::<Arm>().unwrap());
        assert_eq!(arms.each_ref().map(Arm::to_string), names);
        assert!(arms.is_sorted(), "{arms:?}");
        assert_eq!(arms[3].without_variant().as_ref(), Some(&arms[2]));
        assert_eq!(arms[2].without_variant(), None);
        for unknown in ["", "real@a", "outpaint", "inpaint@"] {
            assert_eq!(unknown.parse::<Arm>(), Err(UnknownArm(unknown.to_owned())));
        }
    }
}
