//! What most commands begin and end with: the study, its store and graph opened, and the answer
//! printed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli::args::Which;
use crate::exec::Run;
use crate::plan::Graph;
use crate::store::{IndexState, Store};
use crate::study::{self, LoadedStudy, Study};

/// The label of the task that audits a set of pictures.
pub(super) const AUDIT: &str = "audit";
/// The label of the task whose artifact is exported as a study's report.
pub const REPORT: &str = "report";

/// Whether commands read the output of the task with this label: the report, and the analyses, by
/// which `plan` says what a study can find.
pub(super) fn is_read_by_commands(label: &str) -> bool {
    label == REPORT || label == AUDIT || label.starts_with("analysis/")
}

/// What the command line runs: it knows neither the tasks of a study nor the code of any.
#[derive(Clone, Copy)]
pub struct Pipeline {
    /// The graph of a study. May put objects into the store that the graph imports.
    pub tasks: fn(&LoadedStudy, &Store) -> Result<Graph>,
    /// Runs one task; called in a worker process.
    pub run: Run,
}

/// The folder that study names and default folders are relative to: TITRATE_WORKSPACE, or the
/// current one.
pub(super) fn workspace() -> PathBuf {
    std::env::var_os("TITRATE_WORKSPACE").map(PathBuf::from).unwrap_or_default()
}

pub(super) fn load_study(name: &str, sets: &[String]) -> Result<LoadedStudy> {
    let path = study::find(name, &workspace().join("experiments"))?;
    Ok(Study::load(&path, sets)?)
}

/// A study's graph with the store it runs in.
pub(super) struct Opened {
    pub study: LoadedStudy,
    pub store: Store,
    pub graph: Graph,
}

pub(super) fn open(pipeline: &Pipeline, which: &Which) -> Result<Opened> {
    let study = load_study(&which.study, &which.place.sets)?;
    let store = open_store(&which.place.folder.store)?;
    let graph =
        (pipeline.tasks)(&study, &store).with_context(|| format!("study {}", study.name))?;
    Ok(Opened { study, store, graph: graph.on(which.place.device.name()) })
}

/// Opens the store and says on stderr what had to be mended.
pub(super) fn open_store(folder: &Path) -> Result<Store> {
    let store = Store::open(workspace().join(folder))?;
    let opening = store.opening();
    if let IndexState::Rebuilt { cause, refusals } = &opening.index {
        eprintln!("note: the store's index was rebuilt from its receipts: {cause}");
        for refusal in refusals {
            eprintln!("warning: {}: {}", refusal.path.display(), refusal.cause);
        }
    }
    for refusal in &opening.collected.refusals {
        eprintln!(
            "warning: a result in the inbox was refused: {}; it lies at {}",
            refusal.cause,
            refusal.path.display()
        );
    }
    Ok(store)
}

/// Prints to stdout, ignoring a closed pipe.
pub(super) fn print(text: &str) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
