//! The generator check: the probe's judgement of synthetic and reconstructed images.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, ShardSet, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary::Arm;

/// The shards of a class and strategy are the inputs whose role begins with `<strategy>/<class>/`,
/// `base/<class>/` for the untuned model's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// The study's classes.
    pub classes: Vec<String>,
    /// The arms with synthetic images.
    pub arms: Vec<Arm>,
    /// The synthetic images of each arm and class.
    pub shards: Vec<ShardSet>,
    /// Coverage of the intervals, 0 to 1.
    pub confidence: f64,
    /// Side of the squares that the probe sees; 0: as they are.
    pub size: usize,
}

impl Spec for Check {
    const KIND: Kind = Kind { name: "check", version: 3, noun: "generator check", on_device: true };
}

impl Check {
    /// The work of judging `images` images, of which `encoded` go through the autoencoder.
    pub fn work(&self, images: usize, encoded: usize) -> Work {
        let mut work = Work::of([(Unit::Features, images), (Unit::Encodings, encoded)]);
        work.add(&Work::about(0.1));
        work
    }
}
