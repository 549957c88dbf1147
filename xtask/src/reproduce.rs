//! `cargo xtask reproduce`: build, then become `titrate reproduce`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::process::{cargo, exit_code, root, status, target};

/// Hands `arguments` to `titrate reproduce`, whose exit code passes through.
pub fn reproduce(arguments: &[String]) -> Result<ExitCode> {
    let built = status(&mut build())?;
    if !built.success() {
        return Ok(exit_code(built));
    }
    become_it(titrate()?.arg("reproduce").args(arguments))
}

/// Builds the program.
pub fn build() -> Command {
    cargo(&["build", "--release", "--package", "titrate"])
}

/// The built program; it finds studies and puts store and reports where the repository is.
pub fn titrate() -> Result<Command> {
    let program: PathBuf =
        target()?.join("release").join(format!("titrate{}", std::env::consts::EXE_SUFFIX));
    let mut titrate = Command::new(program);
    titrate.env("TITRATE_WORKSPACE", root());
    Ok(titrate)
}

/// Replaces this process, so that signals and the exit code are the program's own.
#[cfg(unix)]
fn become_it(command: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(anyhow::Error::new(error)
        .context(format!("cannot start {}", command.get_program().display())))
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> Result<ExitCode> {
    Ok(exit_code(status(command)?))
}
