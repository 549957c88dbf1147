//! `titrate verify` and `titrate gc`: care for the store.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::cli::args::{Device, Gc, Which};
use crate::cli::common::{Pipeline, load_study, open, open_store, print, workspace};
use crate::cli::exit::Exit;
use crate::cli::units::size;
use crate::date::date;
use crate::exec::recorded_keys;
use crate::id::Key;
use crate::plan::{Freshness, Graph, Reason, walk};
use crate::store::{Dropped, GcReport, Store};

/// Hashes everything; names the tasks of the study that have to run again.
pub(super) fn verify(pipeline: &Pipeline, which: &Which) -> Result<Exit> {
    refuse_absent(&which.place.folder.store)?;
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
    print(&text)?;
    let readable = report.corrupt.is_empty() && report.unreadable.is_empty();
    Ok(if readable && report.unfinished.is_empty() { Exit::Done } else { Exit::Store })
}

/// Keeps what the named studies need; without names what all those under experiments/ do, and all
/// that runs on record made or read. Lists the rest, and drops it once that is wanted.
pub(super) fn gc(pipeline: &Pipeline, arguments: &Gc) -> Result<Exit> {
    let all = arguments.studies.is_empty();
    let names = if all { all_studies()? } else { arguments.studies.clone() };
    refuse_absent(&arguments.folder.store)?;
    let store = open_store(&arguments.folder.store)?;
    let mut live = if all { recorded_keys(&store)? } else { HashSet::new() };
    for name in &names {
        let kept = needed(pipeline, name, &store);
        live.extend(kept.with_context(|| {
            format!(
                "nothing is dropped while study {name} cannot be read; name the studies to keep"
            )
        })?);
    }
    let found = store.gc(&live, true)?;
    let mut kept_for = names.join(", ");
    if all {
        kept_for.push_str(" and the runs on record");
    }
    let text = list_dropped(&found, arguments.dry_run || !arguments.yes, &kept_for);
    let nothing = found.objects == 0 && found.receipts == 0 && found.leftovers == 0;
    if arguments.dry_run || nothing {
        print(&text)?;
        return Ok(Exit::Done);
    }
    if !arguments.yes {
        print(&text)?;
        if !agreed()? {
            print("nothing was dropped: `--yes` drops it\n")?;
            return Ok(Exit::Study);
        }
    }
    let dropped = store.gc(&live, false)?;
    print(&list_dropped(&dropped, false, &kept_for))?;
    Ok(Exit::Done)
}

/// Refuses a store that is not there: to care for one makes none.
fn refuse_absent(folder: &Path) -> Result<()> {
    let folder = workspace().join(folder);
    match folder.exists() {
        true => Ok(()),
        false => bail!("there is no store at {}: `--store` names one", folder.display()),
    }
}

/// Results that a list of what goes shows before it only counts.
const LISTED: usize = 40;

/// What goes, a result a line, and how much it is.
fn list_dropped(report: &GcReport, asked: bool, kept_for: &str) -> String {
    let mut text = String::new();
    for Dropped { label, started_unix_ms, bytes } in report.results.iter().take(LISTED) {
        let made = date(*started_unix_ms);
        text.push_str(&format!("  {label}  made {made}  {}\n", size(*bytes)));
    }
    if let Some(more) = report.results.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let bytes = report.results[LISTED..].iter().map(|result| result.bytes).sum();
        text.push_str(&format!("  and {} of {more} more\n", size(bytes)));
    }
    let verb = if asked { "would drop" } else { "dropped" };
    let GcReport { objects, bytes, receipts, leftovers, kept, .. } = *report;
    let bytes = size(bytes);
    text + &format!(
        "{verb} {objects} objects ({bytes}), {receipts} results and {leftovers} leftovers; kept {kept} objects for {kept_for}\n"
    )
}

/// Asks on a terminal whether what was listed is to be dropped; elsewhere nobody can say so.
fn agreed() -> Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(false);
    }
    let _ = write!(io::stderr(), "drop this? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
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
