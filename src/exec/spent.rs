//! What all attempts at a task have used together: each notes in the task's folder what it has used
//! so far, so that a killed one is counted too, but for its last second.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::exec::machine;
use crate::id::Key;
use crate::regular;
use crate::replace::replace;

/// The note's name in the folder of a task's attempts.
const NAME: &str = "spent";
/// How often the note is written.
const EVERY: Duration = Duration::from_secs(1);

/// What the attempts at a task have used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spent {
    /// The task's, so that a note in the wrong folder counts as none.
    key: Key,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Processor time in seconds.
    pub cpu_s: f64,
    /// The most memory that an attempt had, in bytes.
    pub peak_memory: u64,
}

impl Spent {
    /// What earlier attempts at `key` used; nothing where there is no note that can be read.
    fn read(folder: &Path, key: Key) -> Self {
        let noted = regular::read(&folder.join(NAME)).ok();
        let noted = noted.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let none = Self { key, wall_s: 0.0, cpu_s: 0.0, peak_memory: 0 };
        noted.filter(|spent| spent.key == key).unwrap_or(none)
    }

    /// Together with what this process has used since `clock`.
    fn with_this(self, clock: Instant) -> Self {
        Self {
            wall_s: self.wall_s + clock.elapsed().as_secs_f64(),
            cpu_s: self.cpu_s + machine::cpu_seconds(),
            peak_memory: self.peak_memory.max(machine::peak_memory()),
            ..self
        }
    }

    /// Whole or not at all: a reader finds this note or the one before. A note that cannot be
    /// written costs accuracy and no result.
    fn write(&self, folder: &Path) {
        let bytes = serde_json::to_vec(self).expect("numbers are plain JSON");
        let _ = replace(&folder.join(NAME), &bytes);
    }
}

/// Notes what an attempt uses until it is told to stop.
pub(super) struct Meter {
    earlier: Spent,
    clock: Instant,
    folder: PathBuf,
    writer: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Meter {
    /// Begins an attempt at `key`, whose folder is claimed.
    pub fn start(folder: &Path, key: Key) -> Self {
        let (earlier, clock) = (Spent::read(folder, key), Instant::now());
        let (stop, stopped) = channel();
        let place = folder.to_owned();
        let writer = thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(EVERY) {
                earlier.with_this(clock).write(&place);
            }
        });
        Self { earlier, clock, folder: folder.to_owned(), writer: Some((stop, writer)) }
    }

    /// What all attempts have used together. Nothing is written any more.
    pub fn stop(mut self) -> Spent {
        self.join();
        self.earlier.with_this(self.clock)
    }

    fn join(&mut self) {
        if let Some((stop, writer)) = self.writer.take() {
            drop(stop);
            let _ = writer.join();
        }
    }
}

impl Drop for Meter {
    /// An attempt that fails is counted as well.
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.join();
            self.earlier.with_this(self.clock).write(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_earlier_attempts_used_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (Key::of(b"task"), Key::of(b"another"));
        let killed = Spent { key, wall_s: 50.0, cpu_s: 80.0, peak_memory: 1 << 60 };
        killed.write(folder.path());
        drop(Meter::start(folder.path(), key));
        let all = Meter::start(folder.path(), key).stop();
        assert!(all.wall_s > 50.0 && all.cpu_s >= 80.0, "{all:?}");
        assert_eq!(all.peak_memory, 1 << 60);
        assert!(Meter::start(folder.path(), other).stop().wall_s < 50.0, "another task's note");
        fs::write(folder.path().join(NAME), b"{").unwrap();
        assert!(Meter::start(folder.path(), key).stop().wall_s < 50.0, "a torn note");
    }
}
