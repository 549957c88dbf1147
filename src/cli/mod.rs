//! The command line: types of its arguments, thin commands, and how a run looks on a terminal.
//!
//! May import every room that a command needs; no room imports this one.

mod args;
mod diffusers;
mod eta;
mod exit;
mod export;
mod inspect;
mod power;
mod reproduce;
mod terminal;
mod upkeep;
mod weights;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::data::catalogue::value::visible;
use crate::exec::{self, Run};
use crate::plan::Graph;
use crate::store::{IndexState, Store};
use crate::study::{self, LoadedStudy, Study};
use args::{Arguments, Command, Data, Which};
use exit::Exit;

/// The label of the task that audits a set of pictures.
const AUDIT: &str = "audit";
/// The label of the task whose artifact is exported as a study's report.
pub const REPORT: &str = "report";

/// What the command line runs: it knows neither the tasks of a study nor the code of any.
#[derive(Clone, Copy)]
pub struct Pipeline {
    /// The graph of a study. May put objects into the store that the graph imports.
    pub tasks: fn(&LoadedStudy, &Store) -> Result<Graph>,
    /// Runs one task; called in a worker process.
    pub run: Run,
}

/// The program. Arguments come from the process; errors go to stderr.
pub fn main(pipeline: &Pipeline) -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Worker { store } => return exec::serve(&store, pipeline.run),
        Command::Reproduce(arguments) => reproduce::reproduce(pipeline, &arguments),
        Command::Data(Data::Check(arguments)) => reproduce::check(pipeline, &arguments),
        Command::Plan(arguments) => inspect::plan(pipeline, &arguments),
        Command::Status(which) => inspect::status(pipeline, &which),
        Command::Show(arguments) => inspect::show(pipeline, &arguments),
        Command::Why(arguments) => inspect::why(pipeline, &arguments),
        Command::Export(arguments) => diffusers::export(pipeline, &arguments),
        Command::Verify(which) => upkeep::verify(pipeline, &which),
        Command::Gc(arguments) => upkeep::gc(pipeline, &arguments),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {}", visible(&causes(&error)));
            Exit::of_error(&error).into()
        }
    }
}

/// An error and its causes on one line, each said once.
fn causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| match cause.to_string() {
        part if text.contains(&part) => text,
        part if text.is_empty() => part,
        part => format!("{text}: {part}"),
    })
}

/// The folder that study names and default folders are relative to: TITRATE_WORKSPACE, or the
/// current one.
fn workspace() -> PathBuf {
    std::env::var_os("TITRATE_WORKSPACE").map(PathBuf::from).unwrap_or_default()
}

fn load_study(name: &str, sets: &[String]) -> Result<LoadedStudy> {
    let path = study::find(name, &workspace().join("experiments"))?;
    Ok(Study::load(&path, sets)?)
}

/// A study's graph with the store it runs in.
struct Opened {
    study: LoadedStudy,
    store: Store,
    graph: Graph,
}

fn open(pipeline: &Pipeline, which: &Which) -> Result<Opened> {
    let study = load_study(&which.study, &which.place.sets)?;
    let store = open_store(&which.place.store)?;
    let graph =
        (pipeline.tasks)(&study, &store).with_context(|| format!("study {}", study.name))?;
    Ok(Opened { study, store, graph: graph.on(which.place.device.name()) })
}

/// Opens the store and says on stderr what had to be mended.
fn open_store(folder: &Path) -> Result<Store> {
    let store = Store::open(workspace().join(folder))?;
    let opening = store.opening();
    if let IndexState::Rebuilt { cause, refusals } = &opening.index {
        eprintln!("note: the store's index was rebuilt from its objects: {cause}");
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

/// Prints to stdout; who closed it does not want to know.
fn print(text: &str) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
