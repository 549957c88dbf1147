//! Child processes and the places that they work in.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};

/// The repository's root, as the cargo that runs this program sees it: a program that was built
/// elsewhere and copied with its target folder would name the place where it was built.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map(Path::to_owned).expect("xtask lies in the repository")
}

/// The folder that cargo builds into, wherever it was told to.
pub fn target() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("where this program is")?;
    let target =
        exe.parent().and_then(Path::parent).context("this program lies outside a target folder")?;
    Ok(target.to_owned())
}

/// Cargo, the one that runs this program, at the root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(root());
    // What the outer cargo says of this package. ring's build script asks to be run again where one
    // of these is another than the last time, and with ring all that depends on it is compiled
    // again: minutes, at each change between `cargo xtask ...` and a plain `cargo ...`.
    for (name, _) in std::env::vars_os() {
        let of_this_package = ["CARGO_MANIFEST_", "CARGO_PKG_"]
            .iter()
            .any(|first| name.as_encoded_bytes().starts_with(first.as_bytes()));
        if of_this_package {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Waits for `command`, which shares this terminal.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// Whether `command` starts and succeeds; what it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The exit code of a child as this program's own; 1 where a signal ended it.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    ExitCode::from(code)
}

/// A command as one would type it.
pub fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
