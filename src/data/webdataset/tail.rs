//! The end of a tar file, whether it is there; and how much is read of it at a time.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// Bytes of zeros that end a tar file; more may follow.
const END_MARK: usize = 1024;
/// What the length of a tar file is a multiple of.
const BLOCK: usize = 512;

/// What has been read so far: how much, and how many zeros last.
#[derive(Clone, Copy, Default)]
struct Tail {
    bytes: usize,
    zeros: usize,
}

/// Watches for the end-of-archive mark: `tar` itself takes the end of the file for the end of the
/// archive.
pub(super) struct TailWatcher<R> {
    source: R,
    tail: Rc<Cell<Tail>>,
    allowance: Rc<Cell<u64>>,
}

/// What a [`TailWatcher`] has seen, and may still read.
pub(super) struct Seen {
    tail: Rc<Cell<Tail>>,
    allowance: Rc<Cell<u64>>,
}

impl Seen {
    /// Whether what was read ends as a whole tar file does.
    pub(super) fn is_whole(&self) -> bool {
        let Tail { bytes, zeros } = self.tail.get();
        zeros >= END_MARK && bytes.is_multiple_of(BLOCK)
    }

    /// Lets the watcher read `bytes` from now on, and no more: `tar` holds a member's headers in
    /// memory, however long they say that they are.
    pub(super) fn allow(&self, bytes: u64) {
        self.allowance.set(bytes);
    }
}

impl<R> TailWatcher<R> {
    pub(super) fn new(source: R) -> (Self, Seen) {
        let tail = Rc::new(Cell::new(Tail::default()));
        let allowance = Rc::new(Cell::new(u64::MAX));
        let seen = Seen { tail: Rc::clone(&tail), allowance: Rc::clone(&allowance) };
        (Self { source, tail, allowance }, seen)
    }
}

impl<R: Read> Read for TailWatcher<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let left = self.allowance.get().checked_sub(count as u64);
        self.allowance.set(left.ok_or_else(|| io::Error::other("its headers are too long"))?);
        let Tail { bytes, zeros } = self.tail.get();
        let last = buffer[..count].iter().rev().take_while(|&&byte| byte == 0).count();
        self.tail.set(Tail {
            bytes: bytes + count,
            zeros: if last == count { zeros + count } else { last },
        });
        Ok(count)
    }
}

/// What is passed over is not watched: whether the end is there, such a reader can't tell.
impl<R: Seek> Seek for TailWatcher<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}
