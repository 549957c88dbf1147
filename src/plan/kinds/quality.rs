//! Quality and copying: synthetic beside real images in the space of a backbone's features.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, ShardSet, Spec};
use crate::plan::work::Work;
use crate::vocabulary::Arm;

/// Features of the inputs `pool`, `held_out` and of those that the shards name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quality {
    /// The arms whose images are compared.
    pub arms: Vec<Arm>,
    /// The features of the synthetic images of each arm and class.
    pub shards: Vec<ShardSet>,
    /// Pool positions of the real images whose synthetic ones are compared, by class: the classes
    /// that are compared.
    pub sources: BTreeMap<String, Vec<usize>>,
    /// Synthetic images of each source: those with smaller numbers.
    pub generations: usize,
}

impl Spec for Quality {
    const KIND: Kind =
        Kind { name: "quality", version: 1, noun: "quality check", on_device: false };
}

impl Quality {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(5.0)
    }
}
