//! Results on their way to and from a shared store: objects first, the receipt last; what comes is
//! checked before it enters the store here.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::error::{RemoteError, Untrusted};
use super::signature::{Signing, Trust};
use super::space::{PART, Remote};
use crate::id::{Digest, Key};
use crate::store::{Artifact, BlobState, Entry, Receipt, Store, StoreError};

/// Objects and receipts that are on their way at once.
const AT_ONCE: usize = 8;

/// How a push of one result came out.
#[derive(Debug)]
pub enum Pushed {
    /// It is there now.
    New {
        /// Objects that were not there before.
        objects: usize,
        /// Bytes of those.
        bytes: u64,
    },
    /// It was there, with the same output.
    Same,
    /// There is another output for the same key. It stays.
    Diverged(Box<Receipt>),
    /// What is there is not believed. It stays.
    Refused(Untrusted),
}

/// Why an exchange did not take place.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The shared store.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The store here.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Remote {
    /// The receipt of `key`, believed; none where there is none. `label` names the task in errors.
    ///
    /// # Errors
    /// If the shared store fails, or what it has is not believed.
    pub fn trusted_receipt(
        &self,
        trust: &Trust,
        label: &str,
        key: &Key,
    ) -> Result<Option<Receipt>, RemoteError> {
        let Some(bytes) = self.receipt(key)? else { return Ok(None) };
        self.believe(trust, label, key, &bytes).map(Some)
    }

    /// The receipt of `key` in the bytes that were at its place.
    ///
    /// # Errors
    /// If it is not believed.
    pub fn believe(
        &self,
        trust: &Trust,
        label: &str,
        key: &Key,
        bytes: &[u8],
    ) -> Result<Receipt, RemoteError> {
        trust.receipt(key, bytes).map_err(|cause| {
            let (place, label) = (self.location().to_string().into(), label.into());
            RemoteError::Receipt { place, label, key: *key, cause }
        })
    }

    /// What lies at the places of several receipts; nothing of it is checked.
    ///
    /// # Errors
    /// If the shared store fails.
    pub fn receipts(&self, keys: &[Key]) -> Result<BTreeMap<Key, Option<Vec<u8>>>, RemoteError> {
        let found = at_once(keys, |key| Ok((*key, self.receipt(key)?)))?;
        Ok(found.into_iter().collect())
    }

    /// Puts a result there whose output is whole here, unless there is one.
    ///
    /// # Errors
    /// If either store fails.
    pub fn push(
        &self,
        store: &Store,
        receipt: &Receipt,
        signing: &Signing,
        trust: &Trust,
    ) -> Result<Pushed, ExchangeError> {
        if let Some(there) = self.compare(receipt, trust)? {
            return Ok(there);
        }
        let (mut objects, mut bytes) = (0, 0);
        for (digest, size) in blobs(store, receipt)? {
            if self.size(&digest)? == Some(size) {
                continue;
            }
            store.objects().stream(&digest, |from| {
                self.put_object(&digest, size, from).map_err(ExchangeError::from)
            })?;
            (objects, bytes) = (objects + 1, bytes + size);
        }
        if self.put_receipt(&receipt.key, signing.sign(receipt))? {
            return Ok(Pushed::New { objects, bytes });
        }
        // Another writer came first.
        let raced = self.compare(receipt, trust)?;
        raced.ok_or_else(|| {
            ExchangeError::Remote(RemoteError::Transfer {
                place: self.location().to_string(),
                action: "write",
                path: format!("ac/{}", receipt.key),
                cause: "there was a receipt when it was written, and none when it was read".into(),
            })
        })
    }

    /// Pushes several results at a time; the outcomes are in the order of `receipts`.
    ///
    /// # Errors
    /// The first failure of either store; what was pushed before it stays.
    pub fn push_all(
        &self,
        store: &Store,
        receipts: &[Receipt],
        signing: &Signing,
        trust: &Trust,
    ) -> Result<Vec<Pushed>, ExchangeError> {
        at_once(receipts, |receipt| self.push(store, receipt, signing, trust))
    }

    /// How what is there for a receipt's key compares with it; none where there is nothing.
    fn compare(&self, receipt: &Receipt, trust: &Trust) -> Result<Option<Pushed>, RemoteError> {
        let Some(bytes) = self.receipt(&receipt.key)? else { return Ok(None) };
        Ok(Some(match trust.receipt(&receipt.key, &bytes) {
            Ok(there) if there.output == receipt.output => Pushed::Same,
            Ok(there) => Pushed::Diverged(Box::new(there)),
            Err(cause) => Pushed::Refused(cause),
        }))
    }

    /// Brings what is missing of an output into the store, each object checked as it comes.
    /// Returns how many bytes that were.
    ///
    /// # Errors
    /// If either store fails, or an object is not what its name says; what was checked stays.
    pub fn fetch(
        &self,
        store: &Store,
        label: &str,
        output: &Artifact,
    ) -> Result<u64, ExchangeError> {
        let damages = store.integrity(output)?.damages;
        let missing = damages.into_iter().filter(|damage| damage.state != BlobState::Intact);
        let mut entries: Vec<&Entry> =
            missing.filter_map(|damage| output.entry(&damage.name)).collect();
        entries.sort_by_key(|entry| entry.digest);
        entries.dedup_by_key(|entry| entry.digest);
        let sizes = at_once(&entries, |entry| {
            if entry.size > PART && self.size(&entry.digest)? != Some(entry.size) {
                return Err(self.refused(label, entry).into());
            }
            let mut from = self.object(&entry.digest, entry.size);
            match store.objects().receive(&entry.digest, entry.size, &mut from) {
                Ok(true) => Ok(entry.size),
                Ok(false) => Err(self.refused(label, entry).into()),
                Err(StoreError::Io { source, .. }) if remote_error(&source).is_some() => {
                    Err(ExchangeError::Remote(take_remote_error(source)))
                }
                Err(error) => Err(ExchangeError::Store(error)),
            }
        })?;
        if store.integrity(output)?.is_intact() {
            store.forget_elsewhere(output)?;
        }
        Ok(sizes.into_iter().sum())
    }

    fn refused(&self, label: &str, entry: &Entry) -> RemoteError {
        RemoteError::Object {
            place: self.location().to_string().into(),
            label: label.into(),
            name: entry.name.as_str().into(),
            digest: entry.digest,
            size: entry.size,
        }
    }
}

/// The objects that a result has, each once, with their sizes.
fn blobs(store: &Store, receipt: &Receipt) -> Result<BTreeMap<Digest, u64>, StoreError> {
    let entries = receipt.output.entries().iter();
    let mut blobs: BTreeMap<_, _> = entries.map(|entry| (entry.digest, entry.size)).collect();
    // A log that was lost is no reason to keep a result back.
    if let Some(log) = receipt.log
        && let Some(stamp) = store.objects().stat(&log)?
    {
        blobs.insert(log, stamp.size);
    }
    Ok(blobs)
}

fn remote_error(error: &std::io::Error) -> Option<&RemoteError> {
    error.get_ref()?.downcast_ref()
}

fn take_remote_error(error: std::io::Error) -> RemoteError {
    let inner = error.into_inner().expect("it was looked at");
    *inner.downcast().expect("it was looked at")
}

/// Does `work` for all items, several at a time, and returns what came of them in their order, or
/// the first failure; nothing is begun after one.
fn at_once<I: Sync, T: Send, E: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new((BTreeMap::new(), None));
    let locked = || done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let run = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return };
            if locked().1.is_some() {
                return;
            }
            match work(item) {
                Ok(made) => drop(locked().0.insert(at, made)),
                Err(error) => {
                    locked().1.get_or_insert(error);
                }
            }
        }
    };
    match items.len() {
        0 | 1 => run(),
        count => thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(count) {
                scope.spawn(run);
            }
        }),
    }
    let (made, failure) = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    failure.map_or_else(|| Ok(made.into_values().collect()), Err)
}
