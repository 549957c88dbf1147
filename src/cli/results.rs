//! `titrate cat`, `log` and `runs`: the outputs of tasks, their logs, and what was run.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cli::args::{Cat, Folder, Log};
use crate::cli::common::{Opened, Pipeline, open_to_read, print, print_bytes, workspace};
use crate::cli::exit::Exit;
use crate::cli::units::duration;
use crate::date::date;
use crate::exec::Event;
use crate::id::Key;
use crate::plan::walk;
use crate::regular;
use crate::store::{Receipt, Runs};
use crate::wording::some_of;

/// How many names an error lists.
const NAMES: usize = 20;

/// Prints a file of a task's output, as it is.
pub(super) fn cat(pipeline: &Pipeline, arguments: &Cat) -> Result<Exit> {
    let opened = open_to_read(pipeline, &arguments.which)?;
    let key = key_of(&opened, &arguments.label)?;
    let receipt = last_receipt(&opened, &arguments.label, key)?;
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
    print_bytes(&opened.store.objects().read(&entry.digest)?)?;
    Ok(Exit::Done)
}

/// Prints the log of a task's last attempt.
pub(super) fn log(pipeline: &Pipeline, arguments: &Log) -> Result<Exit> {
    let opened = open_to_read(pipeline, &arguments.which)?;
    // An attempt that has not ended well keeps its log in its folder.
    let root = workspace().join(&arguments.which.place.folder.store);
    let key = key_of(&opened, &arguments.label)?;
    let unfinished = key.map(|key| root.join("work").join(key.to_string()).join("log"));
    let text = match unfinished.filter(|path| path.is_file()) {
        Some(path) => regular::read(&path).with_context(|| format!("read {}", path.display()))?,
        None => match last_receipt(&opened, &arguments.label, key)?.log {
            Some(log) => opened.store.objects().read(&log)?,
            None => Vec::new(),
        },
    };
    print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

/// The key of a task as the study asks for it, where what it reads is there.
pub(super) fn key_of(opened: &Opened, label: &str) -> Result<Option<Key>> {
    let id = opened.graph.find(label)?;
    Ok(walk(&opened.graph, &opened.store)?[id.index()].key())
}

/// The receipt of a task by its key, or else of the last one of that label.
pub(super) fn last_receipt(opened: &Opened, label: &str, key: Option<Key>) -> Result<Receipt> {
    let store = &opened.store;
    let own = key.map(|key| store.receipt(&key)).transpose()?.flatten();
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
        let ended = end(&runs.journal_lines(id)?);
        writeln!(text, "{}  {words}\n    {ended}; id {id}", began.unwrap_or_default())?;
    }
    if ids.is_empty() {
        writeln!(text, "no run is on record in {}", root.display())?;
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// How a run ended, from the last lines of its journal.
fn end(journal: &[String]) -> String {
    // The last line of a run that was killed may be torn.
    let events = journal.iter().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    let (mut finished, mut failed, mut closed) = (0, Vec::new(), None);
    for event in events {
        match event {
            Event::Finished { .. } => finished += 1,
            Event::Failed { label, .. } => failed.push(label),
            Event::Closed { seconds, .. } => closed = Some(seconds),
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
    use crate::exec::Counts;
    use crate::id::Digest;

    #[test]
    fn a_journal_tells_how_a_run_ended() {
        let key = Key::of(b"");
        let finished = Event::Finished {
            label: "a".into(),
            kind: "toy".into(),
            key,
            artifact: Digest::of(b""),
            seconds: 1.0,
            cost: 1.0,
        };
        let failed = Event::Failed {
            label: "b".into(),
            kind: "toy".into(),
            key,
            error: String::new(),
            log: "log".into(),
            log_tail: Vec::new(),
        };
        let closed = Event::Closed { counts: Counts::default(), seconds: 12.0 };
        let line = |event: &Event| {
            let mut line = serde_json::to_value(event).unwrap();
            line["at"] = 1.into();
            line.to_string()
        };
        assert_eq!(end(&[line(&finished)]), "ran 1 task; not ended, or killed");
        let all = [line(&finished), line(&finished), line(&failed), line(&closed), "{cut".into()];
        assert_eq!(end(&all), "ran 2 tasks; failed: b; ended after 12 s");
    }
}
