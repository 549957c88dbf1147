//! `titrate export-run` and `import`: a study's results in one file, and back.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::archive::{Archive, ArchiveError, Export};
use crate::cli::args::{Place, Which};
use crate::cli::common::{Opened, Pipeline, REPORT, open, open_store, print, workspace};
use crate::cli::exit::Exit;
use crate::cli::export;
use crate::cli::share_args::{ExportRun, Import};
use crate::cli::units::size;
use crate::plan::{Freshness, Graph, walk};
use crate::remote::{Config, Signing, Trust};
use crate::store::{Published, Receipt, Store};
use crate::study::LoadedStudy;
use crate::wording::some_of;

/// What the program was built from.
const LOCK: &str = include_str!("../../Cargo.lock");
/// The file that makes a folder an RO-Crate.
pub(super) const CRATE: &str = "ro-crate-metadata.json";
/// How many of a kind are named before they are only counted.
const NAMES: usize = 20;

pub(super) fn export_run(pipeline: &Pipeline, arguments: &ExportRun) -> Result<Exit> {
    let path = workspace().join(&arguments.file);
    if path.exists() {
        bail!("{} is there already; give the archive another name", path.display());
    }
    let config = Config::find(&workspace())?;
    let key = arguments.key.as_ref().map(|file| workspace().join(file)).or(config.key);
    let signing = key.map(|path| Signing::read(&path)).transpose()?;
    let which = Which { study: arguments.study.clone(), place: arguments.place.clone() };
    let Opened { study, store, graph } = open(pipeline, &which)?;
    let results = results(&graph, &store, &study.name)?;
    let exported = Export {
        license: arguments.license.as_deref(),
        author: arguments.author.as_deref(),
        weights: arguments.weights,
        images: arguments.images,
        signing: signing.as_ref(),
        ..of_study(&study, &which.place, &results)
    }
    .write(&store, &path)
    .with_context(|| format!("{}{}", arguments.file.display(), hint(&store)))?;
    let left_out = exported.left_out;
    let mut text = format!(
        "{}: {} receipts{} and {} objects ({}) in {}\n",
        study.name,
        results.len(),
        if signing.is_some() { ", signed," } else { "" },
        exported.objects,
        size(exported.bytes),
        arguments.file.display()
    );
    if left_out.weights + left_out.images > 0 {
        writeln!(
            text,
            "  left out: {} files of weights (--weights), {} of images (--images), {}",
            left_out.weights,
            left_out.images,
            size(left_out.bytes)
        )?;
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// A study's results, with nothing that only its owner can say, and without weights and images.
fn of_study<'a>(
    study: &'a LoadedStudy,
    place: &'a Place,
    results: &'a [(String, Receipt)],
) -> Export<'a> {
    Export {
        study: &study.name,
        title: &study.study.title,
        resolved: &study.resolved,
        device: place.device.name(),
        sets: &place.sets,
        lock: LOCK,
        license: None,
        author: None,
        results,
        report: REPORT,
        weights: false,
        images: false,
        signing: None,
    }
}

/// Writes an RO-Crate's metadata into the folder that has a study's report.
pub(super) fn describe_report(opened: &Opened, place: &Place, folder: &Path) -> Result<()> {
    let Opened { study, store, graph } = opened;
    let results = results(graph, store, &study.name)?;
    let text = of_study(study, place, &results).beside_report();
    Ok(export::bytes(&folder.join(CRATE), &text)?)
}

/// The way on where outputs may be missing because nobody has fetched them.
fn hint(store: &Store) -> &'static str {
    match store.has_notes() {
        Ok(true) => " (`titrate pull --all` fetches what lies in a shared store)",
        _ => "",
    }
}

/// The receipts of all tasks, with how the study calls each.
///
/// # Errors
/// If one has no result.
fn results(graph: &Graph, store: &Store, study: &str) -> Result<Vec<(String, Receipt)>> {
    let assessed = walk(graph, store)?;
    let (mut results, mut unfinished) = (Vec::new(), Vec::new());
    for (id, assessment) in graph.ids().zip(&assessed) {
        let label = &graph.task(id).label;
        if !matches!(assessment.freshness, Freshness::Fresh(_)) {
            unfinished.push(label.as_str());
            continue;
        }
        let key = assessment.key().expect("a fresh task has a key");
        let receipt = store.receipt(&key)?;
        let receipt = receipt.with_context(|| format!("the receipt of {label}"))?;
        results.push((label.clone(), receipt));
    }
    if !unfinished.is_empty() {
        bail!(
            "study {} has not run to its end: {} of {} tasks have no result ({}); `titrate \
             reproduce` makes them",
            study,
            unfinished.len(),
            graph.len(),
            some_of(&unfinished, 3, ", ")
        );
    }
    Ok(results)
}

pub(super) fn import(arguments: &Import) -> Result<Exit> {
    let path = workspace().join(&arguments.file);
    let config = Config::find(&workspace())?;
    let keys = [config.trusted, arguments.trust.clone()].concat();
    if keys.is_empty() && !arguments.unsigned {
        bail!(
            "no key is trusted, so every receipt would be refused: give --trust KEY, or list the \
             keys as `trusted` in titrate.toml, or give --unsigned to believe whoever made {}; \
             `titrate reproduce STUDY --against FILE` checks an archive and believes nothing",
            path.display()
        );
    }
    let trust = Trust { keys, everyone: arguments.unsigned };
    let mut archive = Archive::open(&path)?;
    let store = open_store(&arguments.folder.store)?;
    let (mut taken, mut partly, mut refused, mut diverged) = (0, 0, Vec::new(), Vec::new());
    for task in archive.contents().tasks.clone() {
        let receipt = match archive.receipt(&trust, &task.label, &task.key) {
            Ok(receipt) => receipt,
            Err(error) => {
                refused.push(error.to_string());
                continue;
            }
        };
        match take_in(&mut archive, &store, &task.label, &receipt, &path) {
            Ok(Published::Diverged(_)) => diverged.push(task.label),
            Ok(_) => {
                taken += 1;
                partly += usize::from(store.elsewhere(&receipt.output).is_some());
            }
            Err(error @ ArchiveError::Refused { .. }) => refused.push(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    let mut text = format!("{taken} results taken from {}\n", arguments.file.display());
    if partly > 0 {
        writeln!(text, "  {partly} without all of their outputs, which are made again if needed")?;
    }
    for (what, lines) in [
        ("refused", &refused),
        ("came out otherwise here, which stays; each is recorded as a divergence", &diverged),
    ] {
        if !lines.is_empty() {
            writeln!(text, "  {} {what}:\n    {}", lines.len(), some_of(lines, NAMES, "\n    "))?;
        }
    }
    print(&text)?;
    Ok(if refused.is_empty() && diverged.is_empty() { Exit::Done } else { Exit::Store })
}

/// Takes in what the archive has of a result; its receipt last.
fn take_in(
    archive: &mut Archive,
    store: &Store,
    label: &str,
    receipt: &Receipt,
    path: &Path,
) -> Result<Published, ArchiveError> {
    for damage in store.integrity(&receipt.output)?.damages {
        archive.take_in(store, label, &damage.name, &damage.digest)?;
    }
    Ok(store.adopt(receipt, &path.display().to_string())?)
}
