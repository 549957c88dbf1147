//! Workers as processes of this machine, a child of the coordinator each.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::exec::executor::{End, Executor, Note};
use crate::exec::gpus::VISIBLE;
use crate::exec::protocol::{Cause, Message, Order};
use crate::exec::{ExecError, log, machine};
use crate::plan::TaskId;

/// What the thread that reads a worker's stdout passes on.
enum Heard {
    Told(TaskId, Message),
    /// The worker closed its stdout: it has ended.
    Closed(TaskId),
}

/// Starts workers as children, which die with it.
pub(super) struct Children {
    /// The arguments that make this program a worker.
    arguments: Vec<OsString>,
    running: HashMap<TaskId, Worker>,
    heard: (Sender<Heard>, Receiver<Heard>),
}

impl Children {
    pub fn new(arguments: &[OsString]) -> Self {
        Self { arguments: arguments.to_vec(), running: HashMap::new(), heard: channel() }
    }

    fn note(&mut self, heard: Heard) -> Result<Option<Note>, ExecError> {
        let (id, message) = match heard {
            Heard::Told(id, message) => (id, message),
            Heard::Closed(id) => {
                // A worker that was stopped is not there any more.
                let Some(worker) = self.running.remove(&id) else { return Ok(None) };
                let log = worker.log.clone();
                return Ok(Some(Note::Ended { id, end: worker.end()?, log }));
            }
        };
        let Some(worker) = self.running.get_mut(&id) else { return Ok(None) };
        match message {
            Message::Done => worker.verdict = Some(Ok(())),
            Message::Failed { cause, error } => worker.verdict = Some(Err((cause, error))),
            Message::Progress(progress) => return Ok(Some(Note::Told(id, progress))),
            // A worker of this machine has no such thing to tell.
            Message::Began { .. } | Message::Stopped => {}
        }
        Ok(None)
    }
}

impl Executor for Children {
    fn start(&mut self, id: TaskId, order: Order) -> Result<(), ExecError> {
        let worker = Worker::start(id, &self.arguments, &order, self.heard.0.clone())?;
        self.running.insert(id, worker);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ExecError> {
        Ok(())
    }

    fn wait(&mut self, limit: Duration) -> Result<Vec<Note>, ExecError> {
        let first = self.heard.1.recv_timeout(limit).ok();
        let note = first.map(|heard| self.note(heard)).transpose()?.flatten();
        Ok(note.into_iter().collect())
    }

    fn peak_memory(&self, id: TaskId) -> Option<u64> {
        let worker = self.running.get(&id)?;
        Some(machine::peak_memory_of(&worker.child.id().to_string()))
    }

    fn forget(&mut self, id: TaskId) {
        self.running.remove(&id);
    }

    /// All have begun.
    fn withdraw(&mut self) {}

    fn stop(&mut self) -> Vec<String> {
        self.running.clear();
        Vec::new()
    }
}

/// A running worker. Dropping it kills the process.
struct Worker {
    child: Child,
    log: PathBuf,
    /// What the worker said last about its end.
    verdict: Option<Result<(), (Cause, String)>>,
}

/// This program as a worker that may keep `threads` threads busy: they are bounded through the
/// environment.
pub(super) fn worker(arguments: &[OsString], threads: usize) -> Command {
    // Not the path of the program: it may have been rebuilt while this one runs.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(arguments)
        .env("RAYON_NUM_THREADS", threads.to_string())
        .env("CANDLE_NUM_THREADS", "1")
        // A training step frees and takes the same memory again; giving it back between costs a
        // page fault each.
        .env("MIMALLOC_PURGE_DELAY", "-1")
        // A step runs on a thread of the pool, and a backward pass first walks down its graph by
        // recursion.
        .env("RUST_MIN_STACK", (16 << 20).to_string());
    command
}

impl Worker {
    /// Starts a worker on `order`.
    ///
    /// To be called from a thread that lives as long as the worker: the worker dies with the thread
    /// that started it.
    fn start(
        id: TaskId,
        arguments: &[OsString],
        order: &Order,
        notes: Sender<Heard>,
    ) -> Result<Self, ExecError> {
        let log = order.job.work.join(log::NAME);
        let stderr =
            log::open(&log).map_err(|source| ExecError::io("open the log", &log, source))?;
        let mut command = worker(arguments, order.job.threads);
        if let Some(gpu) = &order.job.gpu {
            command.env(VISIBLE, gpu);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn().map_err(
                |source| ExecError::io("start a worker", Path::new("/proc/self/exe"), source),
            )?;
        let stdout = child.stdout.take().expect("piped above");
        let mut stdin = child.stdin.take().expect("piped above");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A line that is no message is a step's stray print.
                if let Ok(message) = serde_json::from_str(&line)
                    && notes.send(Heard::Told(id, message)).is_err()
                {
                    return;
                }
            }
            let _ = notes.send(Heard::Closed(id));
        });
        let order = serde_json::to_vec(order).expect("an order is plain JSON");
        // A worker that died before reading tells so by closing its stdout.
        let _ = stdin.write_all(&order);
        Ok(Self { child, log, verdict: None })
    }

    /// Waits for the process, whose stdout has closed, and says how it ended.
    fn end(mut self) -> Result<End, ExecError> {
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
