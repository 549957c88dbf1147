//! The process that holds a lock, as whoever finds it taken is told, and the name of this machine.

use std::fmt;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// The process that holds a lock, as it described itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process's id; 0 where it is not known.
    pub pid: u32,
    /// The name of its machine.
    pub host: String,
    /// Its command line.
    pub command: String,
}

impl Holder {
    /// This process.
    pub fn this_process() -> Self {
        let command = std::env::args_os()
            .map(|part| part.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ");
        Self { pid: std::process::id(), host: host_name(), command }
    }

    /// Whether it was a process of this machine that has ended.
    pub(super) fn has_ended(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        self.host == host_name()
            && pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
    }
}

/// What this machine calls itself.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {} (`{}`)", self.pid, self.host, self.command)
    }
}
