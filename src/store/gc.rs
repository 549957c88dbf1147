//! Garbage collection: what no live key and its inputs reach is dropped.

use std::collections::{HashMap, HashSet};
use std::fs;

use crate::id::{Digest, Key};

use super::artifact::Artifact;
use super::error::{Result, StoreError};
use super::files::names;
use super::objects::Space;
use super::{Divergence, Refusal, Store, work};

/// A result that a collection drops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    /// The label of its task when it ran.
    pub label: String,
    /// When its task began, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// Bytes of its outputs that no other result keeps.
    pub bytes: u64,
}

/// What a collection dropped, or would drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Receipts and records of divergences dropped.
    pub receipts: usize,
    /// The results dropped, in the order of their labels.
    pub results: Vec<Dropped>,
    /// Objects dropped.
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
    /// and divergences; drops the rest, with attempts of dropped keys and the quarantine. `dry_run`
    /// only counts. What the receipts name is read anew, so that an index that lost some costs none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Doubt`] where a file among the receipts can't be read; then nothing is dropped.
    pub fn gc(&self, live: &HashSet<Key>, dry_run: bool) -> Result<GcReport> {
        let refusals = self.rebuild_index()?;
        if let Some(Refusal { path, cause }) = refusals.first() {
            let first = format!("{}: {cause}", path.display());
            return Err(StoreError::Doubt { count: refusals.len(), first });
        }
        let Reached { keys, objects, receipts } = self.reach(live)?;
        let mut report =
            GcReport { results: self.dropped(&keys, &objects)?, ..GcReport::default() };
        // Receipts go first: a collection cut short leaves outputs without a receipt, never the
        // reverse.
        for (blobs, reached) in [(&self.receipts, &receipts), (&self.objects, &objects)] {
            for digest in blobs.list()? {
                let Some(stamp) = blobs.stat(&digest)? else { continue };
                if reached.contains(&digest) {
                    report.kept += 1;
                    continue;
                }
                report.bytes += stamp.size;
                match blobs.space() {
                    Space::Receipts => report.receipts += 1,
                    Space::Objects => report.objects += 1,
                }
                if !dry_run {
                    blobs.remove(&digest)?;
                    self.index.remove_stamp(blobs.space(), &digest)?;
                    if blobs.space() == Space::Receipts {
                        self.index.remove_standing(&digest)?;
                    }
                }
            }
        }
        if !dry_run {
            self.rebuild_index()?;
        }
        report.leftovers = self.drop_leftovers(&keys, dry_run)?;
        report.leftovers += self.drop_notes(&objects, dry_run)?;
        Ok(report)
    }

    /// The results of keys that are not kept.
    fn dropped(&self, kept: &HashSet<Key>, objects: &HashSet<Digest>) -> Result<Vec<Dropped>> {
        let mut dropped = Vec::new();
        for (key, indexed) in self.index.results()? {
            if kept.contains(&key) {
                continue;
            }
            let gone =
                indexed.output.entries().iter().filter(|entry| !objects.contains(&entry.digest));
            let bytes = gone.map(|entry| entry.size).sum();
            let label = self.read_receipt(&indexed.receipt)?.label;
            dropped.push(Dropped { label, started_unix_ms: indexed.started_unix_ms, bytes });
        }
        dropped.sort_unstable();
        Ok(dropped)
    }

    /// Everything that `live` reaches through what they consumed, and what belongs to it.
    fn reach(&self, live: &HashSet<Key>) -> Result<Reached> {
        let results: HashMap<_, _> = self.index.results()?.into_iter().collect();
        let mut makers: HashMap<Digest, Vec<Key>> = HashMap::new();
        for (key, indexed) in &results {
            makers.entry(indexed.output.digest()).or_default().push(*key);
        }
        let mut reached = Reached { keys: live.clone(), ..Reached::default() };
        let mut waiting: Vec<Key> = live.iter().copied().collect();
        while let Some(key) = waiting.pop() {
            let Some(indexed) = results.get(&key) else { continue };
            reached.artifact(&indexed.output);
            reached.receipts.insert(indexed.receipt);
            let Some(receipt) = self.receipt(&key)? else { continue };
            reached.objects.extend(receipt.log);
            for input in receipt.inputs.values() {
                match makers.get(input) {
                    Some(makers) => {
                        let new = makers.iter().filter(|maker| reached.keys.insert(**maker));
                        waiting.extend(new);
                    }
                    // Imported: nothing here made it. A file outside the store is no list.
                    None => {
                        reached.objects.insert(*input);
                        if let Ok(artifact) = self.objects.read_artifact(input) {
                            reached.artifact(&artifact);
                        }
                    }
                }
            }
        }
        for (refused, record) in self.index.divergences()? {
            let divergence = serde_json::from_slice::<Divergence>(&self.receipts.read(&record)?);
            if divergence.is_ok_and(|divergence| reached.keys.contains(&divergence.key)) {
                reached.receipts.extend([refused, record]);
            }
        }
        Ok(reached)
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
                let removed =
                    if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.map_err(|error| StoreError::io("remove", &path, error))?;
            }
        }
        Ok(removed)
    }
}

/// What a collection keeps.
#[derive(Default)]
struct Reached {
    keys: HashSet<Key>,
    objects: HashSet<Digest>,
    receipts: HashSet<Digest>,
}

impl Reached {
    fn artifact(&mut self, artifact: &Artifact) {
        self.objects.insert(artifact.digest());
        self.objects.extend(artifact.entries().iter().map(|entry| entry.digest));
    }
}
