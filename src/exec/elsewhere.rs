//! The beginning of a worker elsewhere than on the coordinator's machine, on an order that is a file
//! in the store's folder.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::exec::attempts::{Submission, count_attempt, open_messages, submissions};
use crate::exec::protocol::Cause;
use crate::exec::worker::StepError;
use crate::exec::{ExecError, log, process};
use crate::id::Key;
use crate::replace::replace;
use crate::wording::causes;

/// Becomes the worker of one more attempt at `task`: a file with an order in the store at `root`, or
/// a key, whose newest order counts. `arguments` make this program a worker that calls
/// [`super::serve`]. Returns only where that fails.
pub fn serve_task(root: &Path, task: &str, arguments: &[OsString]) -> ExitCode {
    let Err(error) = begin(root, task, arguments);
    let _ = writeln!(io::stderr(), "error: {}", causes(&*error));
    ExitCode::from(Cause::Step.exit_code())
}

fn begin(root: &Path, task: &str, arguments: &[OsString]) -> Result<Infallible, StepError> {
    let submission = find(root, task)?;
    let mut order = submission.order()?;
    let (own, theirs) = (env!("CARGO_PKG_VERSION"), &order.titrate);
    if own != theirs {
        return Err(format!(
            "{task} was ordered by titrate {theirs}, and this is titrate {own}: use one version on all machines"
        )
        .into());
    }
    if submission.is_over() {
        return Err(format!("{task} was cancelled").into());
    }
    let job = &mut order.job;
    job.work = submission.begin()?;
    let folder = submission.folder().parent().ok_or("an order lies in its task's folder")?;
    job.attempt = count_attempt(folder, job.key)?;
    order.coordinator = None;
    let path = order.job.work.join("order.json");
    let bytes = serde_json::to_vec(&order)?;
    replace(&path, &bytes).map_err(|source| ExecError::io("write the order", &path, source))?;
    let log = order.job.work.join(log::NAME);
    // The process stays the one that the cluster knows, so that its signals arrive.
    Err(process::worker(arguments, order.job.threads)
        .stdin(File::open(&path)?)
        .stdout(open_messages(&order.job.work)?)
        .stderr(log::open(&log)?)
        .exec()
        .into())
}

/// The submission that `task` names, which has to be the store's.
fn find(root: &Path, task: &str) -> Result<Submission, StepError> {
    let work = root.join("work");
    if let Ok(key) = task.parse::<Key>() {
        let newest = submissions(&work.join(key.to_string())).pop();
        return Ok(newest
            .ok_or_else(|| format!("there is no order for {key} below {}", work.display()))?);
    }
    let order = PathBuf::from(task);
    let real =
        |path: &Path| fs::canonicalize(path).map_err(|source| ExecError::io("find", path, source));
    let (order, work) = (real(&order)?, real(&work)?);
    let folder =
        order.parent().filter(|folder| folder.parent().and_then(Path::parent) == Some(&work));
    let folder = folder.ok_or_else(|| {
        format!("{} is no order in the store at {}", order.display(), root.display())
    })?;
    Ok(Submission::at(folder.to_owned()))
}
