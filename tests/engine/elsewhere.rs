//! Tasks that run elsewhere than as children of the coordinator, by a command; and what the tests of
//! clusters need as well.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};

use crate::command_line::{Workspace, files, pid};
pub use crate::real::{HANGS, is_alive, until};
use crate::toy::{Toy, ToyTask};

pub const TESTS: &[(&str, fn())] = &[
    ("a_command_runs_what_children_run", a_command_runs_what_children_run),
    ("a_command_that_starts_no_worker_is_named", a_command_that_starts_no_worker_is_named),
    (
        "a_worker_takes_a_key_and_refuses_what_is_no_order",
        a_worker_takes_a_key_and_refuses_what_is_no_order,
    ),
    ("a_worker_of_another_version_is_refused", a_worker_of_another_version_is_refused),
    ("a_lost_worker_of_a_command_is_started_again", a_lost_worker_of_a_command_is_started_again),
    (
        "a_killed_run_waits_for_the_commands_that_go_on",
        a_killed_run_waits_for_the_commands_that_go_on,
    ),
    ("an_interrupt_ends_commands", an_interrupt_ends_commands),
    ("profiles_are_asked_for_and_checked", profiles_are_asked_for_and_checked),
];

/// A workspace beside a cluster.
pub struct Cluster {
    pub workspace: Workspace,
}

impl Cluster {
    /// With the toys that `toy` makes for its folder.
    pub fn new(toy: impl FnOnce(&Path) -> Toy) -> Self {
        let cluster = Self { workspace: Workspace::new(toy) };
        fs::create_dir_all(cluster.path("bin")).unwrap();
        fs::create_dir(cluster.path("fake")).unwrap();
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm/fake.sh");
        for name in ["sbatch", "squeue", "scancel", "scontrol"] {
            symlink(&fake, cluster.path("bin").join(name)).unwrap();
        }
        cluster.profile("");
        cluster
    }

    pub fn study() -> Self {
        Self::new(|folder| crate::toy::study(&folder.join("source").display().to_string()))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.workspace.path(name)
    }

    /// A profile for both executors, with more lines in its table of Slurm.
    pub fn profile(&self, slurm: &str) {
        let text = format!(
            "[command]\nrun = ['sh', '-c', 'exec {{program}} worker --task {{task}} --store {{store}}']\n\
             at_once = 3\ngrace_seconds = 0.2\n\
             [slurm]\npoll_seconds = 0.1\ngrace_seconds = 0.2\ngather_seconds = 0.3\n{slurm}\n"
        );
        fs::write(self.path("profile.toml"), text).unwrap();
    }

    /// Makes the fake cluster go wrong, or lets it be right again.
    pub fn knob(&self, name: &str, text: Option<&str>) {
        let path = self.path("fake").join(name);
        match text {
            Some(text) => {
                // Whole at once: it may be read at any time.
                let aside = self.path("knob");
                fs::write(&aside, text).unwrap();
                fs::rename(aside, path).unwrap();
            }
            None => fs::remove_file(path).unwrap(),
        }
    }

    pub fn command(&self, executor: &str, arguments: &[&str]) -> Command {
        let all = ["reproduce", "--executor", executor, "--profile", "profile.toml"];
        self.surrounded(self.workspace.command(&[all.as_slice(), arguments].concat()))
    }

    /// A command that finds the fake cluster.
    pub fn surrounded(&self, mut command: Command) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("FAKE_SLURM", self.path("fake"));
        command
    }

    /// A run in the background, in a process group of its own.
    pub fn start(&self, executor: &str, arguments: &[&str]) -> Run {
        Run::of(self.command(executor, arguments))
    }

    pub fn run(&self, executor: &str, arguments: &[&str]) -> Ended {
        self.start(executor, arguments).end()
    }

    /// Calls of a command of the cluster.
    pub fn calls(&self, name: &str) -> Vec<String> {
        let calls = fs::read_to_string(self.path("fake/calls")).unwrap_or_default();
        calls.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    /// The folder of an element of the fake cluster.
    pub fn element(&self, job: u32, element: u32) -> PathBuf {
        self.path("fake/jobs").join(format!("{job}.{element}"))
    }

    /// Puts an element back into the queue, as after its node was given up: the process of before
    /// goes on.
    pub fn requeue(&self, element: &str) {
        let mut requeue = Command::new(self.path("bin/scontrol"));
        requeue.args(["requeue", element]).env("FAKE_SLURM", self.path("fake"));
        assert!(requeue.status().unwrap().success());
    }

    pub fn state(&self, job: u32, element: u32) -> String {
        let state = fs::read_to_string(self.element(job, element).join("state"));
        state.unwrap_or_default().trim().to_owned()
    }

    /// The report's files.
    pub fn report(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let root = self.path("reports/quick");
        let all = files(&root).into_iter();
        let named = all.map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes));
        // The run's own times are no result.
        named
            .filter(|(path, _)| {
                !path.ends_with("run.md") && !path.ends_with("ro-crate-metadata.json")
            })
            .collect()
    }

    /// A receipt's lines, as `show` prints them.
    pub fn shown(&self, label: &str) -> String {
        self.workspace.told(&["show", label])
    }

    /// Folders of attempts and arrays that are left.
    pub fn left(&self) -> Vec<PathBuf> {
        ["work", "slurm"]
            .iter()
            .flat_map(|name| inside(&self.path(".titrate").join(name)))
            .collect()
    }

    /// The folders of attempts that workers have begun elsewhere, and that are not cleared yet.
    pub fn attempts(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.path(".titrate/work")];
        for _ in 0..3 {
            folders = folders.iter().flat_map(|folder| inside(folder)).collect();
        }
        folders.retain(|folder| {
            fs::metadata(folder.join("messages")).is_ok_and(|told| told.len() > 0)
        });
        folders
    }

    /// The process of the only worker elsewhere, once there is one.
    pub fn worker(&self) -> Option<Pid> {
        let lock = fs::read(self.attempts().first()?.join("lock")).ok()?;
        let holder: Value = serde_json::from_slice(&lock).ok()?;
        Pid::from_raw(holder["pid"].as_i64()? as i32)
    }
}

/// What is in a folder, which may be going.
pub fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// A run in the background. Dropped, it is killed.
pub struct Run(Option<Child>);

/// How a run ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Self(Some(command.spawn().unwrap()))
    }

    pub fn end(mut self) -> Ended {
        let child = self.0.take().expect("it is ended once");
        let group = pid(&child);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(HANGS) else {
            kill_process_group(group, Signal::KILL).unwrap();
            panic!("the run hangs");
        };
        let Output { status, stdout, stderr } = output.unwrap();
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        Ended { code: status.code(), stdout, stderr }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(pid(self.0.as_ref().unwrap()), signal).unwrap();
    }

    /// Kills the run itself, and nothing that it started.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let mut child = self.0.take().expect("it is ended once");
        child.wait().unwrap();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = kill_process_group(pid(child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

impl Ended {
    /// Of a run that ended well with these counts.
    #[track_caller]
    pub fn counts(&self, ran: usize, tasks: usize) {
        let line = format!("ran {ran} of {tasks} tasks, {} cached, 0 failed", tasks - ran);
        assert!(self.code == Some(0) && self.stdout.contains(&line), "{line}: {self:?}");
    }

    #[track_caller]
    pub fn says(&self, code: i32, text: &str) {
        assert!(self.code == Some(code) && self.stderr.contains(text), "{text}: {self:?}");
    }
}

/// The toy study, run by children.
pub fn expected() -> BTreeMap<PathBuf, Vec<u8>> {
    let cluster = Cluster::study();
    cluster.workspace.told(&["reproduce"]);
    cluster.report()
}

/// A task that ends when the file `go` is in the workspace, and one that reads it.
pub fn waiting(folder: &Path) -> Toy {
    let until = json!({ "until": folder.join("go").display().to_string() });
    Toy(vec![
        ToyTask::new("slow", "wait", until, &[]),
        ToyTask::new("report", "page", json!({}), &["slow"]),
    ])
}

pub fn single(kind: &str, params: Value) -> Toy {
    Toy(vec![
        ToyTask::new("one", kind, params, &[]),
        ToyTask::new("report", "page", json!({}), &["one"]),
    ])
}

fn a_command_runs_what_children_run() {
    let cluster = Cluster::study();
    cluster.run("command", &[]).counts(11, 11);
    assert_eq!(cluster.report(), expected());
    assert_eq!(cluster.left(), [""; 0].map(PathBuf::from));
    cluster.run("command", &[]).counts(0, 11);
}

fn a_command_that_starts_no_worker_is_named() {
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    let profile =
        "[command]\nrun = ['sh', '-c', 'echo no such node; exit 7']\ngrace_seconds = 0.0\n";
    fs::write(cluster.path("profile.toml"), profile).unwrap();
    let ended = cluster.run("command", &[]);
    ended.says(1, "the command ended with exit status: 7 before a worker began");
    ended.says(1, "  | no such node");
    fs::write(cluster.path("profile.toml"), "[command]\nrun = ['/nowhere/ssh']\n").unwrap();
    cluster.run("command", &[]).says(2, "cannot start the command /nowhere/ssh");
}

fn a_worker_takes_a_key_and_refuses_what_is_no_order() {
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    let profile =
        "[command]\nrun = ['{program}', 'worker', '--task', '{key}', '--store', '{store}']\n";
    fs::write(cluster.path("profile.toml"), profile).unwrap();
    cluster.run("command", &[]).counts(2, 2);
    let worker = |task: &str| {
        let mut command =
            cluster.workspace.command(&["worker", "--store", ".titrate", "--task", task]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let key = "0".repeat(64);
    assert!(worker(&key).contains("there is no order for 0000"), "{}", worker(&key));
    assert!(worker("toy.json").contains("is no order in the store at"), "{}", worker("toy.json"));
    assert!(worker("nothing").contains("cannot find nothing"), "{}", worker("nothing"));
}

/// A worker of another version would publish other bytes under the same key.
fn a_worker_of_another_version_is_refused() {
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    let profile = "[command]\nrun = ['sh', '-c', 'exit 0']\ngrace_seconds = 0.0\n";
    fs::write(cluster.path("profile.toml"), profile).unwrap();
    cluster.run("command", &[]).says(1, "exit status: 0 before a worker began");
    let orders = files(&cluster.path(".titrate/work")).into_iter();
    let (path, order) = { orders }.find(|(path, _)| path.ends_with("order.json")).unwrap();
    let mut order: Value = serde_json::from_slice(&order).unwrap();
    order["titrate"] = "99.0.0".into();
    fs::remove_file(&path).unwrap();
    fs::write(&path, order.to_string()).unwrap();
    let task = path.display().to_string();
    let mut worker = cluster.workspace.command(&["worker", "--store", ".titrate", "--task", &task]);
    let said = String::from_utf8(worker.output().unwrap().stderr).unwrap();
    assert!(said.contains("was ordered by titrate 99.0.0, and this is titrate"), "{said}");
}

fn a_lost_worker_of_a_command_is_started_again() {
    let cluster = Cluster::new(waiting);
    let run = cluster.start("command", &[]);
    until("a worker", || cluster.worker().is_some());
    kill_process(cluster.worker().unwrap(), Signal::KILL).unwrap();
    fs::write(cluster.path("go"), "").unwrap();
    let ended = run.end();
    ended.counts(2, 2);
    ended.says(0, "slow: the command ended with signal: 9");
    assert!(cluster.shown("slow").contains("attempt 2"), "{}", cluster.shown("slow"));
}

fn a_killed_run_waits_for_the_commands_that_go_on() {
    let cluster = Cluster::new(waiting);
    let run = cluster.start("command", &[]);
    until("a worker", || cluster.worker().is_some());
    let worker = cluster.worker();
    run.kill();
    let again = cluster.start("command", &[]);
    until("the second run's journal", || inside(&cluster.path(".titrate/runs")).len() == 4);
    fs::write(cluster.path("go"), "").unwrap();
    again.end().counts(2, 2);
    assert!(cluster.shown("slow").contains("attempt 1"), "{worker:?} was not waited for");
}

fn an_interrupt_ends_commands() {
    let cluster = Cluster::new(waiting);
    let run = cluster.start("command", &[]);
    until("a worker", || cluster.worker().is_some());
    let worker = cluster.worker().unwrap();
    run.signal(Signal::INT);
    run.end().says(130, "interrupted");
    until("the worker's end", || !is_alive(worker));
    fs::write(cluster.path("go"), "").unwrap();
    cluster.run("command", &[]).counts(2, 2);
}

fn profiles_are_asked_for_and_checked() {
    let cluster = Cluster::study();
    let told = |arguments: &[&str]| {
        let all = [&["reproduce"], arguments].concat();
        let output = cluster.workspace.command(&all).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told(&["--executor", "slurm"]).contains("--profile <FILE>"));
    assert!(told(&["--profile", "profile.toml"]).contains("is of no use without --executor"));
    cluster.profile("[slurm.kinds.shortne]\ntime = '10'");
    let said = told(&["--executor", "slurm", "--profile", "profile.toml"]);
    assert!(said.contains("[slurm.kinds.shortne] is about no kind of task"), "{said}");
    fs::write(cluster.path("profile.toml"), "").unwrap();
    let said = told(&["--executor", "slurm", "--profile", "profile.toml"]);
    assert!(said.contains("profile.toml has no table [slurm]"), "{said}");
}
