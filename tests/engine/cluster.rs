//! A toy study on a real Slurm that these tests start (tests/slurm/up.sh), and what happens to jobs
//! on one: nodes that go down, requeues, preemption, time limits, a controller that is started
//! again, and a run that is killed. Where Slurm isn't installed, the tests say so.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::json;

use crate::elsewhere::{Cluster, Run, inside, until, waiting};
use crate::real::Slurm;
use crate::toy::{self, Toy, ToyTask};

pub const TESTS: &[(&str, fn())] = &[("a_real_cluster_gives_what_children_give", a_real_cluster)];

/// A workspace whose runs use this Slurm and no fake one.
struct Real<'a> {
    cluster: Cluster,
    slurm: &'a Slurm,
}

impl<'a> Real<'a> {
    fn new(slurm: &'a Slurm, profile: &str, toy: impl FnOnce(&Path) -> Toy) -> Self {
        let cluster = Cluster::new(toy);
        fs::remove_dir_all(cluster.path("bin")).unwrap();
        cluster.profile(profile);
        // Other tests' jobs are none of its business.
        Self { cluster, slurm }
    }

    fn start(&self) -> Run {
        let mut command = self.cluster.command("slurm", &[]);
        command.env("SLURM_CONF", self.slurm.config());
        Run::of(command)
    }

    /// How many workers have begun whose results are not taken in yet.
    fn begun(&self) -> usize {
        self.cluster.attempts().len()
    }
}

fn a_real_cluster() {
    let slurm = match Slurm::start(4) {
        Ok(slurm) => slurm,
        Err(why) => {
            println!("skipped: {why}; .ci/run installs slurmctld, slurmd, slurm-client and munge");
            return;
        }
    };
    a_study(&slurm);
    requeued_while_the_controller_is_away(&slurm);
    killed_and_found_again(&slurm);
    preempted_and_out_of_time(&slurm);
    // Last: it gives out ids again that nodes know, which are drained for that.
    a_controller_that_crashes(&slurm);
}

fn a_study(slurm: &Slurm) {
    let source = |folder: &Path| folder.join("source").display().to_string();
    let real = Real::new(slurm, "[slurm.ask]\ncpus = 1", |folder| toy::study(&source(folder)));
    real.start().end().counts(11, 11);
    let here = Cluster::new(|folder| toy::study(&source(folder)));
    here.workspace.told(&["reproduce"]);
    assert_eq!(real.cluster.report(), here.report());
    real.start().end().counts(0, 11);
    assert_eq!(real.cluster.left(), [""; 0].map(PathBuf::from));
}

/// The node of a job goes down, which goes on there and begins again on the other one, and the
/// controller is started again meanwhile.
fn requeued_while_the_controller_is_away(slurm: &Slurm) {
    let real = Real::new(slurm, "", waiting);
    let run = real.start();
    until("a worker", || real.begun() == 1 && slurm.running().is_some());
    let (_, node) = slurm.running().unwrap();
    let node = format!("nodename={node}");
    slurm.says(&["scontrol", "update", &node, "state=down", "reason=test"]);
    slurm.restart_controller(Signal::TERM);
    until("a second worker", || real.begun() == 2);
    let (job, _) = slurm.running().unwrap();
    // And once more, by hand.
    slurm.says(&["scontrol", "requeue", &job]);
    until("a third worker", || real.begun() == 3);
    fs::write(real.cluster.path("go"), "").unwrap();
    real_end(&real, run);
    slurm.resume();
}

/// It forgets what it has not written down yet, such as a job whose id it has just given out.
fn a_controller_that_crashes(slurm: &Slurm) {
    let real = Real::new(slurm, "", waiting);
    let run = real.start();
    until("a worker", || real.begun() == 1);
    slurm.restart_controller(Signal::KILL);
    fs::write(real.cluster.path("go"), "").unwrap();
    let ended = run.end();
    ended.counts(2, 2);
    assert!(!ended.stderr.contains("other bytes"), "{ended:?}");
}

/// Both tasks ran, once each as far as anybody can see, and both arrays were submitted once.
fn real_end(real: &Real<'_>, run: Run) {
    let ended = run.end();
    ended.counts(2, 2);
    assert!(!ended.stderr.contains("submitted again"), "{ended:?}");
    assert!(!ended.stderr.contains("other bytes"), "{ended:?}");
    real.start().end().counts(0, 2);
}

fn killed_and_found_again(slurm: &Slurm) {
    let before = slurm.jobs().len();
    let real = Real::new(slurm, "", waiting);
    let run = real.start();
    until("a worker", || real.begun() == 1);
    run.kill();
    let again = real.start();
    until("the second run's journal", || inside(&real.cluster.path(".titrate/runs")).len() == 4);
    fs::write(real.cluster.path("go"), "").unwrap();
    real_end(&real, again);
    assert_eq!(slurm.jobs().len(), before + 2, "no task is submitted twice: {:?}", slurm.jobs());
    assert!(real.cluster.shown("slow").contains("attempt 1"), "{}", real.cluster.shown("slow"));
    // An interrupt leaves no job.
    let real = Real::new(slurm, "", waiting);
    let run = real.start();
    until("a worker", || real.begun() == 1);
    run.signal(Signal::INT);
    run.end().says(130, "interrupted");
    until("the job's end", || slurm.says(&["squeue", "-h"]).is_empty());
}

/// A job of more weight takes the nodes while a task counts, and its time is over before it has
/// counted all: each time it goes on where it was.
fn preempted_and_out_of_time(slurm: &Slurm) {
    let count = |_: &Path| {
        Toy(vec![
            ToyTask::new("long", "count", json!({ "to": 800 }), &[]),
            ToyTask::new("report", "page", json!({}), &["long"]),
        ])
    };
    // Of a minute, the least there is, 58 s are the warning's.
    let real = Real::new(slurm, "warn_seconds = 58\n[slurm.ask]\ntime = '1'", count);
    let run = real.start();
    until("a worker", || real.begun() == 1);
    let urgent = ["-p", "urgent", "-N2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1"];
    slurm.says(&[&["sbatch", "--job-name=urgent"], urgent.as_slice()].concat());
    until("a second worker", || real.begun() >= 2);
    real_end(&real, run);
    let shown = real.cluster.shown("long");
    assert!(!shown.contains("attempt 1\n"), "{shown}");
    println!(
        "  on a real cluster, preempted and out of time: {}",
        shown.lines().find(|line| line.starts_with("ran as")).unwrap()
    );
}
