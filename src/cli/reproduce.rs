//! `titrate reproduce`: run what is stale, export the report, say how it came out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::args::{Device, Reproduce};
use crate::cli::exit::Exit;
use crate::cli::terminal::{Show, Terminal, quoted};
use crate::cli::{Opened, Pipeline, REPORT, export, open, print, weights, workspace};
use crate::exec::{self, Event, Journal, Options, Outcome, Stop};
use crate::plan::Graph;
use crate::store::Store;
use crate::study::Goal;

pub(super) fn reproduce(pipeline: &Pipeline, arguments: &Reproduce) -> Result<Exit> {
    let Opened { study, store, mut graph } = open(pipeline, &arguments.which)?;
    if let Some(label) = &arguments.only {
        graph = graph.restricted_to(label)?;
    }
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("reports").join(&study.name));
    let folder = workspace().join(&out);
    let clock = Instant::now();
    let outcome = run(&graph, &store, arguments, &study.resolved)?;
    let report = graph.by_label(REPORT).and_then(|id| outcome.artifacts[id.index()].as_ref());
    let page = match report {
        Some(artifact) => {
            export::artifact(store.objects(), artifact, &folder)?;
            export::text(&folder.join("study.toml"), &study.resolved)?;
            let page = if artifact.entry("index.html").is_some() { out.join("index.html") } else { out };
            page.display().to_string()
        }
        None if study.study.goal == Goal::Base
            && arguments.only.is_none()
            && outcome.counts.failed == 0
            && outcome.stop == Stop::Finished =>
        {
            weights::export(&graph, &outcome, &store, &folder)?;
            let shipped = study.path.with_extension("");
            print(&weights::comparison(&folder, &shipped)?);
            out.display().to_string()
        }
        None => "none".to_owned(),
    };
    if report.is_some() && outcome.counts.ran > 0 {
        let summary = export::summary(&study.name, &outcome, clock.elapsed().as_secs_f64());
        export::text(&folder.join("run.md"), &summary)?;
    }
    let counts = outcome.counts;
    let line = format!(
        "ran {} of {} tasks, {} cached, {} failed; report: {page}\n",
        counts.ran, counts.tasks, counts.cached, counts.failed
    );
    if arguments.json {
        eprint!("{line}")
    } else {
        print(&line)
    }
    Ok(Exit::of_run(outcome.stop, counts.failed))
}

/// Runs the graph while showing and journalling its events.
fn run(graph: &Graph, store: &Store, arguments: &Reproduce, resolved: &str) -> Result<Outcome> {
    let cores = exec::cores();
    let options = Options {
        jobs: arguments.jobs.map_or(cores, |jobs| jobs as usize),
        cores,
        keep_going: arguments.keep_going,
        worker: worker_arguments(store)?,
        interrupt: interrupt()?,
    };
    let show = match (arguments.json, arguments.quiet) {
        (true, _) => Show::Json,
        (_, true) => Show::Nothing,
        _ => Show::People,
    };
    let mut terminal = Terminal::new(show, rerun_command(arguments));
    let asked: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let head = serde_json::json!({ "command": asked, "study": resolved, "jobs": options.jobs, "cores": cores });
    let mut journal = Some(Journal::new(store, head));
    let mut emit = |event: &Event| {
        terminal.tell(event);
        if let Some(Err(error)) = journal.as_mut().map(|journal| journal.write(event)) {
            terminal.say(&format!("warning: {error}; the run goes on without a journal"));
            journal = None;
        }
    };
    exec::run(graph, store, &options, &mut emit).context("the run was given up")
}

fn worker_arguments(store: &Store) -> Result<Vec<OsString>> {
    let root: PathBuf = std::path::absolute(store.root()).with_context(|| format!("find {}", store.root().display()))?;
    Ok(vec!["worker".into(), "--store".into(), root.into()])
}

/// Set by the first SIGINT or SIGTERM; the second ends the process at once.
fn interrupt() -> Result<Arc<AtomicBool>> {
    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, interrupt.clone()).context("handle signals")?;
        flag::register(signal, interrupt.clone()).context("handle signals")?;
    }
    Ok(interrupt)
}

/// The command that a label completes to the one that runs its task alone.
fn rerun_command(arguments: &Reproduce) -> String {
    let which = &arguments.which;
    let mut command =
        format!("titrate reproduce {} --store {}", quoted(&which.study), quoted(&which.place.store.display().to_string()));
    if which.place.device != Device::Cpu {
        command.push_str(&format!(" --device {}", which.place.device.name()));
    }
    for set in &which.place.sets {
        command.push_str(&format!(" --set {}", quoted(set)));
    }
    command + " --only"
}
