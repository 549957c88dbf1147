//! `titrate plan`: what would run and why, what is missing, how long it would take, and what the
//! study could find.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::rates::{Forecast, Stated};
use super::{LINES, NAMES, Standing, State, Tally, awaited_words, tell};
use crate::cli::args::Plan;
use crate::cli::common::{Opened, Pipeline, open_to_read, study_path, warnings, workspace};
use crate::cli::exit::Exit;
use crate::cli::power::{self, Found};
use crate::cli::study_keys;
use crate::plan::{Assessment, Freshness, Graph, Input, Reason, walk};
use crate::sources;
use crate::store::Store;
use crate::study::{Goal, LoadedStudy, Study};
use crate::vocabulary::Arm;
use crate::wording::some_of;

/// What a run of a study would do.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Planned {
    study: String,
    tally: Tally,
    /// Every task, those that others read first.
    tasks: Vec<Standing>,
    /// Keys of the study whose change made tasks stale: old and new value, file and line.
    changed: Vec<String>,
    experiments: Vec<Grid>,
    /// How tables and files of the image set fit together, and what of them is not used.
    image_set: Vec<String>,
    warnings: Vec<String>,
    /// Files that the study names and that are not there.
    missing: Vec<String>,
    forecast: Forecast,
    /// What each experiment could find.
    power: Vec<Found>,
}

/// The classifiers of an experiment.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Grid {
    experiment: String,
    classifiers: usize,
    /// Those of them that another experiment before has too.
    shared: usize,
    /// Arms that are compared with real only.
    comparisons: usize,
}

pub fn plan(pipeline: &Pipeline, arguments: &Plan) -> Result<Exit> {
    let stated = stated(arguments)?;
    let Opened { study, store, graph } = open_to_read(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let root = workspace().join(&arguments.which.place.folder.store);
    let planned = Planned {
        tally: Tally::of(&assessed),
        tasks: graph.ids().map(|id| Standing::of(&graph, id, &assessed[id.index()])).collect(),
        changed: changed_keys(&graph, &assessed, &study, &store, &root)?,
        experiments: experiments(&study.study),
        image_set: sources::listing(&study, &store)?,
        warnings: warnings(&study, &store)?,
        missing: missing(&graph),
        forecast: Forecast::of(&graph, &assessed, &store, stated.as_ref())?,
        power: power::power(&study.study, &graph, &assessed, &store)?,
        study: study.name,
    };
    tell(&planned, arguments.json, |planned| words(planned, arguments.all))
}

/// The rates that are asked for, or those beside the study.
fn stated(arguments: &Plan) -> Result<Option<Stated>> {
    let path = match &arguments.rates {
        Some(path) => Some(path.clone()),
        None => beside(&study_path(&arguments.which.study)?).filter(|path| path.is_file()),
    };
    path.map(|path| Stated::read(&path)).transpose()
}

/// `experiments/rates/paper.toml` of `experiments/paper.toml`.
fn beside(study: &Path) -> Option<PathBuf> {
    Some(study.parent()?.join("rates").join(study.file_name()?))
}

fn words(planned: &Planned, all: bool) -> String {
    let mut text = format!("{}: {}\n", planned.study, planned.tally);
    text.push_str(&if all { every_task(&planned.tasks) } else { to_run(&planned.tasks) });
    list(&mut text, "changed in the study", &planned.changed, LINES);
    text.push_str(&table(&planned.experiments));
    list(&mut text, "image set", &planned.image_set, usize::MAX);
    planned.warnings.iter().for_each(|line| text.push_str(&format!("warning: {line}\n")));
    list(&mut text, "missing", &planned.missing, usize::MAX);
    text.push_str(&planned.forecast.to_string());
    text.push_str(&power::words(&planned.power, all));
    text
}

/// Adds lines under a heading, if there are any.
fn list(text: &mut String, head: &str, lines: &[String], most: usize) {
    if !lines.is_empty() {
        text.push_str(&format!("{head}:\n  {}\n", some_of(lines, most, "\n  ")));
    }
}

/// A line for each task.
fn every_task(tasks: &[Standing]) -> String {
    let line = |task: &Standing| {
        let label = &task.label;
        match &task.state {
            State::Fresh { output } => format!("fresh    {label}  {}\n", output.short()),
            State::Stale { because } => format!("stale    {label}  {because}\n"),
            State::Unknown { waits_for } => {
                format!("unknown  {label}  waits for {}\n", awaited_words(waits_for))
            }
        }
    };
    tasks.iter().map(line).collect()
}

/// The tasks that are to run, those that have one reason together.
fn to_run(tasks: &[Standing]) -> String {
    let mut stale: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut waiting = Vec::new();
    for task in tasks {
        match &task.state {
            State::Fresh { .. } => {}
            State::Stale { because } => enter(&mut stale, because, &task.label),
            State::Unknown { waits_for } => {
                let awaited = awaited_words(waits_for);
                waiting.push(format!("unknown  {}  waits for {awaited}", task.label));
            }
        }
    }
    let stale = stale.iter().map(|(reason, labels)| match labels.as_slice() {
        [label] => format!("stale    {label}  {reason}"),
        labels => {
            format!("stale    {} tasks  {reason}: {}", labels.len(), some_of(labels, NAMES, ", "))
        }
    });
    let stale = stale.collect::<Vec<_>>();
    if waiting.len() > LINES {
        let these = if stale.is_empty() { "" } else { "these, or for " };
        let tasks = waiting.len();
        waiting = vec![format!("unknown  {tasks} tasks wait for {these}what is missing")];
    }
    let mut text = String::new();
    for lines in [stale, waiting].into_iter().filter(|lines| !lines.is_empty()) {
        text.push_str(&some_of(&lines, LINES, "\n"));
        text.push('\n');
    }
    if !text.is_empty() {
        text.push_str("`--all` lists each task, `titrate why LABEL` says more of one\n");
    }
    text
}

/// Adds a label to the group of its kin.
fn enter<'l>(groups: &mut Vec<(&'l str, Vec<&'l str>)>, of: &'l str, label: &'l str) {
    match groups.iter_mut().find(|(known, _)| *known == of) {
        Some((_, labels)) => labels.push(label),
        None => groups.push((of, vec![label])),
    }
}

/// The keys of the study whose change made tasks stale, each once.
fn changed_keys(
    graph: &Graph,
    assessed: &[Assessment],
    study: &LoadedStudy,
    store: &Store,
    root: &Path,
) -> Result<Vec<String>> {
    let (mut reasons, mut lines) = (BTreeSet::new(), BTreeSet::new());
    for id in graph.ids() {
        let freshness = &assessed[id.index()].freshness;
        if let Freshness::Stale(reason @ Reason::Changed(_)) = freshness
            && reasons.insert(reason.to_string())
        {
            let keys = study_keys::behind(&graph.task(id).label, freshness, study, store, root)?;
            lines.extend(keys);
        }
    }
    Ok(lines.into_iter().collect())
}

/// The experiments of a study that names them.
fn experiments(study: &Study) -> Vec<Grid> {
    if study.experiments.is_empty() || study.goal != Goal::Report {
        return Vec::new();
    }
    let mut known = BTreeSet::new();
    let grids = study.experiments().map(|(name, experiment)| {
        let cells = experiment.cells();
        let classifiers = cells.len();
        let compared = cells.iter().filter(|cell| cell.arm != Arm::Real && cell.replicate == 0);
        let comparisons = compared.count();
        let shared = cells.into_iter().filter(|cell| !known.insert(cell.clone())).count();
        Grid { experiment: name.to_owned(), classifiers, shared, comparisons }
    });
    grids.collect()
}

fn table(grids: &[Grid]) -> String {
    if grids.is_empty() {
        return String::new();
    }
    let width = grids.iter().map(|grid| grid.experiment.len()).max().unwrap_or(0).max(10);
    let mut text = format!("{:width$}  classifiers  shared  comparisons\n", "experiment");
    for Grid { experiment, classifiers, shared, comparisons } in grids {
        writeln!(text, "{experiment:width$}  {classifiers:11}  {shared:6}  {comparisons:11}")
            .expect("a string takes text");
    }
    text
}

/// What of the study is not there, each once.
fn missing(graph: &Graph) -> Vec<String> {
    let mut missing = Vec::new();
    for id in graph.ids() {
        for (_, input) in &graph.task(id).inputs {
            if let Input::Absent(what) = input
                && !missing.contains(what)
            {
                missing.push(what.clone());
            }
        }
    }
    missing
}
