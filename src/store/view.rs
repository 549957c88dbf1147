//! A look at a store that another process has open: a copy of its index, brought up to date with its
//! receipts. Nothing is written into the store.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use super::error::{Result, StoreError};
use super::inbox::Inbox;
use super::index::Index;
use super::objects::{Objects, Space};
use super::open::{Collected, IndexState, Opening, identity};
use super::{Store, format};

impl Store {
    /// The results that the store at `root` has so far, whoever has it open. To be read, not
    /// written: what is published here would be lost.
    ///
    /// The index in it may be in the middle of a change. So a copy is read, from which stamps of
    /// objects are kept, and everything else is derived from the receipts.
    ///
    /// # Errors
    /// If there is no store, or it cannot be read.
    pub fn view(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        if format::state(root)? == format::State::New {
            let cause = "it is empty".to_owned();
            return Err(StoreError::NotAStore { root: root.to_owned(), cause });
        }
        let copy = tempfile::tempdir()
            .map_err(|error| StoreError::io("make a folder in", &std::env::temp_dir(), error))?;
        let path = copy.path().join("index");
        copy_files(&root.join("index"), &path)
            .map_err(|error| StoreError::io("copy the index to", &path, error))?;
        let (index, _) = Index::open(&path)?;
        let opening =
            Opening { index: IndexState::Opened, collected: Collected::default(), leftovers: 0 };
        let store = Self {
            objects: Objects::open(root)?,
            receipts: Objects::open_space(root, Space::Receipts)?,
            inbox: Inbox::at(root),
            index,
            opening,
            publishing: Mutex::new(()),
            identity: identity(root).map_err(|error| StoreError::io("look at", root, error))?,
            _lock: None,
            _copy: Some(copy),
        };
        store.rebuild_index()?;
        Ok(store)
    }
}

/// Copies a folder's files and those of its folders. What goes away meanwhile is left out.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        let copied = match entry.file_type()? {
            kind if kind.is_dir() => copy_files(&entry.path(), &to),
            kind if kind.is_file() => fs::copy(entry.path(), &to).map(drop),
            _ => Ok(()),
        };
        match copied {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
