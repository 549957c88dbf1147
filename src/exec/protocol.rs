//! What coordinator and worker say to each other: an [`Order`] as JSON on the worker's stdin,
//! [`Message`]s as JSON lines on its stdout. Elsewhere than on the coordinator's machine, both are
//! files in the attempt's folder.

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::plan::Job;
use crate::plan::Progress;

/// Everything a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub job: Job,
    /// Process id of the coordinator that started the worker: a worker whose parent is another
    /// process has been orphaned and ends. `None` for a worker elsewhere, which outlives it.
    pub coordinator: Option<u32>,
    /// The commit that the coordinator found the sources at.
    pub commit: Option<Commit>,
    /// The coordinator's version of titrate.
    pub titrate: String,
}

/// A git commit, with whether tracked files differed from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub name: String,
    pub dirty: bool,
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// First of a worker elsewhere: the number of the attempt, and the machine that it is made on.
    Began {
        attempt: u32,
        host: String,
    },
    Progress(Progress),
    /// The outputs are in the store and the receipt is in its inbox.
    Done,
    /// Ended on request; what there was is kept for the next attempt.
    Stopped,
    Failed {
        cause: Cause,
        error: String,
    },
}

/// Whose fault a failure is; decides what the coordinator does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The step's own.
    Step,
    /// An object that the step reads is missing or damaged.
    Object(Digest),
    /// The disk is full or the store cannot be written.
    Storage,
}

/// The exit code of a worker that ended on request, as `EX_TEMPFAIL` of sysexits.h: run it again.
pub const STOPPED: u8 = 75;

/// Exit codes of `titrate worker`.
impl Cause {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Step => 1,
            Self::Object(_) => 3,
            Self::Storage => 4,
        }
    }
}
