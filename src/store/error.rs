//! What can go wrong at the store's boundary.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::id::{Digest, Key};

use super::holder::Holder;

/// The result of a call that may fail with a [`StoreError`].
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refuses an operation on a file or folder.
    #[error("{action} {}", path.display())]
    Io {
        /// The operation, such as "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The disk or the quota is used up. Nothing partial stays behind.
    #[error("no space left on the disk of {}{}; free some and run again, finished tasks are kept", path.display(), size(*wanted))]
    NoSpace {
        /// The file that could not be written.
        path: PathBuf,
        /// Bytes to be written; 0 where that is not known.
        wanted: u64,
    },
    /// The bytes are not those that the digest names. The file has been moved to `moved_to`, so the
    /// next plan makes it again.
    #[error("object {digest} is corrupt: the bytes at {} do not match it; moved to {}", path.display(), moved_to.display())]
    Corrupt {
        /// The object's digest.
        digest: Digest,
        /// Where the file lay.
        path: PathBuf,
        /// Where the file lies now.
        moved_to: PathBuf,
    },
    /// An object's file is missing.
    #[error("object {digest} is missing: no file {}", path.display())]
    Missing {
        /// The object's digest.
        digest: Digest,
        /// Where the file should be.
        path: PathBuf,
    },
    /// There is something in the object's place that can't be read, such as a folder, or the disk or
    /// its permissions do not let it be read.
    #[error("object {digest} can't be read: {}: {source}", path.display())]
    Unreadable {
        /// The object's digest.
        digest: Digest,
        /// Where the object should be.
        path: PathBuf,
        /// The error of reading.
        source: io::Error,
    },
    /// The disk, or the network behind it, failed. That says nothing of the file and may pass, so
    /// nothing is computed again for it.
    #[error("{} can't be read: {source}; run again, and if it stays so, move that file out of the store: its task then runs again", path.display())]
    Disk {
        /// The file that was read.
        path: PathBuf,
        /// The error of reading.
        source: io::Error,
    },
    /// The folder that was opened is not there any more.
    #[error("the store {} was deleted or moved while it was in use; what was finished in it went with it", root.display())]
    Gone {
        /// The store's folder.
        root: PathBuf,
    },
    /// What some receipt names is not known, so nothing can be dropped safely.
    #[error(
        "nothing was dropped: {count} files among the receipts can't be read, and what they name is not known: {first}; mend them or move them out of the store, then run gc again"
    )]
    Doubt {
        /// How many files can't be read.
        count: usize,
        /// One of them, with the reason.
        first: String,
    },
    /// Another process has the store open.
    #[error("the store {} is in use by {holder}; wait for it to end, or give another --store", root.display())]
    Busy {
        /// The store's folder.
        root: PathBuf,
        /// That process.
        holder: Holder,
    },
    /// The store's format is newer than those that this program reads.
    #[error("the store {} has format {found}, this titrate reads up to format {known}; use titrate {release} or later", root.display())]
    NewerFormat {
        /// The store's folder.
        root: PathBuf,
        /// The store's format.
        found: u32,
        /// The newest format that is read.
        known: u32,
        /// The release that reads the store, by its format file.
        release: String,
    },
    /// The store's format is older than those that this program reads.
    #[error("the store {} has format {found}, which this titrate does not read: it keeps receipts apart from outputs, in format {known}; give another --store, or delete this one, and the results are computed again", root.display())]
    OlderFormat {
        /// The store's folder.
        root: PathBuf,
        /// The store's format.
        found: u32,
        /// The format that is read.
        known: u32,
    },
    /// The folder is neither a store nor empty.
    #[error("{} is not a titrate store: {cause}; give an empty or a new folder", root.display())]
    NotAStore {
        /// The folder.
        root: PathBuf,
        /// Why it is not a store, in words.
        cause: String,
    },
    /// Another process holds the folder of an attempt.
    #[error("attempt of task {key} is already running in {}", path.display())]
    AttemptRunning {
        /// The task's key.
        key: Key,
        /// The attempt's folder.
        path: PathBuf,
    },
    /// An entry's name is not allowed, or comes twice in its artifact.
    #[error("artifact entry name {name:?}: {cause}")]
    EntryName {
        /// The name.
        name: String,
        /// Why it is refused.
        cause: &'static str,
    },
    /// Bytes are not of the form that they should have.
    #[error("{place} is not {expected}: {cause}")]
    Malformed {
        /// Where the bytes are from.
        place: String,
        /// What they should be, such as "a receipt".
        expected: &'static str,
        /// Why they are not, in words.
        cause: String,
    },
    /// A receipt whose key is not the BLAKE3 of its manifest, or whose output is not (whole) in the
    /// store.
    #[error("receipt of {label} ({}) refused: {cause}", key.short())]
    Receipt {
        /// The label of the receipt's task.
        label: String,
        /// The key in the receipt.
        key: Key,
        /// Why it is refused, in words.
        cause: String,
    },
    /// The index can't be read or written.
    #[error("index {}: {source}; delete the folder, it is rebuilt from the objects", path.display())]
    Index {
        /// The folder of the index.
        path: PathBuf,
        /// The error of the index's database.
        source: sled::Error,
    },
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
