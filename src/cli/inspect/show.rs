//! `titrate show`: a task, the receipt of a key, or an object.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use serde::Serialize;

use super::{Standing, State, awaited_words, tell};
use crate::cli::args::Show;
use crate::cli::common::{Opened, Pipeline, open_to_read};
use crate::cli::exit::Exit;
use crate::cli::units::{duration, size};
use crate::date::date;
use crate::id::{Digest, Key};
use crate::plan::{Assessment, Freshness, Graph, TaskId, walk};
use crate::store::{Entry, Receipt, Store};

/// What a name stands for.
#[derive(Serialize)]
#[serde(tag = "shown", rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Shown {
    /// A task of the study.
    Task(Box<ShownTask>),
    /// What a key's task gave.
    Result {
        /// The proof that it ran.
        #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
        receipt: Box<Receipt>,
    },
    /// Bytes in the store.
    Object(Object),
}

/// A task of the study, and its last result.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShownTask {
    #[serde(flatten)]
    task: Standing,
    /// The manifest that it would run with, where it last ran with another or never.
    manifest: Option<String>,
    /// The proof that it ran, with the manifest that it ran with; none where it never did.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    receipt: Option<Receipt>,
}

/// An object of the store.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Object {
    #[cfg_attr(test, schemars(with = "String"))]
    digest: Digest,
    bytes: u64,
    /// What it lists, if it is an artifact.
    #[cfg_attr(test, schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>"))]
    entries: Vec<Entry>,
    /// The tasks of the study that made it, and what it is to them.
    made_by: Vec<Made>,
}

/// A task that made an object.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Made {
    label: String,
    /// The file's name; none for the artifact itself.
    file: Option<String>,
}

pub fn show(pipeline: &Pipeline, arguments: &Show) -> Result<Exit> {
    let Opened { store, graph, .. } = open_to_read(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let name = arguments.name.as_str();
    let shown = match graph.by_label(name) {
        Some(id) => Shown::Task(Box::new(task(&graph, id, &assessed[id.index()], &store)?)),
        None if name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            address(&graph, &assessed, &store, name)?
        }
        None => bail!(graph.find(name).expect_err("no task has this label")),
    };
    tell(&shown, arguments.json, words)
}

fn task(graph: &Graph, id: TaskId, assessment: &Assessment, store: &Store) -> Result<ShownTask> {
    let task = Standing::of(graph, id, assessment);
    let ran_with = match assessment.key() {
        Some(key) if store.finished(&key)?.is_some() => Some(key),
        _ => store.history(&task.label)?.last().copied(),
    };
    let other = assessment.manifest.as_ref().filter(|manifest| Some(manifest.key()) != ran_with);
    let manifest = other.map(|manifest| manifest.text().to_owned());
    let receipt = ran_with.map(|key| store.receipt(&key)).transpose()?.flatten();
    Ok(ShownTask { task, manifest, receipt })
}

/// What has a key or a digest that starts with `digits`: a result, or an object.
fn address(graph: &Graph, assessed: &[Assessment], store: &Store, digits: &str) -> Result<Shown> {
    let known = |key: &Key| key.to_string().starts_with(digits);
    let mut keys: Vec<Key> = assessed.iter().filter_map(Assessment::key).filter(known).collect();
    keys.extend(digits.parse::<Key>().ok());
    keys.sort();
    keys.dedup();
    for key in &keys {
        if let Some(receipt) = store.receipt(key)? {
            return Ok(Shown::Result { receipt: Box::new(receipt) });
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
    let artifact = store.objects().read_artifact(&digest).unwrap_or_default();
    let made_by = graph.ids().zip(assessed).filter_map(|(id, assessment)| {
        let Freshness::Fresh(artifact) = &assessment.freshness else { return None };
        let entry = artifact.entries().iter().find(|entry| entry.digest == digest);
        let file = entry.map(|entry| entry.name.clone());
        let is_its = file.is_some() || artifact.digest() == digest;
        is_its.then(|| Made { label: graph.task(id).label.clone(), file })
    });
    Ok(Shown::Object(Object {
        digest,
        bytes: stamp.size,
        entries: artifact.entries().to_vec(),
        made_by: made_by.collect(),
    }))
}

fn words(shown: &Shown) -> String {
    match shown {
        Shown::Task(task) => of_task(task),
        Shown::Result { receipt } => of_receipt(receipt),
        Shown::Object(Object { digest, bytes, entries, made_by }) => {
            let mut text = format!("object {digest}, {}\n", size(*bytes));
            text.push_str(&of_entries(entries));
            for Made { label, file } in made_by {
                let part = file.as_deref().unwrap_or("its artifact");
                text.push_str(&format!("made by {label}: {part}\n"));
            }
            text
        }
    }
}

fn of_task(ShownTask { task, manifest, receipt }: &ShownTask) -> String {
    let label = &task.label;
    let mut text = match &task.state {
        State::Fresh { .. } => format!("task {label}: fresh\n"),
        State::Stale { because } => format!("task {label}: stale: {because}\n"),
        State::Unknown { waits_for } => {
            format!("task {label}: unknown: waits for {}\n", awaited_words(waits_for))
        }
    };
    if let (Some(manifest), Some(key)) = (manifest, &task.key) {
        text.push_str(&format!("key {key}\n\n{manifest}\n"));
        if receipt.is_some() {
            text.push_str("\nIt last ran with another manifest:\n");
        }
    }
    if let Some(receipt) = receipt {
        text.push_str(&of_receipt(receipt));
    }
    text
}

fn of_receipt(receipt: &Receipt) -> String {
    let (cost, origin) = (&receipt.cost, &receipt.origin);
    let mut text = format!("key {}\n\n{}\n", receipt.key, receipt.manifest);
    let commit = origin.git_commit.as_deref().unwrap_or("unknown commit");
    let dirty = if origin.git_dirty { " with changes" } else { "" };
    let processors = match &origin.gpu {
        Some(gpu) => format!("{}, {gpu}", origin.cpu),
        None => origin.cpu.clone(),
    };
    let mut line = |words: std::fmt::Arguments<'_>| {
        writeln!(text, "{words}").expect("a string takes text");
    };
    line(format_args!(
        "ran as {} in {} ({} of processor time), attempt {}",
        receipt.label,
        duration(cost.wall_s),
        duration(cost.cpu_s),
        receipt.attempt
    ));
    let started = date(cost.started_unix_ms);
    line(format_args!("peak memory {}; started {started}", size(cost.peak_memory)));
    line(format_args!(
        "on {} ({}); titrate {}, {commit}{dirty}; {}",
        origin.host, processors, origin.titrate, origin.toolchain
    ));
    if let Some(log) = receipt.log {
        line(format_args!("log {log}"));
    }
    line(format_args!("\nartifact {}", receipt.output.digest()));
    text + &of_entries(receipt.output.entries())
}

fn of_entries(entries: &[Entry]) -> String {
    let line = |Entry { digest, size: bytes, name }: &Entry| {
        format!("  {digest}  {:>9}  {name}\n", size(*bytes))
    };
    entries.iter().map(line).collect()
}
