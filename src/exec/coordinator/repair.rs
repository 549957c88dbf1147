//! What happens when an object that a task reads is found damaged: the tasks that made it run again,
//! then those that read it.

use std::path::Path;

use super::{Coordinator, Stage, inputs};
use crate::exec::event::Event;
use crate::exec::{ExecError, Stop};
use crate::id::Digest;
use crate::plan::{Input, TaskId};

impl Coordinator<'_> {
    /// Sends back the tasks that made the damaged inputs of `id`, and lets `id` wait for them.
    /// Once: then the damage is its failure.
    pub(super) fn repair(
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
}
