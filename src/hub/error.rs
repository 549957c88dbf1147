//! Reasons why a file of the hub is not available.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file of the hub is not available.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum HubError {
    /// The text is no location.
    #[error(
        "`{text}` is no place in the hub: hf://owner/name@revision/path expected, or hf://datasets/owner/name@revision/path"
    )]
    Location { text: String },
    /// There is nowhere to keep files.
    #[error(
        "there is no home folder to keep files of the hub in: set HF_HOME to a folder for them, or HF_HUB_CACHE to the cache itself"
    )]
    NoHome,
    /// The file is not in the cache, and nothing may be downloaded.
    #[error(
        "{location} is not in the cache at {}, or not unharmed, and HF_HUB_OFFLINE forbids to download it", .cache.display()
    )]
    Offline { location: String, cache: PathBuf },
    /// The repository needs a token, or its conditions to be accepted.
    #[error(
        "{location}: the hub answers {status}: accept the repository's conditions on its page, and set HF_TOKEN to a token that may read it"
    )]
    Forbidden { location: String, status: u16 },
    /// The hub has no such repository, revision or file.
    #[error("{location}: the hub has no such repository, revision or file{}", .file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default())]
    NotFound { location: String, file: Option<String> },
    /// A folder of the hub has none of the wanted files.
    #[error("{location}: nothing in it is wanted here; it has {has}")]
    Nothing { location: String, has: String },
    /// A download broke off.
    #[error(
        "{location}, {file}: {cause}; what has come is kept: the same command goes on from there"
    )]
    Transfer { location: String, file: String, cause: String },
    /// An answer that the hub has no reason to give.
    #[error(
        "{location}, {file}: {cause}: nothing of it is kept; if HF_ENDPOINT names another hub, ask its keeper"
    )]
    Refused { location: String, file: String, cause: String },
    /// A downloaded file has other bytes than the hub announces.
    #[error(
        "{location}, {file}: its digest is {found}, where the hub says {expected}: it was removed; the same command downloads it again"
    )]
    Digest { location: String, file: String, expected: String, found: String },
    /// The files of a repository could not be listed.
    #[error("{location}: its files can't be listed: {cause}")]
    Listing { location: String, cause: String },
    /// A file of the cache could not be read or written.
    #[error("{}: {cause}", .path.display())]
    Io { path: PathBuf, cause: io::Error },
}

impl HubError {
    /// The error of a file of the cache.
    pub(super) fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }
}
