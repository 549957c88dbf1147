//! Receipts: the proof that a task finished, what it consumed and produced, and where and how it
//! ran; and what is refused in their place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Key};

use super::artifact::Artifact;
use super::error::{Result, StoreError};

const VERSION: u32 = 1;

/// The record of one finished attempt. Written last: a task is done when its receipt is valid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Format version; [`Receipt::FORMAT`].
    pub titrate_receipt: u32,
    /// The task's key.
    pub key: Key,
    /// The canonical manifest; its BLAKE3 is `key`.
    pub manifest: String,
    /// The name of the task's kind.
    pub kind: String,
    /// The kind's VERSION.
    pub version: u32,
    /// How people call the task. Never part of the key.
    pub label: String,
    /// Role -> digest of what was consumed: an artifact's digest, or that of a file.
    pub inputs: BTreeMap<String, Digest>,
    /// The artifact that was produced.
    pub output: Artifact,
    /// What the attempts used.
    pub cost: Cost,
    /// The machine and the code that ran the attempt.
    pub origin: Origin,
    /// From 1; how many times this task was started until it finished.
    pub attempt: u32,
    /// The blob that holds the log of the attempt.
    pub log: Option<Digest>,
}

/// What the attempts at a task used until one finished.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// When the last attempt started, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// Seconds, over all attempts.
    pub wall_s: f64,
    /// Seconds of user and system time over all threads and attempts.
    pub cpu_s: f64,
    /// The most that any attempt had, in bytes; 0 where unknown.
    pub peak_memory: u64,
}

/// The machine and the code that ran an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The machine's name.
    pub host: String,
    /// The model of the CPU; empty where unknown.
    pub cpu: String,
    /// The model of the GPU that a model computed on, or of those it may have been.
    pub gpu: Option<String>,
    /// `rustc` version and target.
    pub toolchain: String,
    /// The version of titrate.
    pub titrate: String,
    /// The commit that the coordinator found, if any.
    pub git_commit: Option<String>,
    /// Whether the working tree differed from the commit.
    pub git_dirty: bool,
}

/// A file that is not the receipt that its place calls for, or whose output is not whole; its task
/// runs again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where the file lies now.
    pub path: PathBuf,
    /// Why it was refused, in words.
    pub cause: String,
}

impl Receipt {
    /// The value of `titrate_receipt`.
    pub const FORMAT: u32 = VERSION;

    /// The JSON that is stored as a blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a receipt is plain JSON")
    }

    /// The digest of [`Receipt::to_bytes`].
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// Parses and checks a receipt; `place` names the source in the error. Errors: not JSON,
    /// another format, a key that is not the BLAKE3 of the manifest.
    pub fn from_bytes(bytes: &[u8], place: &str) -> Result<Self> {
        let malformed = |cause: String| StoreError::Malformed {
            place: place.to_owned(),
            expected: "a receipt",
            cause,
        };
        let receipt: Self =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if receipt.titrate_receipt != VERSION {
            return Err(malformed(format!(
                "format {} instead of {VERSION}",
                receipt.titrate_receipt
            )));
        }
        receipt.check_key()?;
        Ok(receipt)
    }

    pub(super) fn check_key(&self) -> Result<()> {
        if Key::of(self.manifest.as_bytes()) == self.key {
            return Ok(());
        }
        Err(self.refused("the key is not the BLAKE3 of the manifest".into()))
    }

    pub(super) fn refused(&self, cause: String) -> StoreError {
        StoreError::Receipt { label: self.label.clone(), key: self.key, cause }
    }
}
