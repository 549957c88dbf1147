//! What can go wrong with a shared store.

use std::io;
use std::path::PathBuf;

use crate::id::{Digest, Key};

/// Why a shared store could not be used, or something in it was refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum RemoteError {
    /// The text is no location.
    #[error(
        "`{text}` is no shared store: {cause}; file:///folder, s3://bucket/prefix or \
         https://host/path expected"
    )]
    Location { text: String, cause: String },
    /// The configuration can't be used.
    #[error("{}: {cause}", path.display())]
    Config { path: PathBuf, cause: String },
    /// A file with a key is none.
    #[error("{} is no {what}: {cause}", path.display())]
    KeyFile { path: PathBuf, what: &'static str, cause: String },
    /// The text is no public key.
    #[error("`{text}` is no public key: 64 hexadecimal digits of an ed25519 key expected")]
    PublicKey { text: String },
    /// Nothing can be written there.
    #[error("{place} can only be read: {cause}")]
    ReadOnly { place: String, cause: &'static str },
    /// A file here could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The shared store does not answer, or refuses.
    #[error("{place}: {action} {path}: {cause}")]
    Transfer { place: String, action: &'static str, path: String, cause: String },
    /// A receipt that is not believed.
    #[error("{place}: the receipt of {label} (ac/{}) is refused: {cause}", key.short())]
    Receipt { place: Box<str>, label: Box<str>, key: Key, cause: Untrusted },
    /// An object that is not what its name says.
    #[error(
        "{place}: `{name}` of {label} (cas/{}) is refused: there is nothing, or not these {size} \
         bytes",
        digest.short()
    )]
    Object { place: Box<str>, label: Box<str>, name: Box<str>, digest: Digest, size: u64 },
}

/// Why a receipt is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum Untrusted {
    /// It has no signature.
    #[error("it is not signed")]
    Unsigned,
    /// It is signed by a key that is not on the list.
    #[error("it is signed by {signer}, which is not among the trusted keys")]
    Stranger { signer: String },
    /// The signature is not that of these bytes.
    #[error("its signature by {signer} does not match its bytes")]
    Signature { signer: String },
    /// It belongs to another task.
    #[error("it is the receipt of another key, {}", found.short())]
    OtherKey { found: Key },
    /// It is no receipt.
    #[error("{cause}")]
    Malformed { cause: String },
}
