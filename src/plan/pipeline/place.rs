//! Where a shard of synthetic images lies in the experiment: class, replicate, block of sources, generations.

use std::collections::BTreeMap;

use crate::plan::TaskId;
use crate::study::{Cell, Study};

/// The shards of each (strategy name or "base", class).
pub type Shards = BTreeMap<(String, String), Vec<Shard>>;

/// What one shard covers.
pub struct Place<'a> {
    pub class: &'a str,
    pub replicate: usize,
    /// Position among the replicate's blocks of sources.
    pub block: usize,
    /// First generation index.
    pub first: usize,
    /// Pool positions.
    pub sources: &'a [usize],
}

impl Place<'_> {
    /// `psoriasis/r0/sources-0/generations-5`.
    pub fn path(&self) -> String {
        format!("{}/r{}/sources-{}/generations-{}", self.class, self.replicate, self.block, self.first)
    }

    pub fn shard(&self, task: TaskId) -> Shard {
        Shard { task, replicate: self.replicate, block: self.block, first: self.first }
    }
}

/// A shard's task and place.
pub struct Shard {
    pub task: TaskId,
    pub replicate: usize,
    pub block: usize,
    pub first: usize,
}

impl Shard {
    /// Whether `cell` trains on some of the shard's images.
    pub fn serves(&self, cell: &Cell, study: &Study) -> bool {
        self.replicate == cell.replicate
            && self.block * study.generator.sampling.sources_per_shard < cell.n
            && cell.synthetic.is_some_and(|synthetic| self.first < synthetic.dose)
    }

    /// The input role under which a task reads it: `<prefix>/<class>/r0.0.5`.
    pub fn role(&self, prefix: &str, class: &str) -> String {
        format!("{prefix}/{class}/r{}.{}.{}", self.replicate, self.block, self.first)
    }
}
