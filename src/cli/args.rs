//! The command line's types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use crate::cli::place::{Device, Folder, Place, Which};
use crate::cli::share_args::{ExportRun, Import, Pull, Push, Remote, Shared};
use crate::cli::units::Bytes;
use crate::exec::Gpus;

const EXIT_CODES: &str = "\
Exit codes:
  0    everything asked for is done
  1    a task failed, or something that was compared is otherwise
  2    usage, or a study that cannot be run as it is
  3    the store: in use by another process, of another format, deleted under a run, or damaged beyond repair (verify: damage was found; push, pull, import: something was refused)
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
    /// Write a study of a folder of own pictures, from a look at them
    Init(Init),
    /// Run what is stale in a study, and write its report
    Reproduce(Reproduce),
    /// List the tasks that would run, with the reason
    Plan(Plan),
    /// Look into the real images of a study
    #[command(subcommand)]
    Data(Data),
    /// Count a study's tasks: fresh, stale, unknown, and why
    Status(Status),
    /// Show a task, a receipt or an object: manifest, receipt, outputs
    Show(Show),
    /// Say why a task would run, or what last changed
    Why(Why),
    /// Follow a number of the report, or a task, down to the weights and image files behind it
    Trace(Trace),
    /// Print a file of a task's output, as it is
    Cat(Cat),
    /// Lay the images of a task's output out on a sheet
    Images(Images),
    /// Print the log of a task's last attempt
    Log(Log),
    /// List the runs on record: when, what was asked for, how they ended
    Runs(ListRuns),
    /// Compare two results of a study: its keys, the outputs of its tasks, the report's numbers
    Diff(Diff),
    /// Fill a text's `{{ ID }}` with numbers of the report, or check a text that was filled before
    Cite(Cite),
    /// Write a tuned model with all that belongs to it as a folder that diffusers' from_pretrained
    /// opens
    Export(Export),
    /// Print the JSON Schema of study files, for editors, or of what a command prints with --json
    Schema {
        /// Of what
        #[arg(value_enum, default_value_t = Described::Study)]
        of: Described,
    },
    /// Print a script that completes titrate's commands and options in a shell
    Completions {
        /// The shell that reads it
        shell: clap_complete::Shell,
    },
    /// Write titrate's manual pages, one a command
    Man {
        /// The folder to write them into, such as ~/.local/share/man/man1
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Put the results of a study that are here into a shared store
    Push(Push),
    /// Take the results of a study from a shared store, where they are signed by a trusted key
    Pull(Pull),
    /// Say what a shared store has of a study, or make a key that signs results
    Remote(Remote),
    /// Write a study's results into one file: receipts, report, metrics, code version
    ExportRun(ExportRun),
    /// Take the results of an archive into a store
    Import(Import),
    /// Hash every object of the store again
    Verify(Which),
    /// Drop what no study and no run needs, after listing it
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

#[derive(Clone, Debug, Args)]
pub(super) struct Init {
    /// The study's folder; study.toml is written into it
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The pictures: a folder for each class, or any folder with a table
    #[arg(long, value_name = "FOLDER")]
    pub images: PathBuf,
    /// A table with a row a picture (file, label, fst, patient, ...) [default: the one beside the pictures]
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// A column of the table that is not to be read; may come often
    #[arg(long, value_name = "COLUMN")]
    pub ignore: Vec<String>,
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
    /// Tasks that may run at once [default: the cores and the GPUs that there are, or what the profile
    /// says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Memory that tasks which run at once may need together, such as 20G; one that needs more runs
    /// alone [default: nine tenths of what this machine, container or job has]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// The GPUs that tasks get with --device cuda, one task a GPU: 0,2-3, or UUIDs [default: all that
    /// CUDA_VISIBLE_DEVICES leaves]
    #[arg(long, value_name = "LIST")]
    pub gpus: Option<Gpus>,
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
    #[command(flatten)]
    pub shared: Shared,
    /// Look for no results in the shared store that titrate.toml names
    #[arg(long, conflicts_with = "remote")]
    pub no_remote: bool,
    /// Hold every result against those of an archive, after the run: same, within tolerance, or
    /// diverged
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// How far a number may lie from the archive's, as a part of the larger one
    #[arg(long, value_name = "PART", default_value_t = 1e-3, requires = "against")]
    pub tolerance: f64,
    /// Afterwards compute a sample of the results that were there again, such as 5% of them drawn
    /// anew each time, and compare
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub check: Option<f64>,
    /// Print the last line and errors only
    #[arg(long)]
    pub quiet: bool,
    /// Print events as JSON lines on stdout; the last line goes to stderr
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
}

/// A part of something, written as "5%" or "5".
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    let percent = number.ok().filter(|percent| *percent > 0.0 && *percent <= 100.0);
    percent.map(|percent| percent / 100.0).ok_or_else(|| "it is no percentage such as 5%".into())
}

#[derive(Clone, Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub which: Which,
    /// List every task, fresh ones too
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// A TOML file of rates: how long work takes on a machine [default: rates/STUDY.toml beside the
    /// study, where it is there]
    #[arg(long, value_name = "FILE")]
    pub rates: Option<PathBuf>,
    /// Print the plan as JSON, with every task
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub which: Which,
    /// Print the counts as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ListRuns {
    #[command(flatten)]
    pub folder: Folder,
    /// Print the runs as JSON
    #[arg(long)]
    pub json: bool,
}

/// What there is a JSON Schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Described {
    /// Study files
    Study,
    /// `titrate plan --json`
    Plan,
    /// `titrate status --json`
    Status,
    /// `titrate show --json`
    Show,
    /// `titrate why --json`
    Why,
    /// `titrate runs --json`
    Runs,
    /// `titrate trace --json`
    Trace,
    /// `titrate diff --json`
    Diff,
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
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Why {
    /// A task's label
    pub label: String,
    #[command(flatten)]
    pub which: Which,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Trace {
    /// A number's id, as the report's panel and data/numbers.json have it, or a task's label
    pub id: String,
    #[command(flatten)]
    pub which: Which,
    /// List every task and file
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Print the whole trace as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Cat {
    /// A task's label
    pub label: String,
    /// The file's name, as `titrate show LABEL` lists them
    pub file: String,
    #[command(flatten)]
    pub which: Which,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Images {
    /// The label of a task that makes or draws images, such as cohort/pool
    pub label: String,
    /// The PNG file to write
    pub file: PathBuf,
    #[command(flatten)]
    pub which: Which,
    /// How many images to show, the first ones; 0: all
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub most: usize,
    /// Images in a row
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub columns: u16,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Log {
    /// A task's label
    pub label: String,
    #[command(flatten)]
    pub which: Which,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Diff {
    /// A report's folder, an archive, a store's folder, or the id of a run that `titrate runs` lists
    #[arg(value_name = "BEFORE")]
    pub before: String,
    /// Another of them
    #[arg(value_name = "AFTER")]
    pub after: String,
    /// Of a store: a name under experiments/, or a path to a study file
    #[arg(long, default_value = "quick")]
    pub study: String,
    #[command(flatten)]
    pub place: Place,
    /// How far a number may lie from the other, as a part of the larger one where that is above 1
    #[arg(long, value_name = "PART", default_value_t = 1e-3)]
    pub tolerance: f64,
    /// List everything that differs
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Print what differs as JSON
    #[arg(long)]
    pub json: bool,
}

impl Diff {
    /// The study whose report a store is asked for, and the store whose runs have ids.
    pub fn which(&self) -> Which {
        Which { study: self.study.clone(), place: self.place.clone() }
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct Cite {
    /// A text in LaTeX, Markdown or any other, with `{{ ID }}` for a number, `{{ ID | interval }}`,
    /// `{{ ID | low }}` and `{{ ID | high }}`; what it becomes is printed
    pub template: PathBuf,
    #[command(flatten)]
    pub which: Which,
    /// Compare this text, which the template became earlier: numbers that the report has no more,
    /// or that were retyped, are named, and the exit code is 1
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
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
    /// The studies whose results are kept, and no others [default: all under experiments/, and all
    /// that the runs on record made or read]
    #[arg(value_name = "STUDY")]
    pub studies: Vec<String>,
    #[command(flatten)]
    pub folder: Folder,
    /// Only list and count
    #[arg(long)]
    pub dry_run: bool,
    /// Drop what is listed without asking
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
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
