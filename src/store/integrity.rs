//! Whether stored bytes are still what their digests say: cheap checks by stamp, full ones by hash.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::id::{Digest, Key};
use crate::regular;
use crate::wording::causes;

use super::Store;
use super::artifact::Artifact;
use super::error::{Result, StoreError, is_of_the_disk};
use super::objects::{Objects, Stamp};

/// A file changed this recently may change again without a new time stamp: file systems' clocks
/// tick as coarsely as this.
const RACY: Duration = Duration::from_secs(2);

/// What is wrong with an artifact; nothing, when there are no damages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Integrity {
    /// The entries that can't be used.
    pub damages: Vec<Damage>,
}

impl Integrity {
    /// Whether there are no damages.
    pub fn is_intact(&self) -> bool {
        self.damages.is_empty()
    }
}

/// An entry of an artifact that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The entry's name.
    pub name: String,
    /// The digest that its bytes should have.
    pub digest: Digest,
    /// The state of its blob; never [`BlobState::Intact`].
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
            BlobState::Unreadable { cause } => {
                write!(f, "`{}` ({}) can't be read: {cause}", self.name, self.digest.short())
            }
            _ => write!(f, "`{}` ({}) is missing", self.name, self.digest.short()),
        }
    }
}

/// The state of a stored blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobState {
    /// Its bytes match its digest.
    Intact,
    /// Its file is missing.
    Missing,
    /// Its permissions do not let it be read, or it is no file.
    Unreadable {
        /// Why it can't be read, in words.
        cause: String,
    },
    /// The bytes did not match; the file has been moved aside.
    Corrupt {
        /// Where the file lies now.
        moved_to: PathBuf,
    },
}

/// The outcome of re-hashing everything.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Blobs that were checked, receipts among them.
    pub objects: usize,
    /// Bytes of those blobs together.
    pub bytes: u64,
    /// Blobs that did not match, and where they were moved.
    pub corrupt: Vec<(Digest, PathBuf)>,
    /// Blobs that can't be read, and why. They stay where they are.
    pub unreadable: Vec<(Digest, String)>,
    /// Results whose outputs lie elsewhere, in whole or in part.
    pub elsewhere: usize,
    /// Keys whose receipt or output is no longer whole: the next run makes them again.
    pub unfinished: Vec<Key>,
}

impl Store {
    /// Whether every entry is there, unchanged since it was last verified; what changed is hashed
    /// again, and moved aside if wrong.
    ///
    /// # Errors
    ///
    /// [`StoreError::Disk`]: whether it is there is not known now.
    pub fn integrity(&self, artifact: &Artifact) -> Result<Integrity> {
        let mut integrity = Integrity::default();
        for entry in artifact.entries() {
            let state = self.blob_state(&self.objects, &entry.digest)?;
            if state != BlobState::Intact {
                integrity.damages.push(Damage {
                    name: entry.name.clone(),
                    digest: entry.digest,
                    state,
                });
            }
        }
        // The list is known here, so a lost one is written again instead of being reported.
        let is_listed = || self.blob_state(&self.objects, &artifact.digest());
        if integrity.is_intact() && is_listed()? != BlobState::Intact {
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
        for blobs in [&self.objects, &self.receipts] {
            for digest in blobs.list()? {
                let Some(stamp) = blobs.stat(&digest)? else { continue };
                report.objects += 1;
                report.bytes += stamp.size;
                match self.hash_blob(blobs, &digest, &stamp) {
                    Ok(BlobState::Corrupt { moved_to }) => report.corrupt.push((digest, moved_to)),
                    Ok(BlobState::Unreadable { cause }) => report.unreadable.push((digest, cause)),
                    Ok(BlobState::Intact | BlobState::Missing) => {}
                    Err(StoreError::Disk { source, .. }) => {
                        report.unreadable.push((digest, source.to_string()));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        for (key, indexed) in self.index.results()? {
            let looked = self
                .integrity(&indexed.output)
                .and_then(|integrity| Ok((integrity.damages, self.finished(&key)?.is_some())));
            match looked {
                Ok((damages, true)) if damages.is_empty() => {}
                Ok((damages, true)) if self.is_elsewhere(&indexed.output, &damages) => {
                    report.elsewhere += 1;
                }
                Ok(_) => report.unfinished.push(key),
                // What it can't read is among the unreadable, and no reason to run anything.
                Err(StoreError::Disk { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }

    fn blob_state(&self, blobs: &Objects, digest: &Digest) -> Result<BlobState> {
        match blobs.stat(digest)? {
            None => Ok(BlobState::Missing),
            Some(stamp) if self.index.stamp(blobs.space(), digest)? == Some(stamp) => {
                Ok(BlobState::Intact)
            }
            Some(stamp) => self.hash_blob(blobs, digest, &stamp),
        }
    }

    /// Hashes a blob and records `stamp`, taken before, when it matches. Errors:
    /// [`StoreError::Disk`].
    fn hash_blob(&self, blobs: &Objects, digest: &Digest, stamp: &Stamp) -> Result<BlobState> {
        let path = blobs.path(digest);
        match regular::open(&path).and_then(Digest::of_reader) {
            Ok(found) if found == *digest => {
                self.index.set_stamp(blobs.space(), digest, stamp)?;
                return Ok(BlobState::Intact);
            }
            Ok(_) => self.index.remove_stamp(blobs.space(), digest)?,
            Err(source) if is_of_the_disk(&source) => {
                return Err(StoreError::Disk { path, source });
            }
            Err(error) => {
                let cause = causes(&StoreError::io("read", &path, error));
                return Ok(BlobState::Unreadable { cause });
            }
        }
        Ok(BlobState::Corrupt { moved_to: blobs.quarantine(digest)? })
    }

    /// Forgets that an object was found whole: a worker could not read it.
    pub fn distrust(&self, object: &Digest) -> Result<()> {
        self.index.remove_stamp(self.objects.space(), object)
    }
}

/// BLAKE3 of a file's bytes.
fn hash_file(path: &Path) -> Result<Digest> {
    regular::open(path)
        .and_then(Digest::of_reader)
        .map_err(|error| StoreError::io("read", path, error))
}

/// Whether a file last changed long enough before `now` for its stamp to be trusted.
fn is_settled(stamp: &Stamp, now: SystemTime) -> bool {
    let now_ns = now.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos() as i64);
    now_ns.saturating_sub(stamp.mtime_ns.max(stamp.ctime_ns)) > RACY.as_nanos() as i64
}
