//! Which executor a run has.

use std::path::PathBuf;

use crate::exec::command::Commands;
use crate::exec::executor::Executor;
use crate::exec::process::Children;
use crate::exec::profile::{Place, ProfileError, Slurm as Profile};
use crate::exec::slurm::Slurm;
use crate::exec::{ExecError, Options};
use crate::plan::Graph;
use crate::plan::kinds;
use crate::store::Store;

/// The executor that the options ask for.
pub(super) fn open(
    graph: &Graph,
    store: &Store,
    options: &Options,
) -> Result<Box<dyn Executor>, ExecError> {
    let root = absolute(store)?;
    Ok(match &options.place {
        Place::Here => Box::new(Children::new(&options.worker)),
        Place::Command(profile) => Box::new(Commands::new(profile.clone(), root)?),
        Place::Slurm(profile) => {
            check_kinds(graph, profile)?;
            Box::new(Slurm::open(profile.as_ref().clone(), root)?)
        }
    })
}

/// A kind that a profile misspells would ask for nothing.
fn check_kinds(graph: &Graph, profile: &Profile) -> Result<(), ProfileError> {
    let mut known: Vec<&str> = graph.ids().map(|id| graph.task(id).kind.name).collect();
    known.extend(kinds::ALL.iter().map(|kind| kind.name));
    known.sort();
    known.dedup();
    match profile.kinds.keys().find(|kind| !known.contains(&kind.as_str())) {
        Some(kind) => {
            let known = known.into_iter().map(str::to_owned).collect();
            Err(ProfileError::Kind { kind: kind.clone(), known })
        }
        None => Ok(()),
    }
}

/// The store's folder, as other processes find it.
pub(super) fn absolute(store: &Store) -> Result<PathBuf, ExecError> {
    std::path::absolute(store.root()).map_err(|source| ExecError::io("find", store.root(), source))
}
