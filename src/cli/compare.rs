//! `titrate reproduce --against`: the results of a run beside those of an archive, task by task.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::archive::{Archive, ArchiveError};
use crate::cli::common::REPORT;
use crate::id::Digest;
use crate::ml::params::StateDict;
use crate::plan::Graph;
use crate::remote::Trust;
use crate::store::{Artifact, Receipt, Store};
use crate::wording::some_of;

/// How many of a kind are named before they are only counted.
const NAMES: usize = 20;

/// How a task's result compares with the archive's.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Same,
    /// Other bytes, whose numbers lie at most so far apart.
    Within(f64),
    Diverged(String),
}

/// What holding a run against an archive found, in words.
pub(super) struct Comparison {
    pub text: String,
    /// Whether everything is the same or within tolerance, and the archive is whole.
    pub agrees: bool,
}

/// Holds the artifacts of a run, by task, against an archive, of which nothing is believed but
/// that it says what it says: it need not be signed.
///
/// # Errors
/// If the archive or the store can't be read.
pub(super) fn against(
    path: &Path,
    graph: &Graph,
    artifacts: &[Option<Artifact>],
    store: &Store,
    tolerance: f64,
) -> Result<Comparison> {
    let mut archive = Archive::open(path)?;
    let trust = Trust { keys: Vec::new(), everyone: true };
    let (mut theirs, mut wrong) = (HashMap::new(), Vec::new());
    let mut owners: HashMap<Digest, String> = HashMap::new();
    for task in archive.contents().tasks.clone() {
        match archive.receipt(&trust, &task.label, &task.key) {
            Ok(receipt) => {
                for entry in receipt.output.entries() {
                    let owner = || format!("{}: {}", task.label, entry.name);
                    owners.entry(entry.digest).or_insert_with(owner);
                }
                theirs.insert(task.label, receipt);
            }
            Err(error @ ArchiveError::Refused { .. }) => wrong.push(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    let damaged = archive.verify(&|digest| owners.get(digest).cloned());
    wrong.extend(damaged.iter().map(ToString::to_string));
    let mut found = Found::default();
    for id in graph.ids() {
        let label = graph.task(id).label.as_str();
        match (&artifacts[id.index()], theirs.remove(label)) {
            (None, _) => found.unfinished.push(label.to_owned()),
            (Some(_), None) => found.unknown.push(label.to_owned()),
            (Some(ours), Some(theirs)) => {
                let verdict = judge(&mut archive, store, label, ours, &theirs, tolerance)?;
                found.enter(label, verdict);
            }
        }
    }
    found.only_there.extend(theirs.into_keys());
    found.only_there.sort();
    Ok(found.told(path, &wrong, tolerance))
}

#[derive(Default)]
struct Found {
    same: usize,
    within: Vec<String>,
    diverged: Vec<String>,
    /// The report, where it differs and something else does.
    follows: bool,
    unfinished: Vec<String>,
    unknown: Vec<String>,
    only_there: Vec<String>,
}

impl Found {
    fn enter(&mut self, label: &str, verdict: Verdict) {
        match verdict {
            Verdict::Same => self.same += 1,
            // It is made of the others' results alone, and says their digests.
            _ if label == REPORT && !(self.within.is_empty() && self.diverged.is_empty()) => {
                self.follows = true;
            }
            Verdict::Within(largest) => self.within.push(format!("{label}: by {largest:.1e}")),
            Verdict::Diverged(cause) => self.diverged.push(format!("{label}: {cause}")),
        }
    }

    fn told(self, path: &Path, wrong: &[String], tolerance: f64) -> Comparison {
        let mut text = format!(
            "against {}: {} tasks the same, {} within {tolerance}, {} diverged\n",
            path.display(),
            self.same,
            self.within.len(),
            self.diverged.len()
        );
        for (what, lines) in [
            ("refused in the archive", wrong),
            ("diverged", &self.diverged),
            ("other bytes, numbers within tolerance", &self.within),
            ("without a result here", &self.unfinished),
            ("not in the archive", &self.unknown),
            ("only in the archive", &self.only_there),
        ] {
            if !lines.is_empty() {
                let shown = some_of(lines, NAMES, "\n    ");
                writeln!(text, "  {what}: {}\n    {shown}", lines.len()).expect("a string grows");
            }
        }
        if self.follows {
            text.push_str("  the report differs, as what it is made of does\n");
        }
        let missing = [&self.unfinished, &self.unknown, &self.only_there];
        let agrees = wrong.is_empty()
            && self.diverged.is_empty()
            && missing.into_iter().all(|list| list.is_empty());
        Comparison { text, agrees }
    }
}

fn judge(
    archive: &mut Archive,
    store: &Store,
    label: &str,
    ours: &Artifact,
    theirs: &Receipt,
    tolerance: f64,
) -> Result<Verdict> {
    let theirs = &theirs.output;
    if *ours == *theirs {
        return Ok(Verdict::Same);
    }
    let names = |artifact: &Artifact| {
        artifact.entries().iter().map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    if names(ours) != names(theirs) {
        return Ok(Verdict::Diverged("its outputs have other names".to_owned()));
    }
    let mut largest = 0.0_f64;
    for (our, their) in ours.entries().iter().zip(theirs.entries()) {
        if our.digest == their.digest {
            continue;
        }
        let name = &our.name;
        let diverged = |cause: &str| Ok(Verdict::Diverged(format!("{name} {cause}")));
        let bytes = match archive.object(label, name, &their.digest) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return diverged("differs, and is not in the archive to be compared"),
            Err(ArchiveError::Refused { .. }) => {
                return diverged("differs, and is damaged in the archive");
            }
            Err(error) => return Err(error.into()),
        };
        match distance(name, &store.objects().read(&our.digest)?, &bytes) {
            None => return diverged("differs, and not in numbers alone"),
            Some(far) if far > tolerance || far.is_nan() => {
                return diverged(&format!("differs by {far:.1e}"));
            }
            Some(far) => largest = largest.max(far),
        }
    }
    Ok(Verdict::Within(largest))
}

/// The largest distance between two numbers of the same place, as a part of the larger one where
/// that is above 1; none where anything else differs, or there are no numbers to be read.
fn distance(name: &str, ours: &[u8], theirs: &[u8]) -> Option<f64> {
    if name.ends_with(".safetensors") {
        let (ours, theirs) = (StateDict::read(ours).ok()?, StateDict::read(theirs).ok()?);
        return ours.largest_difference(&theirs).ok()?;
    }
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    apart(&read(ours)?, &read(theirs)?)
}

/// How far two numbers lie apart, as a part of the larger one where that is above 1.
pub(super) fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(1.0)
}

fn apart(ours: &Value, theirs: &Value) -> Option<f64> {
    let most = |all: &mut dyn Iterator<Item = Option<f64>>| {
        let mut largest = 0.0_f64;
        for next in all {
            largest = largest.max(next?);
        }
        Some(largest)
    };
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            Some(relative(a, b))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            most(&mut a.iter().zip(b).map(|(a, b)| apart(a, b)))
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            most(&mut a.iter().map(|(name, a)| apart(a, b.get(name)?)))
        }
        (a, b) => (a == b).then_some(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_where_they_stand_and_all_else_has_to_be_equal() {
        let far = |ours: &str, theirs: &str| distance("a.json", ours.as_bytes(), theirs.as_bytes());
        assert_eq!(far("[1, {\"a\": 200}]", "[1.5, {\"a\": 100}]"), Some(0.5));
        assert_eq!(far("{\"a\": 1, \"b\": \"x\"}", "{\"b\": \"x\", \"a\": 1}"), Some(0.0));
        for (ours, theirs) in
            [("[1]", "[1, 2]"), ("[\"x\"]", "[\"y\"]"), ("{\"a\": 1}", "{\"b\": 1}"), ("x", "y")]
        {
            assert_eq!(far(ours, theirs), None, "{ours} {theirs}");
        }
    }
}
