//! What can go wrong at the store's boundary.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::id::{Digest, Key};

use super::lock::Holder;

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The disk or the quota is used up. Nothing partial stays behind. `wanted` is 0 where the size
    /// is not known.
    #[error("no space left on the disk of {}{}; free some and run again, finished tasks are kept", path.display(), size(*wanted))]
    NoSpace { path: PathBuf, wanted: u64 },
    /// The bytes are not those that the digest names. The file has been moved to `moved_to`, so the
    /// next plan makes it again.
    #[error("object {digest} is corrupt: the bytes at {} do not match it; moved to {}", path.display(), moved_to.display())]
    Corrupt { digest: Digest, path: PathBuf, moved_to: PathBuf },
    #[error("object {digest} is missing: no file {}", path.display())]
    Missing { digest: Digest, path: PathBuf },
    /// There is something in the object's place that can't be read, such as a folder, or the disk or
    /// its permissions do not let it be read.
    #[error("object {digest} can't be read: {}: {source}", path.display())]
    Unreadable { digest: Digest, path: PathBuf, source: io::Error },
    /// The disk, or the network behind it, failed. That says nothing of the file and may pass, so
    /// nothing is computed again for it.
    #[error("{} can't be read: {source}; run again, and if it stays so, move that file out of the store: its task then runs again", path.display())]
    Disk { path: PathBuf, source: io::Error },
    /// The folder that was opened is not there any more.
    #[error("the store {} was deleted or moved while it was in use; what was finished in it went with it", root.display())]
    Gone { root: PathBuf },
    /// What some receipt names is not known, so nothing can be dropped safely.
    #[error(
        "nothing was dropped: {count} files among the receipts can't be read, and what they name is not known: {first}; mend them or move them out of the store, then run gc again"
    )]
    Doubt { count: usize, first: String },
    #[error("the store {} is in use by {holder}; wait for it to end, or give another --store", root.display())]
    Busy { root: PathBuf, holder: Holder },
    #[error("the store {} has format {found}, this titrate reads up to format {known}; use titrate {release} or later", root.display())]
    NewerFormat { root: PathBuf, found: u32, known: u32, release: String },
    #[error("the store {} has format {found}, which this titrate does not read: it keeps receipts apart from outputs, in format {known}; give another --store, or delete this one, and the results are computed again", root.display())]
    OlderFormat { root: PathBuf, found: u32, known: u32 },
    #[error("{} is not a titrate store: {cause}; give an empty or a new folder", root.display())]
    NotAStore { root: PathBuf, cause: String },
    #[error("attempt of task {key} is already running in {}", path.display())]
    AttemptRunning { key: Key, path: PathBuf },
    #[error("artifact entry name {name:?}: {cause}")]
    EntryName { name: String, cause: &'static str },
    #[error("{place} is not {expected}: {cause}")]
    Malformed { place: String, expected: &'static str, cause: String },
    /// A receipt whose key is not the BLAKE3 of its manifest, or whose output is not (whole) in the
    /// store.
    #[error("receipt of {label} ({}) refused: {cause}", key.short())]
    Receipt { label: String, key: Key, cause: String },
    #[error("index {}: {source}; delete the folder, it is rebuilt from the objects", path.display())]
    Index { path: PathBuf, source: sled::Error },
}

/// How much was to be written, where that is known.
fn size(wanted: u64) -> String {
    if wanted == 0 { String::new() } else { format!(" ({wanted} bytes wanted)") }
}

/// Whether an error is one of the disk, the network behind it or the system, and says nothing of what
/// is stored.
pub(crate) fn is_of_the_disk(error: &io::Error) -> bool {
    let known = [
        Errno::IO,
        Errno::STALE,
        Errno::TIMEDOUT,
        Errno::AGAIN,
        Errno::INTR,
        Errno::NOMEM,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NODEV,
        Errno::NXIO,
        Errno::NOTCONN,
        Errno::HOSTDOWN,
        Errno::REMOTEIO,
    ];
    error.raw_os_error().is_some_and(|code| known.iter().any(|known| known.raw_os_error() == code))
}

impl StoreError {
    /// Whether it comes from files or a file system that this process may not write to.
    pub fn is_read_only(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
    }

    /// The error of an I/O call on `path`; a full disk becomes [`StoreError::NoSpace`].
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::write(action, path, 0, source)
    }

    /// Like [`StoreError::io`] for a write of `wanted` bytes.
    pub(super) fn write(action: &'static str, path: &Path, wanted: u64, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { path: path.to_owned(), wanted }
            }
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }

    pub(super) fn index(path: &Path, source: sled::Error) -> Self {
        match source {
            sled::Error::Io(source) => Self::io("access the index in", path, source),
            source => Self::Index { path: path.to_owned(), source },
        }
    }
}
