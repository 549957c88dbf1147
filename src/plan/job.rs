//! A job: everything that a worker process needs to run one task.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Key};
use crate::plan::graph::{Input, InputFile, Task, TaskId};
use crate::plan::manifest::Manifest;
use crate::regular;
use crate::seed::Seed;
use crate::store::Artifact;

/// One attempt at one task, complete in itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Key of the task.
    pub key: Key,
    /// The text that `key` is the BLAKE3 of.
    pub manifest: String,
    /// Label of the task.
    pub label: String,
    /// Name of the kind.
    pub kind: String,
    /// Version of the kind.
    pub version: u32,
    /// Parameters of the kind.
    pub params: serde_json::Value,
    /// Root of the task's random streams; `None` where it draws nothing.
    pub seed: Option<Seed>,
    /// Where it is computed: `cpu` or `cuda`.
    pub device: String,
    /// The GPU that the attempt has to itself, as CUDA_VISIBLE_DEVICES names it; none: whichever
    /// CUDA finds first, if it needs one.
    pub gpu: Option<String>,
    /// Artifacts by role: those of other tasks and imported ones.
    pub inputs: BTreeMap<String, Artifact>,
    /// Files outside the store by role; [`InputFile::read`] reads them.
    pub files: BTreeMap<String, Vec<InputFile>>,
    /// How many threads the step may keep busy. The result must not depend on it.
    pub threads: usize,
    /// 1 for the first attempt at this key since it last succeeded.
    pub attempt: u32,
    /// A folder that this attempt owns and a later attempt at the same key inherits: for
    /// checkpoints.
    pub work: PathBuf,
    /// How the attempt is asked to end early.
    #[serde(skip)]
    pub halt: Halt,
}

/// A request that an attempt end early, such as before its time in a cluster is over: a step that
/// keeps what it has so far keeps it at once and ends; any other goes on to its end.
#[derive(Clone, Debug, Default)]
pub struct Halt {
    /// Set by whoever asks.
    pub asked: Arc<AtomicBool>,
    kept: Arc<AtomicBool>,
}

impl Halt {
    /// Whether the attempt is to end.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Notes that what the step has so far is kept, so that it may end.
    pub fn note_kept(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether the step ended on request, leaving what a later attempt goes on from.
    pub fn was_heeded(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }
}

impl Job {
    /// The job of `task` with the artifact of each task that it reads.
    pub fn new<'a>(
        task: &Task,
        manifest: &Manifest,
        artifact_of: impl Fn(TaskId) -> &'a Artifact,
    ) -> Self {
        let (mut inputs, mut files) = (BTreeMap::new(), BTreeMap::new());
        for (role, input) in &task.inputs {
            match input {
                Input::Task(id) => drop(inputs.insert(role.clone(), artifact_of(*id).clone())),
                Input::Imported(artifact) => drop(inputs.insert(role.clone(), artifact.clone())),
                Input::Files(list) => drop(files.insert(role.clone(), list.clone())),
                Input::Absent(what) => unreachable!("a task without {what} does not run"),
            }
        }
        Self {
            key: manifest.key(),
            manifest: manifest.text().to_owned(),
            label: task.label.clone(),
            kind: task.kind.name.to_owned(),
            version: task.kind.version,
            params: task.params.clone(),
            seed: task.seed,
            device: manifest.device().to_owned(),
            gpu: None,
            inputs,
            files,
            threads: 1,
            attempt: 1,
            work: PathBuf::new(),
            halt: Halt::default(),
        }
    }
}

/// How far a running step is, in its own unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Units of work done.
    pub done: u64,
    /// 0 where the step cannot know.
    pub total: u64,
    /// The unit that is counted: `steps`, `images`, `epochs`.
    pub unit: String,
    /// Units a second since this attempt began to count; 0 where that is not known yet.
    #[serde(default)]
    pub rate: f64,
    /// A short remark such as the loss; may be empty.
    pub message: String,
}

/// An input file that is not what the plan saw.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum InputFileError {
    /// The file could not be read.
    #[error("cannot read input file {path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The file is another than the plan saw.
    #[error("input file {path} changed since the plan was made: its digest was {planned}, is {found}; run again", path = path.display())]
    Changed { path: PathBuf, planned: Digest, found: Digest },
}

impl InputFile {
    /// The file's bytes, checked against the digest that is in the key.
    ///
    /// # Errors
    /// If the file cannot be read or has changed.
    pub fn read(&self) -> Result<Vec<u8>, InputFileError> {
        let bytes = regular::read(&self.path)
            .map_err(|source| InputFileError::Io { path: self.path.clone(), source })?;
        let found = Digest::of(&bytes);
        if found != self.digest {
            return Err(InputFileError::Changed {
                path: self.path.clone(),
                planned: self.digest,
                found,
            });
        }
        Ok(bytes)
    }
}
