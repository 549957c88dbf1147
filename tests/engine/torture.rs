//! Kills, damage to every kind of file of a store, two runs at once, and shared stores. After each a plain rerun:
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
use rand::seq::IndexedRandom;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use titrate::seed::Seed;

use crate::command_line::{Workspace, files, pid};
use crate::torture_share::{self, Attacked};

pub const TESTS: &[(&str, fn())] = &[("torture", torture)];

/// Minutes to go on for, with other choices each time.
const MINUTES: &str = "TITRATE_TORTURE_MINUTES";
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

/// Tried and failed, by attack.
type Table = BTreeMap<String, (usize, usize)>;

fn torture() {
    let minutes = std::env::var(MINUTES).ok().and_then(|text| text.parse::<f64>().ok());
    let end = Instant::now() + Duration::from_secs_f64(60.0 * minutes.unwrap_or(0.0));
    let (mut table, mut faults) = (Table::new(), Vec::new());
    let (whole, shared) = (Whole::new(), Attacked::new());
    for round in 0.. {
        let mut rng = Seed::of_study(round).child("torture").rng();
        for space in SPACES {
            for damage in DAMAGES {
                let fault = whole.damaged(space, damage, &mut rng);
                enter(&mut table, &mut faults, format!("{space}: {damage}"), round, fault);
            }
        }
        for target in TARGETS {
            for (name, signals) in KILLS {
                let fault = whole.killed(target, signals, rng.random_range(1..20));
                enter(&mut table, &mut faults, format!("{name} of the {target}"), round, fault);
            }
        }
        enter(&mut table, &mut faults, "two runs at once".into(), round, whole.two_runs());
        for space in torture_share::SPACES {
            for damage in DAMAGES {
                let fault = shared.damaged(space, damage, &mut rng);
                enter(&mut table, &mut faults, format!("shared {space}: {damage}"), round, fault);
            }
        }
        for command in torture_share::KILLED {
            let fault = shared.killed(command, Duration::from_millis(rng.random_range(1..80)));
            enter(&mut table, &mut faults, format!("KILL of a {command}, shared"), round, fault);
        }
        if Instant::now() >= end {
            break;
        }
    }
    print!("{}", shown(&table));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn enter(
    table: &mut Table,
    faults: &mut Vec<String>,
    name: String,
    round: u64,
    fault: Result<(), String>,
) {
    let row = table.entry(name.clone()).or_default();
    row.0 += 1;
    if let Err(fault) = fault {
        row.1 += 1;
        faults.push(format!("{name}, round {round}: {fault}"));
    }
}

fn shown(table: &Table) -> String {
    let mut text = "| attack | tried | survived | failed |\n|---|---:|---:|---:|\n".to_owned();
    let (tried, failed) = table.values().fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    let rows = table.iter().map(|(name, row)| (name.as_str(), *row));
    for (name, (tried, failed)) in rows.chain([("all", (tried, failed))]) {
        text += &format!("| {name} | {tried} | {} | {failed} |\n", tried - failed);
    }
    text
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
struct Whole {
    workspace: Workspace,
    report: BTreeMap<PathBuf, Vec<u8>>,
    outputs: BTreeSet<PathBuf>,
}

impl Whole {
    fn new() -> Self {
        let workspace = Workspace::study();
        workspace.told(&["reproduce"]);
        let report = report(&workspace);
        let store = workspace.path(".titrate");
        let objects = files(&store.join("objects")).into_keys();
        let whole = Self { report, outputs: objects.collect(), workspace };
        whole.copy(&store, &whole.workspace.path("kept"));
        whole
    }

    fn copy(&self, from: &Path, to: &Path) {
        let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
        assert!(copied.success());
    }

    fn store(&self) -> PathBuf {
        self.workspace.path(".titrate")
    }

    /// Puts the workspace back to before (`false`) or after its first run.
    fn reset(&self, has_run: bool) {
        for folder in [self.store(), self.workspace.path("reports")] {
            if folder.exists() {
                // Folders that an attack closed are opened again.
                let opened = Command::new("chmod").args(["-R", "u+rwX"]).arg(&folder).status();
                assert!(opened.is_ok());
                fs::remove_dir_all(&folder).unwrap();
            }
        }
        if has_run {
            self.copy(&self.workspace.path("kept"), &self.store());
        }
    }

    /// A plain rerun after an attack: `finished` does not run again, of the others `most` at most.
    fn rerun(&self, finished: &BTreeSet<String>, most: usize) -> Result<(), String> {
        let rerun = ended(self.workspace.command(&["reproduce", "--json"]))?;
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
        if report(&self.workspace) != self.report {
            return Err("the report is another".into());
        }
        let again = ended(self.workspace.command(&["reproduce"]))?;
        if !again.stdout.starts_with("ran 0 of 11 tasks, 11 cached, 0 failed") {
            return Err(format!("it does not settle: {}{}", again.stdout, again.stderr));
        }
        if again.stderr.to_lowercase().contains("warning") {
            return Err(format!("it warns of what is mended: {}", again.stderr));
        }
        let verified = ended(self.workspace.command(&["verify"]))?;
        if verified.code != Some(0) || !verified.stdout.contains(" 0 corrupt") {
            return Err(format!("it is not whole: {}{}", verified.stdout, verified.stderr));
        }
        Ok(())
    }

    /// Damages one file of a space, or two.
    fn damaged(&self, space: &str, damage: &str, rng: &mut impl Rng) -> Result<(), String> {
        self.reset(true);
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
        self.reset(false);
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
        self.reset(false);
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

/// The label of an event of this kind.
fn label(event: &Value, kind: &str) -> Option<String> {
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
