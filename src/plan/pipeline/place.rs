//! Where a shard of synthetic images lies in the experiment: class, replicate, block of sources,
//! generations.

use std::collections::BTreeMap;

use crate::plan::TaskId;
use crate::study::Cell;
use crate::vocabulary::Arm;

/// The shards of each arm and class; of no arm: the untuned model's.
pub type Shards = BTreeMap<(Option<Arm>, String), Vec<Shard>>;

/// The beginning of the roles of an arm's shards.
pub fn prefix(arm: &Option<Arm>) -> String {
    arm.as_ref().map_or(UNTUNED.to_owned(), Arm::to_string)
}

/// Sources shown in a contact sheet, per class.
pub const SHOWN: usize = 4;

/// The name of a model that is not tuned.
pub const UNTUNED: &str = "base";

/// What one shard covers.
pub struct Place<'a> {
    pub class: &'a str,
    /// The replicate whose order the blocks follow; None: the pool's, for all replicates.
    pub replicate: Option<usize>,
    /// The n whose cells alone may use it; None: all.
    pub n: Option<usize>,
    /// Position among the blocks of sources.
    pub block: usize,
    /// First generation index.
    pub first: usize,
    /// Pool positions.
    pub sources: &'a [usize],
}

impl Place<'_> {
    /// `psoriasis/r0/sources-0/generations-5`, or `psoriasis/r0/n=4/sources-0/generations-5`, or of
    /// all replicates `psoriasis/all/sources-0/generations-5`.
    pub fn path(&self) -> String {
        let n = self.n.map(|n| format!("n={n}/")).unwrap_or_default();
        format!(
            "{}/{}/{n}sources-{}/generations-{}",
            self.class,
            named(self.replicate),
            self.block,
            self.first
        )
    }

    /// The shard of the place, of `generations` of each source.
    pub fn shard(&self, task: TaskId, generations: usize) -> Shard {
        Shard {
            task,
            replicate: self.replicate,
            n: self.n,
            block: self.block,
            sources: Some(self.sources.to_vec()),
            first: self.first,
            images: self.sources.len() * generations,
        }
    }
}

fn named(replicate: Option<usize>) -> String {
    replicate.map_or("all".to_owned(), |replicate| format!("r{replicate}"))
}

/// A shard's task and place.
pub struct Shard {
    pub task: TaskId,
    /// The replicate that alone may use it; None: all.
    pub replicate: Option<usize>,
    pub n: Option<usize>,
    pub block: usize,
    /// Pool positions of its sources; None: all.
    pub sources: Option<Vec<usize>>,
    pub first: usize,
    /// Images in it.
    pub images: usize,
}

/// The shards of a list that cells of a replicate may use. A list has those of all replicates first,
/// then those of each in the order of replicates.
pub fn of_replicate(shards: &[Shard], replicate: usize) -> impl Iterator<Item = &Shard> {
    let below = |limit: Option<usize>| shards.partition_point(move |it| it.replicate < limit);
    let (all, from) = (below(Some(0)), below(Some(replicate)));
    shards[..all].iter().chain(&shards[from..below(Some(replicate + 1))])
}

impl Shard {
    /// Whether some of its images are made from one of these of the pool.
    pub fn is_of(&self, positions: &[usize]) -> bool {
        self.sources
            .as_ref()
            .is_none_or(|sources| sources.iter().any(|source| positions.contains(source)))
    }

    /// Whether `cell`, which samples the class's images at `positions` of the pool, trains on some
    /// of the shard's, or chooses from them: of each, the first `made` count.
    pub fn serves(&self, cell: &Cell, positions: &[usize], made: usize) -> bool {
        self.replicate.is_none_or(|replicate| replicate == cell.replicate)
            && self.n.is_none_or(|n| n == positions.len())
            && self.is_of(positions)
            && self.first < made
    }

    /// The input role under which a task reads it: `<prefix>/<class>/r0.0.5`, or
    /// `<prefix>/<class>/r0.n4.0.5`, or, of all replicates, `<prefix>/<class>/all.0.5`.
    pub fn role(&self, prefix: &str, class: &str) -> String {
        let n = self.n.map(|n| format!("n{n}.")).unwrap_or_default();
        format!("{prefix}/{class}/{}.{n}{}.{}", named(self.replicate), self.block, self.first)
    }
}
