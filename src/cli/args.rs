//! The command line's types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0    everything asked for is done
  1    a task failed
  2    usage, or a study that cannot be run as it is
  3    the store: in use by another process, of another format, deleted under a run, or damaged beyond repair (verify: damage was found)
  4    no space left, or reading or writing failed
  130  interrupted; nothing finished is lost, the same command goes on where it stopped";

/// Do synthetic images help a medical image classifier, which ones, how many, and for whom? A study
/// runs as a graph of cached tasks and ends in a report.
#[derive(Debug, Parser)]
#[command(name = "titrate", version, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run what is stale in a study, and write its report
    Reproduce(Reproduce),
    /// List the tasks that would run, with the reason
    Plan(Plan),
    /// Look into the real images of a study
    #[command(subcommand)]
    Data(Data),
    /// Count a study's tasks: fresh, stale, unknown, and why
    Status(Which),
    /// Show a task, a receipt or an object: manifest, receipt, outputs
    Show(Show),
    /// Say why a task would run, or what last changed
    Why(Why),
    /// Write a tuned model with all that belongs to it as a folder that diffusers' from_pretrained
    /// opens
    Export(Export),
    /// Hash every object of the store again
    Verify(Which),
    /// Drop what no study needs
    Gc(Gc),
    /// Run one task that `reproduce --executor` has ordered, on any machine that sees the store
    Worker {
        /// The store's folder
        #[arg(long, value_name = "DIR")]
        store: PathBuf,
        /// The file with the order, or the task's key, whose newest order counts [default: an order
        /// on stdin]
        #[arg(long, value_name = "FILE-OR-KEY")]
        task: Option<String>,
    },
}

/// A study and a store.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// A name under experiments/, or a path to a study file
    #[arg(default_value = "quick")]
    pub study: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    pub folder: Folder,
    /// Where models are tuned and images generated; its results are not the other's
    #[arg(long, value_enum, default_value_t = Device::Cpu, env = "TITRATE_DEVICE")]
    pub device: Device,
    /// Set a parameter of the study, such as classifier.epochs=3; may come often
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Folder {
    /// The store's folder
    #[arg(long, value_name = "DIR", env = "TITRATE_STORE", default_value = ".titrate")]
    pub store: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Device {
    Cpu,
    /// An NVIDIA GPU, the first that CUDA_VISIBLE_DEVICES leaves; running tasks on it takes a
    /// titrate built with the feature `cuda`
    Cuda,
}

impl Device {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

/// What starts tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Executor {
    /// Processes of this machine
    Local,
    /// A command a task, which starts `titrate worker` anywhere
    Command,
    /// Jobs of a cluster with Slurm
    Slurm,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Reproduce {
    #[command(flatten)]
    pub which: Which,
    /// The report's folder [default: reports/<study>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Tasks that may run at once [default: the cores there are, or what the profile says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// What starts the tasks; decides no result
    #[arg(long, value_enum, default_value_t = Executor::Local, requires_ifs = [("command", "profile"), ("slurm", "profile")])]
    pub executor: Executor,
    /// How the executor starts tasks, as TOML: a table [command] or [slurm]
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Run only this task and what it is made from
    #[arg(long, value_name = "LABEL")]
    pub only: Option<String>,
    /// After a failure, go on with what does not depend on it
    #[arg(long)]
    pub keep_going: bool,
    /// Print the last line and errors only
    #[arg(long)]
    pub quiet: bool,
    /// Print events as JSON lines on stdout; the last line goes to stderr
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub which: Which,
    /// List every task, fresh ones too
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Data {
    /// Audit a study's pictures: counts, unreadable files, duplicates, above all across the study's
    /// sets
    Check(Check),
}

#[derive(Clone, Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub which: Which,
    /// The folder for the audit's pages [default: reports/<study>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Show {
    /// A task's label, or the first digits (4 or more) of a key or a digest
    pub name: String,
    #[command(flatten)]
    pub which: Which,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Why {
    /// A task's label
    pub label: String,
    #[command(flatten)]
    pub which: Which,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Export {
    /// A dreambooth task's label, such as dreambooth/psoriasis/text-to-image
    pub label: String,
    /// The folder to write; must not exist, or be empty
    pub folder: PathBuf,
    /// A name under experiments/, or a path to a study file
    #[arg(long, default_value = "quick")]
    pub study: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Gc {
    /// The studies whose results are kept [default: all under experiments/]
    #[arg(value_name = "STUDY")]
    pub studies: Vec<String>,
    #[command(flatten)]
    pub folder: Folder,
    /// Only count
    #[arg(long)]
    pub dry_run: bool,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }

    /// It keeps the results of studies as they are, for every device.
    #[test]
    fn gc_refuses_what_it_cannot_heed() {
        let parsed = |words: &[&str]| super::Arguments::try_parse_from(words).map(drop);
        parsed(&["titrate", "gc", "quick", "--store", "s", "--dry-run"]).unwrap();
        for words in [["--set", "classifier.epochs=3"], ["--device", "cuda"]] {
            let error = parsed(&["titrate", "gc", words[0], words[1]]).unwrap_err().to_string();
            assert!(error.contains(&format!("unexpected argument '{}'", words[0])), "{error}");
        }
    }
}
