//! The command line: types of its arguments, thin commands, and how a run looks on a terminal.
//!
//! May import every room that a command needs; no room imports this one.

mod archive;
mod args;
mod cite;
mod common;
mod compare;
mod diff;
mod diffusers;
mod eta;
mod exit;
mod export;
mod images;
mod init;
mod inspect;
mod launch;
mod manual;
mod place;
mod power;
mod recheck;
mod reproduce;
mod results;
mod share;
mod share_args;
mod source;
mod study_keys;
mod terminal;
mod trace;
mod units;
mod upkeep;
mod weights;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::exec;
use crate::wording::causes;
use args::{Arguments, Command, Data};
pub use common::{Pipeline, REPORT};
use exit::Exit;

/// The program. Arguments come from the process; errors go to stderr.
pub fn main(pipeline: &Pipeline) -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(asked) => return show_usage(&asked),
    };
    let outcome = match command {
        Command::Worker { store, task: None } => return exec::serve(&store, pipeline.run),
        Command::Worker { store, task: Some(task) } => return reproduce::work(&store, &task),
        Command::Init(arguments) => init::init(&arguments),
        Command::Reproduce(arguments) => reproduce::reproduce(pipeline, &arguments),
        Command::Data(Data::Check(arguments)) => reproduce::check(pipeline, &arguments),
        Command::Plan(arguments) => inspect::plan(pipeline, &arguments),
        Command::Status(arguments) => inspect::status(pipeline, &arguments),
        Command::Show(arguments) => inspect::show(pipeline, &arguments),
        Command::Why(arguments) => inspect::why(pipeline, &arguments),
        Command::Trace(arguments) => trace::trace(pipeline, &arguments),
        Command::Cat(arguments) => results::cat(pipeline, &arguments),
        Command::Images(arguments) => images::images(pipeline, &arguments),
        Command::Log(arguments) => results::log(pipeline, &arguments),
        Command::Runs(arguments) => results::runs(&arguments),
        Command::Diff(arguments) => diff::diff(pipeline, &arguments),
        Command::Cite(arguments) => cite::cite(pipeline, &arguments),
        Command::Export(arguments) => diffusers::export(pipeline, &arguments),
        Command::Schema { of } => common::print(inspect::schemas::text(of)).map(|()| Exit::Done),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
        Command::Push(arguments) => share::push(pipeline, &arguments),
        Command::Pull(arguments) => share::pull(pipeline, &arguments),
        Command::Remote(arguments) => share::remote(pipeline, &arguments),
        Command::ExportRun(arguments) => archive::export_run(pipeline, &arguments),
        Command::Import(arguments) => archive::import(&arguments),
        Command::Verify(which) => upkeep::verify(pipeline, &which),
        Command::Gc(arguments) => upkeep::gc(pipeline, &arguments),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            common::say(&format!("error: {}", causes(error.as_ref())));
            Exit::of_error(&error).into()
        }
    }
}

/// Prints help or what is wrong with the arguments. Help that can't be written, as to a full disk,
/// is an error like any other output.
fn show_usage(asked: &clap::Error) -> ExitCode {
    let lost = asked.print().err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    match lost.filter(|_| !asked.use_stderr()) {
        Some(error) => {
            common::say(&format!("error: write to stdout: {error}"));
            Exit::Io.into()
        }
        None => ExitCode::from(u8::try_from(asked.exit_code()).unwrap_or(Exit::Study as u8)),
    }
}
