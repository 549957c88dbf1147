//! Who holds a store: an advisory lock that dies with its process, and a note for whoever finds it
//! taken.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::{Result, StoreError};
use super::holder::Holder;
use crate::regular;

/// How long a lock may outlive the process that took it.
const INHERITED: Duration = Duration::from_secs(2);

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
    ///
    /// A process that was killed while it started another leaves its lock to that one, until it
    /// becomes the program that it is to run: such a lock is waited for.
    pub fn take(folder: &Path) -> Result<Result<Self, Holder>> {
        let begun = Instant::now();
        loop {
            match Self::try_take(folder)? {
                Err(holder) if holder.has_ended() && begun.elapsed() < INHERITED => {
                    std::thread::sleep(INHERITED / 200);
                }
                outcome => return Ok(outcome),
            }
        }
    }

    fn try_take(folder: &Path) -> Result<Result<Self, Holder>> {
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::store::host_name;

    /// As of a coordinator that is killed while it starts a worker.
    #[test]
    fn a_lock_that_outlives_its_process_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut ended = Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let (pid, host) = (ended.id(), host_name());
        let held = |host: &str| {
            let holder = Holder { pid, host: host.to_owned(), command: "killed".into() };
            let note = serde_json::to_vec(&holder).unwrap();
            std::fs::write(folder.path().join("lock"), note).unwrap();
            let lock = File::open(folder.path()).unwrap();
            lock.lock().unwrap();
            lock
        };
        let inherited = held(&host);
        let taken = std::thread::scope(|scope| {
            let taken = scope.spawn(|| Lock::take(folder.path()).unwrap().is_ok());
            std::thread::sleep(INHERITED / 20);
            assert!(!taken.is_finished(), "it waits");
            drop(inherited);
            taken.join().unwrap()
        });
        assert!(taken);
        let elsewhere = held("another");
        assert_eq!(Lock::take(folder.path()).unwrap().err().map(|holder| holder.pid), Some(pid));
        drop(elsewhere);
    }
}
