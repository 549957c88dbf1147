//! Running attempts: a folder a key, owned by whoever holds its lock. In it, those made elsewhere
//! than on the coordinator's machine have a folder each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::id::Key;

use super::error::{Result, StoreError};
use super::files::{make_folder, names};
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
        Self::claim_folder(Self::make_folder(root.as_ref(), key)?, key)
    }

    /// Claims a folder that is there: that of a single attempt at `key`, in the key's. Errors:
    /// [`StoreError::AttemptRunning`].
    pub fn claim_folder(folder: PathBuf, key: &Key) -> Result<Self> {
        match Lock::take(&folder)? {
            Ok(lock) => Ok(Self { folder, _lock: lock }),
            Err(_) => Err(StoreError::AttemptRunning { key: *key, path: folder }),
        }
    }

    /// Whether some process has claimed `folder`, which is there.
    pub fn is_claimed(folder: &Path) -> Result<bool> {
        Ok(Lock::take(folder)?.is_err())
    }

    /// Removes all that attempts at a finished key have left. What cannot be removed stays: a worker
    /// elsewhere may be writing to it still.
    pub fn discard(root: &Path, key: &Key) {
        let _ = fs::remove_dir_all(folder(root, key));
    }

    /// The folder of a key's attempts in the store at `root`, made where absent.
    ///
    /// # Errors
    ///
    /// If there is no store at `root`.
    pub fn make_folder(root: &Path, key: &Key) -> Result<PathBuf> {
        let folder = folder(root, key);
        make_folder(&root.join("work"))?;
        make_folder(&folder)?;
        Ok(folder)
    }

    /// The folder that is claimed.
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

/// Whether some process holds the key's folder, or that of an attempt in it.
pub(super) fn is_running(root: &Path, key: &Key) -> Result<bool> {
    let mut folders = vec![folder(root, key)];
    while let Some(folder) = folders.pop() {
        if Attempt::is_claimed(&folder)? {
            return Ok(true);
        }
        let inner = names(&folder)?.into_iter().map(|name| folder.join(name));
        folders.extend(inner.filter(|path| path.is_dir()));
    }
    Ok(false)
}

/// Removes the folders of attempts that were killed before there was anything in them. Returns how
/// many.
pub(super) fn sweep(root: &Path) -> Result<usize> {
    let work = root.join("work");
    let folders = names(&work)?.into_iter().filter(|name| name.parse::<Key>().is_ok());
    Ok(folders.filter(|name| fs::remove_dir(work.join(name)).is_ok()).count())
}
