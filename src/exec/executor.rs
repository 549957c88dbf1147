//! What starts a ready task and learns of its end.

use std::path::PathBuf;
use std::time::Duration;

use crate::exec::ExecError;
use crate::exec::protocol::{Cause, Order};
use crate::plan::{Progress, TaskId};

/// Starts tasks, on this machine or elsewhere, and tells how they fare.
///
/// A task that was started is told of once as [`Note::Ended`], unless it is forgotten before.
pub(super) trait Executor {
    /// Takes over a task. It may wait until [`Executor::flush`] for others like it.
    fn start(&mut self, id: TaskId, order: Order) -> Result<(), ExecError>;

    /// Starts what was taken over since.
    fn flush(&mut self) -> Result<(), ExecError>;

    /// What happened since, waiting for it `limit` at most.
    fn wait(&mut self, limit: Duration) -> Result<Vec<Note>, ExecError>;

    /// The most memory that a running task has had so far, in bytes; none where that is not known.
    fn peak_memory(&self, _id: TaskId) -> Option<u64> {
        None
    }

    /// The task's result is there, from whichever attempt: nothing more is told of it.
    fn forget(&mut self, id: TaskId);

    /// Nothing that has not begun is to begin any more.
    fn withdraw(&mut self);

    /// Ends all tasks that it started, and says what could not be ended.
    fn stop(&mut self) -> Vec<String>;
}

/// What an executor tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Note {
    /// A task began elsewhere. It may begin again.
    Began {
        id: TaskId,
        attempt: u32,
    },
    Told(TaskId, Progress),
    Ended {
        id: TaskId,
        end: End,
        log: PathBuf,
    },
    /// Something that concerns no single task, or no end of one.
    Remark(String),
}

/// How a task's last attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Done,
    /// Killed by the signal that Ctrl-C sends.
    Interrupted,
    /// Taken back before it began.
    Withdrawn,
    Failed(Cause, String),
}
