//! The program from outside: its last line, its exit codes, and what survives kills.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::real::{is_alive, until};
use crate::toy::{self, DESCRIPTION, Toy, ToyTask};

pub const TESTS: &[(&str, fn())] = &[
    ("nobody_listening_ends_no_run", nobody_listening_ends_no_run),
    ("commands_that_read_make_nothing", commands_that_read_make_nothing),
    (
        "a_second_run_runs_nothing_and_leaves_the_report_alone",
        a_second_run_runs_nothing_and_leaves_the_report_alone,
    ),
    ("kills_at_any_moment_lose_nothing", kills_at_any_moment_lose_nothing),
    ("workers_die_with_their_coordinator", workers_die_with_their_coordinator),
    (
        "an_interrupt_ends_with_130_and_the_next_run_goes_on",
        an_interrupt_ends_with_130_and_the_next_run_goes_on,
    ),
    ("a_store_in_use_is_refused_with_its_holder", a_store_in_use_is_refused_with_its_holder),
    ("failures_name_the_command_that_reruns_them", failures_name_the_command_that_reruns_them),
    ("usage_and_store_errors_have_their_codes", usage_and_store_errors_have_their_codes),
    ("a_check_computes_results_again", a_check_computes_results_again),
    ("plan_status_why_and_show_explain_an_edit", plan_status_why_and_show_explain_an_edit),
    (
        "verify_finds_damage_and_gc_keeps_what_studies_need",
        verify_finds_damage_and_gc_keeps_what_studies_need,
    ),
];

/// A workspace with one study, whose tasks come from a toy.
pub struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub fn new(toy: impl FnOnce(&Path) -> Toy) -> Self {
        let folder = crate::folder();
        fs::create_dir(folder.path().join("experiments")).unwrap();
        fs::write(folder.path().join("experiments/quick.toml"), "title = \"toy\"\n").unwrap();
        fs::write(folder.path().join("source"), "pixels\n").unwrap();
        let workspace = Self { folder };
        workspace.describe(&toy(workspace.folder.path()));
        workspace
    }

    pub fn study() -> Self {
        Self::new(|folder| toy::study(&folder.join("source").display().to_string()))
    }

    pub fn chain() -> Self {
        Self::new(|folder| toy::chain(&folder.join("source").display().to_string()))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn describe(&self, toy: &Toy) {
        fs::write(self.path("toy.json"), serde_json::to_vec(toy).unwrap()).unwrap();
    }

    pub fn edit(&self, edit: impl FnOnce(&mut Toy)) {
        let mut toy: Toy =
            serde_json::from_slice(&fs::read(self.path("toy.json")).unwrap()).unwrap();
        edit(&mut toy);
        self.describe(&toy);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env(DESCRIPTION, self.path("toy.json"));
        for variable in ["STORE", "WORKSPACE", "REMOTE", "TRUST", "SIGNING_KEY"] {
            command.env_remove(format!("TITRATE_{variable}"));
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Stdout of a command that ends well.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A run in a process group of its own, whose events can be read.
    fn start(&self, arguments: &[&str]) -> (Child, impl Iterator<Item = Value> + use<>) {
        let mut command = self.command(&[&["reproduce", "--json"], arguments].concat());
        let mut child =
            command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines.map_while(Result::ok).map(|line| serde_json::from_str(&line).unwrap()))
    }
}

pub fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32).unwrap()
}

/// Name -> bytes of all files in a folder tree.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            drop(found.insert(path.clone(), fs::read(&path).unwrap()))
        }
    }
    found
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A task that ends when the file `go` is in the workspace, and one that reads it.
fn waiting(folder: &Path) -> Toy {
    let until = json!({ "until": folder.join("go").display().to_string() });
    Toy(vec![
        ToyTask::new("slow", "wait", until, &[]),
        ToyTask::new("report", "page", json!({}), &["slow"]),
    ])
}

fn a_second_run_runs_nothing_and_leaves_the_report_alone() {
    let workspace = Workspace::study();
    let page = "reports/quick/index.html";
    assert_eq!(
        workspace.told(&["reproduce"]),
        format!("ran 11 of 11 tasks, 0 cached, 0 failed; report: {page}\n")
    );
    let report = files(&workspace.path("reports"));
    let names: Vec<_> = report
        .keys()
        .map(|path| path.strip_prefix(workspace.path("reports/quick")).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["figures/one.svg", "index.html", "ro-crate-metadata.json", "run.md", "study.toml"]
    );
    let runs = files(&workspace.path(".titrate/runs"));
    assert_eq!(
        workspace.told(&["reproduce", "quick"]),
        format!("ran 0 of 11 tasks, 11 cached, 0 failed; report: {page}\n")
    );
    assert_eq!(files(&workspace.path("reports")), report);
    assert_eq!(
        files(&workspace.path(".titrate/runs")),
        runs,
        "a run with nothing to do leaves no trace"
    );
    fs::write(workspace.path(page), "scribbled").unwrap();
    workspace.told(&["reproduce"]);
    assert_eq!(files(&workspace.path("reports")), report);
}

fn kills_at_any_moment_lose_nothing() {
    let (straight, killed) = (Workspace::study(), Workspace::study());
    straight.told(&["reproduce"]);
    let mut finished = 0;
    for kill_after in [1, 2, 3, 5, 4, 6, 3, 7, 2, 8, 5, 3, 4, 6, 9, 2, 3, 5, 7, 4] {
        let (mut child, events) = killed.start(&["--jobs", "2"]);
        let seen: Vec<Value> = events.take(kill_after).collect();
        kill_process_group(pid(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        let cached = seen.iter().filter(|event| event["event"] == "cached").count();
        assert!(
            seen.len() < kill_after || cached >= finished.min(kill_after - 1),
            "what was finished stays: {seen:?}"
        );
        finished =
            finished.max(cached + seen.iter().filter(|event| event["event"] == "finished").count());
    }
    killed.told(&["reproduce"]);
    for name in ["index.html", "figures/one.svg", "study.toml"] {
        let of =
            |workspace: &Workspace| fs::read(workspace.path("reports/quick").join(name)).unwrap();
        assert_eq!(of(&straight), of(&killed), "{name}");
    }
    assert_eq!(killed.told(&["reproduce"]), straight.told(&["reproduce"]));
    assert!(killed.told(&["verify"]).contains(" 0 corrupt"));
}

fn workers_die_with_their_coordinator() {
    let workspace = Workspace::new(waiting);
    let (mut child, mut events) = workspace.start(&[]);
    let progress =
        events.find(|event| event["event"] == "progress").expect("the worker tells its process id");
    let worker = progress["message"].as_str().unwrap().parse().unwrap();
    let worker = Pid::from_raw(worker).unwrap();
    let key =
        fs::read_dir(workspace.path(".titrate/work")).unwrap().next().unwrap().unwrap().path();
    kill_process(pid(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    // The worker holds this lock until it begins to end.
    File::open(key.join("lock")).unwrap().lock().unwrap();
    until("the worker's end", || !is_alive(worker));
}

fn an_interrupt_ends_with_130_and_the_next_run_goes_on() {
    let workspace = Workspace::new(waiting);
    let (mut child, mut events) = workspace.start(&[]);
    events.find(|event| event["event"] == "progress").unwrap();
    kill_process(pid(&child), Signal::INT).unwrap();
    let rest: Vec<Value> = events.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|event| event["event"] == "interrupted"), "{rest:?}");
    File::create(workspace.path("go")).unwrap();
    assert!(workspace.told(&["reproduce"]).starts_with("ran 2 of 2 tasks"));
}

fn a_store_in_use_is_refused_with_its_holder() {
    let workspace = Workspace::new(waiting);
    let (mut child, mut events) = workspace.start(&[]);
    events.find(|event| event["event"] == "started").unwrap();
    // Whoever only looks is told what there is so far.
    for (command, code) in [("reproduce", 3), ("verify", 3), ("status", 0), ("plan", 0)] {
        let output = workspace.output(&[command]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(stderr(&output).contains(&format!("process {}", child.id())), "{output:?}");
        let says = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            code == 3 || says.starts_with("quick: 2 tasks: 0 fresh, 1 stale, 1 unknown"),
            "{says}"
        );
    }
    File::create(workspace.path("go")).unwrap();
    assert_eq!(events.last().unwrap()["counts"]["ran"], 2);
    assert!(child.wait().unwrap().success());
}

fn failures_name_the_command_that_reruns_them() {
    let workspace = Workspace::study();
    workspace.edit(|toy| toy.task("weights/b").kind = "fail".into());
    let output = workspace.output(&["reproduce", "--keep-going", "--set", "seed=3"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "ran 6 of 11 tasks, 0 cached, 1 failed; report: none\n"
    );
    let said = stderr(&output);
    for part in ["error: task weights/b (", "the toy is broken", "  | about to fail", "  log: "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        said.contains("titrate reproduce quick --store .titrate --set seed=3 --only weights/b\n"),
        "{said}"
    );
    let alone = workspace.output(&["reproduce", "--only", "weights/b", "--quiet"]);
    assert_eq!(
        String::from_utf8_lossy(&alone.stdout),
        "ran 0 of 2 tasks, 1 cached, 1 failed; report: none\n"
    );
}

fn usage_and_store_errors_have_their_codes() {
    let workspace = Workspace::study();
    let check = |arguments: &[&str], code, said| {
        let output = workspace.output(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(said), "{arguments:?}: {output:?}");
    };
    check(&["reproduce", "--jobs", "0"], 2, "--jobs");
    check(&["reproduce", "nowhere"], 2, "no study is called `nowhere`");
    check(&["reproduce", "--set", "sed=1"], 2, "seed");
    check(&["why", "weights/c"], 2, "the nearest is `weights/");
    check(&["show", "0000"], 2, "start with 0000");
    fs::remove_file(workspace.path("source")).unwrap();
    check(&["reproduce"], 2, "source");
    fs::write(workspace.path("full"), "").unwrap();
    check(&["reproduce", "--store", "full"], 4, "full");
    fs::create_dir(workspace.path("other")).unwrap();
    fs::write(workspace.path("other/file"), "").unwrap();
    check(&["reproduce", "--store", "other"], 3, "not a titrate store");
}

fn a_check_computes_results_again() {
    let workspace = Workspace::study();
    let check = |part: &str, code: i32| {
        let output = workspace.output(&["reproduce", "--quiet", "--check", part]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = check("100%", 0);
    assert!(said.contains("check: no result was there before"), "all of them ran just now: {said}");
    let before = files(&workspace.path(".titrate/receipts"));
    let said = check("100%", 0);
    let all = "check: 11 of 11 results computed again: 11 the same, 0 otherwise, 0 not computed";
    assert!(said.contains(all), "{said}");
    assert!(check("9%", 0).contains("check: 1 of 11 results"), "one at least");
    assert_eq!(files(&workspace.path(".titrate/receipts")), before, "a check leaves nothing");
    assert_eq!(workspace.output(&["reproduce", "--check", "0"]).status.code(), Some(2));
    // Its output says where it was computed.
    let until = workspace.path("source");
    workspace.edit(|toy| {
        let params = json!({ "until": until, "odd": true });
        toy.0.insert(0, ToyTask::new("odd", "wait", params, &[]));
    });
    workspace.told(&["reproduce"]);
    let said = check("100", 1);
    assert!(said.contains("11 the same, 1 otherwise") && said.contains("odd: text"), "{said}");
    let said = String::from_utf8(workspace.output(&["verify"]).stdout).unwrap();
    assert!(said.contains("odd"), "the divergence is on record: {said}");
    assert!(workspace.told(&["reproduce"]).starts_with("ran 0 of 12"), "the first result stays");
    // With its receipts gone nothing is known of it; that it comes out otherwise ends no run.
    for (path, bytes) in files(&workspace.path(".titrate/receipts")) {
        if String::from_utf8_lossy(&bytes).contains(r#""label":"odd""#) {
            fs::remove_file(path).unwrap();
        }
    }
    fs::remove_dir_all(workspace.path(".titrate/work")).unwrap();
    fs::rename(workspace.path(".titrate"), workspace.path("moved")).unwrap();
    let said = workspace.told(&["reproduce", "--store", "moved"]);
    assert!(said.starts_with("ran 1 of 12"), "{said}");
}

fn plan_status_why_and_show_explain_an_edit() {
    let workspace = Workspace::study();
    assert!(workspace.told(&["plan"]).starts_with(
        "quick: 11 tasks: 0 fresh, 1 stale, 10 unknown\nstale    images  never ran\n"
    ));
    workspace.told(&["reproduce"]);
    // What the study could find comes after the tasks.
    let plan = || {
        let told = workspace.told(&["plan"]);
        let (tasks, rest) = told.split_once("to do, if nothing of it").unwrap_or((&told, ""));
        let known = "as the tasks of their kinds went that have run here: 4 tasks, ";
        assert!(rest.is_empty() || rest.contains(known), "{told}");
        tasks.split("power:\n").next().unwrap().to_owned()
    };
    assert_eq!(plan(), "quick: 11 tasks: 11 fresh, 0 stale, 0 unknown\n");
    workspace.edit(|toy| {
        let steps = toy.task("weights/b").params.insert("steps".into(), json!(200));
        assert_eq!(steps, Some(json!(100)));
    });
    let planned = "quick: 11 tasks: 6 fresh, 1 stale, 4 unknown\n\
        stale    weights/b  params.steps: 100 -> 200\n\
        unknown  shards/b  waits for weights/b\n\
        unknown  classifier/ab-augmented  waits for shards/b\n\
        unknown  analysis/sweep  waits for classifier/ab-augmented\n\
        unknown  report  waits for analysis/sweep\n\
        `--all` lists each task, `titrate why LABEL` says more of one\n";
    assert_eq!(plan(), planned);
    let status = workspace.told(&["status"]);
    assert!(status.contains("join         7      4      1        2\n"), "{status}");
    assert!(status.contains("1  params.steps: 100 -> 200 (weights/b)"), "{status}");
    let why = workspace.told(&["why", "report"]);
    assert!(why.contains("weights/b is stale: params.steps: 100 -> 200"), "{why}");
    workspace.told(&["reproduce"]);
    let why = workspace.told(&["why", "weights/b"]);
    assert!(why.contains("params.steps: 100 -> 200"), "{why}");
    let shown = workspace.told(&["show", "weights/b"]);
    for part in ["params.steps = 200\n", "kind = \"join\"\n", "attempt 1", "  text\n"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let key = shown.lines().find_map(|line| line.strip_prefix("key ")).unwrap();
    assert!(workspace.told(&["show", &key[..10]]).starts_with(&format!("key {key}\n")));
    let object = shown
        .lines()
        .rev()
        .find_map(|line| line.strip_suffix("  text"))
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    assert!(workspace.told(&["show", object]).contains("made by weights/b: text"));
}

/// A pipe whose reader has left, on both streams, as `2>&1 | head` leaves it; and a full disk.
fn nobody_listening_ends_no_run() {
    let workspace = Workspace::study();
    let closed = || {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        writer
    };
    for arguments in
        [&["reproduce"][..], &["reproduce", "--json"], &["plan"], &["plan", "--no-such-option"]]
    {
        let status =
            workspace.command(arguments).stdout(closed()).stderr(closed()).status().unwrap();
        let expected = if arguments.contains(&"--no-such-option") { 2 } else { 0 };
        assert_eq!(status.code(), Some(expected), "{arguments:?}");
    }
    assert!(workspace.told(&["reproduce"]).starts_with("ran 0 of 11"), "all was run");
    workspace.edit(|toy| drop(toy.task("analysis/sweep").params.insert("q".into(), json!(0.1))));
    for arguments in [&["plan"][..], &["reproduce", "--json"], &["status"], &["plan", "--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = workspace.command(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {said}");
        assert!(said.contains("to stdout: No space left on device"), "{arguments:?}: {said}");
    }
    assert!(workspace.told(&["reproduce"]).starts_with("ran 0 of 11"), "all was run");
}

fn commands_that_read_make_nothing() {
    let workspace = Workspace::study();
    let plan = workspace.told(&["plan"]);
    workspace.told(&["status"]);
    workspace.told(&["why", "analysis/sweep"]);
    for arguments in [&["verify"][..], &["gc", "--dry-run"]] {
        let output = workspace.output(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("there is no store at "));
    }
    assert!(!workspace.path(".titrate").exists());
    workspace.edit(|toy| {
        let odd = ToyTask::new("odd/\u{1b}[31m", "emit", json!({ "text": "x" }), &[]);
        toy.0.push(odd);
    });
    let odd = workspace.told(&["plan", "--all"]);
    assert!(odd.contains(r"odd/\u{1b}[31m") && !odd.contains('\u{1b}'), "{odd}");
    workspace.edit(|toy| drop(toy.0.pop()));
    workspace.told(&["reproduce", "--only", "weights/a"]);
    assert_ne!(workspace.told(&["plan"]), plan);
}

fn verify_finds_damage_and_gc_keeps_what_studies_need() {
    let workspace = Workspace::study();
    workspace.told(&["reproduce"]);
    assert!(workspace.told(&["gc", "--dry-run"]).starts_with("would drop 0 objects"));
    workspace.edit(|toy| drop(toy.task("analysis/sweep").params.insert("q".into(), json!(0.1))));
    workspace.told(&["reproduce"]);
    let counted = workspace.told(&["gc", "--dry-run"]);
    assert!(counted.starts_with("would drop 0 objects"), "both runs are on record: {counted}");
    let counted = workspace.told(&["gc", "quick", "--dry-run"]);
    assert!(counted.starts_with("  analysis/sweep  made "), "{counted}");
    assert!(!counted.contains("would drop 0 objects"), "{counted}");
    let before = files(&workspace.path(".titrate/objects"));
    let unasked = workspace.output(&["gc", "quick"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    let said = String::from_utf8(unasked.stdout).unwrap();
    assert_eq!(said, format!("{counted}nothing was dropped: `--yes` drops it\n"));
    assert_eq!(files(&workspace.path(".titrate/objects")), before);
    assert_eq!(workspace.told(&["gc", "quick", "--yes"]), counted.replace("would drop", "dropped"));
    assert!(workspace.told(&["reproduce"]).starts_with("ran 0 of 11"));
    let shown = workspace.told(&["show", "weights/a"]);
    let object = shown
        .lines()
        .rev()
        .find_map(|line| line.strip_suffix("  text"))
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let path = workspace.path(".titrate/objects").join(&object[..2]).join(&object[2..]);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "damage").unwrap();
    let output = workspace.output(&["verify"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 corrupt") && said.contains("runs again: weights/a: "), "{said}");
    assert!(workspace.told(&["reproduce"]).starts_with("ran 1 of 11"));
    assert!(workspace.told(&["verify"]).contains(" 0 corrupt"));
}
