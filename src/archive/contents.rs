//! `titrate.json`: what an archive has, and what was left out of it.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Key};

/// The format's version.
pub(super) const VERSION: u32 = 1;
/// The member's name.
pub(super) const NAME: &str = "titrate.json";

/// What an archive has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    pub(super) titrate_archive: u32,
    /// The study's name.
    pub study: String,
    /// Where it was computed: `cpu` or `cuda`.
    pub device: String,
    /// What was set on the command line.
    pub sets: Vec<String>,
    /// The version of titrate that wrote the archive.
    pub titrate: String,
    /// The tasks whose receipts are in it, in the order of the study.
    pub tasks: Vec<Named>,
    /// The objects that are in it.
    pub objects: Vec<Included>,
    /// What the receipts name and the archive has not.
    pub left_out: LeftOut,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// How the study calls it.
    pub label: String,
    /// Its key.
    pub key: Key,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Included {
    /// Its digest.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// The member that has it.
    pub path: String,
}

/// Outputs that are not in an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Files of weights, latents and features.
    pub weights: usize,
    /// Images, and shards of them.
    pub images: usize,
    /// Bytes of both.
    pub bytes: u64,
}

impl Contents {
    /// The object called `digest`.
    pub fn object(&self, digest: &Digest) -> Option<&Included> {
        self.objects.iter().find(|object| object.digest == *digest)
    }
}

/// The member with the receipt of a key.
pub(super) fn receipt_name(key: &Key) -> String {
    format!("receipts/{key}.json")
}
