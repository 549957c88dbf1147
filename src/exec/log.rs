//! The log of an attempt.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::regular;

/// The log's name in an attempt's folder.
pub(super) const NAME: &str = "log";

/// How many lines of a log an error shows.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 16 << 10;

/// Opens a log to be added to.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines of a log; empty where it cannot be read.
pub(super) fn tail(log: &Path) -> Vec<String> {
    let bytes = end_of(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| line.to_string()).collect()
}

fn end_of(log: &Path) -> io::Result<Vec<u8>> {
    let mut file = regular::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
