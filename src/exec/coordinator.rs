//! The coordinator: settles which tasks are fresh, starts workers for the others, takes in their
//! results, and repairs.
//!
//! A task is settled when the artifacts of all its inputs are known: only then does it have a key.
//! A task that ran and gave the same bytes as before leaves its dependants' keys as they were, so
//! they settle as fresh.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::exec::event::{Counts, Event};
use crate::exec::process::{End, Note, Worker, count_attempt, tail};
use crate::exec::protocol::{Cause, Commit, Message, Order};
use crate::exec::queue::Queue;
use crate::exec::{ExecError, Options, Outcome, Stop, Timing, machine, obtain};
use crate::id::{Digest, Key};
use crate::plan::{Freshness, Graph, Input, Job, Manifest, Reason, Task, TaskId, assess};
use crate::store::{Artifact, Attempt, Published, Store};

/// How often a coordinator that waits for its workers looks for an interrupt.
const LOOK_UP_EVERY: Duration = Duration::from_millis(100);

/// Runs what is stale in `graph`. A failing task is reported in events and counts and is no error.
pub fn run(
    graph: &Graph,
    store: &Store,
    options: &Options,
    emit: &mut dyn FnMut(&Event),
) -> Result<Outcome, ExecError> {
    let outcome = Coordinator::new(graph, store, options, emit).run();
    // Whatever failed first in a store that is not there any more, that is the cause.
    outcome.map_err(|error| store.check_present().err().map_or(error, ExecError::from))
}

/// Where a task stands during a run.
enum Stage {
    /// `missing` of its distinct input tasks have no artifact.
    Waiting {
        missing: usize,
    },
    Ready(Manifest, Reason),
    /// Another task with the same key is ready or running.
    Following,
    Running(Manifest),
    /// Its artifact is known; `ran` says whether this run made it.
    Done {
        artifact: Artifact,
        ran: bool,
    },
    Failed,
    Blocked,
}

struct Coordinator<'a> {
    graph: &'a Graph,
    store: &'a Store,
    options: &'a Options,
    emit: &'a mut dyn FnMut(&Event),
    stages: Vec<Stage>,
    queue: Queue,
    /// The tasks with a key that one of them, the first, runs for all.
    claims: HashMap<Key, Vec<TaskId>>,
    running: HashMap<TaskId, Worker>,
    retried: HashSet<TaskId>,
    /// No further task is started.
    stopping: bool,
    stop: Stop,
    commit: Option<Option<Commit>>,
    timings: Vec<Timing>,
    /// What the running tasks last said of their speed.
    rates: HashMap<TaskId, (f64, String)>,
    notes: (Sender<Note>, Receiver<Note>),
}

impl<'a> Coordinator<'a> {
    fn new(
        graph: &'a Graph,
        store: &'a Store,
        options: &'a Options,
        emit: &'a mut dyn FnMut(&Event),
    ) -> Self {
        let missing = |id| Stage::Waiting { missing: inputs(graph.task(id)).count() };
        Self {
            graph,
            store,
            options,
            emit,
            stages: graph.ids().map(missing).collect(),
            queue: Queue::new(options.cores, options.jobs),
            claims: HashMap::new(),
            running: HashMap::new(),
            retried: HashSet::new(),
            stopping: false,
            stop: Stop::Finished,
            commit: None,
            timings: Vec::new(),
            rates: HashMap::new(),
            notes: channel(),
        }
    }

    fn run(mut self) -> Result<Outcome, ExecError> {
        let clock = Instant::now();
        let cost = self.graph.ids().map(|id| self.graph.task(id).work.seconds()).sum();
        (self.emit)(&Event::Opened { tasks: self.graph.len(), cost });
        let roots = self
            .graph
            .ids()
            .filter(|id| matches!(self.stages[id.index()], Stage::Waiting { missing: 0 }));
        self.settle(roots.collect())?;
        loop {
            self.look_up();
            self.store.check_present()?;
            while !self.stopping && self.start_next()? {}
            if self.running.is_empty() {
                break;
            }
            match self.notes.1.recv_timeout(LOOK_UP_EVERY) {
                Ok(Note::Told(id, message)) => self.told(id, message),
                Ok(Note::Closed(id)) => self.closed(id)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    unreachable!("the coordinator holds a sender")
                }
            }
        }
        let counts = self.counts();
        (self.emit)(&Event::Closed { counts, seconds: clock.elapsed().as_secs_f64() });
        let artifact =
            |stage| if let Stage::Done { artifact, .. } = stage { Some(artifact) } else { None };
        Ok(Outcome {
            counts,
            artifacts: self.stages.into_iter().map(artifact).collect(),
            timings: self.timings,
            stop: self.stop,
        })
    }

    fn look_up(&mut self) {
        if self.stop != Stop::Interrupted && self.options.interrupt.load(Ordering::Relaxed) {
            self.interrupted();
        }
    }

    fn interrupted(&mut self) {
        self.stopping = true;
        self.stop = Stop::Interrupted;
        self.running.clear();
        (self.emit)(&Event::Interrupted);
    }

    fn artifact(&self, id: TaskId) -> Option<&Artifact> {
        if let Stage::Done { artifact, .. } = &self.stages[id.index()] {
            Some(artifact)
        } else {
            None
        }
    }

    /// Decides for each of `ids` whose inputs are all known, and then for what becomes decidable
    /// thereby.
    fn settle(&mut self, mut ids: Vec<TaskId>) -> Result<(), ExecError> {
        ids.reverse();
        while let Some(id) = ids.pop() {
            if !matches!(self.stages[id.index()], Stage::Waiting { missing: 0 }) {
                continue;
            }
            let assessment = assess(self.graph, id, |input| self.artifact(input), self.store)?;
            let manifest =
                assessment.manifest.expect("a task is settled when its inputs are known");
            match assessment.freshness {
                Freshness::Fresh(artifact) => {
                    self.complete(id, manifest.key(), artifact, false, &mut ids)
                }
                Freshness::Stale(reason) => {
                    let (from, task) = (&self.options.elsewhere, self.graph.task(id));
                    match obtain::output(from, self.store, task, &manifest.key())? {
                        Some(artifact) => {
                            self.complete(id, manifest.key(), artifact, false, &mut ids)
                        }
                        None => self.enqueue(id, manifest, reason),
                    }
                }
                Freshness::Unknown(_) => {
                    unreachable!("a task is settled when its inputs are known")
                }
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, id: TaskId, manifest: Manifest, reason: Reason) {
        let key = manifest.key();
        let claimants = self.claims.entry(key).or_default();
        claimants.push(id);
        if claimants.len() > 1 {
            self.stages[id.index()] = Stage::Following;
        } else {
            let cost = self.graph.task(id).work.seconds();
            self.queue.push(id, cost, manifest.device() != "cpu");
            self.stages[id.index()] = Stage::Ready(manifest, reason);
        }
    }

    /// Notes that `id` is done and adds to `decidable` the tasks that waited for it last.
    fn complete(
        &mut self,
        id: TaskId,
        key: Key,
        artifact: Artifact,
        ran: bool,
        decidable: &mut Vec<TaskId>,
    ) {
        if !ran {
            let task = self.graph.task(id);
            let (label, cost) = (&task.label, task.work.seconds());
            (self.emit)(&Event::Cached { label: label.clone(), key, cost });
        }
        self.stages[id.index()] = Stage::Done { artifact, ran };
        for dependant in self.graph.dependants(id) {
            if let Stage::Waiting { missing } = &mut self.stages[dependant.index()] {
                *missing -= 1;
                if *missing == 0 {
                    decidable.push(*dependant);
                }
            }
        }
    }

    /// Starts the next task; `false` where none can start.
    fn start_next(&mut self) -> Result<bool, ExecError> {
        let Some((id, threads)) = self.queue.start_next() else { return Ok(false) };
        let stage = std::mem::replace(&mut self.stages[id.index()], Stage::Blocked);
        let Stage::Ready(manifest, reason) = stage else {
            unreachable!("what is in the queue is ready")
        };
        let task = self.graph.task(id);
        let known = |input| self.artifact(input).expect("a ready task's inputs are known");
        let from = &self.options.elsewhere;
        obtain::inputs(from, self.store, self.graph, task, known)?;
        let mut job = Job::new(task, &manifest, known);
        let root = std::path::absolute(self.store.root())
            .map_err(|source| ExecError::io("find", self.store.root(), source))?;
        job.work = Attempt::make_folder(&root, &job.key)?;
        job.attempt = count_attempt(&job.work, job.key)?;
        job.threads = threads;
        (self.emit)(&Event::Started {
            label: task.label.clone(),
            kind: task.kind.name.to_owned(),
            key: job.key,
            reason,
            attempt: job.attempt,
            threads: job.threads,
            cost: task.work.seconds(),
        });
        let commit = self.commit.get_or_insert_with(machine::commit).clone();
        let order = Order { job, coordinator: std::process::id(), commit };
        let worker = Worker::start(id, &self.options.worker, &order, self.notes.0.clone())?;
        self.running.insert(id, worker);
        self.stages[id.index()] = Stage::Running(manifest);
        Ok(true)
    }

    fn told(&mut self, id: TaskId, message: Message) {
        let Some(worker) = self.running.get_mut(&id) else { return };
        match message {
            Message::Done => worker.verdict = Some(Ok(())),
            Message::Failed { cause, error } => worker.verdict = Some(Err((cause, error))),
            Message::Progress(progress) => {
                if progress.rate > 0.0 {
                    self.rates.insert(id, (progress.rate, progress.unit.clone()));
                }
                (self.emit)(&Event::Progress {
                    label: self.graph.task(id).label.clone(),
                    progress,
                });
            }
        }
    }

    fn closed(&mut self, id: TaskId) -> Result<(), ExecError> {
        // A worker killed by an interrupt is not there any more.
        let Some(worker) = self.running.remove(&id) else { return Ok(()) };
        self.queue.end(id);
        self.store.check_present()?;
        let (started, log) = (worker.started, worker.log.clone());
        match worker.end()? {
            End::Done => self.take_in(id, started.elapsed().as_secs_f64(), &log),
            End::Interrupted => {
                self.interrupted();
                Ok(())
            }
            End::Failed(Cause::Object(object), error) => self.repair(id, object, error, &log),
            End::Failed(cause, error) => {
                if cause == Cause::Storage {
                    self.stopping = true;
                    self.stop = Stop::NoSpace;
                }
                self.fail(id, error, &log);
                Ok(())
            }
        }
    }

    /// Indexes the receipt that the worker of `id` published, and completes all tasks that have its
    /// key.
    fn take_in(&mut self, id: TaskId, seconds: f64, log: &Path) -> Result<(), ExecError> {
        let Stage::Running(manifest) = &self.stages[id.index()] else {
            unreachable!("its worker just ended")
        };
        let key = manifest.key();
        let collected = self.store.collect()?;
        let task = self.graph.task(id);
        if let Some((_, Published::Diverged(divergence))) =
            collected.receipts.iter().find(|(found, _)| *found == key)
        {
            let output = |receipt| {
                Ok::<Digest, ExecError>(self.store.read_receipt(receipt)?.output.digest())
            };
            let (kept, other) = (output(&divergence.kept)?, output(&divergence.refused)?);
            (self.emit)(&Event::Diverged { label: task.label.clone(), key, kept, other });
        }
        let Some(finished) = self.store.finished(&key)? else {
            let refusal = collected
                .refusals
                .first()
                .map_or("the inbox is empty", |refusal| refusal.cause.as_str());
            self.fail(
                id,
                format!("the worker ended well, but its receipt is not usable: {refusal}"),
                log,
            );
            return Ok(());
        };
        let (label, kind, artifact) =
            (task.label.clone(), task.kind.name.to_owned(), finished.output.digest());
        let rate = self.rates.remove(&id);
        self.timings.push(Timing { label: label.clone(), kind: kind.clone(), seconds, rate });
        (self.emit)(&Event::Finished {
            label,
            kind,
            key,
            artifact,
            seconds,
            cost: task.work.seconds(),
        });
        let mut decidable = Vec::new();
        for claimant in self.claims.remove(&key).unwrap_or_default() {
            self.complete(claimant, key, finished.output.clone(), claimant == id, &mut decidable);
        }
        self.settle(decidable)
    }

    fn fail(&mut self, id: TaskId, error: String, log: &Path) {
        let Stage::Running(manifest) = &self.stages[id.index()] else {
            unreachable!("its worker just ended")
        };
        let key = manifest.key();
        let task = self.graph.task(id);
        (self.emit)(&Event::Failed {
            label: task.label.clone(),
            kind: task.kind.name.to_owned(),
            key,
            error,
            log: log.to_owned(),
            log_tail: tail(log),
        });
        self.stages[id.index()] = Stage::Failed;
        self.stopping |= !self.options.keep_going;
        let mut behind: Vec<TaskId> = self.graph.dependants(id).to_vec();
        behind.extend(
            self.claims
                .remove(&key)
                .unwrap_or_default()
                .into_iter()
                .filter(|claimant| *claimant != id),
        );
        while let Some(next) = behind.pop() {
            if matches!(self.stages[next.index()], Stage::Waiting { .. } | Stage::Following) {
                self.stages[next.index()] = Stage::Blocked;
                let label = self.graph.task(next).label.clone();
                (self.emit)(&Event::Blocked { label, behind: task.label.clone() });
                behind.extend(self.graph.dependants(next));
            }
        }
    }

    /// Sends back the tasks that made the damaged inputs of `id`, and lets `id` wait for them.
    /// Once: then the damage is its failure.
    fn repair(
        &mut self,
        id: TaskId,
        object: Digest,
        error: String,
        log: &Path,
    ) -> Result<(), ExecError> {
        self.store.distrust(&object)?;
        let mut producers = Vec::new();
        for producer in inputs(self.graph.task(id)) {
            let damaged = match self.artifact(producer) {
                Some(artifact) if self.store.integrity(artifact)?.is_intact() => false,
                Some(artifact) => {
                    self.store.forget_elsewhere(artifact)?;
                    true
                }
                // It is being repaired already, for another task.
                None => false,
            };
            if damaged {
                producers.push(producer);
            }
        }
        let label = |id: &TaskId| self.graph.task(*id).label.clone();
        if self.retried.contains(&id) || self.imports_damage(id)? {
            if producers.is_empty() {
                self.stop = Stop::LostInput;
                self.stopping |= !self.options.keep_going;
            }
            self.fail(id, error, log);
            return Ok(());
        }
        self.retried.insert(id);
        let labels = producers.iter().map(label).collect();
        (self.emit)(&Event::Repairing { label: label(&id), object, producers: labels });
        let mut decidable = self.release(id);
        for producer in producers {
            self.demote(producer, &mut decidable);
        }
        self.settle(decidable)
    }

    fn imports_damage(&self, id: TaskId) -> Result<bool, ExecError> {
        for (_, input) in &self.graph.task(id).inputs {
            if let Input::Imported(artifact) = input
                && !self.store.integrity(artifact)?.is_intact()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes a done task undecided again, and with it what was about to read its artifact.
    fn demote(&mut self, id: TaskId, decidable: &mut Vec<TaskId>) {
        if !matches!(self.stages[id.index()], Stage::Done { .. }) {
            return;
        }
        self.stages[id.index()] = Stage::Waiting { missing: 0 };
        decidable.push(id);
        for dependant in self.graph.dependants(id) {
            match &mut self.stages[dependant.index()] {
                Stage::Waiting { missing } => *missing += 1,
                Stage::Ready(..) => {
                    self.queue.remove(*dependant, self.graph.task(*dependant).work.seconds());
                    decidable.extend(self.release(*dependant));
                }
                _ => {}
            }
        }
    }

    /// Makes a ready or running task and those that follow it wait for their inputs again; returns
    /// them.
    fn release(&mut self, id: TaskId) -> Vec<TaskId> {
        let key = match &self.stages[id.index()] {
            Stage::Ready(manifest, _) | Stage::Running(manifest) => manifest.key(),
            _ => unreachable!("only what is ready or running has a claim"),
        };
        let claimants = self.claims.remove(&key).unwrap_or_default();
        for claimant in &claimants {
            let missing = inputs(self.graph.task(*claimant))
                .filter(|input| self.artifact(*input).is_none())
                .count();
            self.stages[claimant.index()] = Stage::Waiting { missing };
        }
        claimants
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts { tasks: self.stages.len(), ..Counts::default() };
        for stage in &self.stages {
            match stage {
                Stage::Done { ran: true, .. } => counts.ran += 1,
                Stage::Done { ran: false, .. } => counts.cached += 1,
                Stage::Failed => counts.failed += 1,
                _ => counts.unreached += 1,
            }
        }
        counts
    }
}

/// The tasks that `task` reads, each once.
fn inputs(task: &Task) -> impl Iterator<Item = TaskId> {
    crate::plan::distinct_task_inputs(task).into_iter()
}
