//! `titrate status`: a study's tasks counted, and why some would run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::{NAMES, Standing, State, Tally, tell};
use crate::cli::args::Status;
use crate::cli::common::{Opened, Pipeline, open_to_read};
use crate::cli::exit::Exit;
use crate::exec;
use crate::plan::walk;
use crate::wording::some_of;

/// A study's tasks, counted.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counted {
    study: String,
    tally: Tally,
    /// The tasks of each kind.
    kinds: BTreeMap<&'static str, Tally>,
    /// The labels of the stale tasks by their reason.
    stale: BTreeMap<String, Vec<String>>,
    /// What a cluster's queue has of the study; none where there is nothing.
    queue: Option<String>,
}

pub fn status(pipeline: &Pipeline, arguments: &Status) -> Result<Exit> {
    let Opened { study, store, graph } = open_to_read(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let mut counted = Counted {
        study: study.name,
        tally: Tally::of(&assessed),
        kinds: BTreeMap::new(),
        stale: BTreeMap::new(),
        queue: exec::standing(store.root()),
    };
    for id in graph.ids() {
        let assessment = &assessed[id.index()];
        let task = Standing::of(&graph, id, assessment);
        counted.kinds.entry(task.kind).or_default().add(&assessment.freshness);
        if let State::Stale { because } = task.state {
            counted.stale.entry(because).or_default().push(task.label);
        }
    }
    tell(&counted, arguments.json, words)
}

fn words(counted: &Counted) -> String {
    let Counted { study, tally, kinds, stale, queue } = counted;
    let width = kinds.keys().map(|kind| kind.len()).max().unwrap_or(0).max(4);
    let mut text = format!("{study}: {tally}\n\n{:width$}  tasks  fresh  stale  unknown\n", "kind");
    let mut line = |words: std::fmt::Arguments<'_>| {
        writeln!(text, "{words}").expect("a string takes text");
    };
    for (kind, Tally { tasks, fresh, stale, unknown }) in kinds {
        line(format_args!("{kind:width$}  {tasks:5}  {fresh:5}  {stale:5}  {unknown:7}"));
    }
    if !stale.is_empty() {
        line(format_args!("\nstale because"));
    }
    for (reason, labels) in stale {
        line(format_args!("{:5}  {reason} ({})", labels.len(), some_of(labels, NAMES, ", ")));
    }
    if tally.unknown > 0 {
        let unknown = tally.unknown;
        line(format_args!(
            "{unknown:5}  unknown until those have run: unchanged outputs leave them fresh"
        ));
    }
    if let Some(queue) = queue {
        line(format_args!("\n{queue}"));
    }
    text
}
