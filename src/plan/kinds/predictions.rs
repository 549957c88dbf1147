//! The predictions of all classifiers as one table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;
use crate::study::Cell;

/// The file of the output.
pub const TABLE: &str = "predictions.csv.gz";

/// The parameters of a table of predictions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Predictions {
    /// The classifier behind each input role.
    pub classifiers: BTreeMap<String, Tabulated>,
}

/// A classifier of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tabulated {
    /// Its cell.
    pub cell: Cell,
    /// The experiments that it belongs to, in the order of the study.
    pub experiments: Vec<String>,
}

impl Spec for Predictions {
    const KIND: Kind =
        Kind { name: "predictions", version: 1, noun: "table of predictions", on_device: false };
}

impl Predictions {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(0.02 + 0.002 * self.classifiers.len() as f64)
    }
}
