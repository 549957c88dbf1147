//! Garbage collection: what no live key and its inputs reach is dropped.

use std::collections::{HashMap, HashSet};
use std::fs;

use crate::id::{Digest, Key};

use super::error::{Result, StoreError};
use super::objects::names;
use super::{Store, work};

/// What a collection dropped, or would drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Receipts dropped.
    pub receipts: usize,
    /// Objects dropped, receipts among them.
    pub objects: usize,
    /// Bytes of the objects dropped.
    pub bytes: u64,
    /// Objects kept.
    pub kept: usize,
    /// Folders of attempts and files in quarantine that were removed.
    pub leftovers: usize,
}

impl Store {
    /// Keeps `live` keys, and the keys whose outputs these consumed, with receipts, outputs, logs
    /// and divergences; drops the rest, with attempts of dropped keys and the quarantine. `dry_run` only counts.
    pub fn gc(&self, live: &HashSet<Key>, dry_run: bool) -> Result<GcReport> {
        let (live, reached) = self.reach(live)?;
        let mut report = GcReport::default();
        let mut dead = Vec::new();
        for digest in self.objects.list()? {
            if reached.contains(&digest) {
                report.kept += 1;
            } else if let Some(stamp) = self.objects.stat(&digest)? {
                report.objects += 1;
                report.bytes += stamp.size;
                dead.push(digest);
            }
        }
        let receipts: HashSet<Digest> =
            self.index.results()?.into_iter().map(|(_, indexed)| indexed.receipt).collect();
        // Receipts go first: a collection cut short leaves outputs without a receipt, never the
        // reverse.
        dead.sort_by_key(|digest| (!receipts.contains(digest), *digest));
        report.receipts = dead.iter().filter(|digest| receipts.contains(digest)).count();
        if !dry_run {
            for digest in &dead {
                self.objects.remove(digest)?;
                self.index.remove_stamp(digest)?;
            }
            self.rebuild_index()?;
        }
        report.leftovers = self.drop_leftovers(&live, dry_run)?;
        Ok(report)
    }

    /// All keys that `live` reaches through what they consumed, and all objects that
    /// belong to them.
    fn reach(&self, live: &HashSet<Key>) -> Result<(HashSet<Key>, HashSet<Digest>)> {
        let results: HashMap<_, _> = self.index.results()?.into_iter().collect();
        let mut makers: HashMap<Digest, Vec<Key>> = HashMap::new();
        for (key, indexed) in &results {
            makers.entry(indexed.output.digest()).or_default().push(*key);
        }
        let mut keys = live.clone();
        let mut waiting: Vec<Key> = keys.iter().copied().collect();
        let mut reached = HashSet::new();
        while let Some(key) = waiting.pop() {
            let Some(indexed) = results.get(&key) else { continue };
            reached.extend(indexed.output.entries().iter().map(|entry| entry.digest));
            reached.extend([indexed.receipt, indexed.output.digest()]);
            let Some(receipt) = self.receipt(&key)? else { continue };
            reached.extend(receipt.log);
            for input in receipt.inputs.values() {
                reached.insert(*input);
                for maker in makers.get(input).into_iter().flatten() {
                    if keys.insert(*maker) {
                        waiting.push(*maker);
                    }
                }
            }
        }
        for (refused, record) in self.index.divergences()? {
            let key = serde_json::from_slice::<super::Divergence>(&self.objects.read(&record)?)
                .map(|divergence| divergence.key);
            if key.is_ok_and(|key| keys.contains(&key)) {
                reached.extend([refused, record]);
            }
        }
        Ok((keys, reached))
    }

    fn drop_leftovers(&self, live: &HashSet<Key>, dry_run: bool) -> Result<usize> {
        let is_live = |name: &str| name.parse().is_ok_and(|key| live.contains(&key));
        let mut removed = 0;
        for name in names(&self.root().join("work"))?.into_iter().filter(|name| !is_live(name)) {
            let Ok(key) = name.parse::<Key>() else { continue };
            if work::is_running(self.root(), &key)? {
                continue;
            }
            removed += 1;
            if !dry_run {
                work::Attempt::claim(self.root(), &key)?.clear()?;
            }
        }
        let quarantine = self.root().join("quarantine");
        for name in names(&quarantine)? {
            removed += 1;
            let path = quarantine.join(name);
            if !dry_run {
                fs::remove_file(&path).map_err(|error| StoreError::io("remove", &path, error))?;
            }
        }
        Ok(removed)
    }
}
