//! The journal: a run's events as JSON lines with their time, in the store's `runs/`.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::exec::ExecError;
use crate::exec::event::Event;
use crate::id::Key;
use crate::store::{Runs, Store};

/// Progress of one task is written at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Writes nothing until a task starts or is submitted, so that a run with nothing to do leaves no trace.
pub struct Journal {
    runs: Runs,
    id: String,
    head: serde_json::Value,
    file: Option<BufWriter<File>>,
    waiting: Vec<String>,
    told: HashMap<String, Instant>,
}

#[derive(Serialize)]
struct Line<'a> {
    /// Milliseconds since the Unix epoch.
    at: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl Journal {
    /// The journal of a run that starts now. `head` is kept as the run's record: what was asked
    /// for.
    pub fn new(store: &Store, head: serde_json::Value) -> Self {
        let id = format!("{:013}-{}", unix_ms(), std::process::id());
        Self {
            runs: Runs::at(store.root()),
            id,
            head,
            file: None,
            waiting: Vec::new(),
            told: HashMap::new(),
        }
    }

    /// Whether anything was written.
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Writes an event, or keeps it until the first task starts or is submitted. Cached tasks are
    /// left out, and so is progress that comes too soon after the last.
    ///
    /// # Errors
    /// If the journal or the run's record can't be written.
    pub fn write(&mut self, event: &Event) -> Result<(), ExecError> {
        match event {
            Event::Cached { .. } => return Ok(()),
            Event::Progress { label, .. } => {
                if self.told.get(label).is_some_and(|last| last.elapsed() < PROGRESS_EVERY) {
                    return Ok(());
                }
                self.told.insert(label.clone(), Instant::now());
            }
            Event::Submitted { .. } | Event::Started { .. } if self.file.is_none() => {
                self.open()?
            }
            _ => {}
        }
        self.waiting.push(
            serde_json::to_string(&Line { at: unix_ms(), event }).expect("an event is plain JSON"),
        );
        self.flush()
    }

    fn open(&mut self) -> Result<(), ExecError> {
        self.runs.record(&self.id, &self.head)?;
        let path = self.path()?;
        self.file = Some(BufWriter::new(
            File::create(&path)
                .map_err(|source| ExecError::io("write the journal", &path, source))?,
        ));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ExecError> {
        let path = match self.file {
            Some(_) => self.path()?,
            None => return Ok(()),
        };
        let file = self.file.as_mut().expect("checked above");
        let written = self
            .waiting
            .drain(..)
            .try_for_each(|line| writeln!(file, "{line}"))
            .and_then(|()| file.flush());
        written.map_err(|source| ExecError::io("write the journal", &path, source))
    }

    fn path(&self) -> Result<PathBuf, ExecError> {
        Ok(self.runs.journal_path(&self.id)?)
    }
}

/// The keys of all tasks that the runs on record started: what they made, and what they were about
/// to make.
///
/// # Errors
/// If a journal can't be read.
pub fn recorded_keys(store: &Store) -> Result<HashSet<Key>, ExecError> {
    #[derive(Deserialize)]
    struct Keyed {
        key: Option<Key>,
    }
    let runs = Runs::at(store.root());
    let mut keys = HashSet::new();
    for id in runs.ids()? {
        // The last line of a run that was killed may be torn; what it told was not done.
        let lines = runs.journal_lines(&id)?;
        keys.extend(lines.iter().filter_map(|line| serde_json::from_str::<Keyed>(line).ok()?.key));
    }
    Ok(keys)
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
