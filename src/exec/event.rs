//! What happens during a run, as one typed stream: terminal bars, the journal and `--json` all read
//! it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Key};
use crate::plan::{Graph, Progress, Reason};

/// Counts of tasks at the end of a run. `ran + cached + failed + unreached == tasks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub tasks: usize,
    /// Executed by this run, with success.
    pub ran: usize,
    /// Their artifacts were there already, or came from another task with the same key.
    pub cached: usize,
    pub failed: usize,
    /// Neither tried nor found: behind a failure, or the run stopped before them.
    pub unreached: usize,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// First of a run: how many tasks, their cost by kind and that of all, and how many may run at
    /// once. A cost is what the plan expects, in seconds of one core.
    Opened { tasks: usize, cost: f64, kinds: BTreeMap<String, f64>, jobs: usize },
    /// A task's artifact is there already. `seconds`: how long the task took when it ran, told of the
    /// first of each kind.
    Cached { label: String, kind: String, key: Key, cost: f64, seconds: Option<f64> },
    /// A task was handed over to be started elsewhere.
    Submitted { label: String, kind: String, key: Key },
    Started {
        label: String,
        kind: String,
        key: Key,
        reason: Reason,
        attempt: u32,
        threads: usize,
        cost: f64,
    },
    Progress {
        label: String,
        #[serde(flatten)]
        progress: Progress,
    },
    /// A task ran to its end. `seconds` is wall time.
    Finished { label: String, kind: String, key: Key, artifact: Digest, seconds: f64, cost: f64 },
    /// `object`, which `label` reads, was found damaged; the tasks that made it run again, then
    /// `label`.
    Repairing { label: String, object: Digest, producers: Vec<String> },
    /// A second run of one key gave other bytes. The first result stays.
    Diverged { label: String, key: Key, kept: Digest, other: Digest },
    Failed {
        label: String,
        kind: String,
        key: Key,
        error: String,
        log: std::path::PathBuf,
        log_tail: Vec<String>,
    },
    /// `label` cannot run because `behind` failed.
    Blocked { label: String, behind: String },
    /// Something that concerns how tasks are run, such as one that is submitted again.
    Remark { text: String },
    /// The user asked to stop.
    Interrupted,
    /// Last of a run.
    Closed { counts: Counts, seconds: f64 },
}

impl Event {
    /// That a run of `graph` begins.
    pub fn opened(graph: &Graph, jobs: usize) -> Self {
        let mut kinds = BTreeMap::<String, f64>::new();
        for id in graph.ids() {
            let task = graph.task(id);
            *kinds.entry(task.kind.name.to_owned()).or_default() += task.work.seconds();
        }
        Self::Opened { tasks: graph.len(), cost: kinds.values().sum(), kinds, jobs }
    }
}
