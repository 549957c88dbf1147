//! The end of a tar file: whether it is there.

use std::cell::Cell;
use std::io::{self, Read};
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
}

/// What a [`TailWatcher`] has seen.
pub(super) struct Seen(Rc<Cell<Tail>>);

impl Seen {
    /// Whether what was read ends as a whole tar file does.
    pub(super) fn is_whole(&self) -> bool {
        let Tail { bytes, zeros } = self.0.get();
        zeros >= END_MARK && bytes.is_multiple_of(BLOCK)
    }
}

impl<R> TailWatcher<R> {
    pub(super) fn new(source: R) -> (Self, Seen) {
        let tail = Rc::new(Cell::new(Tail::default()));
        (Self { source, tail: Rc::clone(&tail) }, Seen(tail))
    }
}

impl<R: Read> Read for TailWatcher<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let Tail { bytes, zeros } = self.tail.get();
        let last = buffer[..count].iter().rev().take_while(|&&byte| byte == 0).count();
        self.tail.set(Tail {
            bytes: bytes + count,
            zeros: if last == count { zeros + count } else { last },
        });
        Ok(count)
    }
}
