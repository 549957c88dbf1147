//! The task that says what every result of the study was made from.

use std::collections::BTreeMap;

use super::{Builder, Inputs, role};
use crate::plan::distinct_task_inputs;
use crate::plan::graph::{Input, PlanError, Task, TaskId};
use crate::plan::kinds::{self, Classifiers, Planned};
use crate::study::{Cell, Experiment};

impl Builder<'_> {
    /// The lineage of all tasks so far. To be added after everything that the report shows.
    pub(super) fn lineage(
        &mut self,
        classifiers: &BTreeMap<Cell, TaskId>,
    ) -> Result<TaskId, PlanError> {
        let study = self.study;
        let trained = |(name, experiment): (&str, &Experiment)| {
            let cells = experiment.cells().into_iter();
            let cells = cells.map(|cell| {
                let task = classifiers[&cell].index();
                (cell, task)
            });
            Classifiers { experiment: name.to_owned(), cells: cells.collect() }
        };
        let tasks = self.graph.ids().map(|id| self.graph.task(id));
        let params = kinds::Lineage {
            tasks: tasks.map(describe).collect(),
            experiments: study.experiments().map(trained).collect(),
        };
        let made = self.graph.ids().map(|id| role(&self.graph.task(id).label, id));
        let inputs = made.collect::<Inputs>();
        self.add("lineage".into(), &params, inputs, None, params.work())
    }
}

fn describe(task: &Task) -> Planned {
    let mut from = distinct_task_inputs(task).iter().map(|id| id.index()).collect::<Vec<_>>();
    from.sort_unstable();
    let outside = task.inputs.iter().filter_map(|(role, input)| match input {
        Input::Task(_) => None,
        Input::Files(files) => Some(match files.as_slice() {
            // Not its digest: a file that is packed otherwise and gives the same is the same.
            [file] => format!("{role}: the file {}", file.name),
            files => format!("{role}: {} files", files.len()),
        }),
        Input::Imported(artifact) => {
            Some(format!("{role}: imported {}", artifact.digest().short()))
        }
        Input::Absent(what) => Some(format!("{role}: {what}")),
    });
    Planned {
        label: task.label.clone(),
        kind: task.kind.noun.to_owned(),
        seed: task.seed.map(|seed| seed.to_string()).unwrap_or_default(),
        from: Planned::write_places(&from),
        outside: outside.collect(),
    }
}
