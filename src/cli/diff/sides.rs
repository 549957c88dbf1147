//! What is compared: the results of a study in a report's folder, an archive, a store, or a run on
//! record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::archive::Archive;
use crate::cli::args::Which;
use crate::cli::common::{Opened, Pipeline, REPORT, open_to_read, workspace};
use crate::cli::study_keys::flat;
use crate::exec::Event;
use crate::plan::{Freshness, walk};
use crate::regular;
use crate::remote::Trust;
use crate::report::lineage::Lineage;
use crate::report::{LINEAGE, NUMBERS, Number};
use crate::store::{Artifact, Runs, Store};

/// The resolved study that is written beside a report.
const STUDY: &str = "study.toml";

/// The results of a study.
#[derive(Debug)]
pub(super) struct Side {
    /// The keys of the study, with their values as TOML has them.
    pub study: BTreeMap<String, String>,
    /// The tasks and the digests of their outputs.
    pub lineage: Lineage,
    /// The numbers of the report.
    pub numbers: Vec<Number>,
}

impl Side {
    /// The side that a word on the command line names: a folder with a report, an archive, a
    /// store's folder, or the id of a run in the store of `which`.
    pub fn read(pipeline: &Pipeline, which: &Which, name: &str) -> Result<Self> {
        let path = workspace().join(name);
        let side = if path.join(NUMBERS).is_file() {
            Self::of_report(&path)
        } else if path.is_file() {
            Self::of_archive(&path)
        } else if path.join("objects").is_dir() {
            Self::of_store(pipeline, which, name.into())
        } else if path.exists() {
            Err(anyhow::anyhow!("it is neither a store nor a report's folder, which has {NUMBERS}"))
        } else {
            Self::of_run(&workspace().join(&which.place.folder.store), name)
        };
        side.with_context(|| name.to_owned())
    }

    fn new(study: &str, numbers: &[u8], lineage: &[u8]) -> Result<Self> {
        Ok(Self {
            study: flat(study)?,
            numbers: serde_json::from_slice(numbers).context(NUMBERS)?,
            lineage: serde_json::from_slice(lineage).context(LINEAGE)?,
        })
    }

    fn of_report(folder: &Path) -> Result<Self> {
        let read = |name: &str| regular::read(&folder.join(name)).with_context(|| name.to_owned());
        Self::new(&String::from_utf8(read(STUDY)?)?, &read(NUMBERS)?, &read(LINEAGE)?)
    }

    fn of_archive(path: &Path) -> Result<Self> {
        let mut archive = Archive::open(path)?;
        // Nothing of it is taken over, so nobody has to be trusted.
        let trust = Trust { keys: Vec::new(), everyone: true };
        let tasks = &archive.contents().tasks;
        let key = tasks.iter().find(|task| task.label == REPORT).map(|task| task.key);
        let receipt = archive.receipt(&trust, REPORT, &key.context("it has no report")?)?;
        let mut read = |name: &str| -> Result<Vec<u8>> {
            let entry = receipt.output.entry(name).with_context(|| without(name))?;
            archive.object(REPORT, name, &entry.digest)?.with_context(|| without(name))
        };
        let (numbers, lineage) = (read(NUMBERS)?, read(LINEAGE)?);
        Self::new(&archive.study()?, &numbers, &lineage)
    }

    fn of_store(pipeline: &Pipeline, which: &Which, store: PathBuf) -> Result<Self> {
        let mut which = which.clone();
        which.place.folder.store = store;
        let Opened { study, store, graph } = open_to_read(pipeline, &which)?;
        let report = graph.find(REPORT)?;
        match &walk(&graph, &store)?[report.index()].freshness {
            Freshness::Fresh(artifact) => Self::of_artifact(&study.resolved, artifact, &store),
            _ => bail!(
                "the report of study {} is not up to date there: `titrate reproduce` makes it, \
                 `titrate runs` lists the runs that made earlier ones",
                study.name
            ),
        }
    }

    fn of_run(root: &Path, id: &str) -> Result<Self> {
        let runs = Runs::at(root);
        let there = runs.ids().unwrap_or_default();
        let Some(id) = there.iter().find(|known| *known == id) else {
            bail!(
                "there is no such folder and no such archive, and no run of that name in {} \
                 (`titrate runs` lists them)",
                root.display()
            );
        };
        let head: Value = runs.read(id)?.context("its record is empty")?;
        let resolved = head["study"].as_str().context("its record has no study")?;
        let lines = runs.journal_lines(id)?;
        let events = lines.iter().rev().filter_map(|line| serde_json::from_str(line).ok());
        let report = events.into_iter().find_map(|event| match event {
            Event::Finished { label, key, .. } | Event::Cached { label, key, .. }
                if label == REPORT =>
            {
                Some(key)
            }
            _ => None,
        });
        let key = report.context("that run came to no report")?;
        let store = Store::open_to_read(root)?;
        let gone = || format!("its report, key {}, is no longer in the store", key.short());
        let receipt = store.receipt(&key)?.with_context(gone)?;
        Self::of_artifact(resolved, &receipt.output, &store)
    }

    fn of_artifact(resolved: &str, report: &Artifact, store: &Store) -> Result<Self> {
        let read = |name: &str| -> Result<Vec<u8>> {
            let entry = report.entry(name).with_context(|| without(name))?;
            Ok(store.objects().read(&entry.digest)?)
        };
        Self::new(resolved, &read(NUMBERS)?, &read(LINEAGE)?)
    }
}

fn without(file: &str) -> String {
    format!("its report has no {file}")
}
