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
    /// Longest first, then in the order of ids; whether the task computes on a GPU.
    ready: BTreeMap<(Reverse<u64>, TaskId), bool>,
    running: HashMap<TaskId, Running>,
}

/// What a running task was given.
struct Running {
    threads: usize,
    /// The place of its GPU among all.
    gpu: Option<usize>,
}

/// A task that starts, and what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub id: TaskId,
    pub threads: usize,
    /// The place of its GPU among all; none of a task of the processor.
    pub gpu: Option<usize>,
}

impl Queue {
    pub fn new(cores: usize, jobs: usize, gpus: usize) -> Self {
        Self { cores, jobs, gpus, ready: BTreeMap::new(), running: HashMap::new() }
    }

    /// Adds a task; `cost` is not negative.
    pub fn push(&mut self, id: TaskId, cost: f64, on_gpu: bool) {
        self.ready.insert(rank(id, cost), on_gpu);
    }

    /// Takes back a task that has not started.
    pub fn remove(&mut self, id: TaskId, cost: f64) {
        self.ready.remove(&rank(id, cost));
    }

    /// The task to start: the longest that may run beside those that do.
    pub fn start_next(&mut self) -> Option<Start> {
        let taken = self.running.values().filter_map(|running| running.gpu).collect::<Vec<_>>();
        let free = (0..self.gpus).find(|gpu| !taken.contains(gpu));
        let mut startable = self.ready.iter().filter(|(_, on_gpu)| free.is_some() || !**on_gpu);
        let (&next, &on_gpu) = startable.next().filter(|_| self.running.len() < self.jobs)?;
        let on_cpu = self.ready.values().filter(|on_gpu| !**on_gpu).count();
        let on_gpus = (self.ready.len() - on_cpu).min(self.gpus - taken.len());
        let load = Load {
            cores: self.cores,
            jobs: self.jobs,
            running: self.running.len(),
            busy: self.running.values().map(|running| running.threads).sum(),
            startable: on_cpu + on_gpus,
        };
        let start = Start { id: next.1, threads: load.threads(), gpu: free.filter(|_| on_gpu) };
        self.ready.remove(&next);
        self.running.insert(start.id, Running { threads: start.threads, gpu: start.gpu });
        Some(start)
    }

    /// Notes that a task runs no more.
    pub fn end(&mut self, id: TaskId) {
        self.running.remove(&id);
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
