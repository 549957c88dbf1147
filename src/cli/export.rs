//! What a run leaves outside the store: the report's files, the resolved study, and the run's
//! summary.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::units::{duration, speed};
use crate::data::catalogue::value::visible;
use crate::exec::{ExecError, Outcome, Timing};
use crate::id::Digest;
use crate::replace::{make_folders, replace};
use crate::store::{Artifact, Objects};

/// Writes an artifact's entries as files below `folder`. Files that have the right bytes are not
/// touched.
///
/// Returns the page to open: `index.html` where there is one, else the folder.
pub(super) fn artifact(
    objects: &Objects,
    artifact: &Artifact,
    folder: &Path,
) -> Result<PathBuf, ExecError> {
    for entry in artifact.entries() {
        let path = folder.join(&entry.name);
        if !has_bytes(&path, entry.size, &entry.digest) {
            write(&path, &objects.read(&entry.digest)?)?;
        }
    }
    let page = folder.join("index.html");
    Ok(if artifact.entry("index.html").is_some() { page } else { folder.to_owned() })
}

/// Writes `text` to `path` unless it is there already.
pub(super) fn text(path: &Path, text: &str) -> Result<(), ExecError> {
    bytes(path, text.as_bytes())
}

/// Writes `bytes` to `path` unless they are there already.
pub(super) fn bytes(path: &Path, bytes: &[u8]) -> Result<(), ExecError> {
    if has_bytes(path, bytes.len() as u64, &Digest::of(bytes)) {
        Ok(())
    } else {
        write(path, bytes)
    }
}

fn has_bytes(path: &Path, size: u64, digest: &Digest) -> bool {
    let same_size = fs::metadata(path).is_ok_and(|metadata| metadata.len() == size);
    same_size && fs::read(path).is_ok_and(|bytes| Digest::of(&bytes) == *digest)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ExecError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = make_folders(folder).and_then(|()| replace(path, bytes));
    written.map_err(|source| ExecError::Io { action: "write", path: path.to_owned(), source })
}

/// The summary of a run in Markdown: what ran, and how long it took.
pub(super) fn summary(study: &str, outcome: &Outcome, seconds: f64) -> String {
    let counts = outcome.counts;
    let mut text = format!(
        "# The last run of {study}\n\nRan {} of {} tasks, {} cached, {} failed, in {}.\n\n",
        counts.ran,
        counts.tasks,
        counts.cached,
        counts.failed,
        duration(seconds)
    );
    let mut kinds: Vec<(&str, Vec<&Timing>)> = Vec::new();
    for timing in &outcome.timings {
        match kinds.iter_mut().find(|(kind, _)| *kind == timing.kind) {
            Some((_, timings)) => timings.push(timing),
            None => kinds.push((&timing.kind, vec![timing])),
        }
    }
    let together = |timings: &[&Timing]| timings.iter().map(|timing| timing.seconds).sum::<f64>();
    kinds.sort_by(|a, b| together(&b.1).total_cmp(&together(&a.1)).then(a.0.cmp(b.0)));
    text.push_str("| kind | ran | wall time together | mean | a task's speed, median |\n|---|---:|---:|---:|---:|\n");
    for (kind, timings) in kinds {
        let (count, seconds) = (timings.len(), together(&timings));
        let (all, mean) = (duration(seconds), duration(seconds / count as f64));
        writeln!(text, "| {kind} | {count} | {all} | {mean} | {} |", median_speed(&timings))
            .expect("a string grows");
    }
    let mut longest: Vec<_> = outcome.timings.iter().collect();
    longest.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.label.cmp(&b.label)));
    text.push_str("\n| the longest | wall time |\n|---|---:|\n");
    for timing in longest.into_iter().take(10) {
        writeln!(text, "| {} | {} |", cell(&timing.label), duration(timing.seconds))
            .expect("a string grows");
    }
    text
}

/// A label in a table: classes and files can have any character in their names.
fn cell(label: &str) -> String {
    visible(label).replace('\n', " ").replace('|', "\\|")
}

/// Empty where no task was long enough to tell.
fn median_speed(timings: &[&Timing]) -> String {
    let mut rates = timings.iter().filter_map(|timing| timing.rate.as_ref()).collect::<Vec<_>>();
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    rates.get(rates.len() / 2).map_or(String::new(), |(rate, unit)| speed(*rate, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_can_not_break_its_table_or_a_terminal() {
        assert_eq!(cell("decode/\u{1b}[31m|a\nb"), "decode/\\u{1b}[31m\\|a b");
    }
}
