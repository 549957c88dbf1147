//! Where and how tasks run, as a file beside the study says it. Nothing of it is in a key.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::regular;

/// The largest profile that is read, in bytes.
const MOST: u64 = 1 << 20;

/// Where tasks run.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// As child processes on this machine.
    #[default]
    Here,
    /// By a command a task, which starts `titrate worker` anywhere.
    Command(Command),
    /// As jobs of a cluster with Slurm.
    Slurm(Box<Slurm>),
}

impl Place {
    /// The threads of a task, where the profile says them.
    pub fn threads(&self, kind: &str) -> Option<usize> {
        match self {
            Self::Here => None,
            Self::Command(command) => Some(command.threads),
            Self::Slurm(slurm) => Some(slurm.ask(kind).cpus.unwrap_or(1)),
        }
    }

    /// Tasks that may run at once, unless the command line says so.
    pub fn at_once(&self) -> Option<usize> {
        match self {
            Self::Here => None,
            Self::Command(command) => Some(command.at_once),
            // All that are ready go to the queue together; each array is throttled there.
            Self::Slurm(_) => Some(usize::MAX),
        }
    }
}

/// A profile: a table for each executor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The table `[command]`: a command starts each task.
    pub command: Option<Command>,
    /// The table `[slurm]`: tasks are jobs of a cluster.
    pub slurm: Option<Slurm>,
}

/// The table `[command]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, which last as long as the worker that they start. In each,
    /// `{program}`, `{task}`, `{key}`, `{store}`, `{kind}` and `{threads}` stand for what they say.
    pub run: Vec<String>,
    /// Commands that run at once; 1 or more.
    #[serde(default = "one")]
    pub at_once: usize,
    /// Threads that a task may keep busy; 1 or more.
    #[serde(default = "one")]
    pub threads: usize,
    /// What `{program}` stands for; this program's own path where it isn't said.
    pub program: Option<PathBuf>,
    /// How often a task is started again whose worker was lost.
    #[serde(default = "three")]
    pub retries: u32,
    /// Seconds that a worker's files may take to be seen here after its end.
    #[serde(default = "thirty")]
    pub grace_seconds: f64,
}

/// The table `[slurm]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slurm {
    /// Tasks of one array that may run at once; 1 or more.
    #[serde(default = "hundred")]
    pub at_once: usize,
    /// The worker's program on the nodes; this program's own path where it isn't said.
    pub program: Option<PathBuf>,
    /// What stands before the program, such as `["apptainer", "exec", "--nv", "titrate.sif"]`.
    #[serde(default)]
    pub prefix: Vec<String>,
    /// Lines of the job's script before it, such as `module load cuda/12.4`.
    #[serde(default)]
    pub setup: Vec<String>,
    /// Seconds that tasks wait for others of their kind to become ready, while some are in the
    /// queue: few large arrays are easier on a cluster than many small ones.
    #[serde(default = "five")]
    pub gather_seconds: f64,
    /// Seconds before the end of its time that a task is asked to keep what it has.
    #[serde(default = "two_minutes")]
    pub warn_seconds: u32,
    /// How often a task is submitted again that was lost with its node, or preempted for good.
    #[serde(default = "three")]
    pub retries: u32,
    /// The most seconds between two questions to the queue.
    #[serde(default = "thirty")]
    pub poll_seconds: f64,
    /// Seconds that a worker's files may take to be seen here after its end.
    #[serde(default = "thirty")]
    pub grace_seconds: f64,
    /// Elements of an array, where the cluster's own limit isn't to be asked for.
    pub array_most: Option<usize>,
    /// What every task asks for.
    #[serde(default)]
    pub ask: Ask,
    /// What the tasks of a kind ask for instead or besides.
    #[serde(default)]
    pub kinds: BTreeMap<String, Ask>,
}

/// What a job asks of the cluster, in the words of `sbatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    /// Such as `gpu:1`.
    pub gres: Option<String>,
    /// Such as `04:00:00`.
    pub time: Option<String>,
    /// Such as `8G`, for the task as a whole.
    pub memory: Option<String>,
    /// Cores, and threads of the task.
    pub cpus: Option<usize>,
    /// More options of `sbatch`, each in full.
    #[serde(default)]
    pub options: Vec<String>,
}

impl Slurm {
    /// What tasks of `kind` ask for.
    pub fn ask(&self, kind: &str) -> Ask {
        let (all, own) = (&self.ask, self.kinds.get(kind).cloned().unwrap_or_default());
        Ask {
            partition: own.partition.or_else(|| all.partition.clone()),
            account: own.account.or_else(|| all.account.clone()),
            qos: own.qos.or_else(|| all.qos.clone()),
            gres: own.gres.or_else(|| all.gres.clone()),
            time: own.time.or_else(|| all.time.clone()),
            memory: own.memory.or_else(|| all.memory.clone()),
            cpus: own.cpus.or(all.cpus),
            options: [all.options.as_slice(), &own.options].concat(),
        }
    }
}

impl Ask {
    /// As options of `sbatch`.
    pub fn options(&self) -> Vec<String> {
        let cpus = self.cpus.map(|cpus| cpus.to_string());
        let asked = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("gres", &self.gres),
            ("time", &self.time),
            ("mem", &self.memory),
            ("cpus-per-task", &cpus),
        ];
        let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let asked = asked.map(|(name, value)| format!("--{name}={value}"));
        asked.chain(self.options.iter().cloned()).collect()
    }
}

impl Profile {
    /// Reads the profile at `path`.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML, has a key that there isn't, or a value out of its range.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let path_of = || path.to_owned();
        let text = regular::read_text(path, MOST)
            .map_err(|source| ProfileError::Read { path: path_of(), source })?;
        let profile: Self = toml_edit::de::from_str(&text)
            .map_err(|error| ProfileError::Parse { path: path_of(), cause: error.to_string() })?;
        match profile.fault() {
            Some(fault) => Err(ProfileError::Parse { path: path_of(), cause: fault.to_owned() }),
            None => Ok(profile),
        }
    }

    fn fault(&self) -> Option<&'static str> {
        if let Some(Command { run, at_once, threads, grace_seconds, .. }) = &self.command {
            if run.is_empty() {
                return Some("command.run is empty: it is the program and its arguments");
            }
            if *at_once == 0 || *threads == 0 {
                return Some("command.at_once and command.threads are 1 or more");
            }
            if !(0.0..=1e6).contains(grace_seconds) {
                return Some("command.grace_seconds is 0 to 1000000");
            }
        }
        let slurm = self.slurm.as_ref()?;
        if slurm.at_once == 0 || slurm.array_most == Some(0) {
            return Some("slurm.at_once and slurm.array_most are 1 or more");
        }
        let seconds = [slurm.poll_seconds, slurm.grace_seconds, slurm.gather_seconds];
        if seconds.iter().any(|seconds| !(0.0..=1e6).contains(seconds)) {
            return Some("slurm.poll_seconds, grace_seconds and gather_seconds are 0 to 1000000");
        }
        let asks = slurm.kinds.values().chain([&slurm.ask]);
        asks.into_iter().any(|ask| ask.cpus == Some(0)).then_some("cpus are 1 or more")
    }
}

/// A profile that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file can't be read.
    #[error("cannot read the profile {}: {source}", path.display())]
    Read {
        /// The profile's file.
        path: PathBuf,
        /// The error of reading.
        source: io::Error,
    },
    /// The file is not TOML, has an unknown key, or has a value out of its range.
    #[error("profile {}: {cause}", path.display())]
    Parse {
        /// The profile's file.
        path: PathBuf,
        /// What is wrong with it, in words.
        cause: String,
    },
    /// A table of `[slurm.kinds]` is about a kind of task that does not exist.
    #[error(
        "the profile's [slurm.kinds.{kind}] is about no kind of task: there are {}",
        known.join(", ")
    )]
    Kind {
        /// The name in the profile.
        kind: String,
        /// The names of all kinds.
        known: Vec<String>,
    },
}

fn one() -> usize {
    1
}

fn hundred() -> usize {
    100
}

fn three() -> u32 {
    3
}

fn two_minutes() -> u32 {
    120
}

fn five() -> f64 {
    5.0
}

fn thirty() -> f64 {
    30.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Profile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        std::fs::write(&path, text).unwrap();
        Profile::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kind_asks_for_its_own_before_that_of_all() {
        let profile = read(
            "[slurm.ask]\npartition = 'main'\ntime = '10'\ncpus = 2\noptions = ['--nice']\n\
             [slurm.kinds.generate]\ntime = '04:00:00'\ngres = 'gpu:1'\noptions = ['--exclusive']\n",
        );
        let slurm = profile.unwrap().slurm.unwrap();
        let options = |kind| slurm.ask(kind).options().join(" ");
        assert_eq!(options("emit"), "--partition=main --time=10 --cpus-per-task=2 --nice");
        assert_eq!(
            options("generate"),
            "--partition=main --gres=gpu:1 --time=04:00:00 --cpus-per-task=2 --nice --exclusive"
        );
        let place = Place::Slurm(Box::new(slurm));
        assert_eq!(place.threads("emit"), Some(2));
    }

    #[test]
    fn what_is_wrong_with_a_profile_is_named() {
        for (text, said) in [
            ("[slurm]\npartitoin = 'main'\n", "unknown field `partitoin`"),
            ("[slurm.ask]\ncpus = 0\n", "cpus are 1 or more"),
            ("[slurm]\nat_once = 0\n", "slurm.at_once and"),
            ("[command]\nrun = []\n", "command.run is empty"),
            ("[command]\n", "missing field `run`"),
            ("[command]\nrun = ['a']\nthreads = 0\n", "command.threads are 1 or more"),
            ("[slurm]\npoll_seconds = -1.0\n", "slurm.poll_seconds, grace"),
            ("[slurm", "profile"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said) && error.contains("p.toml"), "{text}: {error}");
        }
        let missing = Profile::read(Path::new("/nowhere/p.toml")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read the profile /nowhere/p.toml"), "{missing}");
    }
}
