//! An executor that starts a command a task, from a template: the command starts `titrate worker` on
//! any machine that sees the store's folder, and lasts as long.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::exec::attempts::{Listener, Submission, submissions};
use crate::exec::executor::{End, Executor, Note};
use crate::exec::profile::Command;
use crate::exec::protocol::{Cause, Message, Order};
use crate::exec::{ExecError, log};
use crate::plan::TaskId;
use crate::store::Attempt;

/// What the names of its submissions begin with.
const NAME: &str = "command";
/// The log of a command in its submission's folder.
const LOG: &str = "command.log";
/// How often what workers tell is read.
const LISTEN_EVERY: Duration = Duration::from_millis(500);
/// How long a command may take to end when it is asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// A worker of an earlier run that holds its attempt and shows no sign of life for so long is lost,
/// whatever the file system says of its lock.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) struct Commands {
    profile: Command,
    /// The store's folder.
    root: PathBuf,
    running: HashMap<TaskId, Running>,
    listened: Option<Instant>,
}

struct Running {
    listener: Listener,
    /// `None` for one that an earlier run started.
    child: Option<Child>,
    /// When its worker was last seen alive, and by what, for one that an earlier run started.
    pulse: (Instant, Option<std::time::SystemTime>),
    /// When the command ended.
    ended: Option<(Instant, Option<ExitStatus>)>,
    lost: u32,
}

impl Running {
    fn new(submission: Submission, child: Option<Child>, lost: u32) -> Self {
        let (listener, pulse) = (Listener::new(submission), (Instant::now(), None));
        Self { listener, child, pulse, ended: None, lost }
    }

    fn log(&self) -> PathBuf {
        let own = self.listener.submission.folder().join(LOG);
        self.listener.log().filter(|log| log.exists()).unwrap_or(own)
    }

    /// Notes the end of the command, or of the worker that an earlier one started.
    fn look(&mut self) -> io::Result<()> {
        if self.ended.is_some() {
            return Ok(());
        }
        match &mut self.child {
            Some(child) => {
                self.ended = child.try_wait()?.map(|status| (Instant::now(), Some(status)));
            }
            None => {
                let attempt = self.listener.attempt().map(Path::to_owned);
                let seen = attempt.as_deref().and_then(pulse);
                if seen != self.pulse.1 {
                    self.pulse = (Instant::now(), seen);
                }
                let held = attempt.is_some_and(|path| Attempt::is_claimed(&path).unwrap_or(false));
                if !held || self.pulse.0.elapsed() > SILENCE {
                    self.ended = Some((Instant::now(), None));
                }
            }
        }
        Ok(())
    }

    /// How it ended, once that is certain: what a worker wrote on another machine may take a while
    /// to be seen here.
    fn end(&self, grace: Duration) -> Option<Ended> {
        let told = self.listener.end();
        if told == Some(&Message::Done) {
            return Some(Ended::Told(End::Done));
        }
        let (at, status) = self.ended.as_ref()?;
        match told {
            Some(Message::Failed { cause, error }) => {
                return Some(Ended::Told(End::Failed(*cause, error.clone())));
            }
            Some(Message::Stopped) => return Some(Ended::Stopped),
            _ if at.elapsed() < grace => return None,
            _ => {}
        }
        let status = status.map_or("its worker is gone".to_owned(), |status| {
            format!("the command ended with {status}")
        });
        if self.listener.attempt().is_none() {
            let error = format!("{status} before a worker began");
            return Some(Ended::Told(End::Failed(Cause::Step, error)));
        }
        Some(Ended::Lost(format!("{status}, and the worker said nothing of its end")))
    }
}

enum Ended {
    Told(End),
    /// On request, such as before its time was over: it goes on in a new attempt.
    Stopped,
    Lost(String),
}

/// When a worker last noted that it lives.
fn pulse(attempt: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(attempt.join("spent")).ok()?.modified().ok()
}

impl Commands {
    pub fn new(profile: Command, root: PathBuf) -> Result<Self, ExecError> {
        let mut commands = Self { profile, root, running: HashMap::new(), listened: None };
        if commands.profile.program.is_none() {
            let found = std::env::current_exe();
            let found = found.map_err(|source| {
                ExecError::io("find the program of", Path::new("/proc/self/exe"), source)
            });
            commands.profile.program = Some(found?);
        }
        Ok(commands)
    }

    fn submit(&mut self, id: TaskId, order: &Order, lost: u32) -> Result<(), ExecError> {
        let before = submissions(&order.job.work).len();
        let name = (before..).map(|number| format!("{NAME}-{number}"));
        let name = name.into_iter().find(|name| !order.job.work.join(name).exists());
        let submission = Submission::create(order, &name.expect("numbers do not run out"))?;
        let words: Vec<String> =
            self.profile.run.iter().map(|word| self.filled(word, order, &submission)).collect();
        let path = submission.folder().join(LOG);
        let open =
            || log::open(&path).map_err(|source| ExecError::io("open the log", &path, source));
        let child = std::process::Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            // A Ctrl-C on the terminal is this program's to pass on.
            .process_group(0)
            .spawn()
            .map_err(|source| ExecError::io("start the command", Path::new(&words[0]), source))?;
        self.running.insert(id, Running::new(submission, Some(child), lost));
        Ok(())
    }

    /// A word of the template with what it stands for.
    fn filled(&self, word: &str, order: &Order, submission: &Submission) -> String {
        let program = self.profile.program.as_deref().unwrap_or(Path::new("titrate"));
        [
            ("{program}", program.display().to_string()),
            ("{task}", submission.order_file().display().to_string()),
            ("{key}", order.job.key.to_string()),
            ("{store}", self.root.display().to_string()),
            ("{kind}", order.job.kind.clone()),
            ("{threads}", order.job.threads.to_string()),
        ]
        .iter()
        .fold(word.to_owned(), |word, (name, value)| word.replace(name, value))
    }

    /// What happened to one task since; `None` in the second place while it runs.
    fn listen(&mut self, id: TaskId, notes: &mut Vec<Note>) -> Result<(), ExecError> {
        let grace = Duration::from_secs_f64(self.profile.grace_seconds);
        let running = self.running.get_mut(&id).expect("asked about what runs");
        // Before what it told: a worker tells its end before it ends.
        let log = running.log();
        running.look().map_err(|source| ExecError::io("wait for the command of", &log, source))?;
        for message in running.listener.listen() {
            notes.extend(match message {
                Message::Began { attempt, .. } => Some(Note::Began { id, attempt }),
                Message::Progress(progress) => Some(Note::Told(id, progress)),
                _ => None,
            });
        }
        let (log, lost) = (running.log(), running.lost);
        let why = match running.end(grace) {
            None => return Ok(()),
            Some(Ended::Told(end)) => {
                self.forget(id);
                notes.push(Note::Ended { id, end, log });
                return Ok(());
            }
            Some(Ended::Stopped) => None,
            Some(Ended::Lost(why)) => Some(why),
        };
        let order = running.listener.submission.order()?;
        let lost = lost + u32::from(why.is_some());
        // Should the one before come back from the dead, it ends, and what it has published counts.
        running.listener.submission.cancel();
        self.forget(id);
        match why {
            Some(why) if lost > self.profile.retries => {
                let error = format!("{why}; it was started {lost} times");
                notes.push(Note::Ended { id, end: End::Failed(Cause::Step, error), log });
                return Ok(());
            }
            Some(why) => notes.push(Note::Remark(format!(
                "{}: {why}; it is started again ({lost} of {})",
                order.job.label, self.profile.retries
            ))),
            None => {}
        }
        self.submit(id, &order, lost)
    }
}

impl Executor for Commands {
    /// Where an earlier run's worker is still at it, it is waited for.
    fn start(&mut self, id: TaskId, order: Order) -> Result<(), ExecError> {
        for submission in submissions(&order.job.work) {
            let claimed = |path: &PathBuf| Attempt::is_claimed(path).unwrap_or(false);
            let ours = submission
                .folder()
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(NAME));
            if ours && !submission.is_over() && submission.attempts().last().is_some_and(claimed) {
                self.running.insert(id, Running::new(submission, None, 0));
                return Ok(());
            }
        }
        self.submit(id, &order, 0)
    }

    fn flush(&mut self) -> Result<(), ExecError> {
        Ok(())
    }

    fn wait(&mut self, limit: Duration) -> Result<Vec<Note>, ExecError> {
        std::thread::sleep(limit);
        let mut notes = Vec::new();
        if self.listened.is_none_or(|last| last.elapsed() >= LISTEN_EVERY) {
            self.listened = Some(Instant::now());
            for id in self.running.keys().copied().collect::<Vec<_>>() {
                self.listen(id, &mut notes)?;
            }
        }
        Ok(notes)
    }

    fn forget(&mut self, id: TaskId) {
        if let Some(mut running) = self.running.remove(&id)
            && let Some(child) = &mut running.child
        {
            // It has ended or is about to; who never waits for it keeps its number in use.
            if child.try_wait().is_ok_and(|status| status.is_none()) {
                let mut child = running.child.take().expect("matched above");
                std::thread::spawn(move || child.wait());
            }
        }
    }

    /// All have begun.
    fn withdraw(&mut self) {}

    fn stop(&mut self) -> Vec<String> {
        let groups = |running: &HashMap<TaskId, Running>, signal| {
            for child in running.values().filter_map(|running| running.child.as_ref()) {
                if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
                    // The group is gone where the command has ended.
                    let _ = kill_process_group(group, signal);
                }
            }
        };
        for running in self.running.values() {
            running.listener.submission.cancel();
        }
        groups(&self.running, Signal::TERM);
        let clock = Instant::now();
        let alive = |running: &mut Running| {
            let child = running.child.as_mut();
            child.is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
        };
        while clock.elapsed() < ENDS_WITHIN && self.running.values_mut().any(alive) {
            std::thread::sleep(Duration::from_millis(20));
        }
        groups(&self.running, Signal::KILL);
        self.running.drain().filter_map(|(_, running)| running.child).for_each(|mut child| {
            let _ = child.wait();
        });
        Vec::new()
    }
}
