//! `titrate verify` and `titrate gc`: care for the store.

use std::collections::HashSet;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::cli::args::{Device, Gc, Which};
use crate::cli::common::{Pipeline, load_study, open, open_store, print, workspace};
use crate::cli::exit::Exit;
use crate::cli::units::size;
use crate::id::Key;
use crate::plan::{Freshness, Graph, Reason, walk};
use crate::store::Store;

/// Hashes everything; names the tasks of the study that have to run again.
pub(super) fn verify(pipeline: &Pipeline, which: &Which) -> Result<Exit> {
    let opened = open(pipeline, which)?;
    let report = opened.store.verify()?;
    let mut text = format!(
        "{} objects, {}: {} corrupt\n",
        report.objects,
        size(report.bytes),
        report.corrupt.len()
    );
    for (digest, moved_to) in &report.corrupt {
        writeln!(text, "  {digest} moved to {}", moved_to.display())?;
    }
    for (digest, cause) in &report.unreadable {
        writeln!(text, "  {digest} can't be read: {cause}")?;
    }
    for (id, assessment) in opened.graph.ids().zip(walk(&opened.graph, &opened.store)?) {
        if let Freshness::Stale(reason @ (Reason::Damaged(_) | Reason::NoReceipt)) =
            assessment.freshness
        {
            writeln!(text, "  runs again: {}: {reason}", opened.graph.task(id).label)?;
        }
    }
    if !report.unfinished.is_empty() {
        writeln!(
            text,
            "{} results of this and other studies are not whole; `titrate reproduce` makes them again",
            report.unfinished.len()
        )?;
    }
    if report.elsewhere > 0 {
        writeln!(
            text,
            "{} results have outputs that lie elsewhere; `titrate pull --all` fetches a study's",
            report.elsewhere
        )?;
    }
    for divergence in opened.store.divergences()? {
        let label = opened
            .store
            .read_receipt(&divergence.kept)
            .map_or_else(|_| divergence.key.short(), |receipt| receipt.label);
        writeln!(
            text,
            "  diverged: {label} gave other bytes when it ran again; receipts {} (kept), {}",
            divergence.kept, divergence.refused
        )?;
    }
    print(&text);
    let readable = report.corrupt.is_empty() && report.unreadable.is_empty();
    Ok(if readable && report.unfinished.is_empty() { Exit::Done } else { Exit::Store })
}

/// Keeps what the named studies need, or all those under experiments/.
pub(super) fn gc(pipeline: &Pipeline, arguments: &Gc) -> Result<Exit> {
    let names =
        if arguments.studies.is_empty() { all_studies()? } else { arguments.studies.clone() };
    let store = open_store(&arguments.folder.store)?;
    let mut live = HashSet::new();
    for name in &names {
        let kept = needed(pipeline, name, &store);
        live.extend(kept.with_context(|| {
            format!(
                "nothing is dropped while study {name} cannot be read; name the studies to keep"
            )
        })?);
    }
    let report = store.gc(&live, arguments.dry_run)?;
    let verb = if arguments.dry_run { "would drop" } else { "dropped" };
    print(&format!(
        "{verb} {} objects ({}), {} results and {} leftovers; kept {} objects for {}\n",
        report.objects,
        size(report.bytes),
        report.receipts,
        report.leftovers,
        report.kept,
        names.join(", ")
    ));
    Ok(Exit::Done)
}

fn all_studies() -> Result<Vec<String>> {
    let folder = workspace().join("experiments");
    let mut names = Vec::new();
    for item in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let path = item.with_context(|| format!("list {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            names.push(path.display().to_string());
        }
    }
    if names.is_empty() {
        bail!("no study lies in {}; name the studies whose results are kept", folder.display());
    }
    names.sort();
    Ok(names)
}

fn needed(pipeline: &Pipeline, name: &str, store: &Store) -> Result<HashSet<Key>> {
    let study = load_study(name, &[])?;
    let graph = (pipeline.tasks)(&study, store)?;
    let mut needed = HashSet::new();
    for device in Device::value_variants() {
        needed.extend(live(&graph.clone().on(device.name()), store)?);
    }
    Ok(needed)
}

/// The keys of a graph; for a task that is not fresh also the one it last ran with, which it may
/// come back to.
fn live(graph: &Graph, store: &Store) -> Result<HashSet<Key>> {
    let mut live = HashSet::new();
    for (id, assessment) in graph.ids().zip(walk(graph, store)?) {
        live.extend(assessment.key());
        if !matches!(assessment.freshness, Freshness::Fresh(_)) {
            live.extend(store.history(&graph.task(id).label)?.last());
        }
    }
    Ok(live)
}
