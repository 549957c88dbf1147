//! `titrate reproduce`: run what is stale, export the report, say how it came out.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::cli::args::{Check, Device, Executor, Reproduce};
use crate::cli::common::{
    AUDIT, Opened, Pipeline, REPORT, is_read_by_commands, load_study, open, open_to_read, print,
    say, warnings, workspace,
};
use crate::cli::exit::Exit;
use crate::cli::launch::{options, terminal, worker_arguments};
use crate::cli::share_args::Shared;
use crate::cli::source::{Source, setting};
use crate::cli::terminal::Terminal;
use crate::cli::{archive, compare, export, recheck, weights};
use crate::exec::{self, Elsewhere, Event, Journal, Outcome, Place, Stop};
use crate::ml::device;
use crate::plan::{Freshness, Graph, Input, TaskId, walk};
use crate::replace::tidy;
use crate::report;
use crate::sources;
use crate::stats::audit::Audit;
use crate::store::{Artifact, Store, StoreError};
use crate::study::Goal;
use crate::wording::causes;

pub(super) fn reproduce(pipeline: &Pipeline, arguments: &Reproduce) -> Result<Exit> {
    sources::fetch(&load_study(&arguments.which.study, &arguments.which.place.sets)?, "")?;
    let opened = open_to_run(pipeline, arguments)?;
    let Opened { study, store, graph } = &opened;
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("reports").join(&study.name));
    let folder = workspace().join(&out);
    let clock = Instant::now();
    warnings(study, store)?.iter().for_each(|line| say(&format!("warning: {line}")));
    let source = shared_source(arguments)?;
    let mut terminal = terminal(arguments);
    let outcome = run(graph, store, arguments, &study.resolved, source.as_ref(), &mut terminal)?;
    fetch_read(graph, store, &outcome, study.study.goal, source.as_ref())?;
    let report = graph.by_label(REPORT).and_then(|id| outcome.artifacts[id.index()].as_ref());
    let page = write_results(&opened, &outcome, report, arguments, &out)?;
    if report.is_some() {
        describe(&opened, &outcome, arguments, &folder, clock.elapsed().as_secs_f64())?;
    }
    let counts = outcome.counts;
    let answer = report.and_then(|artifact| artifact.entry(report::ANSWER));
    let answer = answer.map(|entry| store.objects().read(&entry.digest)).transpose()?;
    let answer = String::from_utf8_lossy(answer.as_deref().unwrap_or_default()).into_owned();
    let mut line = format!(
        "{answer}ran {} of {} tasks, {} cached, {} failed; report: {page}\n",
        counts.ran, counts.tasks, counts.cached, counts.failed
    );
    if let Some(taken) = source.and_then(|source| source.line()) {
        line = format!("{taken}\n{line}");
    }
    let (found, exit) = compared(&opened, &outcome, arguments)?;
    line.push_str(&found);
    match arguments.json {
        true => say(line.trim_end_matches('\n')),
        false => print(&line)?,
    }
    terminal.check_output()?;
    Ok(exit)
}

/// Opens a study's store and the graph that is asked for. A store that can't be written to serves
/// where nothing is left to run: its report can be had.
fn open_to_run(pipeline: &Pipeline, arguments: &Reproduce) -> Result<Opened> {
    let restricted = |mut opened: Opened| {
        if let Some(label) = &arguments.only {
            opened.graph = opened.graph.restricted_to(label)?;
        }
        Ok(opened)
    };
    let error = match open(pipeline, &arguments.which) {
        Err(error) if error.downcast_ref().is_some_and(StoreError::is_read_only) => error,
        opened => return restricted(opened?),
    };
    let opened = restricted(open_to_read(pipeline, &arguments.which)?)?;
    let (graph, assessed) = (&opened.graph, walk(&opened.graph, &opened.store)?);
    let to_run = |id: &TaskId| !matches!(assessed[id.index()].freshness, Freshness::Fresh(_));
    let Some(first) = graph.ids().find(to_run) else { return Ok(opened) };
    let (count, first) = (graph.ids().filter(to_run).count(), &graph.task(first).label);
    Err(error.context(format!(
        "the store can't be written to, and {} to run, such as {first}; --store names another",
        if count == 1 { "a task is still".to_owned() } else { format!("{count} tasks are still") }
    )))
}

/// Writes what a report's folder has beside the report: the summary of the run, where it ran
/// anything, and an RO-Crate's metadata.
fn describe(
    opened: &Opened,
    outcome: &Outcome,
    arguments: &Reproduce,
    folder: &Path,
    seconds: f64,
) -> Result<()> {
    if outcome.counts.ran > 0 {
        let summary = export::summary(&opened.study.name, outcome, seconds);
        export::text(&folder.join("run.md"), &summary)?;
    } else {
        tidy(&folder.join("run.md"));
        if folder.join(archive::CRATE).is_file() {
            tidy(&folder.join(archive::CRATE));
            return Ok(());
        }
    }
    let is_whole = outcome.artifacts.iter().all(Option::is_some) && arguments.only.is_none();
    if is_whole {
        archive::describe_report(opened, &arguments.which.place, folder)?;
    }
    Ok(())
}

/// What holding the results against an archive and computing some of them again found, where that
/// was asked for, and the exit code of it all.
fn compared(opened: &Opened, outcome: &Outcome, arguments: &Reproduce) -> Result<(String, Exit)> {
    let mut text = String::new();
    let mut exit = Exit::of_run(outcome.stop, outcome.counts.failed);
    if let Some(archive) = &arguments.against {
        let (path, artifacts) = (workspace().join(archive), &outcome.artifacts);
        let (graph, store) = (&opened.graph, &opened.store);
        let found = compare::against(&path, graph, artifacts, store, arguments.tolerance)?;
        text.push_str(&found.text);
        if exit == Exit::Done && !found.agrees {
            exit = Exit::TaskFailed;
        }
    }
    if let Some(part) = arguments.check
        && exit == Exit::Done
    {
        let again = recheck::recheck(opened, outcome, part, arguments)?;
        text.push_str(&again.text);
        exit = again.exit;
    }
    Ok((text, exit))
}

/// Writes the report's files, or a base study's weights; returns the page to open.
fn write_results(
    opened: &Opened,
    outcome: &Outcome,
    report: Option<&Artifact>,
    arguments: &Reproduce,
    out: &Path,
) -> Result<String> {
    let Opened { study, store, graph } = opened;
    let folder = workspace().join(out);
    Ok(match report {
        Some(artifact) => {
            export::artifact(store.objects(), artifact, &folder)?;
            export::text(&folder.join("study.toml"), &study.resolved)?;
            let page = artifact.entry("index.html").map(|_| out.join("index.html"));
            page.as_deref().unwrap_or(out).display().to_string()
        }
        None if study.study.goal == Goal::Base
            && arguments.only.is_none()
            && outcome.counts.failed == 0
            && outcome.stop == Stop::Finished =>
        {
            weights::export(graph, outcome, store, &folder)?;
            let shipped = study.path.with_extension("");
            print(&weights::comparison(&folder, &shipped)?)?;
            out.display().to_string()
        }
        None => "none".to_owned(),
    })
}

/// The shared store that results are taken from, if one is named.
fn shared_source(arguments: &Reproduce) -> Result<Option<Arc<Source>>> {
    if arguments.no_remote {
        return Ok(None);
    }
    let setting = setting(&arguments.shared)?;
    let Some(location) = setting.location else { return Ok(None) };
    if setting.trust.keys.is_empty() {
        if arguments.shared.remote.is_some() {
            bail!(
                "no key is trusted, so every result of {location} would be refused: give --trust \
                 KEY, or list the keys as `trusted` in titrate.toml"
            );
        }
        say(&format!("note: nothing is taken from {location}: titrate.toml trusts no key"));
        return Ok(None);
    }
    Ok(Some(Arc::new(Source::open(&location, setting.trust)?)))
}

/// Fetches the outputs that this command itself reads, where they lie elsewhere.
fn fetch_read(
    graph: &Graph,
    store: &Store,
    outcome: &Outcome,
    goal: Goal,
    source: Option<&Arc<Source>>,
) -> Result<()> {
    for id in graph.ids() {
        let label = graph.task(id).label.as_str();
        let read = is_read_by_commands(label) || goal == Goal::Base;
        let Some(output) = outcome.artifacts[id.index()].as_ref().filter(|_| read) else {
            continue;
        };
        let Some(place) = store.elsewhere(output) else { continue };
        if let Some(source) = source {
            source.fetch(store, label, output)?;
        }
        if !store.integrity(output)?.is_intact() && (label == REPORT || goal == Goal::Base) {
            store.forget_elsewhere(output)?;
            bail!(
                "the output of {label} lies at {place} and could not be fetched; run again, and it \
                 is made here"
            );
        }
    }
    Ok(())
}

/// Audits a study's pictures, prints what was found and writes its pages.
pub(super) fn check(pipeline: &Pipeline, arguments: &Check) -> Result<Exit> {
    let Check { which, out } = arguments;
    sources::fetch(&load_study(&which.study, &which.place.sets)?, "images.")?;
    let Opened { study, store, graph } = open(pipeline, which)?;
    if graph.by_label(AUDIT).is_none() {
        let source = study.study.images.source.name();
        bail!(
            "study {}: images of the source {source} are not pictures from outside: there is nothing to audit",
            study.name
        );
    }
    let graph = graph.restricted_to(AUDIT)?;
    let asked = Reproduce {
        which: which.clone(),
        out: None,
        jobs: None,
        memory: None,
        gpus: None,
        executor: Executor::Local,
        profile: None,
        only: Some(AUDIT.to_owned()),
        keep_going: false,
        shared: Shared::default(),
        no_remote: true,
        against: None,
        tolerance: 0.0,
        check: None,
        quiet: false,
        json: false,
    };
    let outcome = run(&graph, &store, &asked, &study.resolved, None, &mut terminal(&asked))?;
    let exit = Exit::of_run(outcome.stop, outcome.counts.failed);
    let Some(artifact) =
        graph.by_label(AUDIT).and_then(|id| outcome.artifacts[id.index()].as_ref())
    else {
        return Ok(exit);
    };
    let entry = |name: &str| {
        artifact.entry(name).map(|entry| store.objects().read(&entry.digest)).transpose()
    };
    let audit: Audit =
        serde_json::from_slice(&entry("audit.json")?.context("the audit has no audit.json")?)?;
    let out = out.clone().unwrap_or_else(|| Path::new("reports").join(&study.name));
    let mut page = String::new();
    for file in report::audit::render(&audit, entry("duplicates.png")?.as_deref())? {
        export::bytes(&workspace().join(&out).join(file.path.as_ref()), &file.bytes)?;
        if file.path.ends_with(".md") {
            page = String::from_utf8(file.bytes)?;
        }
    }
    let page = report::plain(&page);
    print(&format!("{page}\naudit: {}\n", out.join("audit.html").display()))?;
    Ok(if audit.passes() { exit } else { Exit::Study })
}

/// Refuses to run what needs something that is not there.
fn refuse_absent(graph: &Graph) -> Result<()> {
    let mut absent = Vec::new();
    for id in graph.ids() {
        for (_, input) in &graph.task(id).inputs {
            if let Input::Absent(what) = input
                && !absent.contains(what)
            {
                absent.push(what.clone());
            }
        }
    }
    match absent.as_slice() {
        [] => Ok(()),
        [one] => bail!("the study needs {one}"),
        all => bail!(
            "the study needs what is not there:\n  {}\n  `titrate plan` says which tasks wait for it",
            all.join("\n  ")
        ),
    }
}

/// Refuses to run on a device that can't be used, unless all that would compute there is done
/// already.
fn refuse_unusable_device(graph: &Graph, store: &Store) -> Result<()> {
    let name = graph.numerics().device.as_str();
    if name == Device::Cpu.name() {
        return Ok(());
    }
    let assessed = walk(graph, store)?;
    let done = |id: TaskId| matches!(assessed[id.index()].freshness, Freshness::Fresh(_));
    if graph.ids().all(|id| done(id) || !graph.task(id).kind.on_device) {
        return Ok(());
    }
    match device::named(name) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "{error}; run it without `--device {name}`, or with `--device cpu`, to compute on the processor"
        ),
    }
}

/// Runs the graph while showing and journalling its events.
fn run(
    graph: &Graph,
    store: &Store,
    arguments: &Reproduce,
    resolved: &str,
    source: Option<&Arc<Source>>,
    terminal: &mut Terminal,
) -> Result<Outcome> {
    refuse_absent(graph)?;
    match source {
        Some(source) => drop(source.take_receipts(graph, store)?),
        None => recall(graph, store)?,
    }
    let elsewhere = source.map(|source| source.clone() as Arc<dyn Elsewhere>);
    let options = options(arguments, store.root(), elsewhere)?;
    if matches!(options.place, Place::Here) {
        refuse_unusable_device(graph, store)?;
    }
    let asked: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let head = serde_json::json!({ "command": asked, "study": resolved, "jobs": options.jobs, "cores": options.cores });
    let mut journal = Some(Journal::new(store, head));
    let mut emit = |event: &Event| {
        terminal.tell(event);
        if let Some(Err(error)) = journal.as_mut().map(|journal| journal.write(event)) {
            let cause = causes(&error);
            terminal.say(&format!("warning: {cause}; the run goes on without a journal"));
            journal = None;
        }
    };
    exec::run(graph, store, &options, &mut emit).context("the run was given up")
}

/// Without a shared store to fetch from, the outputs that this command reads have to be made here.
fn recall(graph: &Graph, store: &Store) -> Result<()> {
    if !store.has_notes()? {
        return Ok(());
    }
    for (id, assessment) in graph.ids().zip(walk(graph, store)?) {
        if let Freshness::Fresh(output) = assessment.freshness
            && is_read_by_commands(&graph.task(id).label)
        {
            store.forget_elsewhere(&output)?;
        }
    }
    Ok(())
}

/// Runs a task elsewhere than on the coordinator's machine.
pub(super) fn work(store: &Path, task: &str) -> ExitCode {
    match worker_arguments(&workspace().join(store)) {
        Ok(arguments) => exec::serve_task(&workspace().join(store), task, &arguments),
        Err(error) => {
            say(&format!("error: {error:#}"));
            Exit::Study.into()
        }
    }
}
