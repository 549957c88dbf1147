//! The sled index: small values found fast, every one of them rebuilt from the receipts when lost.
//!
//! Trees: `results` key -> receipt and output; `history` label and start -> key; `divergences`
//! receipt -> divergence blob; `stamps` digest -> stamp at its last verification; `standing` receipt ->
//! stamp at its last reading and what it was found to prove; `files` path -> stamp and digest of an
//! input file.

use std::cell::Cell;
use std::fs;
use std::io::ErrorKind::AlreadyExists;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use crate::id::{Digest, Key};
use crate::regular;

use super::artifact::Artifact;
use super::error::{Result, StoreError};
use super::files::{replace_synced, sync_folder};
use super::objects::{Space, Stamp};

/// Raised when the meaning of an entry changes: an index of another version is rebuilt.
const VERSION: u32 = 2;
/// Says that the index holds all that the objects tell. Gone from the first change until the index
/// is closed, so that an index whose process was killed is rebuilt instead of believed, and no
/// change needs a sync of its own.
const WHOLE: &str = "whole";
/// Of the entries in memory; sled reads what is beyond from the disk again.
const CACHE_BYTES: u64 = 128 << 20;

pub(super) struct Index {
    path: PathBuf,
    /// There until it is dropped.
    trees: Option<Trees>,
    /// Whether [`WHOLE`] is gone.
    changed: Mutex<bool>,
    /// Whether the index is being filled: until that is done it is not whole, however it ends.
    partial: AtomicBool,
}

struct Trees {
    db: sled::Db,
    results: sled::Tree,
    history: sled::Tree,
    divergences: sled::Tree,
    stamps: sled::Tree,
    standing: sled::Tree,
    files: sled::Tree,
}

/// What the index knows of a finished key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    pub receipt: Digest,
    pub started_unix_ms: u64,
    pub output: Artifact,
}

/// A label's publication of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Publication {
    pub started_unix_ms: u64,
    pub key: Key,
}

impl Index {
    /// Opens the index at `path`, with the reason why its derived trees are to be filled again, if
    /// they are. An index that cannot be read is replaced by an empty one.
    pub fn open(path: &Path) -> Result<(Self, Option<String>)> {
        if !path.try_exists().map_err(|error| StoreError::io("look at", path, error))? {
            return Ok((Self::create(path)?, Some("there was none".to_owned())));
        }
        if let Some(name) = odd_entry(path) {
            return Ok((Self::create(path)?, Some(format!("its `{name}` is no file"))));
        }
        // sled 0.34 panics on some damaged files instead of returning an error.
        let open = || {
            quietly(|| {
                let index = Self::open_trees(path)?;
                let counted = index.trees().results.iter().collect::<sled::Result<Vec<_>>>()?.len();
                Ok((index, counted))
            })
        };
        let opened = match open() {
            // A folder that it can't look at is one that exists, to sled.
            Ok(Err(sled::Error::Io(error))) if error.kind() == AlreadyExists => open(),
            opened => opened,
        };
        let damage = match opened {
            Ok(Ok((index, counted))) => match regular::read_text(&path.join(WHOLE), 256) {
                Ok(text) if text == whole(counted) => return Ok((index, None)),
                Ok(_) => "entries of it are gone, or could not be read".to_owned(),
                Err(error) => {
                    index.partial.store(true, Ordering::Relaxed);
                    let cause = match error.kind() {
                        std::io::ErrorKind::NotFound => "it was not closed".to_owned(),
                        _ => format!("its file `{WHOLE}` can't be read: {error}"),
                    };
                    return Ok((index, Some(cause)));
                }
            },
            Ok(Err(sled::Error::Io(error))) if is_locked(&error) || !is_damage(&error) => {
                return Err(StoreError::io("open the index in", path, error));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "sled cannot read its own files".to_owned(),
        };
        Ok((Self::create(path)?, Some(damage)))
    }

    /// An empty index in place of whatever lies at `path`.
    fn create(path: &Path) -> Result<Self> {
        let removed = fs::symlink_metadata(path).and_then(|there| match there.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        });
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", path, error));
            }
            _ => {}
        }
        let index = Self::open_trees(path).map_err(|error| StoreError::index(path, error))?;
        index.partial.store(true, Ordering::Relaxed);
        Ok(index)
    }

    fn open_trees(path: &Path) -> sled::Result<Self> {
        let config =
            sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let mut db = config.open();
        for _ in 0..50 {
            // The files of an index just closed stay locked until sled's threads have ended.
            match &db {
                Err(sled::Error::Io(error)) if is_locked(error) => {
                    thread::sleep(Duration::from_millis(20))
                }
                _ => break,
            }
            db = config.open();
        }
        let db = db?;
        let tree = |name: &str| db.open_tree(name);
        let trees = Trees {
            results: tree("results")?,
            history: tree("history")?,
            divergences: tree("divergences")?,
            stamps: tree("stamps")?,
            standing: tree("standing")?,
            files: tree("files")?,
            db,
        };
        Ok(Self {
            path: path.to_owned(),
            trees: Some(trees),
            changed: Mutex::new(false),
            partial: AtomicBool::new(false),
        })
    }

    fn trees(&self) -> &Trees {
        self.trees.as_ref().expect("they are there until the index is dropped")
    }

    /// To be called before the first change of a derived tree.
    fn change(&self) -> Result<()> {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if *changed {
            return Ok(());
        }
        let mark = self.path.join(WHOLE);
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &mark, error));
            }
            _ => {}
        }
        sync_folder(&self.path)?;
        *changed = true;
        Ok(())
    }

    /// Notes that all that the receipts tell has been entered since [`Index::clear_derived`].
    pub fn filled(&self) {
        self.partial.store(false, Ordering::Relaxed);
    }

    /// Writes everything to the disk, and marks the index as whole if it is.
    pub fn complete(&self) -> Result<()> {
        self.done(self.trees().db.flush())?;
        if self.partial.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = self.path.join(WHOLE);
        if *changed {
            replace_synced(&mark, whole(self.trees().results.len()).as_bytes())?;
        }
        *changed = false;
        Ok(())
    }

    pub fn result(&self, key: &Key) -> Result<Option<Indexed>> {
        let Some(value) = self.done(self.trees().results.get(key.as_bytes()))? else {
            return Ok(None);
        };
        Ok(decode_indexed(&value))
    }

    pub fn set_result(&self, key: &Key, indexed: &Indexed) -> Result<()> {
        self.change()?;
        let mut value = indexed.receipt.as_bytes().to_vec();
        value.extend(indexed.started_unix_ms.to_be_bytes());
        value.extend(indexed.output.to_bytes());
        self.done(self.trees().results.insert(key.as_bytes(), value)).map(drop)
    }

    pub fn results(&self) -> Result<Vec<(Key, Indexed)>> {
        let mut all = Vec::new();
        for item in self.trees().results.iter() {
            let (key, value) = self.done(item)?;
            if let (Ok(key), Some(indexed)) = (<[u8; 32]>::try_from(&*key), decode_indexed(&value))
            {
                all.push((Key::from_bytes(key), indexed));
            }
        }
        Ok(all)
    }

    /// Oldest first; a key comes as often as it was published with the label.
    pub fn history(&self, label: &str) -> Result<Vec<Publication>> {
        let mut all = Vec::new();
        for item in self.trees().history.scan_prefix(Digest::of(label.as_bytes()).as_bytes()) {
            let (entry, _) = self.done(item)?;
            all.extend(decode_publication(&entry));
        }
        Ok(all)
    }

    pub fn add_history(&self, label: &str, publication: Publication) -> Result<()> {
        self.change()?;
        let mut entry = Digest::of(label.as_bytes()).as_bytes().to_vec();
        entry.extend(publication.started_unix_ms.to_be_bytes());
        entry.extend(publication.key.as_bytes());
        self.done(self.trees().history.insert(entry, &[])).map(drop)
    }

    /// Receipts that lost against another of their key, each with the blob that records it.
    pub fn divergences(&self) -> Result<Vec<(Digest, Digest)>> {
        let mut all = Vec::new();
        for item in self.trees().divergences.iter() {
            let (refused, record) = self.done(item)?;
            all.extend(decode_digest(&refused).zip(decode_digest(&record)));
        }
        Ok(all)
    }

    pub fn is_refused(&self, receipt: &Digest) -> Result<bool> {
        self.done(self.trees().divergences.contains_key(receipt.as_bytes()))
    }

    pub fn add_divergence(&self, refused: &Digest, record: &Digest) -> Result<()> {
        self.change()?;
        self.done(self.trees().divergences.insert(refused.as_bytes(), record.as_bytes())).map(drop)
    }

    pub fn stamp(&self, space: Space, digest: &Digest) -> Result<Option<Stamp>> {
        let value = self.done(self.trees().stamps.get(in_space(space, digest)))?;
        Ok(value.and_then(|value| decode_stamp(&value)))
    }

    pub fn set_stamp(&self, space: Space, digest: &Digest, stamp: &Stamp) -> Result<()> {
        self.done(self.trees().stamps.insert(in_space(space, digest), &encode_stamp(stamp)))
            .map(drop)
    }

    pub fn remove_stamp(&self, space: Space, digest: &Digest) -> Result<()> {
        self.done(self.trees().stamps.remove(in_space(space, digest))).map(drop)
    }

    /// The stamp that a receipt had when it was last read, and what it proves.
    pub fn standing(&self, receipt: &Digest) -> Result<Option<(Stamp, Digest)>> {
        let value = self.done(self.trees().standing.get(receipt.as_bytes()))?;
        Ok(value.and_then(|value| decode_stamped(&value)))
    }

    pub fn set_standing(&self, receipt: &Digest, stamp: &Stamp, proof: &Digest) -> Result<()> {
        let value = encode_stamped(stamp, proof);
        self.done(self.trees().standing.insert(receipt.as_bytes(), value)).map(drop)
    }

    pub fn remove_standing(&self, receipt: &Digest) -> Result<()> {
        self.done(self.trees().standing.remove(receipt.as_bytes())).map(drop)
    }

    pub fn file(&self, path: &[u8]) -> Result<Option<(Stamp, Digest)>> {
        let value = self.done(self.trees().files.get(path))?;
        Ok(value.and_then(|value| decode_stamped(&value)))
    }

    pub fn set_file(&self, path: &[u8], stamp: &Stamp, digest: &Digest) -> Result<()> {
        self.done(self.trees().files.insert(path, encode_stamped(stamp, digest))).map(drop)
    }

    /// Forgets what the objects tell, and keeps the stamps, which they do not.
    pub fn clear_derived(&self) -> Result<()> {
        self.change()?;
        self.partial.store(true, Ordering::Relaxed);
        [&self.trees().results, &self.trees().history, &self.trees().divergences]
            .into_iter()
            .try_for_each(|tree| self.done(tree.clear()))
    }

    fn done<T>(&self, outcome: sled::Result<T>) -> Result<T> {
        outcome.map_err(|error| StoreError::index(&self.path, error))
    }

    /// All that [`Index::clear_derived`] forgets, for comparison.
    #[cfg(test)]
    pub fn derived(&self) -> Vec<(sled::IVec, sled::IVec)> {
        [&self.trees().results, &self.trees().history, &self.trees().divergences]
            .into_iter()
            .flat_map(|tree| tree.iter())
            .map(Result::unwrap)
            .collect()
    }
}

impl Drop for Index {
    /// sled 0.34 panics where its last sync fails. What is not synced is derived anew.
    fn drop(&mut self) {
        let trees = self.trees.take();
        let _ = quietly(move || drop(trees));
    }
}

/// Catches a panic, of which nothing is printed.
fn quietly<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                print(info);
            }
        }));
    });
    QUIET.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    done
}

/// A name in an index's folder that is no file, nor sled's folder of large values: sled would wait
/// for a pipe.
fn odd_entry(path: &Path) -> Option<String> {
    let entries = fs::read_dir(path).ok()?.flatten();
    let odd = |entry: &fs::DirEntry| {
        let kind = entry.file_type().ok();
        let is_blobs = entry.file_name() == "blobs" && kind.is_some_and(|kind| kind.is_dir());
        !is_blobs && kind.is_some_and(|kind| !kind.is_file())
    };
    let found = entries.into_iter().find(odd)?;
    Some(found.file_name().to_string_lossy().into_owned())
}

/// The text of [`WHOLE`]: the number of results betrays an index that was cut short.
fn whole(results: usize) -> String {
    format!("titrate-index {VERSION}\n{results} results\n")
}

/// Whether sled says that another process has its files open.
fn is_locked(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock || error.to_string().contains("lock")
}

fn in_space(space: Space, digest: &Digest) -> Vec<u8> {
    [space.name().as_bytes(), digest.as_bytes()].concat()
}

/// Whether an I/O error of sled speaks of the content of its files, not of the disk or of
/// permissions.
fn is_damage(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{
        InvalidData, InvalidInput, IsADirectory, NotADirectory, Other, UnexpectedEof,
    };
    matches!(
        error.kind(),
        AlreadyExists
            | InvalidData
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | Other
            | UnexpectedEof
    )
}

fn decode_digest(bytes: &[u8]) -> Option<Digest> {
    bytes.try_into().ok().map(Digest::from_bytes)
}

fn decode_indexed(value: &[u8]) -> Option<Indexed> {
    let receipt = decode_digest(value.get(..32)?)?;
    let started_unix_ms = u64::from_be_bytes(value.get(32..40)?.try_into().ok()?);
    let output = Artifact::from_bytes(value.get(40..)?, "index").ok()?;
    Some(Indexed { receipt, started_unix_ms, output })
}

fn decode_publication(entry: &[u8]) -> Option<Publication> {
    let started_unix_ms = u64::from_be_bytes(entry.get(32..40)?.try_into().ok()?);
    Some(Publication { started_unix_ms, key: Key::from_bytes(entry.get(40..)?.try_into().ok()?) })
}

fn decode_stamped(value: &[u8]) -> Option<(Stamp, Digest)> {
    Some((decode_stamp(value.get(..32)?)?, decode_digest(value.get(32..)?)?))
}

fn encode_stamped(stamp: &Stamp, digest: &Digest) -> Vec<u8> {
    [encode_stamp(stamp), *digest.as_bytes()].concat()
}

fn encode_stamp(stamp: &Stamp) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&stamp.size.to_be_bytes());
    bytes[8..16].copy_from_slice(&stamp.mtime_ns.to_be_bytes());
    bytes[16..24].copy_from_slice(&stamp.ctime_ns.to_be_bytes());
    bytes[24..].copy_from_slice(&stamp.inode.to_be_bytes());
    bytes
}

fn decode_stamp(bytes: &[u8]) -> Option<Stamp> {
    let word = |at: usize| bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    Some(Stamp {
        size: u64::from_be_bytes(word(0)?),
        mtime_ns: i64::from_be_bytes(word(8)?),
        ctime_ns: i64::from_be_bytes(word(16)?),
        inode: u64::from_be_bytes(word(24)?),
    })
}
