//! What a step sees of its job.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checkpoint::Checkpoint;
use crate::ml::device;
use crate::ml::training::Session;
use crate::plan::{InputFile, Job, Progress};
use crate::seed::Seed;
use crate::store::{Artifact, Entry, Objects};

/// Named outputs of a step.
pub type Outputs = Vec<(String, Vec<u8>)>;

/// Why a step failed; the engine adds label, key and log.
pub type StepError = Box<dyn std::error::Error + Send + Sync>;

/// A step's job, with what it may use of the store and whom it tells how far it is.
pub struct Context<'a> {
    job: &'a Job,
    objects: &'a Objects,
    progress: &'a mut dyn FnMut(Progress),
    /// When this attempt first told how far it is, and how far that was.
    begun: Option<(Instant, usize)>,
}

impl<'a> Context<'a> {
    pub fn new(job: &'a Job, objects: &'a Objects, progress: &'a mut dyn FnMut(Progress)) -> Self {
        Self { job, objects, progress, begun: None }
    }

    pub fn params<P: DeserializeOwned>(&self) -> Result<P, StepError> {
        serde_json::from_value(self.job.params.clone())
            .map_err(|error| format!("parameters of kind `{}`: {error}", self.job.kind).into())
    }

    /// The task's own random stream.
    pub fn seed(&self) -> Result<Seed, StepError> {
        self.job.seed.ok_or_else(|| format!("tasks of kind `{}` need a seed", self.job.kind).into())
    }

    /// Where the task's models compute.
    pub fn device(&self) -> Result<Device, StepError> {
        Ok(device::named(&self.job.device)?)
    }

    /// The artifact behind an input.
    pub fn input(&self, role: &str) -> Result<&'a Artifact, StepError> {
        self.job.inputs.get(role).ok_or_else(|| format!("no input `{role}`").into())
    }

    /// Whether there is an input called `role`.
    pub fn has_input(&self, role: &str) -> bool {
        self.job.inputs.contains_key(role)
    }

    /// Roles that begin with `prefix`, in order.
    pub fn roles(&self, prefix: &str) -> Vec<&'a str> {
        self.job.inputs.keys().map(String::as_str).filter(|role| role.starts_with(prefix)).collect()
    }

    /// One entry of an input.
    pub fn read(&self, role: &str, entry: &str) -> Result<Vec<u8>, StepError> {
        read(self.job, self.objects, role, entry)
    }

    /// Hands one entry of an input to `take` as it comes from the disk.
    pub fn stream<T>(
        &self,
        role: &str,
        entry: &str,
        take: impl FnOnce(&mut dyn Read) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        self.objects.stream(&found(self.job, role, entry)?.digest, take)
    }

    /// One entry of an input as UTF-8 text.
    pub fn text(&self, role: &str, entry: &str) -> Result<String, StepError> {
        String::from_utf8(self.read(role, entry)?)
            .map_err(|error| format!("input `{role}`, `{entry}`: {error}").into())
    }

    /// One entry of an input as JSON.
    pub fn json<T: DeserializeOwned>(&self, role: &str, entry: &str) -> Result<T, StepError> {
        serde_json::from_slice(&self.read(role, entry)?)
            .map_err(|error| format!("input `{role}`, `{entry}`: {error}").into())
    }

    /// The names and contents of the files of an input, read one by one.
    pub fn files(
        &self,
        role: &str,
    ) -> impl Iterator<Item = Result<(&'a str, Vec<u8>), StepError>> + use<'a> {
        let files = self.job.files.get(role).map(Vec::as_slice).unwrap_or_default();
        files.iter().map(|file| Ok((file.name.as_str(), file.read()?)))
    }

    /// Reads the image set's unpacked files by their names.
    pub fn unpacked(&self) -> impl Fn(&str) -> Result<Vec<u8>, StepError> + use<'a> {
        let (job, objects) = (self.job, self.objects);
        move |name| read(job, objects, "images", name)
    }

    /// The files of an input.
    pub fn file_list(&self, role: &str) -> &'a [InputFile] {
        self.job.files.get(role).map(Vec::as_slice).unwrap_or_default()
    }

    /// The folder of the image set's files, whose digests are those of the plan.
    pub fn folder(&self) -> Result<PathBuf, StepError> {
        let files = self.job.files.get("files").map(Vec::as_slice).unwrap_or_default();
        files.iter().try_for_each(|file| file.read().map(drop))?;
        let folder = files.first().and_then(|file| file.path.parent());
        Ok(folder.ok_or("the image set has no files")?.to_owned())
    }

    /// Tells how far a training has come.
    pub fn steps(
        &mut self,
    ) -> impl FnMut(usize, usize, f64) -> candle_core::Result<()> + use<'_, 'a> {
        |done, total, loss| {
            self.tell("steps", done, total, format!("loss {loss:.4}"));
            Ok(())
        }
    }

    fn tell(&mut self, unit: &str, done: usize, total: usize, message: String) {
        let (started, first) = *self.begun.get_or_insert_with(|| (Instant::now(), done));
        let rate = if done > first {
            (done - first) as f64 / started.elapsed().as_secs_f64()
        } else {
            0.0
        };
        (self.progress)(Progress {
            done: done as u64,
            total: total as u64,
            unit: unit.into(),
            rate,
            message,
        });
    }

    /// Runs a training that tells how far it is and goes on where an earlier attempt was.
    pub fn training<T>(
        &mut self,
        train: impl FnOnce(Session<'_>) -> candle_core::Result<T>,
    ) -> Result<T, StepError> {
        let mut keep = self.checkpoint();
        Ok(train(Session { watch: &mut self.steps(), keep: Some(&mut keep) })?)
    }

    /// The attempt's folder, which goes when the task is done.
    pub fn attempt(&self) -> &'a Path {
        &self.job.work
    }

    /// Where this task keeps what it has so far.
    pub fn checkpoint(&self) -> Checkpoint {
        let path = self.job.work.join("checkpoint");
        Checkpoint::new(path, self.job.key).heeding(&self.job.halt)
    }

    /// Tells how many images are done.
    pub fn images(&mut self, done: usize, total: usize) {
        self.tell("images", done, total, String::new());
    }
}

fn read(job: &Job, objects: &Objects, role: &str, entry: &str) -> Result<Vec<u8>, StepError> {
    Ok(objects.read(&found(job, role, entry)?.digest)?)
}

fn found<'a>(job: &'a Job, role: &str, entry: &str) -> Result<&'a Entry, StepError> {
    let artifact = job.inputs.get(role).ok_or_else(|| format!("no input `{role}`"))?;
    let found = artifact.entry(entry);
    found.ok_or_else(|| format!("input `{role}` has no entry `{entry}`").into())
}

/// An output's name and content.
pub type Output = (String, Vec<u8>);

/// `value` as an output: indented JSON.
pub fn json_output(name: &str, value: &impl Serialize) -> Output {
    (name.to_owned(), serde_json::to_vec_pretty(value).expect("outputs are plain data"))
}

/// A loss curve as the output losses.json: means over at most 200 stretches.
pub fn losses_output(losses: &[f64]) -> Output {
    json_output("losses.json", &thinned(losses, 200))
}

/// Means over at most `most` equal stretches, the last of which may be shorter.
pub fn thinned(losses: &[f64], most: usize) -> Vec<f64> {
    let stretch = losses.len().div_ceil(most).max(1);
    losses.chunks(stretch).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
}
