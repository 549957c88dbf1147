//! Running attempts: a folder a key, owned by whoever holds its lock.

use std::fs;
use std::path::{Path, PathBuf};

use crate::id::Key;

use super::error::{Result, StoreError};
use super::lock::Lock;

/// The claim on `work/<key>/`: checkpoints, partial output and the log of an attempt. Released when
/// dropped or when the process ends.
#[derive(Debug)]
pub struct Attempt {
    folder: PathBuf,
    _lock: Lock,
}

impl Attempt {
    /// Claims the folder, with what an earlier attempt left in it. Errors:
    /// [`StoreError::AttemptRunning`].
    pub fn claim(root: impl AsRef<Path>, key: &Key) -> Result<Self> {
        let folder = folder(root.as_ref(), key);
        fs::create_dir_all(&folder).map_err(|error| StoreError::io("create", &folder, error))?;
        match Lock::take(&folder.join("lock"))? {
            Ok(lock) => Ok(Self { folder, _lock: lock }),
            Err(_) => Err(StoreError::AttemptRunning { key: *key, path: folder }),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes the folder: the task is done, or is to start from nothing.
    pub fn clear(self) -> Result<()> {
        fs::remove_dir_all(&self.folder)
            .map_err(|error| StoreError::io("remove", &self.folder, error))
    }
}

/// The folder of a key's attempts in the store at `root`.
pub(super) fn folder(root: &Path, key: &Key) -> PathBuf {
    root.join("work").join(key.to_string())
}

/// Whether some process holds the key's folder.
pub(super) fn is_running(root: &Path, key: &Key) -> Result<bool> {
    Ok(Lock::take(&folder(root, key).join("lock"))?.is_err())
}
