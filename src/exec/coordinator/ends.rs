//! The end of a task: its result taken in, or its failure and what cannot run because of it.

use std::path::Path;
use std::time::Instant;

use super::{COLLECT_EVERY, Coordinator, Stage};
use crate::exec::event::Event;
use crate::exec::executor::End;
use crate::exec::log::tail;
use crate::exec::protocol::Cause;
use crate::exec::{ExecError, Stop, Timing};
use crate::id::{Digest, Key};
use crate::plan::TaskId;
use crate::store::{Attempt, Divergence, Finished, Published, StoreError};

impl Coordinator<'_> {
    pub(super) fn ended(&mut self, id: TaskId, end: End, log: &Path) -> Result<(), ExecError> {
        if !self.running.contains_key(&id) {
            return Ok(());
        }
        self.store.check_present()?;
        self.collect()?;
        // However its last attempt ended: another one's result may have been in the inbox.
        let Stage::Running(manifest) = &self.stages[id.index()] else { return Ok(()) };
        let key = manifest.key();
        match end {
            End::Done => match self.store.finished(&key)? {
                Some(finished) => self.finish(id, key, finished),
                None => {
                    let error = match self.refused.take() {
                        Some(cause) => format!("its receipt is not usable: {cause}"),
                        None => "there is no receipt of it in the store's inbox".to_owned(),
                    };
                    self.close(id);
                    self.fail(id, format!("the worker ended well, but {error}"), log);
                    Ok(())
                }
            },
            End::Interrupted => {
                self.close(id);
                self.interrupted();
                Ok(())
            }
            End::Withdrawn => {
                self.close(id);
                self.stages[id.index()] = Stage::Blocked;
                Ok(())
            }
            End::Failed(Cause::Object(object), error) => {
                self.close(id);
                self.repair(id, object, error, log)
            }
            End::Failed(cause, error) => {
                self.close(id);
                if cause == Cause::Storage {
                    self.stop = Stop::NoSpace;
                    self.stop_starting();
                }
                self.fail(id, error, log);
                Ok(())
            }
        }
    }

    /// Nothing further is started.
    fn stop_starting(&mut self) {
        self.stopping = true;
        self.executor.withdraw();
    }

    /// Notes that `id` runs no more; returns its wall time in seconds.
    fn close(&mut self, id: TaskId) -> f64 {
        self.queue.end(id);
        let running = self.running.remove(&id);
        let clock = running.and_then(|running| running.clock);
        clock.map_or(0.0, |clock| clock.elapsed().as_secs_f64())
    }

    /// Takes in the results of tasks that run elsewhere, whichever attempt they are from and
    /// whatever else is known of it.
    pub(super) fn collect_from_elsewhere(&mut self) -> Result<(), ExecError> {
        if !self.is_elsewhere() || self.collected.elapsed() < COLLECT_EVERY {
            return Ok(());
        }
        self.collected = Instant::now();
        self.collect()
    }

    /// Indexes the receipts that workers published.
    fn collect(&mut self) -> Result<(), ExecError> {
        let collected = self.store.collect()?;
        if let Some(refusal) = collected.refusals.last() {
            self.refused = Some(refusal.cause.clone());
        }
        for (key, published) in collected.receipts {
            let first = self.claims.get(&key).and_then(|claimants| claimants.first()).copied();
            if let Published::Diverged(divergence) = published {
                self.diverged(key, first, &divergence)?;
            }
            // A worker of this machine is still to say that it ended.
            let running = first.filter(|id| self.is_elsewhere() && self.running.contains_key(id));
            if let Some(id) = running
                && let Some(finished) = self.store.finished(&key)?
            {
                self.finish(id, key, finished)?;
            }
        }
        Ok(())
    }

    fn diverged(
        &mut self,
        key: Key,
        task: Option<TaskId>,
        divergence: &Divergence,
    ) -> Result<(), ExecError> {
        let kept = self.store.read_receipt(&divergence.kept)?;
        let other: Digest = match self.store.read_receipt(&divergence.refused) {
            Ok(refused) => refused.output.digest(),
            // A receipt that was lost: what it said can't be told, and the new result stands.
            Err(StoreError::Missing { .. } | StoreError::Corrupt { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let label = task.map_or(kept.label, |id| self.graph.task(id).label.clone());
        (self.emit)(&Event::Diverged { label, key, kept: kept.output.digest(), other });
        Ok(())
    }

    /// Completes all tasks that have the key of `id`, whose result is in the store.
    fn finish(&mut self, id: TaskId, key: Key, finished: Finished) -> Result<(), ExecError> {
        if self.running.get(&id).is_some_and(|running| running.clock.is_none()) {
            self.began(id, self.store.read_receipt(&finished.receipt)?.attempt);
        }
        if let Some(needs) = self.queue.end(id) {
            let cost = self.store.read_receipt(&finished.receipt)?.cost;
            self.queue.took(&needs, cost.peak_memory);
        }
        let seconds = self.close(id);
        self.executor.forget(id);
        // All of it, but for what the worker has removed itself.
        Attempt::discard(self.store.root(), &key);
        let task = self.graph.task(id);
        let (label, kind, artifact) =
            (task.label.clone(), task.kind.name.to_owned(), finished.output.digest());
        let rate = self.rates.remove(&id);
        self.timings.push(Timing { label: label.clone(), kind: kind.clone(), seconds, rate });
        let cost = task.work.seconds();
        (self.emit)(&Event::Finished { label, kind, key, artifact, seconds, cost });
        let mut decidable = Vec::new();
        for claimant in self.claims.remove(&key).unwrap_or_default() {
            self.complete(claimant, key, finished.output.clone(), claimant == id, &mut decidable);
        }
        self.settle(decidable)
    }

    pub(super) fn fail(&mut self, id: TaskId, error: String, log: &Path) {
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
        if !self.options.keep_going {
            self.stop_starting();
        }
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
}
