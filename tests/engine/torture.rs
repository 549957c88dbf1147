//! Kills, damage to every kind of file of a store, faults of the disk, two runs at once, and shared stores. After each a plain rerun:
//! every output is what it was, nothing that was finished runs again, and nothing hangs or panics.
//!
//! `cargo xtask torture` goes on for minutes; the suite makes each attack once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use titrate::id::Digest;
use titrate::seed::Seed;

use crate::command_line::{Workspace, files, pid};
use crate::faults::{self, Disk, STARTS, Site};
use crate::torture_elsewhere::{self, Struck};
use crate::torture_share::{self, Attacked};

pub const TESTS: &[(&str, fn())] = &[("torture", torture), ("every_fault", every_fault)];

/// Minutes to go on for, with other choices each time.
const MINUTES: &str = "TITRATE_TORTURE_MINUTES";
/// Whether every call fails in turn as well: the first of them that is tried, 1 for all, so that what
/// was ended can be gone on with.
const EVERY_FAULT: &str = "TITRATE_TORTURE_EVERY_FAULT";
/// Whether only runs whose tasks run elsewhere are attacked.
const ELSEWHERE: &str = "TITRATE_TORTURE_ELSEWHERE";
/// A command of a toy takes a fraction of a second.
const HANGS: Duration = Duration::from_secs(60);
const DAMAGES: [&str; 9] =
    ["flip", "truncate", "zero", "swap", "delete", "folder", "link", "pipe", "mode"];
/// Folders of a store with files that outlive a run, and its own files.
const SPACES: [&str; 5] = ["objects", "receipts", "index", "runs", "format"];
const KILLS: [(&str, &[Signal]); 4] = [
    ("KILL", &[Signal::KILL]),
    ("TERM", &[Signal::TERM]),
    ("HUP", &[Signal::HUP]),
    ("STOP and CONT", &[Signal::STOP, Signal::CONT]),
];
const TARGETS: [&str; 3] = ["group", "coordinator", "worker"];

fn torture() {
    let minutes = std::env::var(MINUTES).ok().and_then(|text| text.parse::<f64>().ok());
    let end = Instant::now() + Duration::from_secs_f64(60.0 * minutes.unwrap_or(0.0));
    let mut tally = Tally::default();
    if std::env::var_os(ELSEWHERE).is_some() {
        for round in 0.. {
            let mut rng = Seed::of_study(round).child("torture elsewhere").rng();
            tally.elsewhere(round, &mut rng);
            if Instant::now() >= end {
                return tally.close();
            }
        }
    }
    let (whole, shared, disk) = (Whole::of(Workspace::study()), Attacked::new(), Disk::new());
    let sites = STARTS.map(|start| disk.sites(start)).concat();
    for round in 0.. {
        let mut rng = Seed::of_study(round).child("torture").rng();
        tally.round = round;
        for (space, damage) in pairs(&SPACES, &DAMAGES) {
            let fault = whole.damaged(space, damage, &mut rng);
            tally.enter("damaged files", format!("{space}: {damage}"), fault);
        }
        for (target, (name, signals)) in pairs(&TARGETS, &KILLS) {
            let fault = whole.killed(target, signals, rng.random_range(1..20));
            tally.enter("kills", format!("{name} of the {target}"), fault);
        }
        tally.enter("two runs at once", String::new(), whole.two_runs());
        for (space, damage) in pairs(&torture_share::SPACES, &DAMAGES) {
            let fault = shared.damaged(space, damage, &mut rng);
            tally.enter("damaged entries of a shared store", format!("{space}: {damage}"), fault);
        }
        for command in torture_share::KILLED {
            let fault = shared.killed(command, Duration::from_millis(rng.random_range(1..80)));
            tally.enter("kills, with a shared store", format!("KILL of a {command}"), fault);
        }
        tally.elsewhere(round, &mut rng);
        faults(&mut tally, &faults::sample(&sites, &mut rng));
        if Instant::now() >= end {
            break;
        }
    }
    tally.close();
}

/// Each call of a run that reads or writes goes wrong in turn.
fn every_fault() {
    let Ok(first) = std::env::var(EVERY_FAULT) else {
        println!(
            "a sample of faults is part of `torture`; cargo xtask torture --every-fault tries all"
        );
        return;
    };
    let first = first.parse::<usize>().expect(EVERY_FAULT).max(1) - 1;
    let disk = Disk::new();
    let mut tally = Tally::default();
    let mut sites = STARTS.map(|start| disk.sites(start)).concat();
    // What is found early is of all kinds.
    sites.shuffle(&mut Seed::of_study(0).child("every fault").rng());
    println!("{} places of faults, from number {} on", sites.len(), first + 1);
    faults(&mut tally, sites.get(first..).unwrap_or_default());
    tally.close();
}

fn faults(tally: &mut Tally, sites: &[Site]) {
    for (site, outcome) in faults::sweep(sites) {
        tally.enter(&format!("disk: {}", site.fault()), site.to_string(), outcome);
    }
}

fn pairs<'a, A: Copy, B: Copy>(one: &'a [A], other: &'a [B]) -> impl Iterator<Item = (A, B)> {
    one.iter().flat_map(move |one| other.iter().map(move |other| (*one, *other)))
}

/// What was tried, and what it did.
#[derive(Default)]
struct Tally {
    round: u64,
    /// Tried and failed, by attack.
    rows: BTreeMap<String, (usize, usize)>,
    faults: Vec<String>,
}

impl Tally {
    fn enter(&mut self, attack: &str, name: String, outcome: Result<(), String>) {
        let row = self.rows.entry(attack.to_owned()).or_default();
        row.0 += 1;
        if let Err(fault) = outcome {
            row.1 += 1;
            self.faults.push(format!("{attack}: {name}, round {}: {fault}", self.round));
        }
    }

    /// The attacks on runs whose tasks run elsewhere.
    fn elsewhere(&mut self, round: u64, rng: &mut impl Rng) {
        self.round = round;
        for Struck { attack, moment, outcome } in torture_elsewhere::strike(rng) {
            self.enter(&attack, format!("after {moment:?}"), outcome);
        }
    }

    fn close(&self) {
        print!("{}", self.table());
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
    }

    fn table(&self) -> String {
        let mut text =
            "| attack | tried | survived | failed |\n| --- | ---: | ---: | ---: |\n".to_owned();
        for (attack, (tried, failed)) in &self.rows {
            text += &format!("| {attack} | {tried} | {} | {failed} |\n", tried - failed);
        }
        text
    }
}

/// How a command ended, and what it said.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Waits for a command, and not forever.
pub fn ended(mut command: Command) -> Result<Ended, String> {
    let said = format!("{:?}", command.get_args().collect::<Vec<_>>());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap();
    let streams: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    let [stdout, stderr] = streams.map(|mut stream| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    });
    let code = waited(&mut child).ok_or_else(|| format!("{said} hangs"))?;
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    if stderr.contains("panicked") {
        return Err(format!("{said} panics: {stderr}"));
    }
    Ok(Ended { code, stdout, stderr })
}

/// The exit code of a child that leads its group, which is killed where it hangs.
pub fn waited(child: &mut Child) -> Option<Option<i32>> {
    let clock = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code());
        }
        if clock.elapsed() > HANGS {
            let _ = kill_process_group(pid(child), Signal::KILL);
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A study that has run, its store and its report as they were.
pub struct Whole {
    pub workspace: Workspace,
    report: BTreeMap<PathBuf, Vec<u8>>,
    outputs: BTreeSet<PathBuf>,
    /// Of all tasks.
    pub labels: BTreeSet<String>,
}

impl Whole {
    pub fn of(workspace: Workspace) -> Self {
        workspace.told(&["reproduce"]);
        let report = report(&workspace);
        let store = workspace.path(".titrate");
        let outputs = files(&store.join("objects")).into_keys().collect();
        let receipts = files(&store.join("receipts")).into_values();
        let labels = receipts.filter_map(|bytes| label_of(&bytes)).collect();
        let whole = Self { report, outputs, labels, workspace };
        copy(&store, &whole.workspace.path("kept"));
        whole
    }

    fn store(&self) -> PathBuf {
        self.workspace.path(".titrate")
    }

    /// Empties the workspace, and puts a store there that was kept.
    pub fn reset(&self, kept: Option<&str>) {
        for folder in [self.store(), self.workspace.path("reports")] {
            if folder.exists() && fs::remove_dir_all(&folder).is_err() {
                // Folders that an attack closed are opened again.
                let opened = Command::new("chmod").args(["-R", "u+rwX"]).arg(&folder).status();
                assert!(opened.is_ok());
                fs::remove_dir_all(&folder).unwrap();
            }
        }
        if let Some(name) = kept {
            copy(&self.workspace.path(name), &self.store());
        }
    }

    /// Keeps a store as `half`: that of a run that was killed when these tasks were done, the receipt of the
    /// last of which lies in the inbox.
    pub fn halve(&self, done: &[&str]) {
        let half = self.workspace.path("half");
        copy(&self.workspace.path("kept"), &half);
        fs::remove_file(half.join("index/whole")).unwrap();
        fs::create_dir_all(half.join("tmp/dead-1-0")).unwrap();
        for name in ["dead-1-0.lock", "dead-1-0/0"] {
            fs::write(half.join("tmp").join(name), "left").unwrap();
        }
        for (path, bytes) in files(&half.join("receipts")) {
            let Some(label) = label_of(&bytes) else { continue };
            if done.last() == Some(&label.as_str()) {
                let name = format!("{}.receipt.json", Digest::of(&bytes));
                fs::rename(path, half.join("inbox").join(name)).unwrap();
            } else if !done.contains(&label.as_str()) {
                fs::remove_file(path).unwrap();
            }
        }
    }

    /// A command that does not ask git for the state of titrate's own sources, which takes as long as all else.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.command(arguments);
        command.env("PATH", "");
        command
    }

    /// A plain rerun after an attack: `finished` does not run again, of the others `most` at most.
    pub fn rerun(&self, finished: &BTreeSet<String>, most: usize) -> Result<(), String> {
        let rerun = ended(self.command(&["reproduce", "--json"]))?;
        if rerun.code != Some(0) {
            return Err(format!("the rerun ends with {:?}: {}", rerun.code, rerun.stderr));
        }
        let events = rerun.stdout.lines().filter_map(|line| serde_json::from_str(line).ok());
        let started = events.filter_map(|event| label(&event, "started")).collect::<Vec<_>>();
        if let Some(label) = started.iter().find(|label| finished.contains(*label)) {
            return Err(format!("{label} was finished and runs again"));
        }
        if started.len() > most {
            return Err(format!("{} tasks run again: {started:?}", started.len()));
        }
        let found = report(&self.workspace);
        if found != self.report {
            let names = found.keys().collect::<Vec<_>>();
            return Err(format!("the report is another: {names:?}"));
        }
        let again = ended(self.command(&["reproduce"]))?;
        let tasks = self.labels.len();
        let settled = format!("ran 0 of {tasks} tasks, {tasks} cached, 0 failed");
        if !again.stdout.starts_with(&settled) {
            return Err(format!("it does not settle: {}{}", again.stdout, again.stderr));
        }
        if again.stderr.to_lowercase().contains("warning") {
            return Err(format!("it warns of what is mended: {}", again.stderr));
        }
        let verified = ended(self.command(&["verify"]))?;
        if verified.code != Some(0) || !verified.stdout.contains(" 0 corrupt") {
            return Err(format!("it is not whole: {}{}", verified.stdout, verified.stderr));
        }
        Ok(())
    }

    /// Damages one file of a space, or two.
    fn damaged(&self, space: &str, damage: &str, rng: &mut impl Rng) -> Result<(), String> {
        self.reset(Some("kept"));
        let place = self.store().join(space);
        let mut all = match place.is_dir() {
            true => files(&place).into_keys().collect::<Vec<_>>(),
            false => vec![place],
        };
        // Logs among the objects are no outputs; whose they are, nobody asks.
        all.retain(|path| space != "objects" || self.outputs.contains(path));
        let path = all.choose(rng).unwrap().clone();
        let other = all.choose(rng).unwrap().clone();
        inflict(damage, &path, &other, rng);
        let most = match (space, damage) {
            ("objects" | "receipts", "swap") => 4,
            ("objects" | "receipts", _) => 2,
            _ => 0,
        };
        self.rerun(&BTreeSet::new(), most).map_err(|fault| format!("{}: {fault}", path.display()))
    }

    /// Sends signals to a run after some events.
    fn killed(&self, target: &str, signals: &[Signal], after: usize) -> Result<(), String> {
        self.reset(None);
        let mut command = self.workspace.command(&["reproduce", "--json", "--jobs", "2"]);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut finished = BTreeSet::new();
        let mut worker = None;
        let mut sent = false;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (count, line) in lines.map_while(Result::ok).enumerate() {
            // The last line may be cut off.
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            finished.extend(label(&event, "finished"));
            if event["event"] == "progress" {
                worker = event["message"].as_str().and_then(|text| text.parse::<i32>().ok());
            }
            if count + 1 < after || sent || (target == "worker" && worker.is_none()) {
                continue;
            }
            sent = true;
            for signal in signals {
                // A worker may have ended meanwhile.
                let _ = match target {
                    "group" => kill_process_group(pid(&child), *signal),
                    "coordinator" => kill_process(pid(&child), *signal),
                    _ => kill_process(Pid::from_raw(worker.unwrap()).unwrap(), *signal),
                };
            }
        }
        waited(&mut child).ok_or("the run hangs")?;
        self.rerun(&finished, 11)
    }

    /// Of two runs at once one is refused, or comes when the other is done.
    fn two_runs(&self) -> Result<(), String> {
        self.reset(None);
        let runs = std::thread::scope(|scope| {
            let run = || scope.spawn(|| ended(self.workspace.command(&["reproduce"])));
            [run(), run()].map(|run| run.join().unwrap())
        });
        let [one, other] = runs;
        let codes = BTreeSet::from([one?.code, other?.code]);
        if !codes.contains(&Some(0)) || codes.iter().any(|code| ![Some(0), Some(3)].contains(code))
        {
            return Err(format!("they end with {codes:?}"));
        }
        self.rerun(&BTreeSet::new(), 0)
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(path, to).unwrap()),
        }
    }
}

/// The label of a receipt's task; none of another file.
pub fn label_of(bytes: &[u8]) -> Option<String> {
    let receipt = serde_json::from_slice::<Value>(bytes).ok()?;
    Some(receipt["label"].as_str()?.to_owned())
}

/// The label of an event of this kind.
pub fn label(event: &Value, kind: &str) -> Option<String> {
    (event["event"] == kind).then(|| event["label"].as_str().unwrap_or_default().to_owned())
}

/// The report's files, without the summary of the run.
pub fn report(workspace: &Workspace) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut report = files(&workspace.path("reports"));
    report.retain(|path, _| !path.ends_with("run.md") && !path.ends_with("ro-crate-metadata.json"));
    report
}

pub fn inflict(damage: &str, path: &Path, other: &Path, rng: &mut impl Rng) {
    let bytes = fs::read(path).unwrap();
    let put = |bytes: Vec<u8>| {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let at = rng.random_range(0..bytes.len().max(1));
    match damage {
        "flip" if !bytes.is_empty() => {
            let mut bytes = bytes;
            bytes[at] ^= 1 << rng.random_range(0..8);
            put(bytes);
        }
        "truncate" => put(bytes[..at].to_vec()),
        "zero" => put(vec![0; bytes.len()]),
        "swap" => {
            let theirs = fs::read(other).unwrap();
            put(theirs);
            fs::remove_file(other).unwrap();
            fs::write(other, bytes).unwrap();
        }
        "mode" => fs::set_permissions(path, Permissions::from_mode(0o0)).unwrap(),
        "flip" => {}
        _ => {
            fs::remove_file(path).unwrap();
            match damage {
                "folder" => fs::create_dir(path).unwrap(),
                "link" => symlink("nowhere", path).unwrap(),
                "pipe" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
                _ => assert_eq!(damage, "delete"),
            }
        }
    }
}
