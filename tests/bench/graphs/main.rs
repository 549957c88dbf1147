//! `cargo xtask bench graphs`: what the harness itself costs. Graphs of 300 to 100,000 tiny tasks are
//! run from nothing and found done, beside ninja and Snakemake.
//!
//! This program measures, and is also the coordinator and the workers that it starts.

mod fill;
mod measure;
mod peers;
mod pipeline;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use titrate::cli::{self, Pipeline};

use measure::{Taken, measure};
use peers::{Peer, peers};

const TASKS: [usize; 5] = [300, 1_000, 3_000, 10_000, 100_000];
/// Beyond, titrate's store is filled by one process instead of by running the tasks.
const MOST_COLD: usize = 3_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if matches!(arguments.first().map(String::as_str), Some("reproduce" | "worker")) {
        return cli::main(&Pipeline { tasks: pipeline::tasks, run: pipeline::run });
    }
    match bench(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<()> {
    let (mut rounds, mut sizes) = (5, TASKS.to_vec());
    // What cargo adds to the arguments of a bench.
    let arguments: Vec<&String> = arguments.iter().filter(|text| *text != "--bench").collect();
    for option in arguments.chunks(2) {
        match option {
            [key, value] if *key == "--rounds" => {
                rounds = value.parse().with_context(|| format!("--rounds {value}"))?
            }
            [key, value] if *key == "--tasks" => {
                sizes = vec![value.parse().with_context(|| format!("--tasks {value}"))?]
            }
            _ => bail!("bench graphs: {option:?} is not --rounds N or --tasks N"),
        }
    }
    ensure!(rounds > 0, "bench graphs: at least one round");
    let peers = peers();
    println!(
        "{:>8}  {:<10}{:>12}{:>14}{:>12}{:>12}{:>10}",
        "tasks", "", "from nothing", "a task", "again", "processor", "memory"
    );
    for tasks in sizes {
        rows(tasks, rounds, &peers)?;
    }
    Ok(())
}

/// One side's graph: how to run it, and its size where it is run from nothing.
struct Side<'a> {
    name: &'a str,
    command: Box<dyn Fn() -> Command + 'a>,
    /// Kept until the side is done with.
    _folder: tempfile::TempDir,
    /// Running it from nothing, where it isn't too large for that.
    cold: Option<Taken>,
    again: Vec<Taken>,
}

/// The rows of about `tasks` tasks: each side from nothing, then all in turns with nothing to do.
fn rows(tasks: usize, rounds: usize, peers: &[Peer]) -> Result<()> {
    let mut sides = vec![titrate(tasks)?];
    for peer in peers.iter().filter(|peer| tasks <= peer.most) {
        sides.push(other(peer, tasks)?);
    }
    for round in 0..rounds {
        for turn in 0..sides.len() {
            let at = (round + turn) % sides.len();
            let taken = measure(&mut (sides[at].command)())?;
            sides[at].again.push(taken);
        }
    }
    let count = pipeline::tasks_of(pipeline::chains(tasks));
    sides.iter().for_each(|side| println!("{}", row(side, count)));
    Ok(())
}

fn titrate<'a>(tasks: usize) -> Result<Side<'a>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();
    let command = move || {
        let mut command = Command::new("/proc/self/exe");
        command.args(["reproduce", "--quiet", "--jobs", "2"]).current_dir(&path);
        for variable in ["STORE", "WORKSPACE", "REMOTE"] {
            command.env_remove(format!("TITRATE_{variable}"));
        }
        command.arg("--store").arg(path.join("store")).arg("--out").arg(path.join("report"));
        command.env(pipeline::TASKS, tasks.to_string());
        command
    };
    let cold = (tasks <= MOST_COLD).then(|| measure(&mut command())).transpose()?;
    if cold.is_none() {
        fill::fill(&pipeline::graph(tasks)?, &folder.path().join("store"))?;
    }
    // The report is written, and what a first run keeps is kept.
    measure(&mut command())?;
    Ok(Side {
        name: "titrate",
        command: Box::new(command),
        _folder: folder,
        cold,
        again: Vec::new(),
    })
}

fn other(peer: &Peer, tasks: usize) -> Result<Side<'_>> {
    let folder = tempfile::tempdir()?;
    peer.describe(tasks, folder.path())?;
    let path = folder.path().to_owned();
    let first = measure(&mut peer.command(&path))?;
    let cold = (tasks <= peer.most_cold).then_some(first);
    let command = Box::new(move || peer.command(&path));
    Ok(Side { name: peer.name, command, _folder: folder, cold, again: Vec::new() })
}

fn row(side: &Side, tasks: usize) -> String {
    let median = |of: fn(&Taken) -> f64| {
        let mut values: Vec<f64> = side.again.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (cold, each) = match side.cold {
        Some(cold) => {
            (format!("{:.2} s", cold.wall_s), format!("{:.2} ms", 1e3 * cold.wall_s / tasks as f64))
        }
        None => ("-".to_owned(), "-".to_owned()),
    };
    format!(
        "{tasks:>8}  {:<10}{cold:>12}{each:>14}{:>12}{:>12}{:>10}",
        side.name,
        format!("{:.3} s", median(|taken| taken.wall_s)),
        format!("{:.3} s", median(|taken| taken.cpu_s)),
        format!("{:.0} MB", median(|taken| taken.peak_memory as f64) / 1e6),
    )
}
