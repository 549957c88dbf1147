//! The `titrate` command.

use std::process::ExitCode;

use titrate::cli::{self, Pipeline};
use titrate::{sources, steps};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main(&Pipeline { tasks: sources::tasks, run: steps::run })
}
