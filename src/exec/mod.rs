//! Execution: what is stale runs, each task in a worker process of its own, as many at once as
//! asked for; on this machine, by a command that starts it elsewhere, or as a job of a cluster.
//!
//! May import `id`, `plan`, `regular`, `replace`, `store` and `wording`. It is handed the code that runs a
//! task and never talks to a terminal: it emits [`Event`]s.

mod attempts;
mod command;
mod coordinator;
mod earlier;
mod elsewhere;
mod event;
mod executor;
mod gpus;
mod journal;
mod log;
mod machine;
mod obtain;
mod open;
mod process;
mod profile;
mod protocol;
mod queue;
mod slurm;
mod spent;
mod worker;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use coordinator::run;
pub use elsewhere::serve_task;
pub use event::{Counts, Event};
pub use gpus::Gpus;
pub use journal::{Journal, recorded_keys};
pub use obtain::Elsewhere;
pub use profile::{Place, Profile, ProfileError};
pub use slurm::standing;
pub use worker::{Outputs, Run, StepError, serve};

use crate::store::StoreError;

/// How to run a graph.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where tasks run.
    pub place: Place,
    /// Tasks that may run at once; at least 1.
    pub jobs: usize,
    /// Threads that all running tasks may keep busy together; at least 1.
    pub cores: usize,
    /// The GPUs that tasks which compute on one get, one task a GPU. Empty: one task at a time has
    /// the one that CUDA finds first.
    pub gpus: Vec<String>,
    /// Bytes of memory that running tasks may have together, by what their kinds state and have
    /// taken before. A task that needs more runs alone.
    pub memory: u64,
    /// Start what does not depend on a failed task, instead of nothing more.
    pub keep_going: bool,
    /// The arguments that make this program a worker: it then has to call [`serve`].
    pub worker: Vec<OsString>,
    /// Set from outside to stop: running tasks are ended, nothing finished is lost.
    pub interrupt: Arc<AtomicBool>,
    /// Where results are looked for before their tasks run.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
}

/// The cores that this process may use: RAYON_NUM_THREADS where set, else what the system says: the
/// processors that it may run on, or fewer where a control group (a container, a job of a cluster) has
/// a quota of their time.
pub fn cores() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|text| text.parse::<usize>().ok())
        .filter(|count| *count > 0);
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
}

/// Bytes of memory that tasks may have together unless a user says otherwise: nine tenths of what
/// this process may have; no limit where that is not known.
pub fn memory() -> u64 {
    machine::memory().map_or(u64::MAX, |bytes| bytes / 10 * 9)
}

/// How a run came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How many tasks ran, were cached, failed or were not reached.
    pub counts: Counts,
    /// Artifacts by [`crate::plan::TaskId::index`], of the tasks that are done.
    pub artifacts: Vec<Option<crate::store::Artifact>>,
    /// What every task that ran took, in the order of finishing.
    pub timings: Vec<Timing>,
    /// Why the run ended.
    pub stop: Stop,
}

/// What a task that ran took.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The task's label.
    pub label: String,
    /// The name of the task's kind.
    pub kind: String,
    /// Wall time.
    pub seconds: f64,
    /// What it last said of its speed, such as 12.5 `images` a second.
    pub rate: Option<(f64, String)>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing was left to do, or nothing that could be done.
    Finished,
    /// The user asked to stop.
    Interrupted,
    /// A worker could not write: the disk is full.
    NoSpace,
    /// An object that no task of the graph makes is missing or damaged.
    LostInput,
}

/// What keeps a run from going on at all. A failing task is no such thing.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The profile can't be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A file, folder or program that the run needs can't be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as "write the journal".
        action: &'static str,
        /// The file, folder or program.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl ExecError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}
