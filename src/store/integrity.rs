//! Whether stored bytes are still what their digests say: cheap checks by stamp, full ones by hash.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::id::{Digest, Key};

use super::Store;
use super::artifact::Artifact;
use super::error::{Result, StoreError};
use super::objects::Stamp;

/// A file changed this recently may change again without a new time stamp: file systems' clocks
/// tick as coarsely as this.
const RACY: Duration = Duration::from_secs(2);

/// What is wrong with an artifact; nothing, when there are no damages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Integrity {
    pub damages: Vec<Damage>,
}

impl Integrity {
    pub fn is_intact(&self) -> bool {
        self.damages.is_empty()
    }
}

/// An entry of an artifact that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub name: String,
    pub digest: Digest,
    pub state: BlobState,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            BlobState::Corrupt { moved_to } => {
                write!(
                    f,
                    "`{}` ({}) was corrupt; moved to {}",
                    self.name,
                    self.digest.short(),
                    moved_to.display()
                )
            }
            _ => write!(f, "`{}` ({}) is missing", self.name, self.digest.short()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobState {
    Intact,
    Missing,
    /// The bytes did not match; the file has been moved aside.
    Corrupt {
        moved_to: PathBuf,
    },
}

/// The outcome of re-hashing everything.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    pub objects: usize,
    pub bytes: u64,
    /// Blobs that did not match, and where they were moved.
    pub corrupt: Vec<(Digest, PathBuf)>,
    /// Keys whose receipt or output is no longer whole: the next run makes them again.
    pub unfinished: Vec<Key>,
}

impl Store {
    /// Whether every entry is there, unchanged since it was last verified; what changed is hashed
    /// again, and moved aside if wrong.
    pub fn integrity(&self, artifact: &Artifact) -> Result<Integrity> {
        let mut integrity = Integrity::default();
        for entry in artifact.entries() {
            let state = self.blob_state(&entry.digest)?;
            if state != BlobState::Intact {
                integrity.damages.push(Damage {
                    name: entry.name.clone(),
                    digest: entry.digest,
                    state,
                });
            }
        }
        // The list is known here, so a lost one is written again instead of being reported.
        if integrity.is_intact() && !self.blob_is_intact(&artifact.digest())? {
            self.objects.put(&artifact.to_bytes())?;
        }
        Ok(integrity)
    }

    /// The digest of an input file, hashed only when its size, times or inode changed since it was
    /// last hashed.
    pub fn file_digest(&self, path: impl AsRef<Path>) -> Result<Digest> {
        let path = path.as_ref();
        let failed = |error| StoreError::io("read", path, error);
        let absolute = std::path::absolute(path).map_err(failed)?;
        let name = absolute.as_os_str().as_encoded_bytes();
        let stamp = Stamp::of(&fs::metadata(path).map_err(failed)?);
        if let Some((recorded, digest)) = self.index.file(name)?
            && recorded == stamp
        {
            return Ok(digest);
        }
        let started = SystemTime::now();
        let digest = hash_file(path)?;
        let unchanged = Stamp::of(&fs::metadata(path).map_err(failed)?) == stamp;
        if unchanged && is_settled(&stamp, started) {
            self.index.set_file(name, &stamp, &digest)?;
        }
        Ok(digest)
    }

    /// Hashes every object and moves aside those that do not match; then looks for results that are
    /// no longer whole.
    pub fn verify(&self) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        for digest in self.objects.list()? {
            let Some(stamp) = self.objects.stat(&digest)? else { continue };
            report.objects += 1;
            report.bytes += stamp.size;
            if let BlobState::Corrupt { moved_to } = self.hash_blob(&digest, &stamp)? {
                report.corrupt.push((digest, moved_to));
            }
        }
        for (key, indexed) in self.index.results()? {
            if !self.blob_is_intact(&indexed.receipt)?
                || !self.integrity(&indexed.output)?.is_intact()
            {
                report.unfinished.push(key);
            }
        }
        Ok(report)
    }

    pub(super) fn blob_is_intact(&self, digest: &Digest) -> Result<bool> {
        Ok(self.blob_state(digest)? == BlobState::Intact)
    }

    fn blob_state(&self, digest: &Digest) -> Result<BlobState> {
        match self.objects.stat(digest)? {
            None => Ok(BlobState::Missing),
            Some(stamp) if self.index.stamp(digest)? == Some(stamp) => Ok(BlobState::Intact),
            Some(stamp) => self.hash_blob(digest, &stamp),
        }
    }

    /// Hashes a blob and records `stamp`, taken before, when it matches.
    fn hash_blob(&self, digest: &Digest, stamp: &Stamp) -> Result<BlobState> {
        if hash_file(&self.objects.path(digest))? == *digest {
            self.index.set_stamp(digest, stamp)?;
            return Ok(BlobState::Intact);
        }
        self.index.remove_stamp(digest)?;
        Ok(BlobState::Corrupt { moved_to: self.objects.quarantine(digest)? })
    }
}

/// BLAKE3 of a file's bytes.
fn hash_file(path: &Path) -> Result<Digest> {
    File::open(path)
        .and_then(Digest::of_reader)
        .map_err(|error| StoreError::io("read", path, error))
}

/// Whether a file last changed long enough before `now` for its stamp to be trusted.
fn is_settled(stamp: &Stamp, now: SystemTime) -> bool {
    let now_ns = now.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos() as i64);
    now_ns.saturating_sub(stamp.mtime_ns.max(stamp.ctime_ns)) > RACY.as_nanos() as i64
}
