//! The store's format file: which layout a folder has, and which release reads it.
//!
//! Versions: 1, receipts among the objects, never released; 2 (titrate 0.1.0), receipts in a folder of
//! their own. The file has a copy beside the receipts, from which a lost or damaged one is written
//! again.

use std::fs;
use std::io;
use std::path::Path;

use crate::regular;

use super::error::{Result, StoreError};
use super::files::{names, replace_synced, sync_folder};
use super::objects::Space;

const NAME: &str = "titrate-store";
const VERSION: u32 = 2;
/// The first release that reads [`VERSION`].
const RELEASE: &str = "0.1.0";
const FILE: &str = "format";

/// What a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Empty, or begun by a process that was killed.
    New,
    Whole,
    /// A store whose format file is lost or damaged.
    Damaged,
}

/// What `root` is, without touching it. Errors: what is no store, and another format.
pub(super) fn state(root: &Path) -> Result<State> {
    if let Some(text) = read(root)? {
        if let Some(verdict) = check(root, &text) {
            return verdict.map(|()| State::Whole);
        }
    } else {
        // Only what a process killed before `write` was done can have left is taken over.
        let left = ["lock", ".format.new"];
        let foreign = names(root)?.into_iter().find(|name| !left.contains(&name.as_str()));
        if foreign.is_none() {
            return Ok(State::New);
        }
    }
    let receipts = root.join(Space::Receipts.name());
    let copy = read(&receipts)?.and_then(|text| check(root, &text));
    let is_store = is_folder(&receipts)? && is_folder(&root.join(Space::Objects.name()))?;
    match copy {
        Some(verdict) => verdict.map(|()| State::Damaged),
        None if is_store => Ok(State::Damaged),
        None => Err(StoreError::NotAStore {
            root: root.to_owned(),
            cause: match names(root)?.into_iter().find(|name| name != FILE && name != "lock") {
                Some(name) => format!("it holds `{name}` and no file `{FILE}` of one"),
                None => format!("its file `{FILE}` names another format"),
            },
        }),
    }
}

fn is_folder(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("look at", path, error))
        }
        found => Ok(found.is_ok_and(|found| found.is_dir())),
    }
}

/// The format file of a folder; `None` where there is none.
fn read(folder: &Path) -> Result<Option<String>> {
    let path = folder.join(FILE);
    match regular::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A folder or a pipe in its place is damage.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Some(String::new())),
        Err(error) => Err(StoreError::io("read", &path, error)),
    }
}

/// Writes the file: name, version, and the release to get when the version is too new.
pub(super) fn write(root: &Path) -> Result<()> {
    write_into(root)
}

/// Writes the copy beside the receipts, unless it is there.
pub(super) fn copy_beside_receipts(root: &Path) -> Result<()> {
    let folder = root.join(Space::Receipts.name());
    if read(&folder)?.is_some_and(|copy| copy == text()) { Ok(()) } else { write_into(&folder) }
}

fn text() -> String {
    format!("{NAME} {VERSION}\nread by titrate {RELEASE}\n")
}

fn write_into(folder: &Path) -> Result<()> {
    let path = folder.join(FILE);
    // An empty folder in its place; what is in another is somebody's.
    let _ = fs::remove_dir(&path);
    replace_synced(&path, text().as_bytes())?;
    sync_folder(folder)
}

/// Whether this program reads the format that `text` names; `None` where it names none.
fn check(root: &Path, text: &str) -> Option<Result<()>> {
    let (first, rest) = text.split_once('\n')?;
    let found: u32 = first.strip_prefix(NAME)?.trim().parse().ok()?;
    let root = root.to_owned();
    let release = rest.lines().next().and_then(|line| line.strip_prefix("read by titrate "));
    Some(match found {
        VERSION => Ok(()),
        // This release reads no later format, and there was none of that number: it is damaged.
        0 => return None,
        _ if found > VERSION && release == Some(RELEASE) => return None,
        1..VERSION => Err(StoreError::OlderFormat { root, found, known: VERSION }),
        _ => Err(StoreError::NewerFormat {
            root,
            found,
            known: VERSION,
            release: release.unwrap_or("of a newer release").to_owned(),
        }),
    })
}
