//! A shared store as a source of results for a run: what it hands over is checked, what is refused
//! is said once, and where it cannot be reached a run goes on without it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::cli::common::{is_read_by_commands, say, workspace};
use crate::cli::share_args::Shared;
use crate::cli::units::size;
use crate::exec::Elsewhere;
use crate::id::{Digest, Key};
use crate::plan::{Freshness, Graph, TaskId, assess};
use crate::remote::{Config, ExchangeError, Location, Remote, RemoteError, Trust};
use crate::store::{Artifact, Published, Store, StoreError};

/// What a command knows of its shared store.
pub(super) struct Setting {
    pub config: Config,
    /// None: neither asked for nor configured.
    pub location: Option<Location>,
    pub trust: Trust,
}

/// Reads titrate.toml, and lays the command's own words over it.
pub(super) fn setting(shared: &Shared) -> Result<Setting> {
    let config = Config::find(&workspace())?;
    let location = shared.remote.clone().or_else(|| config.url.clone());
    let keys = [config.trusted.clone(), shared.trust.clone()].concat();
    Ok(Setting { config, location, trust: Trust { keys, everyone: false } })
}

/// What was taken, and what was not.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Results whose receipts came.
    pub results: usize,
    /// Bytes of outputs that came.
    pub bytes: u64,
    /// What was refused, in words.
    pub refused: Vec<String>,
    /// Results that are another than the one here.
    pub diverged: Vec<String>,
    /// Why the shared store is not asked any more.
    pub lost: Option<String>,
}

/// A shared store that results are taken from.
#[derive(Debug)]
pub(super) struct Source {
    remote: Remote,
    trust: Trust,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    /// What was found at the places of receipts, not looked at yet.
    found: BTreeMap<Key, Option<Vec<u8>>>,
    /// Keys and outputs that are not taken from there.
    unusable: HashSet<Key>,
    broken: HashSet<Digest>,
}

impl Source {
    /// Asks nothing yet.
    pub fn open(location: &Location, trust: Trust) -> Result<Self, RemoteError> {
        Ok(Self { remote: Remote::open(location)?, trust, state: Mutex::default() })
    }

    pub fn tally(self) -> Tally {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).tally
    }

    /// The line for a run's end; none where nothing was taken and nothing was wrong.
    pub fn line(&self) -> Option<String> {
        let tally = &self.state().tally;
        let counted = tally.results + tally.refused.len() + tally.diverged.len();
        if counted == 0 && tally.bytes == 0 && tally.lost.is_none() {
            return None;
        }
        let mut line = format!(
            "{}: {} results taken, {} of outputs fetched, {} refused",
            self.remote.location(),
            tally.results,
            size(tally.bytes),
            tally.refused.len()
        );
        if !tally.diverged.is_empty() {
            line.push_str(&format!(", {} diverged", tally.diverged.len()));
        }
        if tally.lost.is_some() {
            line.push_str("; then it could not be reached");
        }
        Some(line)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wrong once, and does not ask again.
    fn lose(&self, error: &RemoteError) {
        let text = error.to_string();
        say(&format!(
            "warning: {text}; the shared store is not asked any more, what is stale runs here"
        ));
        self.state().tally.lost = Some(text);
    }

    fn refuse(&self, text: String) {
        say(&format!("warning: {text}"));
        self.state().tally.refused.push(text);
    }

    /// Looks up several receipts at a time. Nothing is believed yet.
    fn look_up(&self, keys: &[Key]) {
        match self.remote.receipts(keys) {
            Ok(found) => self.state().found.extend(found),
            Err(error) => self.lose(&error),
        }
    }

    /// Takes the receipts of all stale tasks of a graph that can be had; returns what is known of
    /// each task then, by [`TaskId::index`].
    pub fn take_receipts(
        &self,
        graph: &Graph,
        store: &Store,
    ) -> Result<Vec<Option<Artifact>>, StoreError> {
        let mut known: Vec<Option<Artifact>> = vec![None; graph.len()];
        let mut tried: HashSet<TaskId> = HashSet::new();
        loop {
            let mut wave = Vec::new();
            for id in graph.ids().filter(|id| !tried.contains(id)) {
                if known[id.index()].is_some() {
                    continue;
                }
                let found = assess(graph, id, |input| known[input.index()].as_ref(), store)?;
                match (found.key(), found.freshness) {
                    (_, Freshness::Fresh(artifact)) => known[id.index()] = Some(artifact),
                    (Some(key), Freshness::Stale(_)) => wave.push((id, key)),
                    _ => {}
                }
            }
            if wave.is_empty() || self.state().tally.lost.is_some() {
                return Ok(known);
            }
            self.look_up(&wave.iter().map(|(_, key)| *key).collect::<Vec<_>>());
            for (id, key) in wave {
                tried.insert(id);
                known[id.index()] = self.obtain(store, &graph.task(id).label, &key)?;
            }
        }
    }
}

impl Elsewhere for Source {
    fn obtain(
        &self,
        store: &Store,
        label: &str,
        key: &Key,
    ) -> Result<Option<Artifact>, StoreError> {
        if self.state().tally.lost.is_some() || self.state().unusable.contains(key) {
            return Ok(None);
        }
        let looked_up = self.state().found.remove(key);
        let bytes = match looked_up.map_or_else(|| self.remote.receipt(key), Ok) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.state().unusable.insert(*key);
                return Ok(None);
            }
            Err(error) => {
                self.lose(&error);
                return Ok(None);
            }
        };
        let receipt = match self.remote.believe(&self.trust, label, key, &bytes) {
            Ok(receipt) => receipt,
            Err(error) => {
                self.state().unusable.insert(*key);
                self.refuse(error.to_string());
                return Ok(None);
            }
        };
        if self.state().broken.contains(&receipt.output.digest()) {
            return Ok(None);
        }
        let place = self.remote.location().to_string();
        if let Published::Diverged(divergence) = store.adopt(&receipt, &place)? {
            let text = format!(
                "{place}: {label} came out otherwise there than here; receipts {} (kept), {}",
                divergence.kept.short(),
                divergence.refused.short()
            );
            say(&format!("warning: {text}"));
            self.state().tally.diverged.push(text);
        }
        let output = store.finished(key)?.map(|finished| finished.output);
        if let Some(output) = output.as_ref().filter(|_| is_read_by_commands(label)) {
            self.fetch(store, label, output)?;
            if !store.integrity(output)?.is_intact() {
                store.forget_elsewhere(output)?;
                return Ok(None);
            }
        }
        self.state().tally.results += 1;
        Ok(output)
    }

    fn fetch(&self, store: &Store, label: &str, output: &Artifact) -> Result<(), StoreError> {
        if self.state().tally.lost.is_some() {
            return Ok(());
        }
        match self.remote.fetch(store, label, output) {
            Ok(bytes) => self.state().tally.bytes += bytes,
            Err(ExchangeError::Store(error)) => return Err(error),
            Err(ExchangeError::Remote(error @ RemoteError::Object { .. })) => {
                self.state().broken.insert(output.digest());
                self.refuse(error.to_string());
            }
            Err(ExchangeError::Remote(error)) => {
                self.state().broken.insert(output.digest());
                self.lose(&error);
            }
        }
        Ok(())
    }
}
