//! What can go wrong with an archive.

use std::io;
use std::path::PathBuf;

use crate::store::StoreError;

/// Why an archive can't be written, or is not believed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum ArchiveError {
    /// The file can't be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// It is no archive of a study, or one that this version does not read.
    #[error("{} is no archive of a study that this titrate reads: {cause}", path.display())]
    Malformed { path: PathBuf, cause: String },
    /// Something in it is not what it is said to be.
    #[error("{}: {member} is refused: {cause}", path.display())]
    Refused { path: PathBuf, member: String, cause: String },
    /// The store here.
    #[error(transparent)]
    Store(#[from] StoreError),
}
