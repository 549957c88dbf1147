//! Released images that were made from the pool's.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary::Strategy;

/// The images `first..first + generations` of each of the pool's images of a class, of the inputs
/// `unpacked/...`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Released {
    /// The class.
    pub class: String,
    /// How the images were made.
    pub strategy: Strategy,
    /// Number of the first image of each source.
    pub first: usize,
    /// Images of each source.
    pub generations: usize,
}

impl Spec for Released {
    const KIND: Kind =
        Kind { name: "released", version: 1, noun: "released shard", on_device: false };
}

impl Released {
    /// One task's work, for a pool of `pool` images of the class.
    pub fn work(&self, pool: usize) -> Work {
        Work::of([(Unit::Images, pool * self.generations)])
    }
}
