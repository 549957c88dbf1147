//! The command line: types of its arguments, thin commands, and how a run looks on a terminal.
//!
//! May import every room that a command needs; no room imports this one.

mod args;
mod common;
mod diffusers;
mod eta;
mod exit;
mod export;
mod inspect;
mod power;
mod reproduce;
mod terminal;
mod units;
mod upkeep;
mod weights;

use std::process::ExitCode;

use clap::Parser;

use crate::data::catalogue::value::visible;
use crate::exec;
use crate::wording::causes;
use args::{Arguments, Command, Data};
pub use common::{Pipeline, REPORT};
use exit::Exit;

/// The program. Arguments come from the process; errors go to stderr.
pub fn main(pipeline: &Pipeline) -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Worker { store, task: None } => return exec::serve(&store, pipeline.run),
        Command::Worker { store, task: Some(task) } => return reproduce::work(&store, &task),
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
            eprintln!("error: {}", visible(&causes(error.as_ref())));
            Exit::of_error(&error).into()
        }
    }
}
