//! What most commands begin and end with: the study, its store and graph opened, and the answer
//! printed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli::args::Which;
use crate::exec::Run;
use crate::plan::Graph;
use crate::store::{IndexState, Store, StoreError};
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

/// The folder of the built-in studies and base weights: `experiments` in the workspace, or else in
/// the sources that this program was built from.
pub(super) fn experiments() -> PathBuf {
    let own = workspace().join("experiments");
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    if !own.is_dir() && built_from.is_dir() { built_from } else { own }
}

pub(super) fn load_study(name: &str, sets: &[String]) -> Result<LoadedStudy> {
    let path = study::find(name, &experiments())?;
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

/// The same to be looked at: while another process has the store open, with the results that it has
/// so far.
pub(super) fn look(pipeline: &Pipeline, which: &Which) -> Result<Opened> {
    let study = load_study(&which.study, &which.place.sets)?;
    let store = look_at_store(&which.place.folder.store)?;
    let graph =
        (pipeline.tasks)(&study, &store).with_context(|| format!("study {}", study.name))?;
    Ok(Opened { study, store, graph: graph.on(which.place.device.name()) })
}

fn look_at_store(folder: &Path) -> Result<Store> {
    match open_store(folder) {
        Err(error) => match error.downcast_ref() {
            Some(StoreError::Busy { holder, .. }) => {
                eprintln!("note: in use by {holder}: these are the results so far");
                Ok(Store::view(workspace().join(folder))?)
            }
            _ => Err(error),
        },
        opened => opened,
    }
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
