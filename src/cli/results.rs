//! `titrate cat`, `log` and `runs`: the outputs of tasks, their logs, and what was run.

use std::fmt::{self, Write as _};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::cli::args::{Cat, ListRuns, Log};
use crate::cli::common::{
    Opened, Pipeline, open_to_read, print, print_bytes, print_json, workspace,
};
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

/// A run on record.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Run {
    id: String,
    /// When it began: date and time, UTC.
    began: String,
    /// The words after `titrate`.
    arguments: Vec<String>,
    #[serde(flatten)]
    end: End,
}

/// How a run ended, from its journal.
#[derive(Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct End {
    /// Tasks that it ran to their end.
    ran: usize,
    /// The labels of those that failed.
    failed: Vec<String>,
    /// How long it took; none of a run that goes on, or was killed.
    seconds: Option<f64>,
}

/// Lists the runs on record, the newest last: when, what was asked for, and how it ended.
pub(super) fn runs(arguments: &ListRuns) -> Result<Exit> {
    let root = workspace().join(&arguments.folder.store);
    let runs = Runs::at(&root);
    let mut found = Vec::new();
    for id in runs.ids().unwrap_or_default() {
        let head: Option<Value> = runs.read(&id)?;
        let words = head.as_ref().and_then(|head| head["command"].as_array()).into_iter().flatten();
        let words = words.skip(1).filter_map(Value::as_str).map(str::to_owned);
        let began = id.split('-').next().and_then(|digits| digits.parse().ok()).map(date);
        found.push(Run {
            began: began.unwrap_or_default(),
            arguments: words.collect(),
            end: End::of(&runs.journal_lines(&id)?),
            id,
        });
    }
    if arguments.json {
        print_json(&found)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for Run { id, began, arguments, end } in &found {
        writeln!(text, "{began}  {}\n    {end}; id {id}", arguments.join(" "))?;
    }
    if found.is_empty() {
        writeln!(text, "no run is on record in {}", root.display())?;
    }
    print(&text)?;
    Ok(Exit::Done)
}

impl End {
    fn of(journal: &[String]) -> Self {
        // The last line of a run that was killed may be torn.
        let events = journal.iter().filter_map(|line| serde_json::from_str::<Event>(line).ok());
        let mut end = Self::default();
        for event in events {
            match event {
                Event::Finished { .. } => end.ran += 1,
                Event::Failed { label, .. } => end.failed.push(label),
                Event::Closed { seconds, .. } => end.seconds = Some(seconds),
                _ => {}
            }
        }
        end
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = if self.ran == 1 { "task" } else { "tasks" };
        write!(f, "ran {} {tasks}", self.ran)?;
        if !self.failed.is_empty() {
            write!(f, "; failed: {}", some_of(&self.failed, 3, ", "))?;
        }
        match self.seconds {
            Some(seconds) => write!(f, "; ended after {}", duration(seconds)),
            None => f.write_str("; not ended, or killed"),
        }
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
        let end = |lines: &[String]| End::of(lines).to_string();
        assert_eq!(end(&[line(&finished)]), "ran 1 task; not ended, or killed");
        let all = [line(&finished), line(&finished), line(&failed), line(&closed), "{cut".into()];
        assert_eq!(end(&all), "ran 2 tasks; failed: b; ended after 12 s");
    }
}
