//! Arms of an experiment: the images that are added to the real ones that a classifier is trained
//! on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Conditioning;

/// How synthetic images are made from real ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

    /// What its UNet is conditioned on.
    pub fn conditioning(self) -> Conditioning {
        match self {
            Self::TextToImage => Conditioning::TextToImage,
            Self::Inpaint | Self::InThenOutpaint => Conditioning::Inpainting,
        }
    }

    /// The name in study files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextToImage => "text-to-image",
            Self::Inpaint => "inpaint",
            Self::InThenOutpaint => "in-then-outpaint",
        }
    }
}

/// An arm without synthetic images that shows where a difference from real only can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// Real images only, trained again from another seed (an A/A test): chance.
    Reseeded,
    /// Real images only, trained for as many steps as with synthetic images of the dose: effort.
    EqualSteps,
    /// Real images only, each shown as often as beside synthetic images of the dose, which is in
    /// fewer steps: repetition that synthetic images take the place of.
    EqualPasses,
    /// Each real image as often again as the dose has synthetic ones: repetition.
    Duplicate,
    /// As many further real images of the pool as the dose has synthetic ones, as far as there are
    /// any: the most that a generator tuned on the pool could hand over.
    Pool,
}

impl Control {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 5] =
        [Self::Reseeded, Self::EqualSteps, Self::EqualPasses, Self::Duplicate, Self::Pool];

    /// The name in study files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reseeded => "reseeded",
            Self::EqualSteps => "equal-steps",
            Self::EqualPasses => "equal-passes",
            Self::Duplicate => "duplicate",
            Self::Pool => "pool",
        }
    }

    /// What is different from real only, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Reseeded => "trained again from another seed",
            Self::EqualSteps => "trained for as many steps as with synthetic images",
            Self::EqualPasses => "shown each real image as often as beside synthetic images",
            Self::Duplicate => "with each real image repeated instead of synthetic images",
            Self::Pool => "with further real images of the pool instead of synthetic images",
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
    /// How they are used; empty: like real images.
    pub usage: String,
}

/// The images that a classifier is trained on beside the real ones. The order is that of tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
        let (variant, usage) = (variant.to_owned(), String::new());
        Self::Synthetic(Synthetic { strategy, variant, usage })
    }

    /// The arm of the same images whose use is the plain one.
    pub fn plain(&self) -> Self {
        match self {
            Self::Synthetic(Synthetic { strategy, variant, .. }) => Self::of(*strategy, variant),
            Self::Real | Self::Control(_) => self.clone(),
        }
    }

    /// Where its synthetic images come from, if it has any.
    pub fn synthetic(&self) -> Option<&Synthetic> {
        match self {
            Self::Synthetic(synthetic) => Some(synthetic),
            Self::Real | Self::Control(_) => None,
        }
    }

    /// Whether there is a dose to it.
    pub fn has_dose(&self) -> bool {
        match self {
            Self::Real | Self::Control(Control::Reseeded) => false,
            Self::Control(_) | Self::Synthetic(_) => true,
        }
    }

    /// The arm that this one varies: of a use the plain use of the same images, of a variant's
    /// images the generator's own.
    pub fn varied(&self) -> Option<Self> {
        let Synthetic { strategy, variant, usage } = self.synthetic()?;
        if !usage.is_empty() {
            return Some(self.plain());
        }
        (!variant.is_empty()).then(|| Self::of(*strategy, ""))
    }
}

/// `real`, `reseeded`, `text-to-image`, of a variant `text-to-image@lora`, in a use
/// `text-to-image+light`: the name in labels, keys and results.
impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real => f.pad("real"),
            Self::Control(control) => f.pad(control.name()),
            Self::Synthetic(Synthetic { strategy, variant, usage }) => {
                let part = |mark: &str, name: &str| match name {
                    "" => String::new(),
                    name => format!("{mark}{name}"),
                };
                f.pad(&format!("{}{}{}", strategy.name(), part("@", variant), part("+", usage)))
            }
        }
    }
}

/// A name that no arm has.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "no arm is called `{0}`; arms are `real`, `reseeded`, `equal-steps`, `equal-passes`, `duplicate`, \
     `pool`, and `text-to-image`, `inpaint` and `in-then-outpaint`, with `@` and a name for a variant of the \
     generator, then `+` and a name for a use"
)]
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
        let (made, usage) = name.split_once('+').unwrap_or((name, ""));
        let (strategy, variant) = made.split_once('@').unwrap_or((made, ""));
        let strategy = Strategy::ALL.into_iter().find(|known| known.name() == strategy);
        let (variant, usage) = (variant.to_owned(), usage.to_owned());
        strategy
            .filter(|_| !name.ends_with(['@', '+']) && !made.ends_with('@'))
            .map(|strategy| Self::Synthetic(Synthetic { strategy, variant, usage }))
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
        let names = [
            "real",
            "reseeded",
            "pool",
            "text-to-image",
            "text-to-image+light",
            "text-to-image@a@b",
            "text-to-image@a@b+light",
            "inpaint",
        ];
        let arms = names.map(|name| name.parse::<Arm>().unwrap());
        assert_eq!(arms.each_ref().map(Arm::to_string), names);
        assert!(arms.is_sorted(), "{arms:?}");
        let varied = arms.each_ref().map(Arm::varied);
        let plain = [None, None, None, None, Some(3), Some(3), Some(5), None];
        assert_eq!(varied, plain.map(|at: Option<usize>| at.map(|at| arms[at].clone())));
        for unknown in ["", "real@a", "real+a", "outpaint", "inpaint@", "inpaint+", "inpaint@+a"] {
            assert_eq!(unknown.parse::<Arm>(), Err(UnknownArm(unknown.to_owned())));
        }
    }
}
