//! Scores, intervals, tests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;
use crate::study::Cell;

/// The parameters of an analysis.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Analysis {
    /// The cell behind each input role.
    pub cells: BTreeMap<String, Cell>,
    /// Coverage of every interval, 0 to 1.
    pub confidence: f64,
    /// False discovery rate, 0 to 1.
    pub q: f64,
}

impl Spec for Analysis {
    const KIND: Kind = Kind { name: "analysis", version: 7, noun: "analysis", on_device: false };
}

impl Analysis {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(5.0)
    }
}
