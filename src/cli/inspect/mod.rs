//! `titrate plan`, `status`, `show` and `why`: what stands where, and why. Nothing runs. Each first
//! puts together what it has to say, and then prints it for people or, with `--json`, for programs.

mod plan;
mod rates;
pub(super) mod schemas;
mod show;
mod status;
mod why;

use std::collections::HashSet;
use std::fmt;

use anyhow::Result;
use serde::Serialize;

pub(super) use plan::plan;
pub(super) use show::show;
pub(super) use status::status;
pub(super) use why::why;

use crate::cli::common::{print, print_json};
use crate::cli::exit::Exit;
use crate::id::{Digest, Key};
use crate::plan::{Assessment, Freshness, Graph, Input, TaskId, distinct_task_inputs};
use crate::wording::some_of;

/// How many names a list shows before it only counts.
const NAMES: usize = 3;

/// How many lines of a kind are printed before the rest is only counted.
const LINES: usize = 20;

/// Prints what a command found.
fn tell<T: Serialize>(found: &T, json: bool, words: impl FnOnce(&T) -> String) -> Result<Exit> {
    match json {
        true => print_json(found)?,
        false => print(&words(found))?,
    }
    Ok(Exit::Done)
}

/// Tasks by where they stand.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Tally {
    tasks: usize,
    /// Their results are in the store.
    fresh: usize,
    /// They have to run.
    stale: usize,
    /// What they read is not known yet.
    unknown: usize,
}

impl Tally {
    fn add(&mut self, freshness: &Freshness) {
        self.tasks += 1;
        match freshness {
            Freshness::Fresh(_) => self.fresh += 1,
            Freshness::Stale(_) => self.stale += 1,
            Freshness::Unknown(_) => self.unknown += 1,
        }
    }

    fn of(assessed: &[Assessment]) -> Self {
        let mut tally = Self::default();
        assessed.iter().for_each(|assessment| tally.add(&assessment.freshness));
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tasks, fresh, stale, unknown } = self;
        write!(f, "{tasks} tasks: {fresh} fresh, {stale} stale, {unknown} unknown")
    }
}

/// A task and where it stands.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Standing {
    label: String,
    kind: &'static str,
    /// Of the manifest; none where it is not known yet.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    key: Option<Key>,
    #[serde(flatten)]
    state: State,
}

/// Where a task stands.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum State {
    /// Its result is in the store.
    Fresh {
        /// Of its artifact.
        #[cfg_attr(test, schemars(with = "String"))]
        output: Digest,
    },
    /// It has to run.
    Stale {
        /// Why.
        because: String,
    },
    /// What it reads is not known yet.
    Unknown {
        /// The labels of the tasks, and the missing files, that it waits for.
        waits_for: Vec<String>,
    },
}

impl Standing {
    fn of(graph: &Graph, id: TaskId, assessment: &Assessment) -> Self {
        let task = graph.task(id);
        let state = match &assessment.freshness {
            Freshness::Fresh(artifact) => State::Fresh { output: artifact.digest() },
            Freshness::Stale(reason) => State::Stale { because: reason.to_string() },
            Freshness::Unknown(roles) => State::Unknown { waits_for: awaited(graph, id, roles) },
        };
        Self { label: task.label.clone(), kind: task.kind.name, key: assessment.key(), state }
    }

    fn is_fresh(&self) -> bool {
        matches!(self.state, State::Fresh { .. })
    }
}

/// The labels of the tasks behind the inputs called `roles`, and what of them is missing.
fn awaited(graph: &Graph, id: TaskId, roles: &[String]) -> Vec<String> {
    let roles = roles.iter().collect::<HashSet<_>>();
    let named = graph.task(id).inputs.iter().filter(|(role, _)| roles.contains(role));
    let label = |(_, input): &(String, Input)| match input {
        Input::Task(id) => Some(graph.task(*id).label.clone()),
        Input::Absent(what) => Some(what.clone()),
        Input::Files(_) | Input::Imported(_) => None,
    };
    named.filter_map(label).collect()
}

/// What is waited for, as words.
fn awaited_words(waits_for: &[String]) -> String {
    some_of(waits_for, NAMES, ", ")
}

/// The stale tasks that `id` is made from, in topological order.
fn stale_ancestors(graph: &Graph, id: TaskId, assessed: &[Assessment]) -> Vec<TaskId> {
    let mut reached = vec![false; graph.len()];
    reached[id.index()] = true;
    for next in graph.ids().rev().filter(|next| next.index() <= id.index()) {
        if reached[next.index()] {
            let inputs = distinct_task_inputs(graph.task(next));
            inputs.into_iter().for_each(|input| reached[input.index()] = true);
        }
    }
    let stale = |id: &TaskId| {
        reached[id.index()] && matches!(assessed[id.index()].freshness, Freshness::Stale(_))
    };
    graph.ids().filter(stale).collect()
}
