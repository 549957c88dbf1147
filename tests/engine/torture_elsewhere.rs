//! Runs whose tasks run elsewhere, by a command or on a cluster, while the run, a worker, the node
//! under a job or the cluster's controller goes away: the same command again ends the study, with the
//! same report, and what was published is not computed again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command_line::{files, pid};
use crate::elsewhere::{Cluster, expected, inside};
use crate::torture::{ended, label, label_of, waited};

/// By which executor tasks are started, what is killed or goes away, and after how many milliseconds
/// at most: a study of toys is soon done.
const ATTACKS: [(&str, &str, u64); 6] = [
    ("command", "run", 500),
    ("command", "worker", 400),
    ("slurm", "run", 1_500),
    ("slurm", "worker", 1_000),
    ("slurm", "node", 1_000),
    ("slurm", "controller", 1_000),
];
/// How long a controller is away.
const AWAY: Duration = Duration::from_millis(500);
/// Tasks of the toy study.
const TASKS: usize = 11;

/// An attack that met its victim.
pub struct Struck {
    pub attack: String,
    pub moment: Duration,
    pub outcome: Result<(), String>,
}

/// Makes each attack once, at a moment of its own, all at the same time: they mostly wait. One that
/// came too late for its victim is left out.
pub fn strike(rng: &mut impl Rng) -> Vec<Struck> {
    static REPORT: LazyLock<BTreeMap<PathBuf, Vec<u8>>> = LazyLock::new(expected);
    let report = &*REPORT;
    let mut moment = |most| Duration::from_millis(rng.random_range(0..most));
    let moments = ATTACKS.map(|(executor, victim, most)| (executor, victim, moment(most)));
    thread::scope(|scope| {
        let attacks = moments.into_iter().map(|(executor, victim, after)| {
            let attack = Attack { executor, victim, after, report };
            (format!("tasks by {executor}: {victim}"), after, scope.spawn(move || attack.make()))
        });
        let attacks = attacks.collect::<Vec<_>>();
        let outcomes = attacks.into_iter().filter_map(|(attack, moment, made)| {
            let outcome = made.join().unwrap_or_else(|_| Err("the test panics".to_owned()));
            let outcome = outcome.map(|struck| struck.then_some(())).transpose()?;
            Some(Struck { attack, moment, outcome })
        });
        outcomes.collect()
    })
}

struct Attack<'a> {
    executor: &'static str,
    victim: &'static str,
    after: Duration,
    report: &'a BTreeMap<PathBuf, Vec<u8>>,
}

impl Attack<'_> {
    /// Whether the victim was there to be struck.
    fn make(&self) -> Result<bool, String> {
        let cluster = Cluster::study();
        let mut command = cluster.command(self.executor, &["--json"]);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut run = command.spawn().unwrap();
        let lines = BufReader::new(run.stdout.take().unwrap()).lines();
        let told = thread::spawn(move || {
            let events = lines.map_while(Result::ok);
            // The last line may be cut off.
            let events = events.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
            events.filter_map(|event| label(&event, "finished")).collect::<BTreeSet<_>>()
        });
        thread::sleep(self.after);
        let struck = self.strike(&cluster, &mut run);
        let mut published = self.published(&cluster);
        let code = waited(&mut run).ok_or("the run hangs")?;
        // A worker that was killed may be taken for one that needs too much memory: its task fails.
        let codes: &[i32] = if self.victim == "worker" { &[0, 1] } else { &[0] };
        if self.victim != "run" && !code.is_some_and(|code| codes.contains(&code)) {
            return Err(format!("the run ends with {code:?}"));
        }
        published.extend(told.join().unwrap());
        self.again(&cluster, &published)?;
        Ok(struck)
    }

    /// Lets the victim go away, as soon as it is there; `false` if the run ended before.
    fn strike(&self, cluster: &Cluster, run: &mut Child) -> bool {
        let clock = Instant::now();
        while run.try_wait().unwrap().is_none() && clock.elapsed() < Duration::from_secs(20) {
            let struck = match self.victim {
                "run" => kill_process(pid(run), Signal::KILL).is_ok(),
                "worker" => workers(cluster)
                    .first()
                    .is_some_and(|worker| kill_process(*worker, Signal::KILL).is_ok()),
                "node" => {
                    let element = running(cluster);
                    element.iter().for_each(|element| cluster.requeue(element));
                    element.is_some()
                }
                _ => {
                    cluster.knob("squeue-fails", Some(""));
                    cluster.knob("sbatch-says", Some("Unable to contact slurm controller"));
                    thread::sleep(AWAY);
                    cluster.knob("sbatch-says", None);
                    cluster.knob("squeue-fails", None);
                    true
                }
            };
            if struck {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// The labels of the receipts that are in the store or on their way into it.
    fn published(&self, cluster: &Cluster) -> BTreeSet<String> {
        let store = cluster.path(".titrate");
        let receipts = ["receipts", "inbox"].map(|name| store.join(name));
        let receipts = receipts.iter().filter(|folder| folder.is_dir()).flat_map(|f| files(f));
        receipts.filter_map(|(_, bytes)| label_of(&bytes)).collect()
    }

    /// The same command ends the study; nothing of `published` is started.
    fn again(&self, cluster: &Cluster, published: &BTreeSet<String>) -> Result<(), String> {
        let again = ended(cluster.command(self.executor, &["--json"]))?;
        if again.code != Some(0) {
            return Err(format!("the rerun ends with {:?}: {}", again.code, again.stderr));
        }
        let events = again.stdout.lines().filter_map(|line| serde_json::from_str(line).ok());
        let mut started = events.filter_map(|event| label(&event, "started"));
        if let Some(label) = started.find(|label| published.contains(label)) {
            return Err(format!("{label} was published and is computed again"));
        }
        let report = cluster.report();
        if report != *self.report {
            return Err(format!("the report is another: {:?}", report.keys().collect::<Vec<_>>()));
        }
        let settled = ended(cluster.command(self.executor, &[]))?;
        if !settled.stdout.starts_with(&format!("ran 0 of {TASKS} tasks, {TASKS} cached")) {
            return Err(format!("it does not settle: {}{}", settled.stdout, settled.stderr));
        }
        let verified = ended(cluster.workspace.command(&["verify"]))?;
        if verified.code != Some(0) || !verified.stdout.contains(" 0 corrupt") {
            return Err(format!("it is not whole: {}{}", verified.stdout, verified.stderr));
        }
        let receipts = files(&cluster.path(".titrate/receipts"));
        let labels = receipts.values().filter_map(|bytes| label_of(bytes)).collect::<Vec<_>>();
        if labels.len() != TASKS {
            return Err(format!("{} receipts: {labels:?}", labels.len()));
        }
        Ok(())
    }
}

/// The processes of workers elsewhere.
fn workers(cluster: &Cluster) -> Vec<Pid> {
    let pid = |folder: PathBuf| {
        let lock = fs::read(folder.join("lock")).ok()?;
        let holder: Value = serde_json::from_slice(&lock).ok()?;
        Pid::from_raw(i32::try_from(holder["pid"].as_i64()?).ok()?)
    };
    cluster.attempts().into_iter().filter_map(pid).collect()
}

/// An element that runs, as `scontrol` names it.
fn running(cluster: &Cluster) -> Option<String> {
    let elements = inside(&cluster.path("fake/jobs"));
    let element = elements.iter().find(|folder| {
        fs::read_to_string(folder.join("state")).is_ok_and(|state| state.trim() == "RUNNING")
    })?;
    Some(element.file_name()?.to_str()?.replace('.', "_"))
}
