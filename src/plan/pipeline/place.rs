//! Where a shard of synthetic images lies in the experiment: class, replicate, block of sources, generations.

use std::collections::BTreeMap;

use crate::plan::TaskId;
use crate::study::{Cell, Generator};

/// The shards of each (arm's name or "base", class).
pub type Shards = BTreeMap<(String, String), Vec<Shard>>;

/// What one shard covers.
pub struct Place<'a> {
    pub generator: &'a Generator,
    pub class: &'a str,
    pub replicate: usize,
    /// The n whose cells alone may use it; None: all.
    pub n: Option<usize>,
    /// Position among the replicate's blocks of sources.
    pub block: usize,
    /// First generation index.
    pub first: usize,
    /// Pool positions.
    pub sources: &'a [usize],
}

impl Place<'_> {
    /// `psoriasis/r0/sources-0/generations-5`, or `psoriasis/r0/n=4/sources-0/generations-5`.
    pub fn path(&self) -> String {
        let n = self.n.map(|n| format!("n={n}/")).unwrap_or_default();
        format!("{}/r{}/{n}sources-{}/generations-{}", self.class, self.replicate, self.block, self.first)
    }

    pub fn shard(&self, task: TaskId) -> Shard {
        let sources = self.block * self.generator.sampling.sources_per_shard;
        Shard { task, replicate: Some(self.replicate), n: self.n, block: self.block, sources, first: self.first }
    }
}

/// A shard's task and place.
pub struct Shard {
    pub task: TaskId,
    /// The replicate whose sources it covers; None: it covers the whole pool.
    pub replicate: Option<usize>,
    pub n: Option<usize>,
    pub block: usize,
    /// Sources of the replicate that the blocks before cover.
    pub sources: usize,
    pub first: usize,
}

impl Shard {
    /// Whether `cell` trains on some of the shard's images.
    pub fn serves(&self, cell: &Cell) -> bool {
        self.replicate.is_none_or(|replicate| replicate == cell.replicate)
            && self.n.is_none_or(|n| n == cell.n)
            && self.sources < cell.n
            && cell.synthetic.as_ref().is_some_and(|synthetic| self.first < synthetic.dose)
    }

    /// The input role under which a task reads it: `<prefix>/<class>/r0.0.5`, or `<prefix>/<class>/r0.n4.0.5`, or, of the whole pool,
    /// `<prefix>/<class>/all.0.5`.
    pub fn role(&self, prefix: &str, class: &str) -> String {
        let n = self.n.map(|n| format!("n{n}.")).unwrap_or_default();
        let replicate = self.replicate.map_or("all".to_owned(), |replicate| format!("r{replicate}"));
        format!("{prefix}/{class}/{replicate}.{n}{}.{}", self.block, self.first)
    }
}
