//! What happens during a run, as one typed stream: terminal bars, the journal and `--json` all read
//! it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Key};
use crate::plan::{Graph, Progress, Reason};

/// Counts of tasks at the end of a run. `ran + cached + failed + unreached == tasks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tasks of the graph.
    pub tasks: usize,
    /// Executed by this run, with success.
    pub ran: usize,
    /// Their artifacts were there already, or came from another task with the same key.
    pub cached: usize,
    /// Executed by this run, without success.
    pub failed: usize,
    /// Neither tried nor found: behind a failure, or the run stopped before them.
    pub unreached: usize,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// First of a run. A cost is what the plan expects, in seconds of one core.
    Opened {
        /// How many tasks the graph has.
        tasks: usize,
        /// The cost of all tasks together.
        cost: f64,
        /// The cost of the tasks of each kind, by its name.
        kinds: BTreeMap<String, f64>,
        /// How many tasks may run at once.
        jobs: usize,
    },
    /// A task's artifact is there already.
    Cached {
        /// The task's label.
        label: String,
        /// The name of the task's kind.
        kind: String,
        /// The task's key.
        key: Key,
        /// The cost that the plan expects, in seconds of one core.
        cost: f64,
        /// Wall time that the task took, over all its attempts; told of the first few of each kind.
        seconds: Option<f64>,
    },
    /// A task was handed over to be started elsewhere.
    Submitted {
        /// The task's label.
        label: String,
        /// The name of the task's kind.
        kind: String,
        /// The task's key.
        key: Key,
    },
    /// An attempt at a task began.
    Started {
        /// The task's label.
        label: String,
        /// The name of the task's kind.
        kind: String,
        /// The task's key.
        key: Key,
        /// Why the task has to run.
        reason: Reason,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Threads that the task may keep busy.
        threads: usize,
        /// The cost that the plan expects, in seconds of one core.
        cost: f64,
    },
    /// A running task told how far it is.
    Progress {
        /// The task's label.
        label: String,
        /// How far the task is.
        #[serde(flatten)]
        progress: Progress,
    },
    /// A task ran to its end.
    Finished {
        /// The task's label.
        label: String,
        /// The name of the task's kind.
        kind: String,
        /// The task's key.
        key: Key,
        /// The digest of what it made.
        artifact: Digest,
        /// Wall time since the task began, in seconds.
        seconds: f64,
        /// The cost that the plan expected, in seconds of one core.
        cost: f64,
    },
    /// `object`, which `label` reads, was found damaged; the tasks that made it run again, then
    /// `label`.
    Repairing {
        /// The label of the task that reads the object.
        label: String,
        /// The object's digest.
        object: Digest,
        /// The labels of the tasks that made it, which run again.
        producers: Vec<String>,
    },
    /// A second run of one key gave other bytes. The first result stays.
    Diverged {
        /// The task's label.
        label: String,
        /// The task's key.
        key: Key,
        /// The digest of the artifact that stays.
        kept: Digest,
        /// The digest of the other artifact.
        other: Digest,
    },
    /// A task failed, and this run does not try it again.
    Failed {
        /// The task's label.
        label: String,
        /// The name of the task's kind.
        kind: String,
        /// The task's key.
        key: Key,
        /// The error, in words.
        error: String,
        /// The file of the attempt's log.
        log: std::path::PathBuf,
        /// The last lines of the log; empty where it can't be read.
        log_tail: Vec<String>,
    },
    /// `label` cannot run because `behind` failed.
    Blocked {
        /// The label of the task that can't run.
        label: String,
        /// The label of the task that failed.
        behind: String,
    },
    /// Something that concerns how tasks are run, such as one that is submitted again.
    Remark {
        /// The remark, in words.
        text: String,
    },
    /// The user asked to stop.
    Interrupted,
    /// Last of a run.
    Closed {
        /// How many tasks ran, were cached, failed or were not reached.
        counts: Counts,
        /// Wall time of the run, in seconds.
        seconds: f64,
    },
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
