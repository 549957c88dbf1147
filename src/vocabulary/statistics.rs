//! How a family of hypotheses is corrected.

use serde::{Deserialize, Serialize};

/// The correction of a family of p values for multiple comparisons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// It bounds the false discovery rate where hypotheses are independent or positively dependent
    /// (Benjamini and Hochberg 1995).
    #[default]
    BenjaminiHochberg,
    /// It bounds the false discovery rate under any dependence (Benjamini and Yekutieli 2001).
    BenjaminiYekutieli,
    /// It bounds the probability of any false rejection, under any dependence (Holm 1979).
    Holm,
}

impl Correction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BenjaminiHochberg, Self::BenjaminiYekutieli, Self::Holm];

    /// The name in study files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::BenjaminiHochberg => "benjamini-hochberg",
            Self::BenjaminiYekutieli => "benjamini-yekutieli",
            Self::Holm => "holm",
        }
    }
}
