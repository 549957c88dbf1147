//! Finished tasks: publishing receipts, finding them by key, and what happens when one key gave two
//! outputs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Key};

use super::artifact::Artifact;
use super::error::{Result, StoreError};
use super::index::{Indexed, Publication};
use super::receipt::{RECEIPT_PREFIX, Receipt};
use super::{Refusal, Store};

const DIVERGENCE_VERSION: u32 = 1;
const DIVERGENCE_PREFIX: &[u8] = b"{\"titrate_divergence\":1,";

/// Two receipts of one key whose outputs differ: the task is not deterministic, or its VERSION was
/// forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    titrate_divergence: u32,
    pub key: Key,
    /// The receipt that stands: the first one, unless its output was lost before the other came.
    pub kept: Digest,
    /// The other receipt.
    pub refused: Digest,
}

/// A key's valid receipt, without what a plan does not need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub receipt: Digest,
    pub output: Artifact,
}

/// What a published receipt meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The key's first valid receipt.
    New,
    /// The key had this output already; its earlier receipt stands.
    Confirmed,
    /// The key has another output. Recorded; to be reported.
    Diverged(Divergence),
}

impl Store {
    /// The key's result, if its receipt is there and unharmed. Its output may still be damaged: see
    /// [`Store::integrity`].
    pub fn finished(&self, key: &Key) -> Result<Option<Finished>> {
        let Some(Indexed { receipt, output, .. }) = self.index.result(key)? else {
            return Ok(None);
        };
        Ok(self.blob_is_intact(&receipt)?.then_some(Finished { receipt, output }))
    }

    /// The key's whole receipt, verified; `None` where [`Store::finished`] says so.
    pub fn receipt(&self, key: &Key) -> Result<Option<Receipt>> {
        self.finished(key)?.map(|finished| self.read_receipt(&finished.receipt)).transpose()
    }

    /// The receipt with this digest: that of a [`Finished`] or of a [`Divergence`]. Errors as
    /// [`super::Objects::read`].
    pub fn read_receipt(&self, digest: &Digest) -> Result<Receipt> {
        Receipt::from_bytes(
            &self.objects.read(digest)?,
            &self.objects.path(digest).display().to_string(),
        )
    }

    /// Publishes a receipt durably; publishing it twice changes nothing.
    ///
    /// Errors: a key that is not the BLAKE3 of the manifest, an output not whole in the store.
    pub fn publish(&self, receipt: &Receipt) -> Result<Published> {
        receipt.check_key()?;
        let integrity = self.integrity(&receipt.output)?;
        if let Some(damage) = integrity.damages.first() {
            return Err(receipt.refused(format!("its output {damage}")));
        }
        let _one_at_a_time =
            self.publishing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let earlier = self.index.result(&receipt.key)?;
        let standing = match &earlier {
            Some(earlier) => self.blob_is_intact(&earlier.receipt)?,
            None => false,
        };
        if standing && earlier.as_ref().is_some_and(|earlier| earlier.output == receipt.output) {
            return Ok(Published::Confirmed);
        }
        let digest = self.objects.put(&receipt.to_bytes())?;
        self.enter_stored(digest, receipt, earlier, standing)
    }

    /// Indexes a receipt whose blob is stored. `standing`: the receipt of `earlier` is unharmed.
    fn enter_stored(
        &self,
        digest: Digest,
        receipt: &Receipt,
        earlier: Option<Indexed>,
        standing: bool,
    ) -> Result<Published> {
        let started_unix_ms = receipt.cost.started_unix_ms;
        self.index
            .add_history(&receipt.label, Publication { started_unix_ms, key: receipt.key })?;
        if self.index.is_refused(&digest)? {
            return self.divergence_of(&digest);
        }
        let indexed = Indexed { receipt: digest, started_unix_ms, output: receipt.output.clone() };
        let Some(earlier) = earlier.filter(|earlier| earlier.output != receipt.output) else {
            self.index.set_result(&receipt.key, &indexed)?;
            return Ok(Published::New);
        };
        let earlier_stands = standing && self.integrity(&earlier.output)?.is_intact();
        let (kept, refused) =
            if earlier_stands { (earlier.receipt, digest) } else { (digest, earlier.receipt) };
        let divergence =
            Divergence { titrate_divergence: DIVERGENCE_VERSION, key: receipt.key, kept, refused };
        let record = self
            .objects
            .put(&serde_json::to_vec(&divergence).expect("a divergence is plain JSON"))?;
        self.index.add_divergence(&refused, &record)?;
        if !earlier_stands {
            self.index.set_result(&receipt.key, &indexed)?;
        }
        Ok(Published::Diverged(divergence))
    }

    fn divergence_of(&self, refused: &Digest) -> Result<Published> {
        let all = self.divergences()?;
        let found = all.into_iter().find(|divergence| divergence.refused == *refused);
        found
            .map(Published::Diverged)
            .ok_or(StoreError::Missing { digest: *refused, path: self.objects.path(refused) })
    }

    /// All divergences on record, sorted by key.
    pub fn divergences(&self) -> Result<Vec<Divergence>> {
        let mut all = Vec::new();
        for (_, record) in self.index.divergences()? {
            let bytes = self.objects.read(&record)?;
            all.extend(serde_json::from_slice::<Divergence>(&bytes));
        }
        all.sort_by_key(|divergence| (divergence.key, divergence.refused));
        Ok(all)
    }

    /// The keys whose receipts carry this label, each once, the most recently started last.
    pub fn history(&self, label: &str) -> Result<Vec<Key>> {
        let mut keys: Vec<Key> = Vec::new();
        for publication in self.index.history(label)? {
            keys.retain(|key| *key != publication.key);
            keys.push(publication.key);
        }
        Ok(keys)
    }

    /// Derives the index anew from the objects. Blobs that look like receipts and are none are
    /// returned.
    pub fn rebuild_index(&self) -> Result<Vec<Refusal>> {
        self.index.clear_derived()?;
        let Scan { receipts, refused, records, refusals } = self.scan()?;
        for (refused, record) in records {
            self.index.add_divergence(&refused, &record)?;
        }
        let mut latest: HashMap<Key, Indexed> = HashMap::new();
        // Those refused come last, so that they find what they lost against.
        let (lost, stood): (Vec<_>, Vec<_>) =
            receipts.into_iter().partition(|((_, digest), _)| refused.contains(digest));
        for ((started_unix_ms, digest), receipt) in stood.into_iter().chain(lost) {
            let earlier = latest.get(&receipt.key).cloned();
            if earlier.as_ref().is_some_and(|earlier| earlier.output == receipt.output) {
                continue;
            }
            let standing = earlier.is_some();
            let indexed =
                Indexed { receipt: digest, started_unix_ms, output: receipt.output.clone() };
            if self.enter_stored(digest, &receipt, earlier, standing)? == Published::New {
                latest.insert(receipt.key, indexed);
            }
        }
        self.index.complete()?;
        Ok(refusals)
    }

    /// Finds receipts and records of divergences among the objects by their first bytes.
    fn scan(&self) -> Result<Scan> {
        let mut scan = Scan::default();
        for digest in self.objects.list()? {
            let path = self.objects.path(&digest);
            let mut head = Vec::with_capacity(DIVERGENCE_PREFIX.len());
            let read = File::open(&path)
                .and_then(|file| file.take(DIVERGENCE_PREFIX.len() as u64).read_to_end(&mut head));
            read.map_err(|error| StoreError::io("read", &path, error))?;
            let outcome = if head.starts_with(RECEIPT_PREFIX) {
                self.read_receipt(&digest).map(|receipt| {
                    scan.receipts.insert((receipt.cost.started_unix_ms, digest), receipt);
                })
            } else if head == DIVERGENCE_PREFIX {
                self.objects.read(&digest).map(|bytes| {
                    if let Ok(divergence) = serde_json::from_slice::<Divergence>(&bytes) {
                        scan.refused.insert(divergence.refused);
                        scan.records.push((divergence.refused, digest));
                    }
                })
            } else {
                Ok(())
            };
            match outcome {
                Ok(()) => {}
                Err(
                    error @ (StoreError::Corrupt { .. }
                    | StoreError::Malformed { .. }
                    | StoreError::Receipt { .. }),
                ) => {
                    scan.refusals.push(Refusal { path, cause: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(scan)
    }
}

#[derive(Default)]
struct Scan {
    /// By start and digest, so that what was published first is entered first.
    receipts: BTreeMap<(u64, Digest), Receipt>,
    refused: HashSet<Digest>,
    records: Vec<(Digest, Digest)>,
    refusals: Vec<Refusal>,
}
