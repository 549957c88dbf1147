//! `titrate cat`, `log` and `runs`: the outputs of tasks, their logs, and what was run.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cli::args::{Cat, Folder, Log};
use crate::cli::common::{Opened, Pipeline, open_to_read, print, workspace};
use crate::cli::exit::Exit;
use crate::cli::units::duration;
use crate::date::date;
use crate::plan::walk;
use crate::regular;
use crate::store::{Receipt, Runs};
use crate::wording::some_of;

/// How many names an error lists.
const NAMES: usize = 20;

/// Prints a file of a task's output, as it is.
pub(super) fn cat(pipeline: &Pipeline, arguments: &Cat) -> Result<Exit> {
    let opened = open_to_read(pipeline, &arguments.which)?;
    let receipt = last_receipt(&opened, &arguments.label)?;
    let Some(entry) = receipt.output.entry(&arguments.file) else {
        let names = receipt.output.entries().iter().map(|entry| entry.name.as_str());
        let names = names.collect::<Vec<_>>();
        bail!(
            "{} has no file {}; it has {}",
            arguments.label,
            arguments.file,
            some_of(&names, NAMES, ", ")
        );
    };
    let bytes = opened.store.objects().read(&entry.digest)?;
    let mut stdout = std::io::stdout().lock();
    // Who closed the pipe has seen enough.
    match stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("write to stdout")
        }
        _ => Ok(Exit::Done),
    }
}

/// Prints the log of a task's last attempt.
pub(super) fn log(pipeline: &Pipeline, arguments: &Log) -> Result<Exit> {
    let opened = open_to_read(pipeline, &arguments.which)?;
    let Opened { store, graph, .. } = &opened;
    // An attempt that has not ended well keeps its log in its folder.
    let id = graph.find(&arguments.label)?;
    let key = walk(graph, store)?[id.index()].key();
    let root = workspace().join(&arguments.which.place.folder.store);
    let unfinished = key.map(|key| root.join("work").join(key.to_string()).join("log"));
    let text = match unfinished.filter(|path| path.is_file()) {
        Some(path) => regular::read(&path).with_context(|| format!("read {}", path.display()))?,
        None => match last_receipt(&opened, &arguments.label)?.log {
            Some(log) => store.objects().read(&log)?,
            None => Vec::new(),
        },
    };
    print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

/// The receipt of a task as the study asks for it, or else of the last one of that label.
fn last_receipt(opened: &Opened, label: &str) -> Result<Receipt> {
    let Opened { store, graph, .. } = opened;
    let id = graph.find(label)?;
    let own = walk(graph, store)?[id.index()].key();
    let own = own.map(|key| store.receipt(&key)).transpose()?.flatten();
    let found = match own {
        Some(receipt) => Some(receipt),
        None => {
            let last = store.history(label)?.last().copied();
            last.map(|key| store.receipt(&key)).transpose()?.flatten()
        }
    };
    found.with_context(|| format!("{label} has not run in this store"))
}

/// Lists the runs on record, the newest last: when, what was asked for, and how it ended.
pub(super) fn runs(folder: &Folder) -> Result<Exit> {
    let root = workspace().join(&folder.store);
    let runs = Runs::at(&root);
    let ids = runs.ids().unwrap_or_default();
    let mut text = String::new();
    for id in &ids {
        let head: Option<Value> = runs.read(id)?;
        let command = head.as_ref().and_then(|head| head["command"].as_array().cloned());
        let words = command.unwrap_or_default();
        let words = words.iter().skip(1).filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        let began = id.split('-').next().and_then(|digits| digits.parse().ok()).map(date);
        let journal = regular::read(&runs.journal_path(id)?).unwrap_or_default();
        let ended = end(&String::from_utf8_lossy(&journal));
        writeln!(text, "{}  {words}\n    {ended}", began.unwrap_or_else(|| id.clone()))?;
    }
    if ids.is_empty() {
        writeln!(text, "no run is on record in {}", root.display())?;
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// How a run ended, from the last lines of its journal.
fn end(journal: &str) -> String {
    let events = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let (mut finished, mut failed, mut closed) = (0, Vec::new(), None);
    for event in events {
        match event["event"].as_str() {
            Some("finished") => finished += 1,
            Some("failed") => failed.extend(event["label"].as_str().map(str::to_owned)),
            Some("closed") => closed = event["seconds"].as_f64(),
            _ => {}
        }
    }
    let tasks = if finished == 1 { "task" } else { "tasks" };
    let mut text = format!("ran {finished} {tasks}");
    if !failed.is_empty() {
        text.push_str(&format!("; failed: {}", some_of(&failed, 3, ", ")));
    }
    match closed {
        Some(seconds) => text + &format!("; ended after {}", duration(seconds)),
        None => text + "; not ended, or killed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_tells_how_a_run_ended() {
        let finished = r#"{"at":1,"event":"finished","label":"a"}"#;
        let failed = r#"{"at":2,"event":"failed","label":"b"}"#;
        let closed = r#"{"at":3,"event":"closed","seconds":12.0}"#;
        assert_eq!(end(finished), "ran 1 task; not ended, or killed");
        let all = [finished, finished, failed, closed, "{cut"].join("\n");
        assert_eq!(end(&all), "ran 2 tasks; failed: b; ended after 12 s");
    }
}
