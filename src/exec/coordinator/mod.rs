//! The coordinator: settles which tasks are fresh, hands the others to an executor, takes in their
//! results (`ends`), and repairs (`repair`).
//!
//! A task is settled when the artifacts of all its inputs are known: only then does it have a key.
//! A task that ran and gave the same bytes as before leaves its dependants' keys as they were, so
//! they settle as fresh.

mod ends;
mod repair;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::exec::attempts::count_attempt;
use crate::exec::earlier::Earlier;
use crate::exec::event::{Counts, Event};
use crate::exec::executor::{Executor, Note};
use crate::exec::open::{absolute, open};
use crate::exec::profile::Place;
use crate::exec::protocol::{Commit, Order};
use crate::exec::queue::{Needs, Queue, Start};
use crate::exec::{ExecError, Options, Outcome, Stop, Timing, machine, obtain};
use crate::id::Key;
use crate::plan::{Freshness, Graph, Job, Manifest, Progress, Reason, Task, TaskId, assess};
use crate::store::{Artifact, Attempt, Store};

/// How often a coordinator that waits for its workers looks for an interrupt.
const LOOK_UP_EVERY: Duration = Duration::from_millis(100);
/// How often it looks for results of tasks that run elsewhere.
const COLLECT_EVERY: Duration = Duration::from_millis(500);

/// Runs what is stale in `graph`. A failing task is reported in events and counts and is no error.
pub fn run(
    graph: &Graph,
    store: &Store,
    options: &Options,
    emit: &mut dyn FnMut(&Event),
) -> Result<Outcome, ExecError> {
    let outcome = open(graph, store, options)
        .and_then(|executor| Coordinator::new(graph, store, options, executor, emit).run());
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
    executor: Box<dyn Executor>,
    running: HashMap<TaskId, Running>,
    retried: HashSet<TaskId>,
    /// No further task is started.
    stopping: bool,
    stop: Stop,
    commit: Option<Option<Commit>>,
    timings: Vec<Timing>,
    earlier: Earlier,
    /// What the running tasks last said of their speed.
    rates: HashMap<TaskId, (f64, String)>,
    /// When results were last looked for.
    collected: Instant,
    /// Why the last file in the inbox that was no receipt was refused.
    refused: Option<String>,
}

/// A task that an executor has.
struct Running {
    reason: Reason,
    threads: usize,
    /// When it began, once it has.
    clock: Option<Instant>,
}

impl<'a> Coordinator<'a> {
    fn new(
        graph: &'a Graph,
        store: &'a Store,
        options: &'a Options,
        executor: Box<dyn Executor>,
        emit: &'a mut dyn FnMut(&Event),
    ) -> Self {
        let missing = |id| Stage::Waiting { missing: inputs(graph.task(id)).count() };
        Self {
            graph,
            store,
            options,
            emit,
            stages: graph.ids().map(missing).collect(),
            queue: Queue::new(
                options.cores,
                options.jobs,
                options.gpus.len().max(1),
                options.memory,
            ),
            executor,
            claims: HashMap::new(),
            running: HashMap::new(),
            retried: HashSet::new(),
            stopping: false,
            stop: Stop::Finished,
            commit: None,
            timings: Vec::new(),
            earlier: Earlier::default(),
            rates: HashMap::new(),
            collected: Instant::now(),
            refused: None,
        }
    }

    fn run(mut self) -> Result<Outcome, ExecError> {
        let clock = Instant::now();
        (self.emit)(&Event::opened(self.graph, self.options.jobs));
        let roots = self
            .graph
            .ids()
            .filter(|id| matches!(self.stages[id.index()], Stage::Waiting { missing: 0 }));
        self.settle(roots.collect())?;
        loop {
            self.look_up();
            self.store.check_present()?;
            while !self.stopping && self.start_next()? {}
            self.executor.flush()?;
            if self.running.is_empty() {
                break;
            }
            for note in self.executor.wait(LOOK_UP_EVERY)? {
                self.heed(note)?;
            }
            self.collect_from_elsewhere()?;
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
        for text in self.executor.stop() {
            (self.emit)(&Event::Remark { text });
        }
        (self.emit)(&Event::Interrupted);
    }

    fn is_elsewhere(&self) -> bool {
        !matches!(self.options.place, Place::Here)
    }

    fn heed(&mut self, note: Note) -> Result<(), ExecError> {
        match note {
            Note::Began { id, attempt } => self.began(id, attempt),
            Note::Told(id, progress) => self.told(id, progress),
            Note::Ended { id, end, log } => return self.ended(id, end, &log),
            Note::Remark(text) => (self.emit)(&Event::Remark { text }),
        }
        Ok(())
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
            let on_gpu = manifest.device() != "cpu";
            self.queue.push(id, cost, self.needs(id, on_gpu));
            self.stages[id.index()] = Stage::Ready(manifest, reason);
        }
    }

    /// What a task needs of this machine, once its inputs are known. What one elsewhere gets is not
    /// decided here.
    fn needs(&self, id: TaskId, on_gpu: bool) -> Needs {
        let task = self.graph.task(id);
        let elsewhere = self.is_elsewhere();
        let known = inputs(task).filter_map(|input| self.artifact(input));
        let memory = if elsewhere { 0 } else { task.memory.bytes(known) };
        Needs { kind: task.kind.name, on_gpu: on_gpu && !elsewhere, memory }
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
            let (label, kind) = (task.label.clone(), task.kind.name.to_owned());
            let earlier = self.earlier.cost(task.kind.name, &key, self.store);
            if let Some(earlier) = &earlier {
                self.queue.took(&self.needs(id, false), earlier.peak_memory);
            }
            let seconds = earlier.map(|earlier| earlier.wall_s);
            let cost = task.work.seconds();
            (self.emit)(&Event::Cached { label, kind, key, cost, seconds });
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
        for id in self.queue.running().collect::<Vec<_>>() {
            if let Some(peak) = self.executor.peak_memory(id) {
                self.queue.has(id, peak);
            }
        }
        let Some(start) = self.queue.start_next() else { return Ok(false) };
        let Start { id, threads, gpu, memory } = start;
        let stage = std::mem::replace(&mut self.stages[id.index()], Stage::Blocked);
        let Stage::Ready(manifest, reason) = stage else {
            unreachable!("what is in the queue is ready")
        };
        let task = self.graph.task(id);
        if memory > self.options.memory {
            (self.emit)(&Event::Remark {
                text: too_much(&task.label, memory, self.options.memory),
            });
        }
        let known = |input| self.artifact(input).expect("a ready task's inputs are known");
        let from = &self.options.elsewhere;
        obtain::inputs(from, self.store, self.graph, task, known)?;
        let mut job = Job::new(task, &manifest, known);
        job.work = Attempt::make_folder(&absolute(self.store)?, &job.key)?;
        job.threads = self.options.place.threads(&job.kind).unwrap_or(threads);
        job.gpu = gpu.and_then(|gpu| self.options.gpus.get(gpu).cloned());
        let running = Running { reason, threads: job.threads, clock: None };
        self.stages[id.index()] = Stage::Running(manifest);
        self.running.insert(id, running);
        let commit = self.commit.get_or_insert_with(machine::commit).clone();
        let titrate = env!("CARGO_PKG_VERSION").to_owned();
        let mut order = Order { job, coordinator: Some(std::process::id()), commit, titrate };
        if self.is_elsewhere() {
            order.coordinator = None;
            for file in order.job.files.values_mut().flatten() {
                file.path = std::path::absolute(&file.path)
                    .map_err(|source| ExecError::io("find", &file.path, source))?;
            }
            let (label, kind) = (task.label.clone(), task.kind.name.to_owned());
            (self.emit)(&Event::Submitted { label, kind, key: order.job.key });
        } else {
            order.job.attempt = count_attempt(&order.job.work, order.job.key)?;
            self.began(id, order.job.attempt);
        }
        self.executor.start(id, order)?;
        Ok(true)
    }

    fn began(&mut self, id: TaskId, attempt: u32) {
        let Some(running) = self.running.get_mut(&id) else { return };
        let Stage::Running(manifest) = &self.stages[id.index()] else { return };
        if running.clock.replace(Instant::now()).is_some() {
            return;
        }
        let task = self.graph.task(id);
        (self.emit)(&Event::Started {
            label: task.label.clone(),
            kind: task.kind.name.to_owned(),
            key: manifest.key(),
            reason: running.reason.clone(),
            attempt,
            threads: running.threads,
            cost: task.work.seconds(),
        });
    }

    fn told(&mut self, id: TaskId, progress: Progress) {
        if !self.running.contains_key(&id) {
            return;
        }
        if progress.rate > 0.0 {
            self.rates.insert(id, (progress.rate, progress.unit.clone()));
        }
        (self.emit)(&Event::Progress { label: self.graph.task(id).label.clone(), progress });
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

/// That a task runs alone and may be ended by the system for want of memory.
fn too_much(label: &str, memory: u64, there: u64) -> String {
    let gb = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    format!(
        "{label} may need {} of memory, more than the {} that tasks have together here (--memory): it runs \
         alone",
        gb(memory),
        gb(there)
    )
}

/// The tasks that `task` reads, each once.
fn inputs(task: &Task) -> impl Iterator<Item = TaskId> {
    crate::plan::distinct_task_inputs(task).into_iter()
}
