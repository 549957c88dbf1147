//! `titrate plan`, `status`, `show` and `why`: what stands where, and why. Nothing runs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::args::{Plan, Show, Which, Why};
use crate::cli::common::{Opened, Pipeline, open_to_read, print, warnings, workspace};
use crate::cli::exit::Exit;
use crate::cli::power::power;
use crate::cli::rates::Rates;
use crate::cli::study_keys;
use crate::cli::units::{duration, size};
use crate::date::date;
use crate::exec;
use crate::id::{Digest, Key};
use crate::plan::{Assessment, Freshness, Graph, Input, Reason, TaskId, Work, differences, walk};
use crate::sources;
use crate::store::{Artifact, Receipt, Store};
use crate::study::{Goal, LoadedStudy, Study};
use crate::vocabulary::Arm;
use crate::wording::some_of;

/// How many names a list shows before it only counts.
const NAMES: usize = 3;

/// How many tasks of a state a plan lists before it only counts.
const LINES: usize = 20;

pub(super) fn plan(pipeline: &Pipeline, arguments: &Plan) -> Result<Exit> {
    let Opened { study, store, graph } = open_to_read(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let mut text = format!("{}: {}\n", study.name, tally(&assessed));
    text.push_str(&match arguments.all {
        true => every_task(&graph, &assessed),
        false => to_run(&graph, &assessed),
    });
    let root = workspace().join(&arguments.which.place.folder.store);
    text.push_str(&changed_keys(&graph, &assessed, &study, &store, &root)?);
    text.push_str(&experiments(&study.study));
    let listing = sources::listing(&study, &store)?;
    if !listing.is_empty() {
        text.push_str("image set:\n");
        listing.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    let warned = warnings(&study, &store)?;
    warned.iter().for_each(|line| text.push_str(&format!("warning: {line}\n")));
    text.push_str(&to_do(&graph, &assessed));
    text.push_str(&Rates::of(&graph, &assessed, &store)?.forecast(&graph, &assessed));
    text.push_str(&power(&study.study, &graph, &assessed, &store)?);
    print(&text)?;
    Ok(Exit::Done)
}

/// A line for each task.
fn every_task(graph: &Graph, assessed: &[Assessment]) -> String {
    let line = |id: TaskId| {
        let label = &graph.task(id).label;
        match &assessed[id.index()].freshness {
            Freshness::Fresh(artifact) => {
                format!("fresh    {label}  {}\n", artifact.digest().short())
            }
            Freshness::Stale(reason) => format!("stale    {label}  {reason}\n"),
            Freshness::Unknown(roles) => {
                format!("unknown  {label}  waits for {}\n", awaited(graph, id, roles))
            }
        }
    };
    graph.ids().map(line).collect()
}

/// The tasks that are to run, those that have one reason together.
fn to_run(graph: &Graph, assessed: &[Assessment]) -> String {
    let mut stale: Vec<(String, Vec<&str>)> = Vec::new();
    let mut unknown: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut waiting = Vec::new();
    for id in graph.ids() {
        let task = graph.task(id);
        match &assessed[id.index()].freshness {
            Freshness::Fresh(_) => {}
            Freshness::Stale(reason) => enter(&mut stale, reason.to_string(), &task.label),
            Freshness::Unknown(roles) => {
                enter(&mut unknown, task.kind.name, &task.label);
                let awaited = awaited(graph, id, roles);
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
    let unknown = unknown.iter().map(|(kind, labels)| {
        format!("unknown  {} of kind {kind}: {}", labels.len(), some_of(labels, NAMES, ", "))
    });
    let unknown = if waiting.len() > LINES { unknown.collect() } else { waiting };
    let mut text = String::new();
    for lines in [stale, unknown].into_iter().filter(|lines| !lines.is_empty()) {
        text.push_str(&some_of(&lines, LINES, "\n"));
        text.push('\n');
    }
    if !text.is_empty() {
        text.push_str("`--all` lists each task, `titrate why LABEL` says more of one\n");
    }
    text
}

/// Adds a label to the group of its kin.
fn enter<'l, K: PartialEq>(groups: &mut Vec<(K, Vec<&'l str>)>, of: K, label: &'l str) {
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
) -> Result<String> {
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
    let lines = lines.into_iter().collect::<Vec<_>>();
    Ok(match lines.is_empty() {
        true => String::new(),
        false => format!("changed in the study:\n  {}\n", some_of(&lines, LINES, "\n  ")),
    })
}

/// The experiments of a study that names them: their classifiers, and how many of these another
/// experiment before has too.
fn experiments(study: &Study) -> String {
    let mut text = String::new();
    if study.experiments.is_empty() || study.goal != Goal::Report {
        return text;
    }
    let width = study.experiments.keys().map(String::len).max().unwrap_or(0).max(10);
    text.push_str(&format!("{:width$}  classifiers  shared  comparisons\n", "experiment"));
    let mut known = BTreeSet::new();
    for (name, experiment) in study.experiments() {
        let cells = experiment.cells();
        let count = cells.len();
        let compared = cells.iter().filter(|cell| cell.arm != Arm::Real && cell.replicate == 0);
        let compared = compared.count();
        let shared = cells.into_iter().filter(|cell| !known.insert(cell.clone())).count();
        text.push_str(&format!("{name:width$}  {count:11}  {shared:6}  {compared:11}\n"));
    }
    text
}

/// What is not there, and how much work waits.
fn to_do(graph: &Graph, assessed: &[Assessment]) -> String {
    let mut missing = Vec::new();
    let mut works: BTreeMap<&str, (usize, Work)> = BTreeMap::new();
    for id in graph.ids() {
        let task = graph.task(id);
        if !matches!(assessed[id.index()].freshness, Freshness::Fresh(_)) {
            let (tasks, work) = works.entry(task.kind.name).or_default();
            *tasks += 1;
            work.add(&task.work);
        }
        for (_, input) in &task.inputs {
            if let Input::Absent(what) = input
                && !missing.contains(&what)
            {
                missing.push(what);
            }
        }
    }
    let mut text = String::new();
    if !missing.is_empty() {
        text.push_str("missing:\n");
        missing.into_iter().for_each(|what| text.push_str(&format!("  {what}\n")));
    }
    works.retain(|_, (_, work)| !work.is_uncounted());
    if !works.is_empty() {
        text.push_str("to do, if nothing of it turns out to be there:\n");
    }
    for (kind, (count, work)) in works {
        let tasks = if count == 1 { "task" } else { "tasks" };
        text.push_str(&format!("  {kind}: {count} {tasks}, {work}\n"));
    }
    text
}

pub(super) fn status(pipeline: &Pipeline, which: &Which) -> Result<Exit> {
    let Opened { study, store, graph } = open_to_read(pipeline, which)?;
    let assessed = walk(&graph, &store)?;
    let mut kinds: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for id in graph.ids() {
        let task = graph.task(id);
        let row = kinds.entry(task.kind.name).or_default();
        row[0] += 1;
        match &assessed[id.index()].freshness {
            Freshness::Fresh(_) => row[1] += 1,
            Freshness::Stale(reason) => {
                row[2] += 1;
                reasons.entry(reason.to_string()).or_default().push(&task.label);
            }
            Freshness::Unknown(_) => row[3] += 1,
        }
    }
    let width = kinds.keys().map(|kind| kind.len()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "{}: {}\n\n{:width$}  tasks  fresh  stale  unknown\n",
        study.name,
        tally(&assessed),
        "kind"
    );
    for (kind, [tasks, fresh, stale, unknown]) in kinds {
        writeln!(text, "{kind:width$}  {tasks:5}  {fresh:5}  {stale:5}  {unknown:7}")?;
    }
    if !reasons.is_empty() {
        text.push_str("\nstale because\n");
    }
    for (reason, labels) in reasons {
        writeln!(text, "{:5}  {reason} ({})", labels.len(), some_of(&labels, NAMES, ", "))?;
    }
    let unknown = assessed
        .iter()
        .filter(|assessment| matches!(assessment.freshness, Freshness::Unknown(_)))
        .count();
    if unknown > 0 {
        writeln!(
            text,
            "{unknown:5}  unknown until those have run: unchanged outputs leave them fresh"
        )?;
    }
    if let Some(line) = exec::standing(store.root()) {
        writeln!(text, "\n{line}")?;
    }
    print(&text)?;
    Ok(Exit::Done)
}

pub(super) fn why(pipeline: &Pipeline, arguments: &Why) -> Result<Exit> {
    let Opened { study, store, graph } = open_to_read(pipeline, &arguments.which)?;
    let id =
        graph.find(&arguments.label).with_context(|| format!("study {}", arguments.which.study))?;
    let root = workspace().join(&arguments.which.place.folder.store);
    let keys = |id: TaskId, freshness: &Freshness| -> Result<String> {
        let label = &graph.task(id).label;
        let keys = study_keys::behind(label, freshness, &study, &store, &root)?;
        Ok(keys.iter().map(|key| format!("  in the study: {key}\n")).collect())
    };
    let assessed = walk(&graph, &store)?;
    let label = &arguments.label;
    let mut text = String::new();
    match &assessed[id.index()].freshness {
        Freshness::Stale(reason) => {
            writeln!(text, "{label} is stale\n  {}", reason.to_string().replace("; ", "\n  "))?;
            text.push_str(&keys(id, &assessed[id.index()].freshness)?);
        }
        Freshness::Unknown(roles) => {
            writeln!(text, "{label} is unknown: it waits for {}", awaited(&graph, id, roles))?;
            for behind in stale_ancestors(&graph, id, &assessed) {
                let freshness = &assessed[behind.index()].freshness;
                if let Freshness::Stale(reason) = freshness {
                    writeln!(text, "  {} is stale: {reason}", graph.task(behind).label)?;
                    text.push_str(&keys(behind, freshness)?);
                }
            }
        }
        Freshness::Fresh(_) => {
            let key = assessed[id.index()].key().expect("a fresh task has a key");
            writeln!(text, "{label} is fresh, key {}", key.short())?;
            text.push_str(&last_change(&store, label, &key)?);
        }
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// What changed when a fresh task came to have its key.
fn last_change(store: &Store, label: &str, key: &Key) -> Result<String> {
    let Some(now) = store.receipt(key)? else { return Ok(String::new()) };
    let history = store.history(label)?;
    let earlier = history.iter().rev().find(|earlier| *earlier != key);
    let Some(before) = earlier.map(|earlier| store.receipt(earlier)).transpose()?.flatten() else {
        return Ok("  it ran with no other manifest\n".to_owned());
    };
    let mut text = format!("  compared with key {}, which it also ran with:\n", before.key.short());
    for change in differences(&before.manifest, &now.manifest) {
        writeln!(text, "  {change}")?;
    }
    Ok(text)
}

pub(super) fn show(pipeline: &Pipeline, arguments: &Show) -> Result<Exit> {
    let Opened { store, graph, .. } = open_to_read(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let name = arguments.name.as_str();
    let text = match graph.by_label(name) {
        Some(id) => task(&graph, id, &assessed[id.index()], &store)?,
        None if name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            address(&graph, &assessed, &store, name)?
        }
        None => bail!(graph.find(name).expect_err("no task has this label")),
    };
    print(&text)?;
    Ok(Exit::Done)
}

fn task(graph: &Graph, id: TaskId, assessment: &Assessment, store: &Store) -> Result<String> {
    let label = &graph.task(id).label;
    let mut text = match &assessment.freshness {
        Freshness::Fresh(_) => format!("task {label}: fresh\n"),
        Freshness::Stale(reason) => format!("task {label}: stale: {reason}\n"),
        Freshness::Unknown(roles) => {
            format!("task {label}: unknown: waits for {}\n", awaited(graph, id, roles))
        }
    };
    let ran_with = match assessment.key() {
        Some(key) if store.finished(&key)?.is_some() => Some(key),
        _ => store.history(label)?.last().copied(),
    };
    if let Some(manifest) =
        assessment.manifest.as_ref().filter(|manifest| Some(manifest.key()) != ran_with)
    {
        writeln!(text, "key {}\n\n{}", manifest.key(), manifest.text())?;
        text.push_str(if ran_with.is_some() {
            "\nIt last ran with another manifest:\n"
        } else {
            ""
        });
    }
    if let Some(receipt) = ran_with.map(|key| store.receipt(&key)).transpose()?.flatten() {
        text.push_str(&of_receipt(&receipt)?);
    }
    Ok(text)
}

/// What has a key or a digest that starts with `digits`: a result, an artifact, or an object.
fn address(graph: &Graph, assessed: &[Assessment], store: &Store, digits: &str) -> Result<String> {
    let known = |key: &Key| key.to_string().starts_with(digits);
    let mut keys: Vec<Key> = assessed.iter().filter_map(Assessment::key).filter(known).collect();
    keys.extend(digits.parse::<Key>().ok());
    keys.sort();
    keys.dedup();
    for key in &keys {
        if let Some(receipt) = store.receipt(key)? {
            return of_receipt(&receipt);
        }
    }
    let matching: Vec<Digest> = match digits.parse() {
        Ok(digest) => vec![digest],
        Err(_) => store
            .objects()
            .list()?
            .into_iter()
            .filter(|digest| digest.to_string().starts_with(digits))
            .collect(),
    };
    let [digest] = matching[..] else {
        bail!("{} objects and no key of this study start with {digits}", matching.len());
    };
    let Some(stamp) = store.objects().stat(&digest)? else {
        bail!("nothing in the store has the address {digest}")
    };
    let mut text = format!("object {digest}, {}\n", size(stamp.size));
    if let Ok(artifact) = store.objects().read_artifact(&digest) {
        text.push_str(&of_artifact(&artifact)?);
    }
    for (id, assessment) in graph.ids().zip(assessed) {
        if let Freshness::Fresh(artifact) = &assessment.freshness {
            let entry = artifact
                .entries()
                .iter()
                .find(|entry| entry.digest == digest)
                .map(|entry| entry.name.as_str());
            if let Some(part) = entry.or((artifact.digest() == digest).then_some("its artifact")) {
                writeln!(text, "made by {}: {part}", graph.task(id).label)?;
            }
        }
    }
    Ok(text)
}

fn of_receipt(receipt: &Receipt) -> Result<String> {
    let (cost, origin) = (&receipt.cost, &receipt.origin);
    let mut text = format!("key {}\n\n{}\n", receipt.key, receipt.manifest);
    let commit = origin.git_commit.as_deref().unwrap_or("unknown commit");
    let dirty = if origin.git_dirty { " with changes" } else { "" };
    let processors = match &origin.gpu {
        Some(gpu) => format!("{}, {gpu}", origin.cpu),
        None => origin.cpu.clone(),
    };
    writeln!(
        text,
        "ran as {} in {} ({} of processor time), attempt {}",
        receipt.label,
        duration(cost.wall_s),
        duration(cost.cpu_s),
        receipt.attempt
    )?;
    writeln!(
        text,
        "peak memory {}; started {}",
        size(cost.peak_memory),
        date(cost.started_unix_ms)
    )?;
    writeln!(
        text,
        "on {} ({}); titrate {}, {commit}{dirty}; {}",
        origin.host, processors, origin.titrate, origin.toolchain
    )?;
    if let Some(log) = receipt.log {
        writeln!(text, "log {log}")?;
    }
    writeln!(text, "\nartifact {}", receipt.output.digest())?;
    text.push_str(&of_artifact(&receipt.output)?);
    Ok(text)
}

fn of_artifact(artifact: &Artifact) -> Result<String> {
    let mut text = String::new();
    for entry in artifact.entries() {
        writeln!(text, "  {}  {:>9}  {}", entry.digest, size(entry.size), entry.name)?;
    }
    Ok(text)
}

fn tally(assessed: &[Assessment]) -> String {
    let count = |wanted: fn(&Freshness) -> bool| {
        assessed.iter().filter(|assessment| wanted(&assessment.freshness)).count()
    };
    format!(
        "{} tasks: {} fresh, {} stale, {} unknown",
        assessed.len(),
        count(|freshness| matches!(freshness, Freshness::Fresh(_))),
        count(|freshness| matches!(freshness, Freshness::Stale(_))),
        count(|freshness| matches!(freshness, Freshness::Unknown(_)))
    )
}

/// The labels of the tasks behind the inputs called `roles`.
fn awaited(graph: &Graph, id: TaskId, roles: &[String]) -> String {
    let roles = roles.iter().collect::<HashSet<_>>();
    let named = graph.task(id).inputs.iter().filter(|(role, _)| roles.contains(role));
    let labels: Vec<&str> = named
        .filter_map(|(_, input)| match input {
            Input::Task(id) => Some(graph.task(*id).label.as_str()),
            Input::Absent(what) => Some(what),
            Input::Files(_) | Input::Imported(_) => None,
        })
        .collect();
    some_of(&labels, NAMES, ", ")
}

/// The stale tasks that `id` is made from, in topological order.
fn stale_ancestors(graph: &Graph, id: TaskId, assessed: &[Assessment]) -> Vec<TaskId> {
    let mut reached = vec![false; graph.len()];
    reached[id.index()] = true;
    for next in graph.ids().rev().filter(|next| next.index() <= id.index()) {
        if reached[next.index()] {
            crate::plan::distinct_task_inputs(graph.task(next))
                .into_iter()
                .for_each(|input| reached[input.index()] = true);
        }
    }
    let stale = |id: &TaskId| {
        reached[id.index()] && matches!(assessed[id.index()].freshness, Freshness::Stale(_))
    };
    graph.ids().filter(stale).collect()
}
