//! What an unfinished task keeps of itself for its next attempt: one file in the attempt's folder,
//! which goes when the task is done.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::{Error, Result};

use crate::id::{Digest, Key};
use crate::ml::params::StateDict;
use crate::ml::training::Keep;
use crate::plan::Halt;
use crate::regular;
use crate::replace::replace_with;

/// At most one part in so many of a task's time goes into keeping.
const SHARE: u32 = 50;
/// And at least so much time passes between two times.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes that are written and hashed a second, until it is known: a fast disk's.
const KEPT_A_SECOND: f64 = 1e9;

/// To be raised when a task comes to keep other things, or under other names: a new program finds
/// what an old one left.
const LAYOUT: u8 = 2;

/// A file that is replaced as a whole. It ends with its layout and a digest of what comes before and
/// of the task's key, so that one of another layout, one of another task, and a torn or damaged one
/// count as none: the task then starts anew, which costs time and no result.
pub struct Checkpoint {
    path: PathBuf,
    key: Key,
    /// When something was last kept, and how long that took.
    last: Instant,
    took: Duration,
    halt: Halt,
}

impl Checkpoint {
    /// The file at `path` of the task with this key.
    pub fn new(path: PathBuf, key: Key) -> Self {
        let halt = Halt::default();
        Self { path, key, last: Instant::now(), took: Duration::ZERO, halt }
    }

    /// Keeps at once, and ends the step with an error, when `halt` asks for that.
    pub fn heeding(self, halt: &Halt) -> Self {
        Self { halt: halt.clone(), ..self }
    }

    /// What is kept.
    pub fn read(&self) -> std::io::Result<Option<Vec<u8>>> {
        let bytes = match regular::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let mut bytes = bytes;
        let known = bytes.split_last().filter(|(layout, _)| **layout == LAYOUT);
        let parts = known.and_then(|(_, rest)| rest.split_last_chunk());
        let Some((content, _)) =
            parts.filter(|(content, seal)| self.seal(Digest::of(content)).as_bytes() == *seal)
        else {
            return Ok(None);
        };
        bytes.truncate(content.len());
        Ok(Some(bytes))
    }

    /// What binds content with this digest to the task.
    fn seal(&self, content: Digest) -> Digest {
        Digest::of(&[*self.key.as_bytes(), *content.as_bytes()].concat())
    }

    fn is_due(&self) -> bool {
        self.halt.is_asked() || self.last.elapsed() >= PAUSE.max(self.took * SHARE)
    }

    /// After something was kept: ends the step where that was asked for.
    fn halt(&self) -> std::io::Result<()> {
        if !self.halt.is_asked() {
            return Ok(());
        }
        self.halt.note_kept();
        Err(std::io::Error::other("the attempt was asked to end, and what it has so far is kept"))
    }

    /// Keeps what `bytes` gives instead if it is time to; making the bytes counts as time of
    /// keeping them.
    pub fn offer<E: From<std::io::Error>>(
        &mut self,
        bytes: impl FnOnce() -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<(), E> {
        if !self.is_due() {
            return Ok(());
        }
        let started = Instant::now();
        let bytes = bytes()?;
        self.replace(|path| fs::write(path, bytes))?;
        (self.last, self.took) = (Instant::now(), started.elapsed());
        Ok(self.halt()?)
    }

    /// Puts the file that `write` makes in the place of the one before. Not synced: a power cut
    /// costs at most what is kept here.
    fn replace(&self, write: impl FnOnce(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
        replace_with(&self.path, |aside| {
            write(aside)?;
            let digest = Digest::of_reader(regular::open(aside)?)?;
            let mut file = fs::OpenOptions::new().append(true).open(aside)?;
            file.write_all(self.seal(digest).as_bytes())?;
            file.write_all(&[LAYOUT])
        })
    }
}

impl Keep for Checkpoint {
    fn load(&mut self) -> Result<Option<StateDict>> {
        self.read()?.map(|bytes| StateDict::read(&bytes).map_err(Error::wrap)).transpose()
    }

    fn offer(&mut self, state: &dyn Fn() -> Result<StateDict>) -> Result<()> {
        if !self.is_due() {
            return Ok(());
        }
        let started = Instant::now();
        let state = state()?;
        if self.took.is_zero() {
            // How long the first time takes is not known yet, and gigabytes take long.
            self.took = Duration::from_secs_f64(state.bytes() as f64 / KEPT_A_SECOND);
            if !self.is_due() {
                return Ok(());
            }
        }
        // One tensor after the other: together they may be as large as what there is of memory.
        self.replace(|path| {
            safetensors::serialize_to_file(state.iter(), None, path).map_err(std::io::Error::other)
        })?;
        (self.last, self.took) = (Instant::now(), started.elapsed());
        Ok(self.halt()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_waits_for_as_long_as_its_size_is_worth() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoint = Checkpoint::new(folder.path().join("checkpoint"), Key::of(b"task"));
        checkpoint.last = Instant::now().checked_sub(2 * PAUSE).unwrap();
        let values = |count| {
            let zeros = candle_core::Tensor::zeros(
                count,
                candle_core::DType::F32,
                &candle_core::Device::Cpu,
            )
            .unwrap();
            StateDict::from_iter([("values".to_owned(), zeros)])
        };
        Keep::offer(&mut checkpoint, &|| Ok(values(25_000_000))).unwrap();
        assert_eq!(checkpoint.read().unwrap(), None, "100 MB are worth five seconds");
        checkpoint.took = Duration::ZERO;
        Keep::offer(&mut checkpoint, &|| Ok(values(50))).unwrap();
        assert_eq!(Keep::load(&mut checkpoint).unwrap().unwrap().bytes(), 200);
    }

    #[test]
    fn an_attempt_that_is_to_end_keeps_at_once_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let halt = Halt::default();
        let mut checkpoint = Checkpoint::new(path, Key::of(b"task")).heeding(&halt);
        let mut offer = |bytes: &[u8]| checkpoint.offer(|| std::io::Result::Ok(bytes.to_vec()));
        offer(b"too early").unwrap();
        halt.asked.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(!halt.was_heeded());
        offer(b"so far").unwrap_err();
        assert!(halt.was_heeded());
        assert_eq!(checkpoint.read().unwrap().as_deref(), Some(&b"so far"[..]));
    }

    #[test]
    fn what_is_damaged_torn_or_of_another_layout_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let checkpoint = Checkpoint::new(path.clone(), Key::of(b"task"));
        let another = Checkpoint::new(path.clone(), Key::of(b"another"));
        assert_eq!(checkpoint.read().unwrap(), None);
        checkpoint.replace(|path| fs::write(path, b"first")).unwrap();
        checkpoint.replace(|path| fs::write(path, b"second")).unwrap();
        assert_eq!(checkpoint.read().unwrap().as_deref(), Some(b"second".as_slice()));
        assert_eq!(another.read().unwrap(), None, "another task's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[3] ^= 1;
        let mut other = whole.clone();
        *other.last_mut().unwrap() = LAYOUT + 1;
        for damaged in [&whole[..whole.len() - 1], &whole[..10], &flipped, &other, &[]] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(checkpoint.read().unwrap(), None);
        }
    }
}
