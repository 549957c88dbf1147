//! What a base study leaves: its weights as plain files with their receipts, and how far they are
//! from the shipped ones.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::exec::Outcome;
use crate::id::Key;
use crate::ml::params::StateDict;
use crate::plan::{Graph, Manifest};
use crate::store::{Artifact, Receipt, Store};

/// The tasks whose outputs are base weights, and the folder of each.
const SHIPPED: [(&str, &str); 4] = [
    ("base/autoencoder", "autoencoder"),
    ("base/unet", "unet"),
    ("base/inpainting", "inpainting"),
    ("base/backbone", "backbone"),
];

/// Exports the weights of a finished base study to `folder`, a folder of its own for each task.
pub(super) fn export(graph: &Graph, outcome: &Outcome, store: &Store, folder: &Path) -> Result<()> {
    let mut folders = Vec::new();
    for (label, name) in SHIPPED {
        folders.push((finished_key(graph, outcome, label)?, name));
    }
    store.export(&folders, folder)?;
    Ok(())
}

fn finished_key(graph: &Graph, outcome: &Outcome, label: &str) -> Result<Key> {
    let id = graph.by_label(label).with_context(|| format!("the study has no task {label}"))?;
    let artifact =
        |id: crate::plan::TaskId| outcome.artifacts[id.index()].as_ref().map(Artifact::digest);
    let known = |id| artifact(id).expect("the inputs of a finished task are finished");
    artifact(id).with_context(|| format!("task {label} has not finished"))?;
    Ok(Manifest::new(graph.task(id), graph.numerics(), known).key())
}

/// A line for each task: the same digests as those in `shipped`, or the largest difference between
/// two weights.
pub(super) fn comparison(exported: &Path, shipped: &Path) -> Result<String> {
    let mut text = String::new();
    for (_, name) in SHIPPED {
        let line = match compare(&exported.join(name), &shipped.join(name))? {
            None => format!("not in {}", shipped.display()),
            Some((0, _)) => "the same digests as the shipped ones".to_owned(),
            Some((files, largest)) => format!(
                "{files} files differ from the shipped ones, weights by at most {largest:.3e}"
            ),
        };
        writeln!(text, "{name}: {line}").expect("a string grows");
    }
    Ok(text)
}

/// How many files differ between two exported tasks, and by how much their weights do; None where
/// the second does not exist.
fn compare(made: &Path, shipped: &Path) -> Result<Option<(usize, f64)>> {
    if !shipped.is_dir() {
        return Ok(None);
    }
    let output = |folder: &Path| -> Result<Artifact> {
        let path = folder.join("receipt.json");
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(Receipt::from_bytes(&bytes, &path.display().to_string())?.output)
    };
    let (ours, theirs) = (output(made)?, output(shipped)?);
    let mut files = 0;
    let mut largest = 0.0_f64;
    for entry in ours.entries() {
        if theirs.entry(&entry.name).is_some_and(|other| other.digest == entry.digest) {
            continue;
        }
        files += 1;
        if entry.name.ends_with(".safetensors") {
            largest = largest.max(difference(&made.join(&entry.name), &shipped.join(&entry.name))?);
        }
    }
    Ok(Some((files, largest)))
}

/// The largest difference between two values of the same place; infinite where names or shapes
/// differ.
fn difference(ours: &Path, theirs: &Path) -> Result<f64> {
    let read = |path: &Path| -> Result<StateDict> {
        let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        StateDict::read(&bytes).with_context(|| format!("read {}", path.display()))
    };
    let (ours, theirs) = (read(ours)?, read(theirs)?);
    Ok(ours.largest_difference(&theirs).context("compare weights")?.unwrap_or(f64::INFINITY))
}
