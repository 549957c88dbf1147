//! How long the tasks of a plan would take, and how much they would keep, from those of their kind
//! that have run.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::cli::units::{duration, size};
use crate::plan::{Assessment, Freshness, Graph};
use crate::store::Store;
use crate::wording::some_of;

/// So many receipts of a kind are read.
const OF_A_KIND: usize = 50;

/// How many kinds are named that nothing is known of.
const NAMES: usize = 6;

/// What is known of each kind.
pub(super) struct Rates {
    kinds: BTreeMap<&'static str, Rate>,
}

/// Tasks of a kind that have run.
#[derive(Default)]
struct Rate {
    tasks: usize,
    /// What the plan expected of them, in seconds of one core.
    cost: f64,
    /// Wall time over all attempts.
    seconds: f64,
    /// Of their outputs.
    bytes: u64,
}

impl Rates {
    /// From the receipts of the plan's tasks that are done, the first 50 of each kind.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn of(graph: &Graph, assessed: &[Assessment], store: &Store) -> Result<Self> {
        let mut kinds = BTreeMap::<_, Rate>::new();
        for id in graph.ids() {
            let task = graph.task(id);
            let assessment = &assessed[id.index()];
            let Freshness::Fresh(artifact) = &assessment.freshness else { continue };
            let rate = kinds.entry(task.kind.name).or_default();
            if rate.tasks == OF_A_KIND {
                continue;
            }
            let key = assessment.key().expect("a fresh task has a key");
            if let Some(receipt) = store.receipt(&key)? {
                rate.tasks += 1;
                rate.cost += task.work.seconds();
                rate.seconds += receipt.cost.wall_s;
                rate.bytes += artifact.entries().iter().map(|entry| entry.size).sum::<u64>();
            }
        }
        Ok(Self { kinds })
    }

    /// A sentence on what is to do: time and bytes, and the kinds of which none has run yet. Empty
    /// where nothing is to do.
    pub fn forecast(&self, graph: &Graph, assessed: &[Assessment]) -> String {
        let (mut seconds, mut bytes, mut known) = (0.0, 0.0, 0);
        let mut unknown = BTreeMap::<&str, usize>::new();
        for id in graph.ids() {
            if matches!(assessed[id.index()].freshness, Freshness::Fresh(_)) {
                continue;
            }
            let task = graph.task(id);
            match self.kinds.get(task.kind.name).filter(|rate| rate.cost > 0.0) {
                Some(rate) => {
                    known += 1;
                    seconds += task.work.seconds() * rate.seconds / rate.cost;
                    bytes += rate.bytes as f64 / rate.tasks as f64;
                }
                None => *unknown.entry(task.kind.name).or_default() += 1,
            }
        }
        let mut text = String::new();
        if known > 0 {
            let tasks = if known == 1 { "task" } else { "tasks" };
            text.push_str(&format!(
                "as the tasks of their kinds went that have run here: {known} {tasks}, {} one after another, \
                 about {} to keep\n",
                duration(seconds),
                size(bytes as u64)
            ));
        }
        let count = unknown.values().sum::<usize>();
        if count > 0 {
            let named = unknown.iter().map(|(kind, tasks)| format!("{kind} ({tasks})"));
            let tasks = if count == 1 { "task" } else { "tasks" };
            text.push_str(&format!(
                "of unknown length, as none of their kind has run here: {count} {tasks}: {}; \
                 `titrate reproduce --only LABEL` runs one\n",
                some_of(&named.collect::<Vec<_>>(), NAMES, ", ")
            ));
        }
        text
    }
}
