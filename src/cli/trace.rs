//! `titrate trace`: what a number of the report, or a task's output, was made from, down to weights
//! and image files, with keys, seeds, machines, times and costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::cli::args::Trace;
use crate::cli::common::{Opened, Pipeline, REPORT, open_to_read, print, print_json};
use crate::cli::exit::Exit;
use crate::cli::launch::rerun_command;
use crate::cli::units::duration;
use crate::date::date;
use crate::id::{Digest, Key};
use crate::plan::{
    Assessment, Freshness, Graph, Input, InputFile, TaskId, distinct_task_inputs, walk,
};
use crate::report::{NUMBERS, Number};
use crate::store::{Receipt, Store};
use crate::wording::some_of;

/// How many tasks of a kind, and how many files, are listed before the rest is only counted.
const LINES: usize = 3;

/// A number or a task, and everything that it was made from.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Traced {
    /// The id or the label that was asked for.
    id: String,
    study: String,
    /// The number; none for a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<Number>,
    /// The task that computed it, and those whose outputs that one computed it from.
    computed_by: Vec<String>,
    /// All tasks behind it, in the order of the plan.
    tasks: Vec<Step>,
}

/// A task behind a number.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Step {
    label: String,
    kind: &'static str,
    #[serde(skip)]
    noun: &'static str,
    #[cfg_attr(test, schemars(with = "String"))]
    key: Key,
    /// Of its output.
    #[cfg_attr(test, schemars(with = "String"))]
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
    /// The tasks that it read.
    from: Vec<String>,
    /// The files outside the store that it read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<File>,
    /// The artifacts that it read and no task of the plan made, by role.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, String>"))]
    imported: BTreeMap<String, Digest>,
    /// When, where and with which code it ran.
    ran: Ran,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct File {
    name: String,
    path: PathBuf,
    #[cfg_attr(test, schemars(with = "String"))]
    digest: Digest,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Ran {
    started: String,
    wall_s: f64,
    cpu_s: f64,
    host: String,
    processor: String,
    titrate: String,
    commit: Option<String>,
    /// Whether the sources differed from the commit.
    changed: bool,
}

pub(super) fn trace(pipeline: &Pipeline, arguments: &Trace) -> Result<Exit> {
    let Opened { study, store, graph } = open_to_read(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let id = arguments.id.as_str();
    let (number, first) = match graph.by_label(id) {
        Some(task) => (None, vec![task]),
        None => {
            let numbers = read_numbers(&graph, &assessed, &store, id)?;
            let number = find_number(&numbers, id)?.clone();
            let task = graph.find(&number.task)?;
            // Where a number was computed from some of a task's inputs, the others are not behind it.
            let from = number.from.iter().map(|label| graph.find(label));
            let from = from.collect::<Result<Vec<_>, _>>()?;
            (Some(number), std::iter::once(task).chain(from).collect())
        }
    };
    let name = |id: &TaskId| graph.task(*id).label.clone();
    let tasks = behind(&graph, &first).into_iter();
    let traced = Traced {
        id: id.to_owned(),
        study: study.name,
        number,
        computed_by: first.iter().map(name).collect(),
        tasks: tasks.map(|task| step(&graph, task, &assessed, &store)).collect::<Result<_>>()?,
    };
    if arguments.json {
        print_json(&traced)?;
    } else {
        let mut elsewhere = arguments.which.clone();
        elsewhere.place.folder.store = "EMPTY".into();
        print(&write(&traced, arguments.all, &rerun_command(&elsewhere)))?;
    }
    Ok(Exit::Done)
}

/// The numbers of the study's report, of which one is called `id`.
pub(super) fn read_numbers(
    graph: &Graph,
    assessed: &[Assessment],
    store: &Store,
    id: &str,
) -> Result<Vec<Number>> {
    let report = graph.by_label(REPORT);
    let Some(report) = report else { bail!(graph.find(id).expect_err("no task has this label")) };
    let Freshness::Fresh(artifact) = &assessed[report.index()].freshness else {
        bail!(
            "no task is called `{id}`, and the study's report, which may have a number of that \
             id, is not up to date: `titrate reproduce` makes it, `titrate why report` says why"
        );
    };
    let entry = artifact.entry(NUMBERS).context("the report has no numbers")?;
    Ok(serde_json::from_slice(&store.objects().read(&entry.digest)?)?)
}

/// The number called `id`.
pub(super) fn find_number<'n>(numbers: &'n [Number], id: &str) -> Result<&'n Number> {
    let likeness = |number: &&Number| strsim::jaro(id, &number.id);
    let near = numbers.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = near.map(|near| format!("; is it `{}`?", near.id)).unwrap_or_default();
    numbers.iter().find(|number| number.id == id).with_context(|| {
        format!(
            "no task and no number of the report is called `{id}`{hint} ({NUMBERS} beside the \
             report lists the {} that there are)",
            numbers.len()
        )
    })
}

/// The tasks that `first` and those after it in the list were made from, and themselves, in the
/// order of the plan. Of the first, if others follow, only these are taken.
fn behind(graph: &Graph, first: &[TaskId]) -> Vec<TaskId> {
    let (head, chosen) = first.split_first().expect("a number has a task");
    let mut next = match chosen {
        [] => distinct_task_inputs(graph.task(*head)).into_iter().collect(),
        chosen => chosen.to_vec(),
    };
    let mut reached = BTreeSet::from([*head]);
    while let Some(task) = next.pop() {
        if reached.insert(task) {
            next.extend(distinct_task_inputs(graph.task(task)));
        }
    }
    reached.into_iter().collect()
}

fn step(graph: &Graph, id: TaskId, assessed: &[Assessment], store: &Store) -> Result<Step> {
    let task = graph.task(id);
    let receipt = assessed[id.index()].key().map(|key| store.receipt(&key)).transpose()?.flatten();
    let Some(Receipt { key, output, cost, origin, .. }) = receipt else {
        bail!(
            "{} has no result: the trace ends there. `titrate why` says why it is stale",
            task.label
        );
    };
    let (mut files, mut imported) = (Vec::new(), BTreeMap::new());
    for (role, input) in &task.inputs {
        match input {
            Input::Files(of_role) => files.extend(of_role.iter().map(|file| {
                let InputFile { name, path, digest } = file.clone();
                File { name, path, digest }
            })),
            Input::Imported(artifact) => {
                imported.insert(role.clone(), artifact.digest());
            }
            Input::Task(_) | Input::Absent(_) => {}
        }
    }
    let processor = match &origin.gpu {
        Some(gpu) => format!("{}, {gpu}", origin.cpu),
        None => origin.cpu,
    };
    let name = |id: TaskId| graph.task(id).label.clone();
    Ok(Step {
        label: task.label.clone(),
        kind: task.kind.name,
        noun: task.kind.noun,
        key,
        digest: output.digest(),
        seed: task.seed.map(|seed| seed.to_string()),
        from: distinct_task_inputs(task).into_iter().map(name).collect(),
        files,
        imported,
        ran: Ran {
            started: date(cost.started_unix_ms),
            wall_s: cost.wall_s,
            cpu_s: cost.cpu_s,
            host: origin.host,
            processor,
            titrate: origin.titrate,
            commit: origin.git_commit,
            changed: origin.git_dirty,
        },
    })
}

fn write(traced: &Traced, all: bool, rerun: &str) -> String {
    let mut text = format!("{} of {}\n", traced.id, traced.study);
    if let Some(number) = &traced.number {
        let interval = match (&number.low, &number.high) {
            (Some(low), Some(high)) => format!(" [{low}, {high}]"),
            _ => String::new(),
        };
        let names = number.row.iter().chain([&number.column]).map(String::as_str);
        let names = names.collect::<Vec<_>>().join(", ");
        text.push_str(&format!("  {}{interval}: {names}\n", number.value));
    }
    let (direct, others): (Vec<_>, Vec<_>) =
        traced.tasks.iter().partition(|step| traced.computed_by.contains(&step.label));
    let head = &traced.computed_by[0];
    let (by, from): (Vec<_>, Vec<_>) = direct.into_iter().partition(|step| step.label == *head);
    text.push_str("\ncomputed by\n");
    list(&mut text, &by, true);
    if !from.is_empty() {
        text.push_str("from the outputs of\n");
        list(&mut text, &from, true);
    }
    if !others.is_empty() {
        text.push_str("\nmade from\n");
    }
    for steps in by_kind(&others) {
        let seconds = steps.iter().map(|step| step.ran.cpu_s).sum::<f64>();
        let (count, noun) = (steps.len(), steps[0].noun);
        let tasks = if count == 1 { "task" } else { "tasks" };
        let spent = duration(seconds);
        text.push_str(&format!("  {noun}: {count} {tasks}, {spent} of processor time\n"));
        list(&mut text, &steps, all);
    }
    text.push_str(&outside(&traced.tasks, all));
    text.push_str(&origins(&traced.tasks));
    let label = &traced.computed_by[traced.computed_by.len() - 1];
    writeln!(text, "\nmake the output of a task again, in an empty store: the digest is the same")
        .and_then(|()| writeln!(text, "  {} {label}", rerun))
        .and_then(|()| {
            writeln!(text, "what it read and what it gave, in full\n  titrate show {label}")
        })
        .expect("a string grows");
    text
}

/// The steps of each kind, those nearest to the number first.
fn by_kind<'a>(steps: &[&'a Step]) -> Vec<Vec<&'a Step>> {
    let mut kinds = Vec::<Vec<&Step>>::new();
    for step in steps.iter().rev() {
        match kinds.iter_mut().find(|kind| kind[0].kind == step.kind) {
            Some(kind) => kind.insert(0, step),
            None => kinds.push(vec![step]),
        }
    }
    kinds
}

fn list(text: &mut String, steps: &[&Step], all: bool) {
    let shown = if all { steps.len() } else { LINES.min(steps.len()) };
    let width = steps[..shown].iter().map(|step| step.label.len()).max().unwrap_or(0);
    for Step { label, key, digest, seed, ran, .. } in &steps[..shown] {
        let seed = seed.as_ref().map(|seed| format!("  seed {}", &seed[..12])).unwrap_or_default();
        let (key, digest, took) = (key.short(), digest.short(), duration(ran.wall_s));
        text.push_str(&format!(
            "    {label:width$}  key {key}  digest {digest}  {took}, {}{seed}\n",
            ran.started
        ));
    }
    if shown < steps.len() {
        text.push_str(&format!("    and {} more; `--all` lists them\n", steps.len() - shown));
    }
}

/// What no task made: imported artifacts, and files.
fn outside(steps: &[Step], all: bool) -> String {
    let mut text = String::new();
    let imported = steps.iter().flat_map(|step| &step.imported).collect::<BTreeSet<_>>();
    for (role, digest) in imported {
        text.push_str(&format!("  imported as {role}: digest {digest}\n"));
    }
    let files = steps.iter().flat_map(|step| &step.files);
    let files = files.map(|file| (&file.path, file.digest)).collect::<BTreeMap<_, _>>();
    if !files.is_empty() {
        text.push_str(&format!("  files: {}\n", files.len()));
    }
    let shown = if all { files.len() } else { LINES.min(files.len()) };
    for (path, digest) in files.iter().take(shown) {
        text.push_str(&format!("    {}  {}\n", digest.short(), path.display()));
    }
    if shown < files.len() {
        text.push_str(&format!("    and {} more; `--all` lists them\n", files.len() - shown));
    }
    text
}

/// The code and the machines that all of it ran with.
fn origins(steps: &[Step]) -> String {
    let mut codes = BTreeSet::new();
    let mut machines = BTreeSet::new();
    for Step { ran, .. } in steps {
        let commit = ran.commit.as_deref().unwrap_or("unknown");
        let changed = if ran.changed { " with changes" } else { "" };
        codes.insert(format!("titrate {}, commit {commit}{changed}", ran.titrate));
        machines.insert(format!("{} ({})", ran.host, ran.processor));
    }
    let join = |set: BTreeSet<String>| {
        let all = set.iter().map(String::as_str).collect::<Vec<_>>();
        some_of(&all, LINES, "; ")
    };
    let wall = steps.iter().map(|step| step.ran.wall_s).sum::<f64>();
    let cpu = steps.iter().map(|step| step.ran.cpu_s).sum::<f64>();
    format!(
        "\nall {} tasks: {} one after another, {} of processor time\n  by {}\n  on {}\n",
        steps.len(),
        duration(wall),
        duration(cpu),
        join(codes),
        join(machines)
    )
}
