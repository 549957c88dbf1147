//! Slurm's commands. A question to the queue that failed is no answer.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use crate::exec::slurm::array::Array;

/// Elements of an array where the cluster does not say: Slurm's own default.
const ARRAY_MOST: usize = 1001;

/// An element of an array, as the queue shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The array's id.
    pub job: u64,
    pub element: u32,
    pub name: String,
    pub state: String,
    pub node: String,
    pub reason: String,
}

/// All elements of the arrays called `names`, of whatever state. Asked by name: an id can be lost
/// and given to another job when the controller crashes.
pub(super) fn query(names: &[String]) -> Result<Vec<Row>, String> {
    let names = format!("--name={}", names.join(","));
    // Without -r, elements that wait are one line, such as `4_[5-19%4]`.
    let arguments = ["--noheader", "-r", "-t", "all", &names, "-o", "%F|%K|%j|%T|%N|%r"];
    let output = run(Command::new("squeue").args(arguments))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(row).collect())
}

fn row(line: &str) -> Option<Row> {
    let mut parts = line.splitn(6, '|').map(str::trim);
    let mut next = || parts.next();
    let (job, element) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let (name, state, node, reason) =
        (next()?.into(), next()?.into(), next()?.into(), next()?.into());
    Some(Row { job, element, name, state, node, reason })
}

/// Submits `array`. Its id goes from `sbatch` into a file, whatever becomes of this process; and
/// while `sbatch` runs it holds the array's lock, so that whoever finds that file empty knows
/// whether to wait for it.
pub(super) fn submit(array: &Array, options: &[String]) -> Result<u64, String> {
    let of = |error: std::io::Error| format!("cannot start sbatch: {error}");
    let (lock, id) = (array.lock().map_err(of)?, File::create(array.id_file()).map_err(of)?);
    let output = run(Command::new("sbatch").args(options).stdin(lock).stdout(id))?;
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    array.id().ok_or_else(|| format!("sbatch said no id: {words}"))
}

/// Cancels the elements of an array, or those of them that wait.
pub(super) fn cancel(name: &str, only_waiting: bool) -> Result<(), String> {
    let mut command = Command::new("scancel");
    command.arg(format!("--name={name}"));
    if only_waiting {
        command.arg("--state=PENDING");
    }
    run(&mut command).map(drop)
}

/// Cancels one element of an array. The name is asked for as well: the id may be another job's.
pub(super) fn cancel_element(row: &Row) -> Result<(), String> {
    let Row { job, element, name, .. } = row;
    let id = format!("{job}_{element}");
    run(Command::new("scancel").arg(format!("--name={name}")).arg(id)).map(drop)
}

/// The most elements that an array may have.
pub(super) fn array_most() -> usize {
    let config = run(Command::new("scontrol").args(["show", "config"]));
    let text = config.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok().and_then(|text| array_most_in(&text)).unwrap_or(ARRAY_MOST)
}

fn array_most_in(config: &str) -> Option<usize> {
    let line = config.lines().find(|line| line.starts_with("MaxArraySize"))?;
    line.split_once('=')?.1.trim().parse().ok().filter(|most| *most > 0)
}

/// Runs a command, whose words on stderr are its error where it fails.
fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stderr(Stdio::piped());
    if name != "sbatch" {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
    }
    let child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    let output = child.wait_with_output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} ended with {}: {}", output.status, words.trim().replace('\n', "; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_what_is_none_is_left_out() {
        let found = row("12|3|titrate-ab|NODE_FAIL|n1|None").unwrap();
        assert_eq!((found.job, found.element, found.name.as_str()), (12, 3, "titrate-ab"));
        assert_eq!((found.state.as_str(), found.node.as_str()), ("NODE_FAIL", "n1"));
        let waiting = row("12|3|titrate-ab|PENDING||launch failed requeued held").unwrap();
        assert_eq!(waiting.reason, "launch failed requeued held");
        assert_eq!(row("12|N/A|other|RUNNING|n1|None"), None);
        assert_eq!(row(""), None);
    }

    #[test]
    fn the_most_elements_are_the_clusters() {
        let config = "MailProg = /bin/true\nMaxArraySize            = 10001\nMaxJobCount = 5\n";
        assert_eq!(array_most_in(config), Some(10001));
        assert_eq!(array_most_in("MaxArraySize = 0"), None);
        assert_eq!(array_most_in(""), None);
    }
}
