//! Real images beside synthetic ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, ShardSet, Spec};
use super::report::Training;
use crate::plan::work::Work;
use crate::vocabulary::Arm;

/// The parameters of a contact sheet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contact {
    /// The study's classes.
    pub classes: Vec<String>,
    /// The arms with synthetic images.
    pub arms: Vec<Arm>,
    /// The synthetic images of each arm and class.
    pub shards: Vec<ShardSet>,
    /// Pool positions of the shown sources, by class.
    pub sources: BTreeMap<String, Vec<usize>>,
    /// The models whose previews are shown.
    pub trainings: Vec<Training>,
}

impl Spec for Contact {
    const KIND: Kind =
        Kind { name: "contact", version: 4, noun: "contact sheet", on_device: false };
}

impl Contact {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(0.15)
    }
}
