//! The ready queue: which task starts next, and with how many threads.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::plan::TaskId;

/// Tasks that could start, and those that run.
pub(super) struct Queue {
    /// Threads that all running tasks may keep busy together.
    cores: usize,
    /// Tasks that may run at once.
    jobs: usize,
    /// GPUs, each with room for one task.
    gpus: usize,
    /// Bytes of memory that running tasks may have together.
    memory: u64,
    /// Longest first, then in the order of ids.
    ready: BTreeMap<(Reverse<u64>, TaskId), Needs>,
    running: HashMap<TaskId, Running>,
    /// Memory taken for each byte stated, the most of any task of a kind that has ended, or that
    /// was seen to run.
    taken: HashMap<&'static str, f64>,
}

/// What a task needs beside threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub kind: &'static str,
    pub on_gpu: bool,
    /// Bytes of memory that its kind states.
    pub memory: u64,
}

/// What a running task was given.
struct Running {
    threads: usize,
    /// The place of its GPU among all.
    gpu: Option<usize>,
    needs: Needs,
    /// The most memory that it has been seen to have, in bytes.
    peak: u64,
}

/// A task that starts, and what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub id: TaskId,
    pub threads: usize,
    /// The place of its GPU among all; none of a task of the processor.
    pub gpu: Option<usize>,
    /// Bytes of memory that it may need.
    pub memory: u64,
}

impl Queue {
    pub fn new(cores: usize, jobs: usize, gpus: usize, memory: u64) -> Self {
        let (ready, running, taken) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        Self { cores, jobs, gpus, memory, ready, running, taken }
    }

    /// Adds a task; `cost` is not negative.
    pub fn push(&mut self, id: TaskId, cost: f64, needs: Needs) {
        self.ready.insert(rank(id, cost), needs);
    }

    /// Bytes that a task may need, by what others of its kind took.
    pub fn memory_of(&self, needs: &Needs) -> u64 {
        let taken = self.taken.get(needs.kind).copied().unwrap_or(1.0);
        (needs.memory as f64 * taken) as u64
    }

    /// Notes what a task took that has ended.
    pub fn took(&mut self, needs: &Needs, peak: u64) {
        let share = peak as f64 / needs.memory.max(1) as f64;
        let taken = self.taken.entry(needs.kind).or_insert(share);
        *taken = taken.max(share);
    }

    /// Notes what a task has that runs: at least that much others of its kind may need as well.
    pub fn has(&mut self, id: TaskId, peak: u64) {
        let Some(running) = self.running.get_mut(&id) else { return };
        running.peak = running.peak.max(peak);
        let needs = running.needs;
        if peak > self.memory_of(&needs) {
            self.took(&needs, peak);
        }
    }

    /// Those that run.
    pub fn running(&self) -> impl Iterator<Item = TaskId> {
        self.running.keys().copied()
    }

    /// Bytes that nothing running needs; none where nothing runs.
    fn free_memory(&self) -> Option<u64> {
        let needs = |running: &Running| self.memory_of(&running.needs).max(running.peak);
        let needed = self.running.values().map(needs).sum::<u64>();
        (!self.running.is_empty()).then(|| self.memory.saturating_sub(needed))
    }

    /// Takes back a task that has not started.
    pub fn remove(&mut self, id: TaskId, cost: f64) {
        self.ready.remove(&rank(id, cost));
    }

    /// The task to start: the longest that may run beside those that do. One that needs more memory
    /// than there is runs alone.
    pub fn start_next(&mut self) -> Option<Start> {
        let taken = self.running.values().filter_map(|running| running.gpu).collect::<Vec<_>>();
        let gpu = (0..self.gpus).find(|gpu| !taken.contains(gpu));
        let most = self.jobs.saturating_sub(self.running.len());
        let (mut gpus, mut memory) = (self.gpus - taken.len(), self.free_memory());
        let (mut next, mut startable) = (None, 0);
        for (&rank, needs) in &self.ready {
            if startable == most {
                break;
            }
            let needed = self.memory_of(needs);
            let fits = memory.is_none_or(|memory| needed <= memory);
            if !fits || (needs.on_gpu && gpus == 0) {
                continue;
            }
            memory = Some(memory.unwrap_or(self.memory).saturating_sub(needed));
            gpus -= usize::from(needs.on_gpu);
            startable += 1;
            next.get_or_insert((rank, *needs, needed));
        }
        let (next, needs, memory) = next?;
        let load = Load {
            cores: self.cores,
            jobs: self.jobs,
            running: self.running.len(),
            busy: self.running.values().map(|running| running.threads).sum(),
            startable,
        };
        let gpu = gpu.filter(|_| needs.on_gpu);
        let start = Start { id: next.1, threads: load.threads(), gpu, memory };
        self.ready.remove(&next);
        self.running.insert(start.id, Running { threads: start.threads, gpu, needs, peak: 0 });
        Some(start)
    }

    /// Notes that a task runs no more; what it needed, if it ran.
    pub fn end(&mut self, id: TaskId) -> Option<Needs> {
        self.running.remove(&id).map(|running| running.needs)
    }
}

fn rank(id: TaskId, cost: f64) -> (Reverse<u64>, TaskId) {
    // The bits of floats that are not negative sort as the floats do.
    (Reverse(cost.to_bits()), id)
}

/// What a machine has, and what a run does with it at a moment.
#[derive(Clone, Copy, Debug)]
struct Load {
    cores: usize,
    /// Tasks that may run at once.
    jobs: usize,
    running: usize,
    /// Threads that the running tasks were given, together.
    busy: usize,
    /// Tasks that could start now if there were no limit, the next one among them.
    startable: usize,
}

impl Load {
    /// The threads of the task that starts next. A task keeps what it was given, so each leaves
    /// those that start with it their share; none gets less than its share of a machine where all
    /// jobs are taken.
    fn threads(self) -> usize {
        let starting = self.startable.min(self.jobs.saturating_sub(self.running)).max(1);
        let idle = self.cores.saturating_sub(self.busy);
        (idle / starting).max(self.cores / self.jobs).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of `startable` tasks gets that start one after the other.
    fn shares(cores: usize, jobs: usize, mut startable: usize, given: &[usize]) -> Vec<usize> {
        let mut all = given.to_vec();
        while startable > 0 && all.len() < jobs {
            let (running, busy) = (all.len(), all.iter().sum());
            all.push(Load { cores, jobs, running, busy, startable }.threads());
            startable -= 1;
        }
        all.split_off(given.len())
    }

    #[test]
    fn idle_cores_go_to_the_tasks_that_can_start() {
        for (cores, jobs, startable, running, expected) in [
            (16, 16, 2, &[][..], &[8, 8][..]),
            (16, 16, 1, &[], &[16]),
            (16, 16, 3, &[], &[5, 5, 6]),
            (16, 16, 40, &[], &[1; 16]),
            (16, 4, 9, &[], &[4; 4]),
            (16, 4, 2, &[4, 4], &[4, 4]),
            // One of two has ended, and one more can start.
            (16, 16, 1, &[8], &[8]),
            // A task that ran alone keeps its cores: what starts beside it is not kept waiting.
            (16, 16, 2, &[16], &[1, 1]),
            (2, 2, 5, &[], &[1, 1]),
            (2, 2, 1, &[], &[2]),
            (2, 2, 1, &[1], &[1]),
            (2, 8, 3, &[], &[1, 1, 1]),
        ] {
            let given = shares(cores, jobs, startable, running);
            assert_eq!(
                given, expected,
                "{cores} cores, {jobs} jobs, {startable} beside {running:?}"
            );
        }
    }
}
