//! What most commands begin and end with: the study, its store and graph opened, and the answer
//! printed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cli::args::Which;
use crate::data::catalogue::value::visible;
use crate::exec::Run;
use crate::plan::Graph;
use crate::sources;
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

/// The folder of the built-in studies and base weights: `experiments` in the workspace, or else in
/// the sources that this program was built from.
pub(super) fn experiments() -> PathBuf {
    let own = workspace().join("experiments");
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    if !own.is_dir() && built_from.is_dir() { built_from } else { own }
}

pub(super) fn load_study(name: &str, sets: &[String]) -> Result<LoadedStudy> {
    Ok(Study::load(&study_path(name)?, sets)?)
}

/// The file of a study that is called by its name or its path.
pub(super) fn study_path(name: &str) -> Result<PathBuf> {
    Ok(study::find(name, &experiments())?)
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
    assemble(pipeline, which, study, store)
}

/// As [`open`], for commands that change nothing: a store that is not there is not made, and one
/// that can't be written to, or that a run has open, is read.
pub(super) fn open_to_read(pipeline: &Pipeline, which: &Which) -> Result<Opened> {
    let study = load_study(&which.study, &which.place.sets)?;
    let store = Store::open_to_read(workspace().join(&which.place.folder.store))?;
    if let Some(holder) = &store.opening().holder {
        say(&format!("note: in use by {holder}: these are the results so far"));
    }
    tell_mended(&store);
    assemble(pipeline, which, study, store)
}

fn assemble(
    pipeline: &Pipeline,
    which: &Which,
    study: LoadedStudy,
    store: Store,
) -> Result<Opened> {
    let graph =
        (pipeline.tasks)(&study, &store).with_context(|| format!("study {}", study.name))?;
    Ok(Opened { study, store, graph: graph.on(which.place.device.name()) })
}

/// What a study should be told before it runs: prompts that are cut, sets that may fall short.
///
/// # Errors
/// If the study can't run for one of them.
pub(super) fn warnings(study: &LoadedStudy, store: &Store) -> Result<Vec<String>> {
    let of_study = || format!("study {}", study.name);
    let mut all = sources::cut_prompts(study, store).with_context(of_study)?;
    all.extend(sources::shortfalls(study, store).with_context(of_study)?);
    Ok(all)
}

/// Opens the store and says on stderr what had to be mended.
pub(super) fn open_store(folder: &Path) -> Result<Store> {
    let store = Store::open(workspace().join(folder))?;
    tell_mended(&store);
    Ok(store)
}

fn tell_mended(store: &Store) {
    let opening = store.opening();
    if let IndexState::Rebuilt { cause, refusals } = &opening.index {
        say(&format!("note: the store's index was rebuilt from its receipts: {cause}"));
        for refusal in refusals {
            say(&format!("warning: {}: {}", refusal.path.display(), refusal.cause));
        }
    }
    for refusal in &opening.collected.refusals {
        say(&format!(
            "warning: a result in the inbox was refused: {}; it lies at {}",
            refusal.cause,
            refusal.path.display()
        ));
    }
}

/// Prints to stdout; control characters, as names of files may have them, are escaped. A reader that has seen enough and closed the pipe is no error.
///
/// # Errors
/// If it can't be written, as to a full disk.
pub(super) fn print(text: &str) -> Result<()> {
    print_bytes(visible(text).as_bytes())
}

/// Prints to stdout as it is.
///
/// # Errors
/// As [`print`].
pub(super) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("write to stdout")
        }
        _ => Ok(()),
    }
}

/// Prints what a command found as JSON.
///
/// # Errors
/// As [`print`].
pub(super) fn print_json<T: Serialize>(found: &T) -> Result<()> {
    print_bytes((serde_json::to_string_pretty(found)? + "\n").as_bytes())
}

/// Says something on stderr. Nothing ends because nobody listens: `eprintln!` would panic where the
/// pipe is closed.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}
