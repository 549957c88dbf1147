//! Temporary files: each process has a locked folder under `tmp/`, so that what a crash left is
//! told from what is in use.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Result, StoreError};
use super::files::{make_folder, names};
use super::holder::host_name;

const LOCK_SUFFIX: &str = ".lock";

/// A folder `tmp/<name>/` beside its lock `tmp/<name>.lock`; both go away when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    lock_path: PathBuf,
    _lock: File,
    count: AtomicU64,
}

impl Scratch {
    /// Claims a folder of its own in the store at `root`.
    pub fn claim(root: &Path) -> Result<Self> {
        static CLAIMS: AtomicU64 = AtomicU64::new(0);
        let tmp = root.join("tmp");
        make_folder(&tmp)?;
        let host = host_name();
        loop {
            let name =
                format!("{host}-{}-{}", std::process::id(), CLAIMS.fetch_add(1, Ordering::Relaxed));
            let lock_path = tmp.join(format!("{name}{LOCK_SUFFIX}"));
            let failed = |error| StoreError::io("create", &lock_path, error);
            let lock = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&lock_path)
                .map_err(failed)?;
            // A cleaner may have found the file between its creation and its lock; then it is
            // locked or already removed.
            match lock.try_lock() {
                Ok(()) if lock_path.try_exists().map_err(failed)? => {}
                Ok(()) | Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::io("lock", &lock_path, error));
                }
            }
            let folder = tmp.join(&name);
            // A dead process of the same number may have left its files.
            let _ = fs::remove_dir_all(&folder);
            make_folder(&folder)?;
            return Ok(Self { folder, lock_path, _lock: lock, count: AtomicU64::new(0) });
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn fresh_path(&self) -> PathBuf {
        self.folder.join(self.count.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// Removes the folders whose owner is gone, with what is in them. Returns the number of files
/// removed.
pub(super) fn clean(root: &Path) -> Result<usize> {
    let tmp = root.join("tmp");
    let present = names(&tmp)?;
    let locks = present.iter().filter_map(|name| name.strip_suffix(LOCK_SUFFIX));
    let mut removed = 0;
    for name in locks {
        let lock_path = tmp.join(format!("{name}{LOCK_SUFFIX}"));
        let Ok(lock) = OpenOptions::new().write(true).open(&lock_path) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        let folder = tmp.join(name);
        removed += names(&folder)?.len();
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .map_err(|error| StoreError::io("remove", &folder, error))?;
        }
        fs::remove_file(&lock_path).map_err(|error| StoreError::io("remove", &lock_path, error))?;
    }
    Ok(removed)
}
