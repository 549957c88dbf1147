//! The record of runs: a small JSON file each, kept for the last few, readable while another
//! process has the store open.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::regular;
use crate::replace::replace;

use super::error::{Result, StoreError};
use super::files::{make_folder, names};

const KEPT: usize = 50;
const SUFFIX: &str = ".json";
const JOURNAL_SUFFIX: &str = ".journal.jsonl";

/// The folder `runs/` of a store. A run's id is chosen by its caller; ids sort by time.
#[derive(Clone, Debug)]
pub struct Runs {
    folder: PathBuf,
}

impl Runs {
    /// The runs of the store at `root`; no lock is needed.
    pub fn at(root: impl AsRef<Path>) -> Self {
        Self { folder: root.as_ref().join("runs") }
    }

    /// Writes or replaces a run's record, by rename, and drops the oldest runs past 50.
    pub fn record<T: Serialize>(&self, run_id: &str, record: &T) -> Result<()> {
        self.create()?;
        let path = self.path(run_id);
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(|error| self.malformed(&path, "writable as JSON", &error))?;
        let wanted = bytes.len() as u64;
        replace(&path, &bytes).map_err(|error| StoreError::write("write", &path, wanted, error))?;
        let ids = self.ids()?;
        for old in &ids[..ids.len().saturating_sub(KEPT)] {
            let _ = fs::remove_file(self.journal(old));
            fs::remove_file(self.path(old))
                .map_err(|error| StoreError::io("remove", &self.path(old), error))?;
        }
        Ok(())
    }

    /// Ids of the runs on record, newest last.
    pub fn ids(&self) -> Result<Vec<String>> {
        let all = names(&self.folder)?;
        Ok(all
            .iter()
            .filter_map(|name| name.strip_suffix(SUFFIX))
            .filter(|id| !id.starts_with('.'))
            .map(str::to_owned)
            .collect())
    }

    /// A run's record; `None` where there is none. Errors: the file is not what `T` says.
    pub fn read<T: DeserializeOwned>(&self, run_id: &str) -> Result<Option<T>> {
        let path = self.path(run_id);
        match regular::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| self.malformed(&path, "the record of a run", &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// The lines of a run's journal; none where it has none.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn journal_lines(&self, run_id: &str) -> Result<Vec<String>> {
        let path = self.journal(run_id);
        match regular::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// Where a run's journal of events (JSON lines) belongs; the folder exists afterwards.
    pub fn journal_path(&self, run_id: &str) -> Result<PathBuf> {
        self.create()?;
        Ok(self.journal(run_id))
    }

    fn create(&self) -> Result<()> {
        make_folder(&self.folder)
    }

    fn path(&self, run_id: &str) -> PathBuf {
        self.folder.join(format!("{run_id}{SUFFIX}"))
    }

    fn journal(&self, run_id: &str) -> PathBuf {
        self.folder.join(format!("{run_id}{JOURNAL_SUFFIX}"))
    }

    fn malformed(
        &self,
        path: &Path,
        expected: &'static str,
        error: &serde_json::Error,
    ) -> StoreError {
        StoreError::Malformed {
            place: path.display().to_string(),
            expected,
            cause: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_runs_are_kept_and_old_ones_go_with_their_journals() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::at(folder.path());
        fs::write(runs.journal_path("000").unwrap(), "{}\n").unwrap();
        for number in 0..KEPT + 2 {
            runs.record(&format!("{number:03}"), &number).unwrap();
        }
        let ids = runs.ids().unwrap();
        assert_eq!((ids.len(), ids[0].as_str()), (KEPT, "002"));
        assert_eq!(runs.read::<usize>("051").unwrap(), Some(51));
        assert_eq!(runs.read::<usize>("000").unwrap(), None);
        assert!(runs.read::<String>("051").is_err());
        assert!(!runs.journal_path("000").unwrap().exists());
    }
}
