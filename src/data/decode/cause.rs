//! Why a decoder gives a file up.

/// What a decoder complains of.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A kind of file that no decoder here reads as it should, said as what it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnreadKind(pub String);
