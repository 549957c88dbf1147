//! Finished tasks: publishing receipts, finding them by key, and what happens when one key gave two
//! outputs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use crate::id::{Digest, Key};
use crate::wording::causes;

use super::Store;
use super::artifact::Artifact;
use super::error::{Result, StoreError};
use super::index::{Indexed, Publication};
use super::published::{Divergence, Finished, Published};
use super::receipt::{Receipt, Refusal};

const DIVERGENCE_VERSION: u32 = 1;
const DIVERGENCE_PREFIX: &[u8] = b"{\"titrate_divergence\":1,";

impl Store {
    /// The key's result, if its receipt is there and unharmed. Its output may still be damaged: see
    /// [`Store::integrity`].
    pub fn finished(&self, key: &Key) -> Result<Option<Finished>> {
        let Some(Indexed { receipt, output, .. }) = self.index.result(key)? else {
            return Ok(None);
        };
        let stands = self.stands(key, &receipt, &output)?;
        Ok(stands.then_some(Finished { receipt, output }))
    }

    /// The key's whole receipt, verified; `None` where [`Store::finished`] says so.
    pub fn receipt(&self, key: &Key) -> Result<Option<Receipt>> {
        let Some(indexed) = self.index.result(key)? else { return Ok(None) };
        self.standing(key, &indexed.receipt, &indexed.output)
    }

    /// Whether the receipt called `digest` is there, unharmed, and that of `key` and `output`. It is
    /// read only where its file changed since it was last read, and was then found to be just that.
    pub(super) fn stands(&self, key: &Key, digest: &Digest, output: &Artifact) -> Result<bool> {
        // Whatever can't be looked at is for the reading to report.
        let stamp = self.receipts.stat(digest).ok().flatten();
        let proof = proof(key, output);
        if let Some(stamp) = stamp
            && self.index.standing(digest)? == Some((stamp, proof))
        {
            return Ok(true);
        }
        let stands = self.standing(key, digest, output)?.is_some();
        if let Some(stamp) = stamp.filter(|_| stands) {
            self.index.set_standing(digest, &stamp, &proof)?;
        }
        Ok(stands)
    }

    /// The receipt called `digest`, if it is there, unharmed, and that of `key` and `output`: the
    /// index is not believed.
    pub(super) fn standing(
        &self,
        key: &Key,
        digest: &Digest,
        output: &Artifact,
    ) -> Result<Option<Receipt>> {
        match self.read_receipt(digest) {
            Ok(receipt) => {
                Ok(Some(receipt).filter(|found| found.key == *key && found.output == *output))
            }
            Err(
                StoreError::Missing { .. }
                | StoreError::Corrupt { .. }
                | StoreError::Unreadable { .. }
                | StoreError::Malformed { .. }
                | StoreError::Receipt { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The receipt with this digest: that of a [`Finished`] or of a [`Divergence`]. Errors as
    /// [`super::Objects::read`].
    pub fn read_receipt(&self, digest: &Digest) -> Result<Receipt> {
        Receipt::from_bytes(
            &self.receipts.read(digest)?,
            &self.receipts.path(digest).display().to_string(),
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
        self.forget_elsewhere(&receipt.output)?;
        let _one_at_a_time =
            self.publishing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let earlier = self.index.result(&receipt.key)?;
        let standing = match &earlier {
            Some(Indexed { receipt: digest, output, .. }) => {
                self.stands(&receipt.key, digest, output)?
            }
            None => false,
        };
        if standing && earlier.as_ref().is_some_and(|earlier| earlier.output == receipt.output) {
            return Ok(Published::Confirmed);
        }
        let digest = self.receipts.put(&receipt.to_bytes())?;
        self.enter_stored(digest, receipt, earlier, standing)
    }

    /// Indexes a receipt whose blob is stored. `standing`: the receipt of `earlier` is unharmed.
    pub(super) fn enter_stored(
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
            .receipts
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
            .ok_or(StoreError::Missing { digest: *refused, path: self.receipts.path(refused) })
    }

    /// All divergences on record, sorted by key.
    pub fn divergences(&self) -> Result<Vec<Divergence>> {
        let mut all = Vec::new();
        for (_, record) in self.index.divergences()? {
            let bytes = self.receipts.read(&record)?;
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

    /// Derives the index anew from the receipts. Files among them that are none, or can't be read,
    /// are returned.
    pub fn rebuild_index(&self) -> Result<Vec<Refusal>> {
        let Scan { receipts, refused, records, refusals } = self.scan()?;
        self.index.clear_derived()?;
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
        self.index.filled();
        self.index.complete()?;
        Ok(refusals)
    }

    /// Reads all receipts and records of divergences. A file that can't be read hides no other; a
    /// disk that fails hides nothing that it had: that is an error.
    fn scan(&self) -> Result<Scan> {
        let mut scan = Scan::default();
        for digest in self.receipts.list()? {
            let bytes = match self.receipts.stat(&digest) {
                Ok(None) => Err("it is no file".to_owned()),
                Ok(Some(_)) => match self.receipts.read(&digest) {
                    Err(error @ StoreError::Disk { .. }) => return Err(error),
                    read => read.map_err(|error| causes(&error)),
                },
                Err(error) => return Err(error),
            };
            let path = self.receipts.path(&digest);
            if let Err(cause) = bytes.and_then(|bytes| scan.enter(digest, &bytes, &path)) {
                scan.refusals.push(Refusal { path, cause });
            }
        }
        Ok(scan)
    }
}

/// What the receipt of a key and its output proves: an index whose entries are mixed up or damaged
/// does not have it.
fn proof(key: &Key, output: &Artifact) -> Digest {
    Digest::of(&[key.as_bytes().as_slice(), &output.to_bytes()].concat())
}

impl Scan {
    fn enter(&mut self, digest: Digest, bytes: &[u8], path: &Path) -> Result<(), String> {
        if bytes.starts_with(DIVERGENCE_PREFIX) {
            let record = serde_json::from_slice::<Divergence>(bytes);
            let record = record.map_err(|error| format!("it is no divergence: {error}"))?;
            self.refused.insert(record.refused);
            self.records.push((record.refused, digest));
        } else {
            let receipt = Receipt::from_bytes(bytes, &path.display().to_string());
            let receipt = receipt.map_err(|error| causes(&error))?;
            self.receipts.insert((receipt.cost.started_unix_ms, digest), receipt);
        }
        Ok(())
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
