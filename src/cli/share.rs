//! `titrate push`, `pull` and `remote`: results to and from a shared store.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::common::{Opened, Pipeline, is_read_by_commands, open, print, workspace};
use crate::cli::exit::Exit;
use crate::cli::share_args::{Pull, Push, Remote as Asked, RemoteCommand, Shared};
use crate::cli::source::{Setting, Source, Tally, setting};
use crate::cli::units::size;
use crate::exec::Elsewhere;
use crate::plan::{Freshness, Graph, TaskId, read_task_inputs, walk};
use crate::remote::{Location, Pushed, Remote, RemoteError, Signing};
use crate::store::{Artifact, Receipt, Store};
use crate::wording::some_of;

/// How many of a kind are named before they are only counted.
const NAMES: usize = 20;

/// The shared store that a command can't do without.
fn required(shared: &Shared) -> Result<(Setting, Location)> {
    let setting = setting(shared)?;
    let Some(location) = setting.location.clone() else {
        bail!(
            "no shared store is named: give --remote URL, or set TITRATE_REMOTE, or write \
             `[remote]` with a `url` into titrate.toml"
        );
    };
    Ok((setting, location))
}

/// Refuses to take anything while nobody is trusted.
fn require_trust(setting: &Setting) -> Result<()> {
    if setting.trust.keys.is_empty() {
        bail!(
            "no key is trusted, so every result would be refused: give --trust KEY, or list the \
             keys as `trusted` in titrate.toml"
        );
    }
    Ok(())
}

pub(super) fn push(pipeline: &Pipeline, arguments: &Push) -> Result<Exit> {
    let (mut setting, location) = required(&arguments.shared)?;
    if !location.is_writable() {
        let cause = "a web server is no place to put results; name the folder or the bucket";
        return Err(RemoteError::ReadOnly { place: location.to_string(), cause }.into());
    }
    let Some(key) = signing_file(arguments.key.as_deref(), &setting) else {
        bail!(
            "{location} is only read without a signing key: `titrate remote keygen FILE` makes \
             one, --key FILE or `key` in titrate.toml names it"
        );
    };
    let signing = Signing::read(&key)?;
    // What this key has signed is believed where it is found again.
    setting.trust.keys.push(signing.public());
    let Opened { study, store, graph } = open(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let (mut receipts, mut unfinished, mut elsewhere) = (Vec::new(), 0, 0);
    for (id, assessment) in graph.ids().zip(&assessed) {
        let Freshness::Fresh(output) = &assessment.freshness else {
            unfinished += 1;
            continue;
        };
        if !store.integrity(output)?.is_intact() {
            elsewhere += 1;
            continue;
        }
        let key = assessment.key().expect("a fresh task has a key");
        let receipt = store.receipt(&key)?;
        receipts.push(receipt.with_context(|| format!("the receipt of {}", label(&graph, id)))?);
    }
    Remote::create(&location)?;
    let remote = Remote::open(&location)?;
    let pushed = remote.push_all(&store, &receipts, &signing, &setting.trust)?;
    let (text, exit) = told(&study.name, &location, &receipts, &pushed, &store)?;
    let mut text = text;
    if unfinished > 0 {
        writeln!(text, "  {unfinished} tasks have no result here and were passed over")?;
    }
    if elsewhere > 0 {
        writeln!(text, "  {elsewhere} results were passed over, their outputs are not here")?;
    }
    print(&text)?;
    Ok(exit)
}

fn signing_file(named: Option<&Path>, setting: &Setting) -> Option<std::path::PathBuf> {
    named.map(|file| workspace().join(file)).or_else(|| setting.config.key.clone())
}

fn label(graph: &Graph, id: TaskId) -> &str {
    &graph.task(id).label
}

/// What a push did, in words. Another output for a key of this store is recorded here as well.
fn told(
    study: &str,
    location: &Location,
    receipts: &[Receipt],
    pushed: &[Pushed],
    store: &Store,
) -> Result<(String, Exit)> {
    let (mut new, mut same, mut objects, mut bytes) = (0, 0, 0, 0);
    let (mut diverged, mut refused) = (Vec::new(), Vec::new());
    for (receipt, outcome) in receipts.iter().zip(pushed) {
        match outcome {
            Pushed::New { objects: more, bytes: sent } => {
                (new, objects, bytes) = (new + 1, objects + more, bytes + sent);
            }
            Pushed::Same => same += 1,
            Pushed::Diverged(there) => {
                store.adopt(there, &location.to_string())?;
                diverged.push(format!(
                    "{} came out otherwise there ({}, on {}) than here ({})",
                    receipt.label,
                    there.output.digest().short(),
                    there.origin.host,
                    receipt.output.digest().short()
                ));
            }
            Pushed::Refused(cause) => refused.push(format!("{}: {cause}", receipt.label)),
        }
    }
    let mut text = format!(
        "{study}: {new} results pushed to {location} ({objects} objects, {}), {same} were there\n",
        size(bytes)
    );
    for (what, lines) in [
        ("diverged, and left as they are there", &diverged),
        ("not believed there, and left as they are", &refused),
    ] {
        if !lines.is_empty() {
            writeln!(text, "  {} {what}:\n    {}", lines.len(), some_of(lines, NAMES, "\n    "))?;
        }
    }
    let exit = if diverged.is_empty() && refused.is_empty() { Exit::Done } else { Exit::Store };
    Ok((text, exit))
}

pub(super) fn pull(pipeline: &Pipeline, arguments: &Pull) -> Result<Exit> {
    let (setting, location) = required(&arguments.shared)?;
    require_trust(&setting)?;
    let Opened { study, store, graph } = open(pipeline, &arguments.which)?;
    for label in &arguments.output {
        graph.find(label)?;
    }
    let source = Source::open(&location, setting.trust)?;
    let known = source.take_receipts(&graph, &store)?;
    for id in graph.ids() {
        let Some(output) = &known[id.index()] else { continue };
        let label = label(&graph, id);
        let wanted = arguments.all
            || is_read_by_commands(label)
            || arguments.output.iter().any(|asked| asked == label)
            || is_read_by_stale(&graph, id, &known);
        if wanted && store.elsewhere(output).is_some() {
            source.fetch(&store, label, output)?;
        }
    }
    let here = known.iter().flatten().count();
    let left = known.iter().flatten().filter(|output| store.elsewhere(output).is_some()).count();
    let tally = source.tally();
    let mut text = format!(
        "{}: {} results taken from {location}, {} of outputs; {here} of {} tasks have a result\n",
        study.name,
        tally.results,
        size(tally.bytes),
        graph.len()
    );
    if left > 0 {
        writeln!(text, "  {left} outputs stay there until something reads them")?;
    }
    let exit = account(&mut text, &tally)?;
    print(&text)?;
    Ok(exit)
}

/// Counts what was refused, which was named as it came.
fn account(text: &mut String, tally: &Tally) -> Result<Exit> {
    if !tally.refused.is_empty() {
        writeln!(text, "  {} refused, named above", tally.refused.len())?;
    }
    if !tally.diverged.is_empty() {
        writeln!(text, "  {} diverged, named above", tally.diverged.len())?;
    }
    Ok(match &tally.lost {
        Some(_) => Exit::Io,
        None if tally.refused.is_empty() && tally.diverged.is_empty() => Exit::Done,
        None => Exit::Store,
    })
}

/// Whether a task without a result reads this one's output, and all else that it reads is known.
fn is_read_by_stale(graph: &Graph, id: TaskId, known: &[Option<Artifact>]) -> bool {
    graph.dependants(id).iter().any(|reader| {
        let inputs = read_task_inputs(graph.task(*reader));
        known[reader.index()].is_none()
            && inputs.contains(&id)
            && inputs.into_iter().all(|input| known[input.index()].is_some())
    })
}

pub(super) fn remote(pipeline: &Pipeline, arguments: &Asked) -> Result<Exit> {
    match &arguments.command {
        Some(RemoteCommand::Keygen { file }) => {
            let (signing, path) = (Signing::generate()?, workspace().join(file));
            signing.write(&path)?;
            let text = format!(
                "{} signs results; keep it to yourself. Whoever is to believe them trusts\n{}\n",
                path.display(),
                signing.public()
            );
            print(&text)?;
            Ok(Exit::Done)
        }
        Some(RemoteCommand::PublicKey { file }) => {
            print(&format!("{}\n", Signing::read(&workspace().join(file))?.public()))?;
            Ok(Exit::Done)
        }
        None => describe(pipeline, arguments),
    }
}

/// What is configured, and what the shared store has of a study. Takes nothing.
fn describe(pipeline: &Pipeline, arguments: &Asked) -> Result<Exit> {
    let (setting, location) = required(&arguments.shared)?;
    let mut text = format!("shared store  {location}\n");
    match &setting.config.file {
        Some(file) => writeln!(text, "configured in {}", file.display())?,
        None => writeln!(text, "configured in no file")?,
    }
    writeln!(text, "trusted keys  {}", setting.trust.keys.len())?;
    setting.trust.keys.iter().try_for_each(|key| writeln!(text, "  {key}"))?;
    let signs = match &setting.config.key {
        Some(path) => format!("{} signs what is pushed", path.display()),
        None => "none is configured, so nothing is pushed without --key".to_owned(),
    };
    writeln!(text, "signing key   {signs}")?;
    let Opened { study, store, graph } = open(pipeline, &arguments.which)?;
    let assessed = walk(&graph, &store)?;
    let keys: HashMap<_, _> =
        graph.ids().filter_map(|id| Some((assessed[id.index()].key()?, id))).collect();
    let remote = Remote::open(&location)?;
    let found = remote.receipts(&keys.keys().copied().collect::<Vec<_>>())?;
    let (mut same, mut only_here, mut only_there) = (0, 0, 0);
    let (mut diverged, mut refused) = (Vec::new(), Vec::new());
    for (key, bytes) in found {
        let id = keys[&key];
        let here = match &assessed[id.index()].freshness {
            Freshness::Fresh(output) => Some(output),
            _ => None,
        };
        let Some(bytes) = bytes else {
            only_here += usize::from(here.is_some());
            continue;
        };
        match (setting.trust.receipt(&key, &bytes), here) {
            (Err(cause), _) => refused.push(format!("{}: {cause}", label(&graph, id))),
            (Ok(_), None) => only_there += 1,
            (Ok(there), Some(here)) if there.output == *here => same += 1,
            (Ok(_), Some(_)) => diverged.push(label(&graph, id).to_owned()),
        }
    }
    writeln!(
        text,
        "{}: {} tasks, {} of them with a key here: {same} results on both sides, {only_here} only \
         here, {only_there} only there, {} not believed, {} diverged",
        study.name,
        graph.len(),
        keys.len(),
        refused.len(),
        diverged.len()
    )?;
    for (what, lines) in [("not believed", &refused), ("diverged", &diverged)] {
        if !lines.is_empty() {
            writeln!(text, "  {what}:\n    {}", some_of(lines, NAMES, "\n    "))?;
        }
    }
    if keys.len() < graph.len() {
        writeln!(text, "  the keys of the others follow from results that are not here")?;
    }
    print(&text)?;
    Ok(if refused.is_empty() && diverged.is_empty() { Exit::Done } else { Exit::Store })
}
