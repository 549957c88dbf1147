//! How much of memory pictures may take while they are decoded side by side.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes to be shared. Whoever wants more than is free waits; whoever wants more than there is has
/// all of it, alone.
pub struct Memory {
    whole: usize,
    free: Mutex<usize>,
    returned: Condvar,
}

/// A part of a [`Memory`], given back when it is dropped.
pub struct Share<'a> {
    memory: &'a Memory,
    bytes: usize,
}

impl Memory {
    /// Memory of `bytes`, all of it free.
    pub fn new(bytes: usize) -> Self {
        Self { whole: bytes, free: Mutex::new(bytes), returned: Condvar::new() }
    }

    /// Waits until `bytes` are free. Whoever holds a share must not ask for another: both would
    /// wait forever.
    pub fn take(&self, bytes: usize) -> Share<'_> {
        let bytes = bytes.min(self.whole);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .returned
            .wait_while(free, |free| *free < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        Share { memory: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.memory.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.memory.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_than_there_is_is_ever_out() {
        let memory = Memory::new(100);
        let (out, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (memory, out, most) = (&memory, &out, &most);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let wanted = [30, 60, 90, 500][(thread + turn) % 4];
                        let share = memory.take(wanted);
                        most.fetch_max(
                            out.fetch_add(share.bytes, Ordering::SeqCst) + share.bytes,
                            Ordering::SeqCst,
                        );
                        out.fetch_sub(share.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 100);
        assert_eq!(*memory.free.lock().unwrap(), 100);
    }
}
