//! How the results of a report came about: every task behind it, from image sets to analyses, with
//! the digests of what they made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::vocabulary::Design;

/// The tasks that a report was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The tasks in the order of the plan, each after those that it was made from.
    pub tasks: Vec<Made>,
    /// The classifiers of each experiment.
    pub classifiers: BTreeMap<String, Vec<Trained>>,
}

/// A task and what it made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The task's label, e.g. "dreambooth/psoriasis/text-to-image".
    pub label: String,
    /// What a task of its kind is called, e.g. "fine-tuning".
    pub kind: String,
    /// The seed of its draws, in hexadecimal; none: it draws nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// The digest of its output.
    #[cfg_attr(test, schemars(with = "String"))]
    pub digest: Digest,
    /// The output's size in bytes.
    pub bytes: u64,
    /// The places of the tasks that it was made from, ascending.
    pub from: Vec<usize>,
    /// What it read from outside the plan, such as "files: 60 files".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
}

/// A classifier of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// The classifier's design.
    pub design: Design,
    /// Its replicate, from 0.
    pub replicate: usize,
    /// The place of the task that trained it.
    pub task: usize,
}

impl Lineage {
    /// The place of a task.
    pub fn find(&self, label: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.label == label)
    }

    /// The places of the tasks that trained the classifiers of a design, by replicate.
    pub fn classifiers_of(&self, experiment: &str, design: &Design) -> Vec<usize> {
        let all = self.classifiers.get(experiment).into_iter().flatten();
        let mut own = all.filter(|it| it.design == *design).collect::<Vec<_>>();
        own.sort_by_key(|it| it.replicate);
        own.into_iter().map(|it| it.task).collect()
    }
}
