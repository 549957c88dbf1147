//! The inbox: how workers, which never open the index, hand receipts to the coordinator.

use std::fs;
use std::path::{Path, PathBuf};

use crate::id::Digest;
use crate::regular;

use super::error::{Result, StoreError};
use super::files::{make_folder, names, sync_folder, write_synced};
use super::objects::Objects;
use super::receipt::Receipt;

const SUFFIX: &str = ".receipt.json";

/// The folder `inbox/` of a store.
#[derive(Clone, Debug)]
pub struct Inbox {
    folder: PathBuf,
}

/// A file found in the inbox.
pub(super) struct Delivered {
    pub path: PathBuf,
    /// The receipt, or why the file is none.
    pub receipt: Result<Receipt>,
}

impl Inbox {
    /// The inbox of the store at `root`.
    pub fn at(root: impl AsRef<Path>) -> Self {
        Self { folder: root.as_ref().join("inbox") }
    }

    /// Publishes a receipt durably, by rename; call it when every output is in `objects`. Returns
    /// the receipt's digest.
    pub fn publish(&self, objects: &Objects, receipt: &Receipt) -> Result<Digest> {
        receipt.check_key()?;
        let bytes = receipt.to_bytes();
        let digest = Digest::of(&bytes);
        make_folder(&self.folder)?;
        let (temporary, path) =
            (objects.temporary()?, self.folder.join(format!("{digest}{SUFFIX}")));
        let written =
            write_synced(&temporary, &bytes, 0o444).and_then(|()| fs::rename(&temporary, &path));
        written.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            StoreError::write("write", &path, bytes.len() as u64, error)
        })?;
        sync_folder(&self.folder)?;
        Ok(digest)
    }

    /// What lies in the inbox, oldest start first; files that are no receipts come last.
    pub(super) fn delivered(&self) -> Result<Vec<Delivered>> {
        let mut delivered: Vec<Delivered> = names(&self.folder)?
            .into_iter()
            .map(|name| {
                let path = self.folder.join(&name);
                let receipt = read(&path, &name);
                Delivered { path, receipt }
            })
            .collect();
        delivered.sort_by_key(|file| match &file.receipt {
            Ok(receipt) => (false, receipt.cost.started_unix_ms),
            Err(_) => (true, 0),
        });
        Ok(delivered)
    }

    /// Forgets a file that has been dealt with. A crash before its removal reaches the disk only
    /// makes it come again.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|error| StoreError::io("remove", path, error))
    }

    /// Moves a file that is no receipt to the store's `quarantine/`, where it can be looked at.
    pub(super) fn refuse(&self, objects: &Objects, path: &Path) -> Result<PathBuf> {
        let folder = objects.root().join("quarantine");
        make_folder(&folder)?;
        let aside = folder
            .join(format!("inbox-{}", path.file_name().unwrap_or_default().to_string_lossy()));
        fs::rename(path, &aside).map_err(|error| StoreError::io("move aside", path, error))?;
        Ok(aside)
    }
}

/// A file's name is the digest of its bytes, so a half-written one is found out even where its JSON
/// happens to parse.
fn read(path: &Path, name: &str) -> Result<Receipt> {
    let place = path.display().to_string();
    let bytes = regular::read(path).map_err(|error| StoreError::io("read", path, error))?;
    let named = name.strip_suffix(SUFFIX).and_then(|digest| digest.parse::<Digest>().ok());
    if named != Some(Digest::of(&bytes)) {
        let cause = "its bytes do not match its name".to_owned();
        return Err(StoreError::Malformed { place, expected: "a receipt", cause });
    }
    Receipt::from_bytes(&bytes, &place)
}
