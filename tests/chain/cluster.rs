//! A study on a real Slurm on which everything goes wrong: nodes go down, jobs are requeued and
//! preempted, the controller is started again, workers and the run itself are killed.

#[allow(dead_code, reason = "tests/engine uses the rest of it")]
#[path = "../slurm/real.rs"]
mod real;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use real::Slurm;
use rustix::process::Signal;
use serde_json::Value;
use titrate::seed::Seed;

use crate::chain::kill;

/// What goes wrong.
const WRONGS: [&str; 6] = [
    "a node goes down",
    "a job is requeued",
    "jobs are preempted",
    "the controller is started again",
    "a worker is killed",
    "the run is killed",
];

/// A workspace with a study of the project's, and two nodes of one core each.
struct Disturbed {
    slurm: Slurm,
    folder: tempfile::TempDir,
    study: String,
}

impl Disturbed {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn titrate(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titrate"));
        command
            .args(arguments)
            .arg("--store")
            .arg(self.path("store"))
            .env("TITRATE_WORKSPACE", env!("CARGO_MANIFEST_DIR"))
            .env("SLURM_CONF", self.slurm.config());
        command
    }

    /// Begins a run, or goes on with it.
    fn run(&self) -> Child {
        let file =
            |name| fs::File::options().create(true).append(true).open(self.path(name)).unwrap();
        self.titrate(&["reproduce", &self.study, "--executor", "slurm"])
            .arg("--profile")
            .arg(self.path("profile.toml"))
            .arg("--out")
            .arg(self.path("report"))
            .stdin(Stdio::null())
            .stdout(file("said"))
            .stderr(file("warned"))
            .process_group(0)
            .spawn()
            .unwrap()
    }

    /// A worker on any node.
    fn worker(&self) -> Option<i32> {
        let store = self.path("store").display().to_string();
        let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        processes.into_iter().find_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            let words = fs::read_to_string(process.path().join("cmdline")).ok()?;
            let mut words = words.split('\0').skip(1);
            (words.next() == Some("worker") && words.any(|word| word == store)).then_some(pid)
        })
    }

    /// Lets something go wrong, and says how many attempts it may have cost; none where there was
    /// nothing to disturb.
    fn disturb(&self, wrong: &str, run: &mut Child) -> Option<usize> {
        match wrong {
            "a node goes down" => {
                let (_, node) = self.slurm.running()?;
                let node = format!("nodename={node}");
                self.slurm.says(&["scontrol", "update", &node, "state=down", "reason=test"]);
                std::thread::sleep(Duration::from_secs(2));
                self.slurm.resume();
                Some(1)
            }
            "a job is requeued" => {
                let (job, _) = self.slurm.running()?;
                // It may have ended since.
                let mut requeue = Command::new("scontrol");
                requeue.args(["requeue", &job]).env("SLURM_CONF", self.slurm.config());
                requeue.output().unwrap().status.success().then_some(1)
            }
            "jobs are preempted" => {
                self.slurm.running()?;
                let urgent = ["-p", "urgent", "-N2", "--exclusive", "-o", "/dev/null"];
                let words = [&["sbatch"], urgent.as_slice(), &["--wrap", "sleep 1"]].concat();
                self.slurm.says(&words);
                Some(2)
            }
            "the controller is started again" => {
                self.slurm.restart_controller(Signal::TERM);
                Some(0)
            }
            "a worker is killed" => {
                let pid = rustix::process::Pid::from_raw(self.worker()?).unwrap();
                rustix::process::kill_process(pid, Signal::KILL).ok().map(|()| 1)
            }
            _ => {
                kill(std::mem::replace(run, self.run()));
                Some(0)
            }
        }
    }

    /// The attempts of all results.
    fn attempts(&self) -> Vec<u64> {
        let mut attempts = Vec::new();
        let mut folders = vec![self.path("store/receipts")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if let Ok(receipt) =
                    serde_json::from_slice::<Value>(&fs::read(entry).unwrap())
                {
                    attempts.push(receipt["attempt"].as_u64().unwrap());
                }
            }
        }
        attempts
    }
}

#[test]
#[ignore = "half an hour: `TITRATE_CLUSTER_STUDY` is another study than quick"]
fn a_study_on_a_cluster_that_goes_wrong_gives_its_report() {
    let slurm = match Slurm::start(1) {
        Ok(slurm) => slurm,
        Err(why) => return println!("skipped: {why}"),
    };
    let study = std::env::var("TITRATE_CLUSTER_STUDY").unwrap_or_else(|_| "quick".to_owned());
    let disturbed = Disturbed { slurm, folder: tempfile::tempdir().unwrap(), study };
    let profile =
        "[slurm]\ngather_seconds = 0.5\npoll_seconds = 2.0\nretries = 50\n[slurm.ask]\ncpus = 1\n";
    fs::write(disturbed.path("profile.toml"), profile).unwrap();
    let (clock, mut rng) = (Instant::now(), Seed::of_study(23).child("cluster").rng());
    let (mut run, mut wrongs, mut lost) = (disturbed.run(), BTreeMap::<&str, usize>::new(), 0);
    let mut next = 0;
    let status = loop {
        std::thread::sleep(Duration::from_millis(rng.random_range(8_000..20_000)));
        if let Some(status) = run.try_wait().unwrap() {
            break status;
        }
        let wrong = WRONGS[next % WRONGS.len()];
        next += 1;
        if let Some(attempts) = disturbed.disturb(wrong, &mut run) {
            *wrongs.entry(wrong).or_default() += 1;
            lost += attempts;
        }
    };
    let said = |name| fs::read_to_string(disturbed.path(name)).unwrap();
    assert!(status.success(), "{status}\n{}", said("warned"));
    let attempts = disturbed.attempts();
    let (results, tried) = (attempts.len(), attempts.iter().sum::<u64>() as usize);
    println!("{:.0?}: {results} results, {tried} attempts; {wrongs:?}", clock.elapsed());
    assert!(tried <= results + lost, "{tried} attempts at {results} results, {lost} of them lost");
    assert!(!said("warned").contains("other bytes"), "{}", said("warned"));
    let report = fs::read(disturbed.path("report/report.md")).unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports").join(&disturbed.study);
    match fs::read(committed.join("report.md")) {
        Ok(committed) => {
            assert!(report == committed, "the report is another than the committed one")
        }
        Err(_) => println!("no report of {} is committed", disturbed.study),
    }
    let verified = disturbed.titrate(&["verify"]).output().unwrap();
    let verified = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.contains(" 0 corrupt"), "{verified}");
}
