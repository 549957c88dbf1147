//! The settings of an analysis, and the held-out images that everything is measured on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::AnalysisError;
use crate::fst;
use crate::metrics::Predictions;
use crate::stats::influence::Sample;
use crate::vocabulary::Correction;

/// Settings of the analysis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Coverage of the intervals, between 0 and 1.
    pub confidence: f64,
    /// The rate that the correction of a family bounds, between 0 and 1.
    pub q: f64,
    /// The correction of families.
    pub correction: Correction,
}

impl Config {
    /// # Errors
    /// If a share is out of range.
    pub fn check(&self) -> Result<(), AnalysisError> {
        let expected = "a number between 0 and 1";
        match [("confidence", self.confidence), ("q", self.q)]
            .into_iter()
            .find(|(_, share)| !(*share > 0.0 && *share < 1.0))
        {
            Some((name, share)) => {
                Err(AnalysisError::Config { name, found: share.to_string(), expected })
            }
            None => Ok(()),
        }
    }
}

/// Held-out images by what they are counted by.
pub struct HeldOut {
    pub sample: Sample,
    pub by_fst: BTreeMap<u8, Vec<usize>>,
    /// By pair of skin types, of the images of known ones.
    pub by_pair: BTreeMap<&'static str, Vec<usize>>,
}

impl HeldOut {
    pub fn of(predictions: &Predictions) -> Self {
        let mut by_fst = BTreeMap::<u8, Vec<usize>>::new();
        let mut by_pair = BTreeMap::<_, Vec<usize>>::new();
        for (index, image) in predictions.images().iter().enumerate() {
            if let Some(fst) = image.fst {
                by_fst.entry(fst).or_default().push(index);
            }
            if let Some(pair) = image.fst.and_then(fst::bin) {
                by_pair.entry(pair).or_default().push(index);
            }
        }
        Self { sample: Sample::of(predictions), by_fst, by_pair }
    }
}
