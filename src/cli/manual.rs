//! `titrate completions` and `man`: the command line as shells and manuals want it, derived from its
//! types.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::args::Arguments;
use crate::cli::common::{print, print_bytes, workspace};
use crate::cli::exit::Exit;

pub(super) fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "titrate", &mut script);
    print_bytes(&script)?;
    Ok(Exit::Done)
}

/// Writes `titrate.1` and a page for each command, such as `titrate-reproduce.1`.
pub(super) fn pages(folder: &Path) -> Result<Exit> {
    let folder = workspace().join(folder);
    let failed = || format!("write the manual into {}", folder.display());
    fs::create_dir_all(&folder).with_context(failed)?;
    clap_mangen::generate_to(Arguments::command(), &folder).with_context(failed)?;
    print(&format!("{}: titrate.1 and a page for each command\n", folder.display()))?;
    Ok(Exit::Done)
}
