//! The images that a classifier of the experiment trains on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocabulary::Mixture;

/// Sampled real images, and what an arm adds to them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainingImages {
    /// Positions in the pool of the real images to train on, a list for each class.
    pub sources: BTreeMap<String, Vec<usize>>,
    /// Synthetic images per real image; 0: real only.
    pub dose: usize,
    /// Doses of the classes that have another one; absent: none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doses: Option<BTreeMap<String, usize>>,
    /// Synthetic images of each real one that those with the highest scores (inputs `scores/...`)
    /// are taken of; absent: the first are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<usize>,
    /// How batches are made of both; absent: images come as they are, all alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Mixture>,
    /// Times that a pass shows each image; absent: once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<usize>,
    /// The only class that dose and repeats are for; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_to: Option<String>,
}

impl TrainingImages {
    /// Whether the arm adds images of a class.
    pub fn adds_to(&self, class: &str) -> bool {
        self.added_to.as_ref().is_none_or(|only| only == class)
    }

    /// Synthetic images of a class for each real one.
    pub fn dose_of(&self, class: &str) -> usize {
        let own = self.doses.as_ref().and_then(|doses| doses.get(class));
        if self.adds_to(class) { own.copied().unwrap_or(self.dose) } else { 0 }
    }

    /// Images of a pass.
    pub fn count(&self) -> usize {
        let of = |(class, positions): (&String, &Vec<usize>)| {
            let times = if self.adds_to(class) { self.repeats.unwrap_or(1) } else { 1 };
            positions.len() * (1 + self.dose_of(class)) * times
        };
        self.sources.iter().map(of).sum()
    }
}
