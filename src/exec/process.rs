//! The coordinator's side of one worker process.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::Instant;

use crate::exec::protocol::{Cause, Message, Order};
use crate::exec::{ExecError, LOG};
use crate::id::Key;
use crate::plan::TaskId;
use crate::regular;
use crate::replace::replace;

/// How many lines of a log an error shows.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 16 << 10;

/// What the thread that reads a worker's stdout passes on.
pub(super) enum Note {
    Told(TaskId, Message),
    /// The worker closed its stdout: it has ended.
    Closed(TaskId),
}

/// A running worker. Dropping it kills the process.
pub(super) struct Worker {
    child: Child,
    pub started: Instant,
    pub log: PathBuf,
    /// What the worker said last about its end.
    pub verdict: Option<Result<(), (Cause, String)>>,
}

/// How a worker ended.
pub(super) enum End {
    Done,
    /// Killed by the signal that Ctrl-C sends.
    Interrupted,
    Failed(Cause, String),
}

impl Worker {
    /// Starts `program` with `arguments` on `order`. Its threads are bounded through the
    /// environment.
    ///
    /// To be called from a thread that lives as long as the worker: the worker dies with the thread
    /// that started it.
    pub fn start(
        id: TaskId,
        arguments: &[OsString],
        order: &Order,
        notes: Sender<Note>,
    ) -> Result<Self, ExecError> {
        let log = order.job.work.join(LOG);
        let stderr =
            open_log(&log).map_err(|source| ExecError::io("open the log", &log, source))?;
        // Not the path of the program: it may have been rebuilt while this one runs.
        let mut child = Command::new("/proc/self/exe")
            .args(arguments)
            .env("RAYON_NUM_THREADS", order.job.threads.to_string())
            .env("CANDLE_NUM_THREADS", "1")
            // A training step frees and takes the same memory again; giving it back between costs a
            // page fault each.
            .env("MIMALLOC_PURGE_DELAY", "-1")
            // A step runs on a thread of the pool, and a backward pass first walks down its graph
            // by recursion.
            .env("RUST_MIN_STACK", (16 << 20).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|source| {
                ExecError::io("start a worker", Path::new("/proc/self/exe"), source)
            })?;
        let stdout = child.stdout.take().expect("piped above");
        let mut stdin = child.stdin.take().expect("piped above");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A line that is no message is a step's stray print.
                if let Ok(message) = serde_json::from_str(&line)
                    && notes.send(Note::Told(id, message)).is_err()
                {
                    return;
                }
            }
            let _ = notes.send(Note::Closed(id));
        });
        let order = serde_json::to_vec(order).expect("an order is plain JSON");
        // A worker that died before reading tells so by closing its stdout.
        let _ = stdin.write_all(&order);
        Ok(Self { child, started: Instant::now(), log, verdict: None })
    }

    /// Waits for the process, whose stdout has closed, and says how it ended.
    pub fn end(mut self) -> Result<End, ExecError> {
        let status = self
            .child
            .wait()
            .map_err(|source| ExecError::io("wait for the worker of", &self.log, source))?;
        Ok(match self.verdict.take() {
            Some(Ok(())) if status.success() => End::Done,
            Some(Err((cause, error))) => End::Failed(cause, error),
            _ if status.signal() == Some(signal_hook::consts::SIGINT) => End::Interrupted,
            _ => End::Failed(Cause::Step, describe(status)),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only where the process has been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn describe(status: ExitStatus) -> String {
    match status.signal() {
        Some(9) => "the worker was killed (signal 9): often the system had no memory left; fewer --jobs need less".into(),
        Some(signal) => format!("the worker died of signal {signal}"),
        None => format!("the worker ended with {status} and no word of its result"),
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines of a log; empty where it cannot be read.
pub(super) fn tail(log: &Path) -> Vec<String> {
    let bytes = regular::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| line.to_string()).collect()
}

/// One more than the attempts at this key that did not finish; notes it beside the log, with the
/// key, so that another task's note counts as none.
pub(super) fn count_attempt(work: &Path, key: Key) -> Result<u32, ExecError> {
    let path = work.join("attempt");
    let noted = regular::read_text(&path, 1 << 16).unwrap_or_default();
    let earlier = noted
        .strip_prefix(&format!("{key} "))
        .and_then(|count| count.trim().parse::<u32>().ok())
        .unwrap_or(0);
    let count = earlier.saturating_add(1);
    replace(&path, format!("{key} {count}\n").as_bytes())
        .map_err(|source| ExecError::io("count attempts in", &path, source))?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_for_their_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let [key, other] = [Key::of(b"task"), Key::of(b"another")];
        let counts = [key, key, other, key].map(|key| count_attempt(folder.path(), key).unwrap());
        assert_eq!(counts, [1, 2, 1, 1]);
    }
}
