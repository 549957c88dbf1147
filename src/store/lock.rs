//! Who holds a store: an advisory lock that dies with its process, and a note for whoever finds it
//! taken.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{Result, StoreError};
use crate::regular;

/// The process that holds a lock, as it described itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    pub command: String,
}

impl Holder {
    /// This process.
    pub fn this_process() -> Self {
        let command = std::env::args_os()
            .map(|part| part.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ");
        Self { pid: std::process::id(), host: host_name(), command }
    }
}

/// What this machine calls itself.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {} (`{}`)", self.pid, self.host, self.command)
    }
}

/// An exclusive lock on a folder, held until dropped or until the process ends, however it ends. The
/// folder itself is locked and a file `lock` in it, so that a file that someone removes lets nobody
/// in.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// None where the file system has no locks on folders.
    folder: Option<File>,
}

impl Lock {
    /// Locks `folder`, which has to be there, and writes this process's [`Holder`] into its file
    /// `lock`. `Ok(Err(holder))`: another has it.
    pub fn take(folder: &Path) -> Result<Result<Self, Holder>> {
        let path = &folder.join("lock");
        let open = |error| StoreError::io("open the lock file", path, error);
        let itself = File::open(folder).map_err(|error| StoreError::io("open", folder, error))?;
        let itself = match itself.try_lock() {
            Ok(()) => Some(itself),
            Err(TryLockError::WouldBlock) => return Ok(Err(read_holder(path))),
            Err(TryLockError::Error(_)) => None,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(open)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(read_holder(path))),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path, error)),
        }
        let note = serde_json::to_vec(&Holder::this_process()).expect("a holder is plain JSON");
        // A full disk must not keep a store from being opened: the note is a courtesy.
        let _ = file.set_len(0).and_then(|()| file.write_all(&note));
        Ok(Ok(Self { file, folder: itself }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child between fork and exec still shares the lock.
        let _ = self.file.unlock();
        let _ = self.folder.as_ref().map(File::unlock);
    }
}

fn read_holder(path: &Path) -> Holder {
    let unknown = || Holder { pid: 0, host: "an unknown host".into(), command: "unknown".into() };
    regular::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_else(unknown)
}
