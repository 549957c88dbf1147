//! The canonical manifest of a computation. One walk over a task writes its lines; the key is the
//! BLAKE3 of exactly these lines and the explanation of a change is their difference, so that the
//! two cannot disagree.
//!
//! Encoding: one `name = value` line a leaf, lines sorted by name (array items in order), ended by
//! `\n`. Names are dotted paths, array items `[i]`; a component with characters outside
//! `[A-Za-z0-9_-]` is written as a JSON string. Values are JSON: strings quoted, integers in
//! decimal, floats in their shortest form that reads back to the same f64; digests and seeds are
//! bare hexadecimal. Empty arrays and objects are `[]` and `{}`. Null cannot occur, so neither can
//! NaN (see [`Graph::add`](super::Graph::add)).

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Digest, Key};
use crate::plan::graph::{Input, Task};
use crate::plan::numerics::Numerics;
use crate::wording::some_of;

/// The lines that identify a computation, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    text: String,
    /// Where the task is computed.
    device: String,
}

impl Manifest {
    /// The manifest of `task`, given the artifact digest of each [`Input::Task`], in the order of
    /// `task.inputs`.
    pub fn new(
        task: &Task,
        numerics: &Numerics,
        artifact_of: impl Fn(super::TaskId) -> Digest,
    ) -> Self {
        let mut text = String::new();
        let numerics = &numerics.of(task.kind);
        walk(task, numerics, artifact_of, &mut |name, value| {
            writeln!(text, "{name} = {value}").expect("a string grows")
        });
        Self { text, device: numerics.device.clone() }
    }

    /// The class of device, see [`Numerics::device`].
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The text that is hashed, a line for each name.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The key: the digest of the text.
    pub fn key(&self) -> Key {
        Key::of(self.text.as_bytes())
    }
}

/// Calls `leaf` with the name and value of each line, in canonical order.
fn walk(
    task: &Task,
    numerics: &Numerics,
    artifact_of: impl Fn(super::TaskId) -> Digest,
    leaf: &mut dyn FnMut(&str, &dyn std::fmt::Display),
) {
    let inputs: BTreeMap<&str, &Input> =
        task.inputs.iter().map(|(role, input)| (role.as_str(), input)).collect();
    for (role, input) in inputs {
        let name = format!("input.{}", component(role));
        match input {
            Input::Task(id) => leaf(&name, &artifact_of(*id)),
            Input::Imported(artifact) => leaf(&name, &artifact.digest()),
            Input::Absent(what) => unreachable!("a task without {what} has no manifest"),
            Input::Files(files) => {
                let files: BTreeMap<_, _> =
                    files.iter().map(|file| (&file.name, file.digest)).collect();
                files.into_iter().for_each(|(file, digest)| {
                    leaf(&format!("{name}.{}", component(file)), &digest)
                });
            }
        }
    }
    leaf("kind", &Value::from(task.kind.name));
    leaf("numerics.backend", &Value::from(numerics.backend.as_str()));
    leaf("numerics.device", &Value::from(numerics.device.as_str()));
    leaf("numerics.dtype", &Value::from(numerics.dtype.as_str()));
    leaves("params", &task.params, leaf);
    if let Some(seed) = task.seed {
        leaf("seed", &hex(seed));
    }
    leaf("version", &task.kind.version);
}

fn leaves(name: &str, value: &Value, leaf: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            sorted.into_iter().for_each(|(field, value)| {
                leaves(&format!("{name}.{}", component(field)), value, leaf)
            });
        }
        Value::Array(items) if !items.is_empty() => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| leaves(&format!("{name}[{index}]"), value, leaf));
        }
        scalar_or_empty => leaf(name, scalar_or_empty),
    }
}

fn component(name: &str) -> String {
    let plain = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

fn hex(seed: crate::seed::Seed) -> String {
    match serde_json::to_value(seed) {
        Ok(Value::String(text)) => text,
        other => unreachable!("a seed is written as a string, not {other:?}"),
    }
}

/// One line that differs between two manifests. At least one side is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Name in the manifest.
    pub name: String,
    /// Its value before; `None`: it was not there.
    pub before: Option<String>,
    /// Its value now; `None`: it is no longer there.
    pub after: Option<String>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (Some(before), Some(after)) = (&self.before, &self.after)
            && let Some(lines) = changed_lines(before, after)
        {
            return write!(f, "{}: {lines}", self.name);
        }
        match (self.before.as_deref().map(abridge), self.after.as_deref().map(abridge)) {
            (Some(before), Some(after)) => write!(f, "{}: {before} -> {after}", self.name),
            (None, Some(after)) => write!(f, "{}: new, {after}", self.name),
            (Some(before), None) => write!(f, "{}: gone, was {before}", self.name),
            (None, None) => write!(f, "{}", self.name),
        }
    }
}

/// Of two texts of several lines each, as JSON, the lines that only one of them has.
fn changed_lines(before: &str, after: &str) -> Option<String> {
    let [before, after] = [before, after].map(|text| serde_json::from_str::<String>(text).ok());
    let (before, after) = (before?, after?);
    if !before.contains('\n') || !after.contains('\n') {
        return None;
    }
    let only = |sign: &'static str, of: &str, not_of: &str| {
        let mut other = not_of.lines().collect::<Vec<_>>();
        let mut lines = Vec::new();
        for line in of.lines() {
            match other.iter().position(|known| *known == line) {
                Some(at) => drop(other.swap_remove(at)),
                None => lines.push(format!("{sign}{line}")),
            }
        }
        lines
    };
    let changed = [only("-", &before, &after), only("+", &after, &before)].concat();
    Some(some_of(&changed, CHANGED_LINES, ", "))
}

/// Lines of a text that are shown, at most.
const CHANGED_LINES: usize = 6;

/// A digest by its first 12 digits, any other value whole.
fn abridge(value: &str) -> &str {
    if value.parse::<Digest>().is_ok() { &value[..12] } else { value }
}

/// The lines that differ from manifest text `before` to `after`, in the order of names.
pub fn differences(before: &str, after: &str) -> Vec<Change> {
    let read = |text| -> BTreeMap<String, String> {
        lines(text).map(|(name, value)| (name.into(), value.into())).collect()
    };
    let (mut old, new) = (read(before), read(after));
    let mut changes = Vec::new();
    for (name, value) in new {
        let earlier = old.remove(&name);
        if earlier.as_ref() != Some(&value) {
            changes.push(Change { name, before: earlier, after: Some(value) });
        }
    }
    changes.extend(old.into_iter().map(|(name, value)| Change {
        name,
        before: Some(value),
        after: None,
    }));
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}

/// The name and value of each line of a manifest's text.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(" = "))
}
