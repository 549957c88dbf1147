//! What a run is started with: where its tasks run, how workers are called, how it is shown and
//! stopped.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::args::{Device, Executor, Reproduce, Which};
use crate::cli::common::workspace;
use crate::cli::exit::Exit;
use crate::cli::terminal::{Show, Terminal};
use crate::exec::{self, Elsewhere, Gpus, Options, Place, Profile};
use crate::wording::quoted;

pub(super) fn terminal(arguments: &Reproduce) -> Terminal {
    let show = match (arguments.json, arguments.quiet) {
        (true, _) => Show::Json,
        (_, true) => Show::Nothing,
        _ => Show::People,
    };
    Terminal::new(show, rerun_command(&arguments.which))
}

/// How tasks run, in the store at `root`.
pub(super) fn options(
    arguments: &Reproduce,
    root: &Path,
    elsewhere: Option<Arc<dyn Elsewhere>>,
) -> Result<Options> {
    let (place, cores, gpus) = (place(arguments)?, exec::cores(), gpus(arguments)?);
    let at_once = arguments.jobs.map(|jobs| jobs as usize).or(place.at_once());
    Ok(Options {
        // Tasks of the processor run beside those that each GPU has.
        jobs: at_once.unwrap_or(cores + gpus.len()),
        gpus,
        place,
        cores,
        memory: arguments.memory.map_or_else(exec::memory, |memory| memory.0),
        keep_going: arguments.keep_going,
        worker: worker_arguments(root)?,
        interrupt: interrupt()?,
        elsewhere,
    })
}

/// The GPUs that tasks get.
fn gpus(arguments: &Reproduce) -> Result<Vec<String>> {
    if arguments.which.place.device == Device::Cuda {
        return Ok(arguments.gpus.clone().unwrap_or_else(Gpus::visible).0);
    }
    match arguments.gpus {
        Some(_) => bail!("--gpus is of no use on a processor: --device cuda computes on GPUs"),
        None => Ok(Vec::new()),
    }
}

/// Where tasks run.
fn place(arguments: &Reproduce) -> Result<Place> {
    let Some(path) = &arguments.profile else { return Ok(Place::Here) };
    let profile = Profile::read(&workspace().join(path))?;
    let missing = |table: &str| {
        format!("{} has no table [{table}], which --executor {table} reads", path.display())
    };
    Ok(match arguments.executor {
        Executor::Local => bail!("--profile {} is of no use without --executor", path.display()),
        Executor::Command => Place::Command(profile.command.with_context(|| missing("command"))?),
        Executor::Slurm => Place::Slurm(Box::new(profile.slurm.with_context(|| missing("slurm"))?)),
    })
}

pub(super) fn worker_arguments(store: &Path) -> Result<Vec<OsString>> {
    let root: PathBuf =
        std::path::absolute(store).with_context(|| format!("find {}", store.display()))?;
    Ok(vec!["worker".into(), "--store".into(), root.into()])
}

/// Set by the first SIGINT or SIGTERM; the second ends the process at once.
fn interrupt() -> Result<Arc<AtomicBool>> {
    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, interrupt.clone())
            .context("handle signals")?;
        flag::register(signal, interrupt.clone()).context("handle signals")?;
    }
    Ok(interrupt)
}

/// The command that a label completes to the one that runs its task alone.
pub(super) fn rerun_command(which: &Which) -> String {
    let mut command = format!(
        "titrate reproduce {} --store {}",
        quoted(&which.study),
        quoted(&which.place.folder.store.display().to_string())
    );
    if which.place.device != Device::Cpu {
        command.push_str(&format!(" --device {}", which.place.device.name()));
    }
    for set in &which.place.sets {
        command.push_str(&format!(" --set {}", quoted(set)));
    }
    command + " --only"
}
