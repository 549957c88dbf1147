//! `titrate reproduce --check`: a sample of the results that are there is computed again, and
//! compared with them digest by digest.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::cli::args::Reproduce;
use crate::cli::common::Opened;
use crate::cli::exit::Exit;
use crate::cli::launch::{options, terminal};
use crate::exec::{self, Event, Options, Outcome, Stop};
use crate::id::Digest;
use crate::plan::{Graph, Input, TaskId};
use crate::store::{Artifact, Published, Store};
use crate::wording::some_of;

/// How many tasks are named before they are only counted.
const NAMES: usize = 20;

/// What computing a sample again found, in words.
pub(super) struct Rechecked {
    pub text: String,
    pub exit: Exit,
}

/// Computes a part of the results of `outcome` again that were there before it, each from the
/// inputs that it was computed from, and compares. A result that comes out otherwise is recorded as
/// a divergence.
///
/// # Errors
/// If the store or its folder for temporary files can't be used.
pub(super) fn recheck(
    opened: &Opened,
    outcome: &Outcome,
    part: f64,
    arguments: &Reproduce,
) -> Result<Rechecked> {
    let Opened { store, graph, .. } = opened;
    let (cached, passed_over) = candidates(graph, outcome, store)?;
    let sample = draw(&cached, graph, part);
    if sample.is_empty() {
        let text = "check: no result was there before that could be computed again\n".to_owned();
        return Ok(Rechecked { text, exit: Exit::Done });
    }
    let alone = alone(graph, &sample, outcome)?;
    let scratch = store.for_reruns()?;
    let again = run(&alone, &scratch, arguments)?;
    let (mut same, mut other, mut missing) = (0, Vec::new(), Vec::new());
    for (id, original) in alone.ids().zip(&sample) {
        let label = alone.task(id).label.as_str();
        let before = outcome.artifacts[original.index()].as_ref();
        let before = before.expect("what is drawn has a result");
        match &again.artifacts[id.index()] {
            None => missing.push(label.to_owned()),
            Some(now) if now == before => same += 1,
            Some(now) => {
                record(store, &scratch, label)?;
                other.push(format!("{label}: {}", differing(before, now)));
            }
        }
    }
    let mut text = format!(
        "check: {} of {} results computed again: {same} the same, {} otherwise, {} not computed\n",
        sample.len(),
        cached.len(),
        other.len(),
        missing.len()
    );
    for (what, lines) in [("otherwise", &other), ("not computed", &missing)] {
        if !lines.is_empty() {
            writeln!(text, "  {what}:\n    {}", some_of(lines, NAMES, "\n    "))?;
        }
    }
    if passed_over > 0 {
        writeln!(text, "  {passed_over} results were left out: what they read lies elsewhere")?;
    }
    if !other.is_empty() {
        text.push_str(
            "  The results that were there stay; the others are recorded as divergences \
             (`titrate verify` lists them).\n",
        );
    }
    let exit = match again.stop {
        Stop::Finished if other.is_empty() && missing.is_empty() => Exit::Done,
        stop => Exit::of_run(stop, 1),
    };
    Ok(Rechecked { text, exit })
}

/// The tasks whose results were there before the run and can be computed again here, and how many
/// can't since what they read is not here.
fn candidates(graph: &Graph, outcome: &Outcome, store: &Store) -> Result<(Vec<TaskId>, usize)> {
    let ran = outcome.timings.iter().map(|timing| timing.label.as_str()).collect::<HashSet<_>>();
    let (mut cached, mut passed_over) = (Vec::new(), 0);
    for id in graph.ids().filter(|id| !ran.contains(graph.task(*id).label.as_str())) {
        if outcome.artifacts[id.index()].is_none() {
            continue;
        }
        let read = graph.task(id).inputs.iter().filter_map(|(_, input)| match input {
            Input::Task(read) => outcome.artifacts[read.index()].as_ref(),
            Input::Imported(artifact) => Some(artifact),
            Input::Files(_) | Input::Absent(_) => None,
        });
        let mut here = true;
        for artifact in read {
            here &= store.elsewhere(artifact).is_none() || store.integrity(artifact)?.is_intact();
        }
        if here {
            cached.push(id);
        } else {
            passed_over += 1;
        }
    }
    Ok((cached, passed_over))
}

/// A part of the tasks, one at least, in the order of the plan. Which ones is decided by the clock, so
/// that checks made again and again come to all of them.
fn draw(all: &[TaskId], graph: &Graph, part: f64) -> Vec<TaskId> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let place = |id: &TaskId| Digest::of(format!("{now} {}", graph.task(*id).label).as_bytes());
    let mut drawn = all.to_vec();
    drawn.sort_by_cached_key(place);
    drawn.truncate((all.len() as f64 * part).ceil() as usize);
    drawn.sort();
    drawn
}

/// The tasks as a graph in which none waits for another: each reads what is in the store. Their keys
/// are as before, since an input counts by its digest.
fn alone(graph: &Graph, sample: &[TaskId], outcome: &Outcome) -> Result<Graph> {
    let mut alone = Graph::new(graph.numerics().clone());
    for id in sample {
        let mut task = graph.task(*id).clone();
        for (_, input) in &mut task.inputs {
            if let Input::Task(read) = input {
                let artifact = outcome.artifacts[read.index()].clone();
                *input = Input::Imported(artifact.context("an input has no result")?);
            }
        }
        alone.add(task)?;
    }
    Ok(alone)
}

/// Runs the sample to its end, whichever of it fails.
fn run(graph: &Graph, scratch: &Store, arguments: &Reproduce) -> Result<Outcome> {
    let options = Options { keep_going: true, ..options(arguments, scratch.root(), None)? };
    let mut terminal = terminal(arguments);
    let outcome = exec::run(graph, scratch, &options, &mut |event: &Event| terminal.tell(event))?;
    terminal.check_output()?;
    Ok(outcome)
}

/// Records the receipt of a rerun that came out otherwise.
fn record(store: &Store, scratch: &Store, label: &str) -> Result<()> {
    let key = scratch.history(label)?.last().copied();
    let receipt = key.map(|key| scratch.receipt(&key)).transpose()?.flatten();
    match store.publish(&receipt.context("the rerun has no receipt")?)? {
        Published::Diverged(_) => Ok(()),
        Published::New | Published::Confirmed => {
            anyhow::bail!("{label} came out otherwise, and its receipt says that it did not")
        }
    }
}

/// The outputs that are not the same.
fn differing(before: &Artifact, now: &Artifact) -> String {
    let changed = before
        .entries()
        .iter()
        .filter(|entry| now.entry(&entry.name).is_none_or(|now| now.digest != entry.digest));
    let names = changed.map(|entry| entry.name.as_str()).collect::<Vec<_>>();
    match names.is_empty() {
        true => "it has more outputs than before".to_owned(),
        false => some_of(&names, NAMES, ", "),
    }
}
