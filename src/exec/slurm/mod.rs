//! An executor that hands tasks to a cluster with Slurm: the tasks of a kind that are ready together
//! become an array of jobs, each of which is a worker elsewhere.
//!
//! What is known of a task comes from three sources that are believed differently. The receipt in
//! the store's inbox is the only proof of success, whatever else is said (the coordinator looks for
//! it). What a worker tells counts for its failure, once the queue agrees that the job has ended. The
//! queue alone decides whether a task that nobody has heard of is waited for or submitted again;
//! where it can't be asked, nothing is concluded.

mod array;
mod client;
mod follow;
mod standing;
mod state;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::exec::ExecError;
use crate::exec::attempts::{Listener, Submission};
use crate::exec::executor::{End, Executor, Note};
use crate::exec::profile::Slurm as Profile;
use crate::exec::protocol::Order;
use crate::exec::slurm::array::{Array, Record};
use crate::exec::slurm::client::Row;
use crate::id::{Digest, Key};
use crate::plan::TaskId;

pub use standing::standing;

/// The least time between two questions to the queue, unless the profile's most is less.
const POLL_LEAST: Duration = Duration::from_secs(1);
/// How often what workers tell is read.
const LISTEN_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Slurm {
    profile: Profile,
    /// The store's folder.
    root: PathBuf,
    program: PathBuf,
    /// Tasks to be submitted, by kind.
    waiting: BTreeMap<String, Vec<(TaskId, Order)>>,
    /// Since when there are some.
    gathering: Option<Instant>,
    /// The arrays with tasks that are not at their end, by name.
    arrays: BTreeMap<String, Entry>,
    members: HashMap<TaskId, Member>,
    /// How often tasks were lost.
    lost: HashMap<TaskId, u32>,
    /// Tasks of earlier runs that nobody has asked for yet.
    left: HashMap<Key, (String, u32)>,
    array_most: Option<usize>,
    poll: Poll,
    listened: Option<Instant>,
    withdrawn: bool,
    /// Remarks that were made and are not made again.
    said: HashSet<String>,
    remarks: Vec<String>,
}

/// An array with tasks that are not at their end.
struct Entry {
    array: Array,
    /// Elements that are asked for or may be.
    open: usize,
    submission: Submitted,
    /// A log in its folder was named.
    keep: bool,
}

/// How far the submission of an array is.
enum Submitted {
    Yes,
    /// `sbatch` failed at some time, with some words. The array may be in the queue nevertheless: an
    /// answer can be lost.
    Doubtful(Instant, String),
    /// The queue does not have it and will not.
    Refused(String),
}

/// A task that is in the queue.
struct Member {
    array: String,
    element: u32,
    listener: Listener,
    since: Instant,
    /// Submitted by an earlier run.
    adopted: bool,
    /// What the queue last said.
    row: Option<Row>,
    /// How many answers of the queue have not named it.
    missing: u32,
    /// Since when the queue has had it ended.
    over: Option<Instant>,
    /// A worker's end was heard that the queue has not confirmed.
    heard_end: bool,
}

/// The rows of the queue, or why they can't be had.
type Answer = Result<Vec<Row>, String>;

/// The questions to the queue.
struct Poll {
    /// One that is being asked, with the time when that began.
    asked: Option<(Instant, Receiver<Answer>)>,
    next: Instant,
    pause: Duration,
}

impl Slurm {
    pub fn open(profile: Profile, root: PathBuf) -> Result<Self, ExecError> {
        let program = match &profile.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(|source| {
                ExecError::io("find the program of", Path::new("/proc/self/exe"), source)
            })?,
        };
        let mut slurm = Self {
            profile,
            root,
            program,
            waiting: BTreeMap::new(),
            gathering: None,
            arrays: BTreeMap::new(),
            members: HashMap::new(),
            lost: HashMap::new(),
            left: HashMap::new(),
            array_most: None,
            poll: Poll { asked: None, next: Instant::now(), pause: POLL_LEAST },
            listened: None,
            withdrawn: false,
            said: HashSet::new(),
            remarks: Vec::new(),
        };
        slurm.find_left()?;
        Ok(slurm)
    }

    /// Finds the arrays of earlier runs. Tasks that have ended count no more: their results are in
    /// the inbox, and a failed one is to be tried again.
    fn find_left(&mut self) -> Result<(), ExecError> {
        for array in Array::left(&self.root) {
            let name = array.record.name.clone();
            // An sbatch of a harness that was killed may still be at it.
            drop(array.lock().map_err(|source| ExecError::io("lock", &array.id_file(), source))?);
            let mut open = 0;
            for (element, key) in array.record.keys.iter().enumerate() {
                let mut listener = Listener::new(array.submission(&self.root, element));
                listener.listen();
                if !listener.submission.is_over() && listener.end().is_none() {
                    self.left.insert(*key, (name.clone(), element as u32));
                    open += 1;
                }
            }
            if open == 0 {
                array.remove();
                continue;
            }
            let entry = Entry { array, open, submission: Submitted::Yes, keep: false };
            self.arrays.insert(name, entry);
        }
        Ok(())
    }

    /// Waits for a task that an earlier run has submitted.
    fn adopt(&mut self, id: TaskId, key: &Key) -> bool {
        let Some((name, element)) = self.left.remove(key) else { return false };
        let Some(entry) = self.arrays.get(&name) else { return false };
        let submission = entry.array.submission(&self.root, element as usize);
        self.join(id, name, element, submission, true);
        true
    }

    fn join(&mut self, id: TaskId, array: String, element: u32, to: Submission, adopted: bool) {
        let member = Member {
            array,
            element,
            listener: Listener::new(to),
            since: Instant::now(),
            adopted,
            row: None,
            missing: 0,
            over: None,
            heard_end: false,
        };
        self.members.insert(id, member);
    }

    fn hurry(&mut self) {
        self.poll.pause = self.poll_least();
        self.poll.next = self.poll.next.min(Instant::now() + self.poll.pause);
    }

    fn poll_least(&self) -> Duration {
        POLL_LEAST.min(self.poll_most())
    }

    fn poll_most(&self) -> Duration {
        Duration::from_secs_f64(self.profile.poll_seconds)
    }

    fn remark_once(&mut self, text: String) {
        if self.said.insert(text.clone()) {
            self.remarks.push(text);
        }
    }

    /// Submits tasks of a kind as one array, as far as that is possible now.
    fn submit(&mut self, kind: &str, tasks: Vec<(TaskId, Order)>) -> Result<(), ExecError> {
        let name = fresh_name();
        let mut submissions = Vec::new();
        for (element, (_, order)) in tasks.iter().enumerate() {
            submissions.push(Submission::create(order, &Array::submission_name(&name, element))?);
        }
        let keys = tasks.iter().map(|(_, order)| order.job.key).collect();
        let record = Record { name: name.clone(), kind: kind.to_owned(), keys };
        let array = Array::intend(&self.root, record, &submissions, &self.profile, &self.program)?;
        let open = tasks.len();
        let submission = self.sbatch(&array);
        self.arrays.insert(name.clone(), Entry { array, open, submission, keep: false });
        for (element, ((id, _), submission)) in tasks.into_iter().zip(submissions).enumerate() {
            self.join(id, name.clone(), element as u32, submission, false);
        }
        self.hurry();
        Ok(())
    }

    fn sbatch(&mut self, array: &Array) -> Submitted {
        match client::submit(array, &array.options(&self.root, &self.profile)) {
            Ok(_) => Submitted::Yes,
            Err(words) => Submitted::Doubtful(Instant::now(), words),
        }
    }

    /// Takes a task out that is at its end or goes elsewhere. The array goes with its last one.
    fn leave(&mut self, id: TaskId) -> Option<Member> {
        let member = self.members.remove(&id)?;
        if let Some(entry) = self.arrays.get_mut(&member.array) {
            entry.open -= 1;
            if entry.open == 0 {
                if !entry.keep {
                    entry.array.remove();
                }
                self.arrays.remove(&member.array);
            }
        }
        Some(member)
    }

    /// The log of a task's last attempt; where no worker began, that of its job, which stays if it is
    /// to be looked at.
    fn log(&mut self, id: TaskId, keep: bool) -> PathBuf {
        let member = &self.members[&id];
        if let Some(log) = member.listener.log().filter(|log| log.exists()) {
            return log;
        }
        let entry = self.arrays.get_mut(&member.array).expect("a member's array is there");
        entry.keep |= keep;
        entry.array.log(member.element)
    }
}

impl Executor for Slurm {
    fn start(&mut self, id: TaskId, order: Order) -> Result<(), ExecError> {
        if !self.adopt(id, &order.job.key) {
            self.waiting.entry(order.job.kind.clone()).or_default().push((id, order));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ExecError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let since = *self.gathering.get_or_insert_with(Instant::now);
        let gather = Duration::from_secs_f64(self.profile.gather_seconds);
        if !self.members.is_empty() && since.elapsed() < gather {
            return Ok(());
        }
        self.gathering = None;
        let asked = self.profile.array_most;
        let most = *self.array_most.get_or_insert_with(|| asked.unwrap_or_else(client::array_most));
        for (kind, mut tasks) in std::mem::take(&mut self.waiting) {
            while !tasks.is_empty() {
                let rest = tasks.split_off(tasks.len().min(most));
                self.submit(&kind, std::mem::replace(&mut tasks, rest))?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, limit: Duration) -> Result<Vec<Note>, ExecError> {
        std::thread::sleep(limit);
        let mut notes = Vec::new();
        let answered = self.ask();
        if answered || self.listened.is_none_or(|last| last.elapsed() >= LISTEN_EVERY) {
            self.listened = Some(Instant::now());
            for id in self.members.keys().copied().collect::<Vec<_>>() {
                self.follow(id, &mut notes)?;
            }
            self.flush()?;
        }
        notes.extend(self.remarks.drain(..).map(Note::Remark));
        Ok(notes)
    }

    /// Where its job is in the queue again, after a node was given up that went on, that is not to
    /// run; where that can't be told, its worker ends by itself. A task that is still to be submitted
    /// has its result from a job of an earlier run, or from one that was given up.
    fn forget(&mut self, id: TaskId) {
        for tasks in self.waiting.values_mut() {
            tasks.retain(|(waiting, _)| *waiting != id);
        }
        self.waiting.retain(|_, tasks| !tasks.is_empty());
        let Some(member) = self.leave(id) else { return };
        if let Some(row) = member.row.filter(|row| row.state == "PENDING")
            && member.listener.attempt().is_some()
        {
            let _ = client::cancel_element(&row);
        }
    }

    fn withdraw(&mut self) {
        if std::mem::replace(&mut self.withdrawn, true) {
            return;
        }
        for name in self.names() {
            if let Err(words) = client::cancel(&name, true) {
                self.remarks.push(format!("what waits in the queue cannot be taken back: {words}"));
            }
        }
        self.hurry();
    }

    fn stop(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        for member in self.members.values() {
            member.listener.submission.cancel();
        }
        for name in self.names() {
            match client::cancel(&name, false) {
                Ok(()) => {
                    if !self.left.values().any(|(array, _)| *array == name) {
                        self.arrays[&name].array.remove();
                    }
                }
                Err(words) => faults.push(format!(
                    "jobs may go on in the queue: {words}; to end them: scancel --name={name}"
                )),
            }
        }
        self.members.clear();
        faults
    }
}

impl Slurm {
    /// The arrays that this run waits for.
    fn names(&self) -> Vec<String> {
        let names: HashSet<&String> = self.members.values().map(|member| &member.array).collect();
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        names.sort();
        names
    }
}

/// A name that no other array has: not those of another store, nor of another user.
fn fresh_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let unique = format!(
        "{} {} {:?} {}",
        crate::store::host_name(),
        std::process::id(),
        since.unwrap_or_default(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    format!("titrate-{:.12}", Digest::of(unique.as_bytes()).to_string())
}
