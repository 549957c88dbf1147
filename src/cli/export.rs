//! What a run leaves outside the store: the report's files, the resolved study, and the run's summary.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::terminal::duration;
use crate::exec::{ExecError, Outcome};
use crate::id::Digest;
use crate::store::{Artifact, Objects};

/// Writes an artifact's entries as files below `folder`. Files that have the right bytes are not touched.
///
/// Returns the page to open: `index.html` where there is one, else the folder.
pub(super) fn artifact(objects: &Objects, artifact: &Artifact, folder: &Path) -> Result<PathBuf, ExecError> {
    for entry in artifact.entries() {
        let path = folder.join(&entry.name);
        if !has_bytes(&path, entry.size, &entry.digest) {
            replace(&path, &objects.read(&entry.digest)?)?;
        }
    }
    let page = folder.join("index.html");
    Ok(if artifact.entry("index.html").is_some() { page } else { folder.to_owned() })
}

/// Writes `text` to `path` unless it is there already.
pub(super) fn text(path: &Path, text: &str) -> Result<(), ExecError> {
    if has_bytes(path, text.len() as u64, &Digest::of(text.as_bytes())) { Ok(()) } else { replace(path, text.as_bytes()) }
}

fn has_bytes(path: &Path, size: u64, digest: &Digest) -> bool {
    let same_size = fs::metadata(path).is_ok_and(|metadata| metadata.len() == size);
    same_size && fs::read(path).is_ok_and(|bytes| Digest::of(&bytes) == *digest)
}

/// By rename, so that a reader never sees half a file.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), ExecError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = |source| ExecError::Io { action: "write", path: path.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = folder.join(name);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        failed(source)
    })
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
    let mut kinds: Vec<(&str, usize, f64)> = Vec::new();
    for (_, kind, seconds) in &outcome.timings {
        match kinds.iter_mut().find(|row| row.0 == kind) {
            Some(row) => (row.1, row.2) = (row.1 + 1, row.2 + seconds),
            None => kinds.push((kind, 1, *seconds)),
        }
    }
    kinds.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(b.0)));
    text.push_str("| kind | ran | wall time together | mean |\n|---|---:|---:|---:|\n");
    for (kind, count, seconds) in kinds {
        writeln!(text, "| {kind} | {count} | {} | {} |", duration(seconds), duration(seconds / count as f64))
            .expect("a string grows");
    }
    let mut longest: Vec<_> = outcome.timings.iter().collect();
    longest.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    text.push_str("\n| the longest | wall time |\n|---|---:|\n");
    for (label, _, seconds) in longest.into_iter().take(10) {
        writeln!(text, "| {label} | {} |", duration(*seconds)).expect("a string grows");
    }
    text
}
