//! What comes of receipts once they are published: results by key, and divergences.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Key};

use super::artifact::Artifact;

/// Two receipts of one key whose outputs differ: the task is not deterministic, or its VERSION was
/// forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    pub(super) titrate_divergence: u32,
    /// The key of both receipts.
    pub key: Key,
    /// The receipt that stands: the first one, unless its output was lost before the other came.
    pub kept: Digest,
    /// The other receipt.
    pub refused: Digest,
}

/// A key's valid receipt, without what a plan does not need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The receipt's digest.
    pub receipt: Digest,
    /// The artifact that the task produced.
    pub output: Artifact,
}

/// What a published receipt meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The key's first valid receipt.
    New,
    /// The key had this output already; its earlier receipt stands.
    Confirmed,
    /// The key has another output. Recorded; to be reported.
    Diverged(Divergence),
}
