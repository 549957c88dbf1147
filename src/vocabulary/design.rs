//! The design of a classifier, and the setting that arms are compared in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Arm, Regime};

/// The design of a classifier: a cell without its replicate. Ordered as tables are: by setting, n,
/// arm and dose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Design {
    /// Real images per class.
    pub n: usize,
    /// The images added to them.
    pub arm: Arm,
    /// Synthetic images per real image; 0 where the arm has none.
    pub dose: usize,
    /// Whether training images are transformed.
    pub transforms: bool,
    /// Which part of the classifier is trained.
    pub regime: Regime,
}

/// The setting of a design, whatever images it is trained on. Ordered as tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// Which part of the classifier is trained.
    pub regime: Regime,
    /// Whether training images are transformed.
    pub transforms: bool,
}

/// `with transforms`, or where not all of the classifier is trained `head, with transforms`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.regime != Regime::Full {
            write!(f, "{}, ", self.regime.name())?;
        }
        f.write_str(if self.transforms { "with transforms" } else { "no transforms" })
    }
}

impl Design {
    /// The part of the design that is equal in all arms that are compared.
    pub fn setting(&self) -> Setting {
        Setting { regime: self.regime, transforms: self.transforms }
    }

    fn rank(&self) -> (Setting, usize, &Arm, usize) {
        (self.setting(), self.n, &self.arm, self.dose)
    }
}

impl PartialOrd for Design {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Design {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transforms = if self.transforms { "transforms" } else { "no transforms" };
        match self.dose {
            0 => write!(f, "n = {}, {}, {transforms}", self.n, self.arm)?,
            dose => write!(f, "n = {}, {} x {dose}, {transforms}", self.n, self.arm)?,
        }
        match self.regime {
            Regime::Full => Ok(()),
            regime => write!(f, ", {}", regime.name()),
        }
    }
}
