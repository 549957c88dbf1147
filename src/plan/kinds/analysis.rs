//! Scores, intervals, tests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;
use crate::study::Cell;
use crate::vocabulary::{Comparison, Correction, Rule};

/// The file of the input `ratings`, where there is one: readers' ratings of synthetic images.
pub const RATINGS: &str = "ratings.csv";

/// The parameters of an analysis.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Analysis {
    /// The cell behind each input role.
    pub cells: BTreeMap<String, Cell>,
    /// Coverage of every interval, 0 to 1.
    pub confidence: f64,
    /// The rate that the correction bounds, 0 to 1.
    pub q: f64,
    /// The correction of families.
    pub correction: Correction,
    /// Comparisons beside those with real only, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub comparisons: BTreeMap<String, Comparison>,
    /// The rules of the claims that these classifiers decide, by the claim's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Rule>,
}

impl Spec for Analysis {
    const KIND: Kind = Kind { name: "analysis", version: 9, noun: "analysis", on_device: false };
}

impl Analysis {
    /// The work on predictions of so many held-out images.
    pub fn work(&self, images: usize) -> Work {
        Work::about(0.2 + 0.000_032 * (self.cells.len() * images) as f64)
    }
}
