//! Faults of the disk below a run of the toy study: each call that reads or writes a file of the workspace
//! fails in turn, or the power goes before it. `faults/preload.c` does it, from outside the program.
//!
//! Afterwards a plain rerun has the report of a run that nothing disturbed, runs nothing again that had
//! finished, and `verify` agrees. What the disturbed run said names the file and the error, and is true.

mod power_cut;
mod preload;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::Value;
use tempfile::TempDir;

use preload::{FAULTS, Fault};

use crate::command_line::Workspace;
use crate::torture::{Ended, Whole, ended, label};

/// The tasks that are done in [`Start::Half`].
const HALF: [&str; 2] = ["images", "weights/a"];
const ROLES: [&str; 2] = ["reproduce", "worker"];

/// What a disturbed run begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// No store.
    Nothing,
    /// The store of a run that was killed half-way: the receipt of the last task that is done lies in the
    /// inbox, and the index was not closed.
    Half,
    /// The store of a run that ended well.
    Done,
}

pub const STARTS: [Start; 3] = [Start::Nothing, Start::Half, Start::Done];

/// A place of a fault: the `number`th call of a kind that processes of a role make.
#[derive(Clone, Debug)]
pub struct Site {
    fault: usize,
    start: Start,
    role: &'static str,
    call: &'static str,
    /// A part of the paths that count.
    path: &'static str,
    number: usize,
}

impl Site {
    /// The name of its fault.
    pub fn fault(&self) -> &'static str {
        FAULTS[self.fault].name
    }
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { fault, start, role, call, path, number } = self;
        let name = FAULTS[*fault].name;
        write!(f, "{name} at {call} {number} {path} of {role}, from {start:?}")
    }
}

/// What a disturbed run did.
struct Run {
    ended: Ended,
    /// The labels that it started and finished.
    started: BTreeSet<String>,
    finished: BTreeSet<String>,
    /// The paths whose calls went wrong.
    struck: Vec<PathBuf>,
    /// Inode -> length of the files that were there before it.
    before: HashMap<u64, u64>,
}

/// A workspace whose disk goes wrong.
pub struct Disk {
    whole: Whole,
    /// The library, and what it writes.
    aside: TempDir,
    library: PathBuf,
}

impl Disk {
    pub fn new() -> Self {
        let (whole, aside) = (Whole::of(Workspace::chain()), crate::folder());
        let library = preload::library(aside.path());
        whole.halve(&HALF);
        Self { whole, aside, library }
    }

    fn state(&self) -> PathBuf {
        self.aside.path().join("state")
    }

    /// A run with a fault, from what `start` says.
    fn disturbed(&self, start: Start, ask: impl Fn(&mut Command)) -> Result<Run, String> {
        match start {
            Start::Nothing => self.whole.reset(None),
            Start::Half => self.whole.reset(Some("half")),
            Start::Done => self.whole.reset(Some("kept")),
        }
        let state = self.state();
        let before = power_cut::lengths(&self.folders());
        let mut command = self.whole.command(&["reproduce", "--json", "--jobs", "1"]);
        preload::watch(&mut command, &self.library, &self.whole.workspace.path(""), &state);
        ask(&mut command);
        let ended = ended(command)?;
        let events =
            ended.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let events = events.collect::<Vec<_>>();
        let labels = |kind| events.iter().filter_map(|event| label(event, kind)).collect();
        let struck = preload::noted(&state, "fault");
        let struck = struck.iter().map(|line| line.rsplit('\t').next().unwrap().into()).collect();
        Ok(Run { started: labels("started"), finished: labels("finished"), struck, before, ended })
    }

    /// The labels of the tasks that are done at a start.
    fn finished(&self, start: Start) -> BTreeSet<String> {
        match start {
            Start::Nothing => BTreeSet::new(),
            Start::Half => HALF.map(str::to_owned).into(),
            Start::Done => self.whole.labels.clone(),
        }
    }

    fn folders(&self) -> [PathBuf; 2] {
        STORE_AND_REPORT.map(|name| self.whole.workspace.path(name))
    }

    /// Every place of every fault.
    pub fn sites(&self, start: Start) -> Vec<Site> {
        let run = self.disturbed(start, |command| _ = command.env("FAULTS_AT", "0")).unwrap();
        assert_eq!(run.ended.code, Some(0), "{}", run.ended.stderr);
        let calls = preload::noted(&self.state(), "call");
        let mut counts = BTreeMap::<(&str, &str), usize>::new();
        for line in &calls {
            let parts = line.split('\t').collect::<Vec<_>>();
            *counts.entry((parts[0], parts[1])).or_default() += 1;
        }
        let mut sites = Vec::new();
        for (index, fault) in FAULTS.iter().enumerate() {
            for (role, call) in
                ROLES.iter().flat_map(|role| fault.calls.iter().map(move |call| (role, call)))
            {
                let count = counts.get(&(*role, *call)).copied().unwrap_or(0);
                let site = |number| Site { fault: index, start, role, call, path: "", number };
                sites.extend((1..=count).map(site));
            }
        }
        sites
    }

    /// Lets a call go wrong, and runs again. None where the call was not made: how many there are depends a
    /// little on time.
    fn strike(&self, site: &Site) -> Result<Option<Run>, String> {
        let fault = &FAULTS[site.fault];
        let Site { start, role, call, path, number, .. } = *site;
        let ask = |command: &mut Command| fault.ask(command, role, call, path, number);
        let run = self.disturbed(start, ask)?;
        let Some(struck) = run.struck.first() else { return Ok(None) };
        show(site, &run);
        self.after(site, &run).map_err(|fault| {
            let (path, code) = (struck.display(), run.ended.code);
            format!("{fault}\n    struck {path}\n    code {code:?}\n    said {}", run.said())
        })?;
        Ok(Some(run))
    }

    /// Judges the disturbed run, and runs again.
    fn after(&self, site: &Site, run: &Run) -> Result<(), String> {
        let fault = &FAULTS[site.fault];
        fault.judge(run)?;
        let mut finished = self.finished(site.start);
        if let Some(label) = run.started.intersection(&finished).next() {
            return Err(format!("{label} was finished, and the disturbed run ran it again"));
        }
        if fault.loses() {
            power_cut::cut(&self.folders(), &self.state(), &run.before);
        }
        if matches!(fault.deed, "lie" | "lose") {
            // What a disk has lost that said it had it is made again, and little else.
            return self.whole.rerun(&BTreeSet::new(), 1);
        }
        finished.extend(run.finished.clone());
        self.whole.rerun(&finished, 4)
    }
}

impl Run {
    /// Its errors and warnings.
    fn said(&self) -> String {
        let events =
            self.ended.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let failed = events.filter(|event| event["event"] == "failed");
        let failed =
            failed.map(|event| format!("{}\n", event["error"].as_str().unwrap_or_default()));
        failed.chain([self.ended.stderr.clone()]).collect()
    }

    /// Whether it names one of the files that went wrong, or the folder of one.
    fn names_what_was_struck(&self) -> bool {
        let said = self.said();
        self.struck.iter().any(|path| {
            let path = path.to_string_lossy();
            // What is written there is on its way to one of these.
            if path.contains("/.titrate/tmp/") {
                let targets = ["objects", "receipts", "inbox", "tmp"];
                return targets.iter().any(|name| said.contains(&format!(".titrate/{name}/")));
            }
            let mut known = STORE_AND_REPORT.iter().chain(&["experiments"]);
            let at = known.find_map(|name| path.find(name)).unwrap_or(0);
            let folder = Path::new(&path[at..]).parent().map(|folder| folder.display().to_string());
            said.contains(&path[at..]) || folder.is_some_and(|folder| said.contains(&folder))
        })
    }
}

impl Fault {
    /// Whether a disturbed run ended as it should have, and said what is true.
    fn judge(&self, run: &Run) -> Result<(), String> {
        let (code, said) = (run.ended.code, run.said());
        match (self.deed, self.error) {
            ("cut", _) if code.is_some() => {
                return Err("the power went, and the run went on".into());
            }
            ("cut", _) => {}
            ("fail", Some((_, text))) if self.name != "EINTR" => {
                if !matches!(code, Some(0 | 1 | 3 | 4)) {
                    return Err("it ends with a code that the disk is no reason for".into());
                }
                if code != Some(0) && !said.contains(text) {
                    return Err("the error is not named".into());
                }
                if code != Some(0) && !run.names_what_was_struck() {
                    return Err("the file is not named".into());
                }
                if let Some(lie) = LIES.iter().find(|lie| said.contains(**lie)) {
                    return Err(format!("`{lie}` is not true"));
                }
            }
            _ if code != Some(0) || said.contains("warning") || said.contains("error") => {
                return Err("it was to be as if nothing had happened".into());
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a disk that fails is no reason to say.
const LIES: [&str; 8] = [
    "is missing",
    "was deleted",
    "not a titrate store",
    "corrupt",
    "damaged",
    "signal 9",
    "is gone",
    "in use by",
];
const STORE_AND_REPORT: [&str; 2] = [".titrate", "reports"];

/// Appends what a disturbed run said to the file that the environment names.
fn show(site: &Site, run: &Run) {
    use std::io::Write;
    let Some(path) = std::env::var_os("TITRATE_FAULTS_SHOW") else { return };
    let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
    let text = format!(
        "== {site}\n   {} -> {:?}, started {:?}\n{}{}",
        run.struck[0].display(),
        run.ended.code,
        run.started,
        run.said(),
        ""
    );
    file.write_all(text.as_bytes()).unwrap();
}

/// What became of a fault: none where its call was not made.
pub type Struck = (Site, Result<(), String>);

/// Strikes at all sites, on as many disks as there are processors.
pub fn sweep(sites: &[Site]) -> Vec<Struck> {
    let (next, struck) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let disks = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..disks {
            scope.spawn(|| {
                let disk = Disk::new();
                while let Some(site) = sites.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match disk.strike(site) {
                        Ok(None) => {}
                        Ok(Some(_)) => struck.lock().unwrap().push((site.clone(), Ok(()))),
                        Err(fault) => {
                            println!("{site}: {fault}");
                            struck.lock().unwrap().push((site.clone(), Err(fault)));
                        }
                    }
                }
            });
        }
    });
    struck.into_inner().unwrap()
}

/// One place of each fault, role and kind of call.
pub fn sample(sites: &[Site], rng: &mut impl Rng) -> Vec<Site> {
    let mut groups = BTreeMap::<_, Vec<&Site>>::new();
    for site in sites {
        groups.entry((site.fault, site.role, site.call)).or_default().push(site);
    }
    groups.values().map(|group| (*group.choose(rng).unwrap()).clone()).collect()
}

pub const TESTS: &[(&str, fn())] = &[
    ("a_disk_that_fails_is_no_damage", a_disk_that_fails_is_no_damage),
    ("a_clock_that_is_wrong_changes_nothing", a_clock_that_is_wrong_changes_nothing),
];

/// A row of [`FOUND`].
type Found =
    (Start, &'static str, &'static str, &'static str, &'static str, usize, i32, &'static str);

/// What was found, each once: what a disturbed run begins with, fault, role, call, path and number of the call,
/// and how the run ends.
const FOUND: &[Found] = &[
    // The store was said to be deleted.
    (Start::Nothing, "EIO", "reproduce", "stat", ".titrate$", 9, 0, ""),
    // An index whose folder could not be looked at was thrown away.
    (Start::Done, "EIO", "reproduce", "stat", "/index$", 1, 4, "index: Input/output error"),
    // Finished tasks ran again, because a disk failed once.
    (
        Start::Done,
        "EIO",
        "reproduce",
        "read",
        "/receipts/",
        3,
        4,
        "can't be read: Input/output error",
    ),
    (
        Start::Half,
        "ESTALE",
        "reproduce",
        "read",
        "/receipts/",
        3,
        4,
        "can't be read: Stale file handle",
    ),
    (
        Start::Half,
        "EIO",
        "reproduce",
        "read",
        "/objects/",
        1,
        4,
        "can't be read: Input/output error",
    ),
    (Start::Half, "EIO", "worker", "read", "/objects/", 1, 1, "can't be read: Input/output error"),
    // A worker tried for ever to lock its folder for temporary files.
    (Start::Nothing, "EIO", "worker", "lock", "/tmp/", 1, 1, ".lock: Input/output error"),
    // A task whose result is there was said to have failed.
    (Start::Nothing, "EIO", "worker", "unlink", "/work/", 1, 0, ""),
    // The index was said to have lost entries.
    (Start::Nothing, "ENOSPC", "reproduce", "write", "/index/", 1, 4, "o space left on "),
    // A study was said not to be there, or to be wrong.
    (Start::Done, "ESTALE", "reproduce", "stat", "/experiments/quick.toml$", 1, 0, ""),
    (
        Start::Done,
        "EIO",
        "reproduce",
        "read",
        "/experiments/quick.toml$",
        1,
        4,
        "cannot read the study",
    ),
    // Folders were said to exist, as the reason why they can't be made.
    (Start::Half, "EIO", "reproduce", "stat", ".titrate$", 1, 0, ""),
    // Why there is no journal was not said.
    (Start::Nothing, "EIO", "reproduce", "mkdir", "/runs$", 1, 0, "runs: Input/output error"),
    // What a power cut left of the summary of a run stayed.
    (Start::Nothing, "lost rename", "reproduce", "rename", "/run.md$", 1, 0, ""),
];

fn a_disk_that_fails_is_no_damage() {
    let (disk, mut faults) = (Disk::new(), Vec::new());
    for &(start, fault, role, call, path, number, code, text) in FOUND {
        let fault = FAULTS.iter().position(|known| known.name == fault).unwrap();
        let site = Site { fault, start, role, call, path, number };
        match disk.strike(&site) {
            Ok(Some(run)) if run.ended.code == Some(code) && run.said().contains(text) => {}
            Ok(Some(run)) => {
                faults.push(format!("{site}: {:?}: {}", run.ended.code, run.said()));
            }
            Ok(None) => faults.push(format!("{site}: there is no such call")),
            Err(fault) => faults.push(format!("{site}: {fault}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A run in 1970 and one in 2150 give the report of one in between, and each finds what the other made.
/// Earlier no clock of Linux goes.
fn a_clock_that_is_wrong_changes_nothing() {
    let disk = Disk::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    for ahead in [86_400 - now, 124 * 31_556_952].map(|seconds| seconds.to_string()) {
        for start in STARTS {
            let ask = |command: &mut Command| _ = command.env("FAULTS_CLOCK", &ahead);
            let run = disk.disturbed(start, ask).unwrap();
            let (code, said) = (run.ended.code, run.said());
            assert!(
                code == Some(0) && !said.contains("warning") && !said.contains("error"),
                "{said}"
            );
            assert_eq!(run.started.len(), 4 - disk.finished(start).len());
            disk.whole.rerun(&disk.whole.labels, 0).unwrap();
        }
    }
}
