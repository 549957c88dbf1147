//! The engine from outside: edits and exactly what reruns, failures, damage, kills, and the command
//! line, over a toy pipeline.
//!
//! This program is the tests, and also the coordinator and the worker that they start.

mod cluster;
mod command_line;
mod elsewhere;
mod faults;
mod jobs;
mod queue;
mod read_only;
#[path = "../slurm/real.rs"]
mod real;
mod runs;
mod share;
mod torture;
mod torture_elsewhere;
mod torture_share;
mod toy;

use std::panic::catch_unwind;
use std::process::ExitCode;

use titrate::cli::{self, Pipeline};

const COMMANDS: [&str; 14] = [
    "reproduce",
    "plan",
    "status",
    "show",
    "why",
    "runs",
    "push",
    "pull",
    "remote",
    "export-run",
    "import",
    "verify",
    "gc",
    "worker",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| COMMANDS.contains(&first.as_str())) {
        return cli::main(&Pipeline { tasks: toy::tasks, run: toy::run });
    }
    let filters: Vec<&String> =
        arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = Vec::new();
    let tests = [
        runs::TESTS,
        queue::TESTS,
        command_line::TESTS,
        read_only::TESTS,
        share::TESTS,
        elsewhere::TESTS,
        jobs::TESTS,
        cluster::TESTS,
        faults::TESTS,
        torture::TESTS,
    ]
    .concat();
    for (name, test) in tests {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())) {
            let passed = catch_unwind(test).is_ok();
            println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
            if !passed {
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// A folder in memory where there is such a thing: syncing to a busy disk is most of the time that
/// these tests take.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder for temporary files")
}
