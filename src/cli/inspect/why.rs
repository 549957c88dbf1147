//! `titrate why`: why a task would run, or what last changed.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{Standing, State, awaited_words, stale_ancestors, tell};
use crate::cli::args::Why;
use crate::cli::common::{Opened, Pipeline, open_to_read, workspace};
use crate::cli::exit::Exit;
use crate::cli::study_keys;
use crate::id::Key;
use crate::plan::{TaskId, differences, walk};
use crate::store::Store;

/// Why a task would run.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explained {
    #[serde(flatten)]
    task: Cause,
    /// The stale tasks that a task of unknown state is made from.
    behind: Vec<Cause>,
    /// What changed when a fresh task came to have its key; none where it ran with no other.
    last_change: Option<LastChange>,
}

/// A task and the keys of the study that decided where it stands.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Cause {
    #[serde(flatten)]
    task: Standing,
    /// Keys of the study that changed: old and new value, file and line.
    study_keys: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LastChange {
    /// The key that the task ran with before.
    #[cfg_attr(test, schemars(with = "String"))]
    before: Key,
    /// What differs between the manifests.
    changes: Vec<String>,
}

pub fn why(pipeline: &Pipeline, arguments: &Why) -> Result<Exit> {
    let Opened { study, store, graph } = open_to_read(pipeline, &arguments.which)?;
    let id =
        graph.find(&arguments.label).with_context(|| format!("study {}", arguments.which.study))?;
    let root = workspace().join(&arguments.which.place.folder.store);
    let assessed = walk(&graph, &store)?;
    let cause = |id: TaskId| -> Result<Cause> {
        let (label, assessment) = (&graph.task(id).label, &assessed[id.index()]);
        let study_keys = study_keys::behind(label, &assessment.freshness, &study, &store, &root)?;
        Ok(Cause { task: Standing::of(&graph, id, assessment), study_keys })
    };
    let task = cause(id)?;
    let behind = match &task.task.state {
        State::Unknown { .. } => stale_ancestors(&graph, id, &assessed),
        _ => Vec::new(),
    };
    let last_change = match task.task.key.filter(|_| task.task.is_fresh()) {
        Some(key) => last_change(&store, &arguments.label, &key)?,
        None => None,
    };
    let behind = behind.into_iter().map(cause).collect::<Result<_>>()?;
    tell(&Explained { task, behind, last_change }, arguments.json, words)
}

/// What changed when a fresh task came to have its key.
fn last_change(store: &Store, label: &str, key: &Key) -> Result<Option<LastChange>> {
    let Some(now) = store.receipt(key)? else { return Ok(None) };
    let history = store.history(label)?;
    let earlier = history.iter().rev().find(|earlier| *earlier != key);
    let before = earlier.map(|earlier| store.receipt(earlier)).transpose()?.flatten();
    Ok(before.map(|before| LastChange {
        before: before.key,
        changes: differences(&before.manifest, &now.manifest)
            .iter()
            .map(ToString::to_string)
            .collect(),
    }))
}

fn words(explained: &Explained) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        writeln!(text, "{words}").expect("a string takes text");
    };
    let Standing { label, key, state, .. } = &explained.task.task;
    match state {
        State::Stale { because } => {
            line(format_args!("{label} is stale\n  {}", because.replace("; ", "\n  ")));
        }
        State::Unknown { waits_for } => {
            line(format_args!("{label} is unknown: it waits for {}", awaited_words(waits_for)));
        }
        State::Fresh { .. } => {
            let key = key.as_ref().map(Key::short).unwrap_or_default();
            line(format_args!("{label} is fresh, key {key}"));
        }
    }
    for key in &explained.task.study_keys {
        line(format_args!("  in the study: {key}"));
    }
    for Cause { task, study_keys } in &explained.behind {
        if let State::Stale { because } = &task.state {
            line(format_args!("  {} is stale: {because}", task.label));
        }
        for key in study_keys {
            line(format_args!("  in the study: {key}"));
        }
    }
    match &explained.last_change {
        Some(LastChange { before, changes }) => {
            line(format_args!("  compared with key {}, which it also ran with:", before.short()));
            changes.iter().for_each(|change| line(format_args!("  {change}")));
        }
        None if explained.task.task.is_fresh() => {
            line(format_args!("  it ran with no other manifest"));
        }
        None => {}
    }
    text
}
