//! The store's format file: which layout a folder has, and which release reads it.
//!
//! Versions: 1 (titrate 0.1.0), the first.

use std::fs;
use std::io;
use std::path::Path;

use crate::replace::replace_with;

use super::error::{Result, StoreError};
use super::objects::{names, sync_folder, write_synced};

const NAME: &str = "titrate-store";
const VERSION: u32 = 1;
/// The first release that reads [`VERSION`].
const RELEASE: &str = "0.1.0";

/// Whether `root` is new, without touching it. Errors: what is no store, and a newer format.
pub(super) fn is_new(root: &Path) -> Result<bool> {
    let path = root.join("format");
    match fs::read_to_string(&path) {
        Ok(text) => check(root, &text).map(|()| false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Only what a process killed before `write` was done can have left is taken over.
            let foreign = names(root)?
                .into_iter()
                .find(|name| !["lock", ".format.new"].contains(&name.as_str()));
            let refuse = |name| StoreError::NotAStore {
                root: root.to_owned(),
                cause: format!("it holds `{name}` and no file `format`"),
            };
            foreign.map_or(Ok(true), |name| Err(refuse(name)))
        }
        Err(error) => Err(StoreError::io("read", &path, error)),
    }
}

/// Writes the file: name, version, and the release to get when the version is too new.
pub(super) fn write(root: &Path) -> Result<()> {
    let path = root.join("format");
    let text = format!("{NAME} {VERSION}\nread by titrate {RELEASE}\n");
    let written = replace_with(&path, |aside| {
        let _ = fs::remove_file(aside);
        write_synced(aside, text.as_bytes(), 0o644)
    });
    written.map_err(|error| StoreError::write("write", &path, text.len() as u64, error))?;
    sync_folder(root)
}

fn check(root: &Path, text: &str) -> Result<()> {
    let mut lines = text.lines();
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix(NAME))
        .and_then(|rest| rest.trim().parse::<u32>().ok());
    let Some(found) = version else {
        return Err(StoreError::NotAStore {
            root: root.to_owned(),
            cause: "its file `format` names another format".into(),
        });
    };
    if found <= VERSION {
        return Ok(());
    }
    let release = lines
        .next()
        .and_then(|line| line.strip_prefix("read by titrate "))
        .unwrap_or("of a newer release")
        .to_owned();
    Err(StoreError::NewerFormat { root: root.to_owned(), found, known: VERSION, release })
}
