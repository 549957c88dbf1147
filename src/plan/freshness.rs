//! Which tasks are done already, and why the others are not.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Key};
use crate::plan::graph::{Graph, Input, Task, TaskId};
use crate::plan::manifest::{Change, Manifest, differences};
use crate::store::{Artifact, Store, StoreError};

/// Where a task stands.
#[derive(Clone, Debug)]
pub enum Freshness {
    /// A valid receipt for its key exists and its objects are intact, or noted as lying elsewhere.
    Fresh(Artifact),
    /// All its inputs are known and it has to run.
    Stale(Reason),
    /// The inputs with these roles are not known yet, so neither is its key.
    Unknown(Vec<String>),
}

/// Why a task has to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// No task of this label has run in this store.
    NeverRan,
    /// The manifest differs from the one that the label last ran with.
    Changed(Vec<Change>),
    /// It ran, and the objects with these names are missing or damaged.
    Damaged(Vec<(String, Digest)>),
    /// It ran with this manifest, but its receipt is gone.
    NoReceipt,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |items: Vec<String>| items.join("; ");
        match self {
            Self::NeverRan => f.write_str("never ran"),
            Self::Changed(changes) => {
                f.write_str(&list(changes.iter().map(Change::to_string).collect()))
            }
            Self::Damaged(objects) => {
                let named = objects.iter().map(|(name, digest)| {
                    format!("output {name} ({}) is missing or damaged", digest.short())
                });
                f.write_str(&list(named.collect()))
            }
            Self::NoReceipt => f.write_str("its receipt is gone"),
        }
    }
}

/// The freshness of a task, and the manifest that decided it.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// The task's manifest; `None` where an input does not exist yet.
    pub manifest: Option<Manifest>,
    /// Whether the task has to run, and why.
    pub freshness: Freshness,
}

impl Assessment {
    /// The key of the manifest.
    pub fn key(&self) -> Option<Key> {
        self.manifest.as_ref().map(Manifest::key)
    }
}

/// Assesses one task, given what is known of the tasks that it reads.
///
/// # Errors
/// If the store cannot be read.
pub fn assess<'a>(
    graph: &Graph,
    id: TaskId,
    artifact_of: impl Fn(TaskId) -> Option<&'a Artifact>,
    store: &Store,
) -> Result<Assessment, StoreError> {
    let task = graph.task(id);
    let unknown = |input: &Input| match input {
        Input::Task(id) => artifact_of(*id).is_none(),
        Input::Absent(_) => true,
        Input::Files(_) | Input::Imported(_) => false,
    };
    let roles: Vec<String> = task
        .inputs
        .iter()
        .filter(|(_, input)| unknown(input))
        .map(|(role, _)| role.clone())
        .collect();
    if !roles.is_empty() {
        return Ok(Assessment { manifest: None, freshness: Freshness::Unknown(roles) });
    }
    let digest_of =
        |id| artifact_of(id).expect("the roles above hold every unknown input").digest();
    let manifest = Manifest::new(task, graph.numerics(), digest_of);
    let freshness = judge(task, &manifest, store)?;
    Ok(Assessment { manifest: Some(manifest), freshness })
}

fn judge(task: &Task, manifest: &Manifest, store: &Store) -> Result<Freshness, StoreError> {
    let key = manifest.key();
    if let Some(finished) = store.finished(&key)? {
        let damages = store.integrity(&finished.output)?.damages;
        if damages.is_empty() || store.is_elsewhere(&finished.output, &damages) {
            return Ok(Freshness::Fresh(finished.output));
        }
        let objects = damages.into_iter().map(|damage| (damage.name, damage.digest));
        return Ok(Freshness::Stale(Reason::Damaged(objects.collect())));
    }
    Ok(Freshness::Stale(match store.history(&task.label)?.last() {
        None => Reason::NeverRan,
        Some(last) if *last == key => Reason::NoReceipt,
        Some(last) => match store.receipt(last)? {
            None => Reason::NoReceipt,
            Some(receipt) => Reason::Changed(differences(&receipt.manifest, manifest.text())),
        },
    }))
}

/// Assesses every task in topological order; the result is indexed by [`TaskId::index`].
///
/// # Errors
/// If the store cannot be read.
pub fn walk(graph: &Graph, store: &Store) -> Result<Vec<Assessment>, StoreError> {
    let mut assessed: Vec<Assessment> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let known = |input: TaskId| match &assessed[input.index()].freshness {
            Freshness::Fresh(artifact) => Some(artifact),
            _ => None,
        };
        let next = assess(graph, id, known, store)?;
        assessed.push(next);
    }
    Ok(assessed)
}
