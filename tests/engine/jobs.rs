//! Tasks as jobs of a cluster that a script pretends to be (tests/slurm/fake.sh), with what goes
//! wrong on real ones.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use titrate::id::Digest;

use crate::elsewhere::{Cluster, expected, inside, is_alive, single, until, waiting};
use crate::toy::{Toy, ToyTask};

pub const TESTS: &[(&str, fn())] = &[
    ("a_queue_runs_what_children_run", a_queue_runs_what_children_run),
    ("success_is_a_receipt_and_no_state", success_is_a_receipt_and_no_state),
    ("a_job_back_from_the_dead_changes_nothing", a_job_back_from_the_dead_changes_nothing),
    (
        "a_result_that_is_there_before_its_job_is_submitted_counts",
        a_result_that_is_there_before_its_job_is_submitted_counts,
    ),
    ("attempts_that_differ_are_a_divergence", attempts_that_differ_are_a_divergence),
    ("a_lost_answer_is_found_by_name", a_lost_answer_is_found_by_name),
    ("a_refused_array_fails_in_sbatchs_words", a_refused_array_fails_in_sbatchs_words),
    ("failures_show_the_log_of_worker_or_job", failures_show_the_log_of_worker_or_job),
    (
        "lost_jobs_are_submitted_again_and_not_for_ever",
        lost_jobs_are_submitted_again_and_not_for_ever,
    ),
    ("a_failed_question_is_no_answer", a_failed_question_is_no_answer),
    ("purged_and_forgotten_jobs_are_told_apart", purged_and_forgotten_jobs_are_told_apart),
    ("waves_are_cut_and_throttled", waves_are_cut_and_throttled),
    ("a_time_limit_is_a_checkpoint_and_a_requeue", a_time_limit_is_a_checkpoint_and_a_requeue),
    ("a_killed_run_finds_its_jobs", a_killed_run_finds_its_jobs),
    ("a_run_killed_while_it_submits_submits_once", a_run_killed_while_it_submits_submits_once),
    ("an_interrupt_cancels_jobs", an_interrupt_cancels_jobs),
    ("a_failure_takes_back_what_waits", a_failure_takes_back_what_waits),
];

fn a_queue_runs_what_children_run() {
    let cluster = Cluster::study();
    cluster.profile("setup = ['export GREETING=hello']\n[slurm.ask]\ncpus = 2\n[slurm.kinds.draw]\ntime = '00:10:00'");
    cluster.run("slurm", &[]).counts(11, 11);
    assert_eq!(cluster.report(), expected());
    assert_eq!(cluster.left(), [""; 0].map(PathBuf::from));
    // Six kinds in their order, fewer arrays than tasks; none depends on another in the queue's eyes.
    let submitted = cluster.calls("sbatch");
    assert!((6..10).contains(&submitted.len()), "{submitted:?}");
    for call in submitted {
        let named = [
            "--parsable",
            "--open-mode=append",
            "--requeue",
            "--signal=B:USR2@120",
            "--cpus-per-task=2",
        ];
        assert!(
            named.iter().all(|option| call.contains(option)) && !call.contains("depend"),
            "{call}"
        );
        assert!(call.contains("--output=/"), "{call}");
    }
    let drawn =
        cluster.calls("sbatch").iter().filter(|call| call.contains("--time=00:10:00")).count();
    assert!((1..=2).contains(&drawn), "{drawn}");
}

fn success_is_a_receipt_and_no_state() {
    let one = || Cluster::new(|_| single("emit", json!({ "text": "x" })));
    let cluster = one();
    cluster.knob("ends-as", Some("COMPLETED"));
    let ended = cluster.run("slurm", &[]);
    ended.says(1, "its job ended well, but the worker said nothing of a result");
    cluster.knob("ends-as", None);
    cluster.run("slurm", &[]).counts(2, 2);
    for state in ["FAILED", "NODE_FAIL", "CANCELLED by 0", "WHAT_EVER"] {
        let cluster = one();
        cluster.knob("shows-as", Some(state));
        cluster.run("slurm", &[]).counts(2, 2);
        assert_eq!(cluster.calls("sbatch").len(), 2, "{state}");
    }
}

/// A node is given up and its job runs again, beside the first that goes on.
fn a_job_back_from_the_dead_changes_nothing() {
    let cluster = Cluster::new(waiting);
    let run = cluster.start("slurm", &[]);
    until("a worker", || cluster.attempts().len() == 1);
    cluster.requeue("1_0");
    until("a second worker", || cluster.attempts().len() == 2);
    fs::write(cluster.path("go"), "").unwrap();
    let ended = run.end();
    ended.counts(2, 2);
    assert!(!ended.stderr.contains("other bytes"), "{ended:?}");
    cluster.run("slurm", &[]).counts(0, 2);
    assert_eq!(cluster.calls("sbatch").len(), 2);
    cluster.workspace.told(&["verify"]);
}

/// While a task waits for others of its kind, its result comes from a job of an earlier run: nothing
/// is submitted, and the folder that is gone is missed by nobody.
fn a_result_that_is_there_before_its_job_is_submitted_counts() {
    let toy = |folder: &Path| {
        let mut toy = waiting(folder);
        toy.0.push(ToyTask::new("first", "emit", json!({ "text": "x" }), &[]));
        toy.0.push(ToyTask::new("second", "join", json!({}), &["first"]));
        toy
    };
    let here = Cluster::new(toy);
    here.workspace.told(&["reproduce", "--only", "second"]);
    let cluster = Cluster::new(toy);
    let profile = "[slurm]\npoll_seconds = 0.1\ngrace_seconds = 0.2\ngather_seconds = 3\n";
    fs::write(cluster.path("profile.toml"), profile).unwrap();
    let run = cluster.start("slurm", &[]);
    let files = |of: &Cluster, space: &str| -> Vec<PathBuf> {
        let shelves = inside(&of.path(".titrate").join(space));
        shelves.iter().flat_map(|shelf| inside(shelf)).collect()
    };
    let second =
        |receipt: &PathBuf| fs::read_to_string(receipt).unwrap().contains("\"label\":\"second\"");
    let receipt = files(&here, "receipts").into_iter().find(second).unwrap();
    let receipt = fs::read(receipt).unwrap();
    let read: Value = serde_json::from_slice(&receipt).unwrap();
    let folder = cluster.path(".titrate/work").join(read["key"].as_str().unwrap());
    until("the wait of the second", || folder.is_dir());
    for object in files(&here, "objects") {
        let to = cluster.path(".titrate").join(object.strip_prefix(here.path(".titrate")).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        // What the first made is there.
        let _ = fs::copy(&object, &to);
    }
    let published = cluster.path(".titrate/inbox");
    let published = published.join(format!("{}.receipt.json", Digest::of(&receipt)));
    fs::write(cluster.path("aside"), receipt).unwrap();
    fs::rename(cluster.path("aside"), published).unwrap();
    until("the second's result", || files(&cluster, "receipts").iter().any(second));
    fs::write(cluster.path("go"), "").unwrap();
    run.end().counts(4, 4);
    assert_eq!(cluster.calls("sbatch").len(), 3, "the second was submitted to nobody");
}

/// The first result stays, the other is on record.
fn attempts_that_differ_are_a_divergence() {
    let cluster = Cluster::new(|folder| {
        let mut toy = waiting(folder);
        toy.task("slow").params.insert("odd".into(), true.into());
        toy
    });
    let run = cluster.start("slurm", &[]);
    until("a worker", || cluster.attempts().len() == 1);
    cluster.requeue("1_0");
    until("a second worker", || cluster.attempts().len() == 2);
    // Whoever is first would end the other.
    run.signal(Signal::STOP);
    fs::write(cluster.path("go"), "").unwrap();
    until("two results", || inside(&cluster.path(".titrate/inbox")).len() == 2);
    run.signal(Signal::CONT);
    let ended = run.end();
    ended.counts(2, 2);
    ended.says(0, "ran again and gave other bytes");
}

fn a_lost_answer_is_found_by_name() {
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    cluster.knob("sbatch-loses", Some(""));
    cluster.run("slurm", &[]).counts(2, 2);
    assert_eq!(cluster.calls("sbatch").len(), 2, "each array is submitted once");
    // A controller that is away is asked again.
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    cluster.knob("sbatch-says", Some("sbatch: error: Unable to contact slurm controller"));
    let run = cluster.start("slurm", &[]);
    until("a second try", || cluster.calls("sbatch").len() >= 2);
    cluster.knob("sbatch-says", None);
    let ended = run.end();
    ended.counts(2, 2);
    ended.says(
        0,
        "an array is submitted again: sbatch ended with exit status: 1: sbatch: error: Unable",
    );
}

fn a_refused_array_fails_in_sbatchs_words() {
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    cluster.knob("sbatch-says", Some("sbatch: error: invalid partition specified: gup"));
    let ended = cluster.run("slurm", &[]);
    ended.says(
        1,
        "it was not submitted: sbatch ended with exit status: 1: sbatch: error: invalid partition",
    );
    assert_eq!(cluster.calls("sbatch").len(), 1);
}

fn failures_show_the_log_of_worker_or_job() {
    let cluster = Cluster::new(|_| single("fail", json!({})));
    let ended = cluster.run("slurm", &[]);
    ended.says(1, r#"failed: {"reason":"the toy is broken"}"#);
    ended.says(1, "  | about to fail");
    // The job's script fails before there is a worker.
    cluster.profile("setup = ['echo no such module >&2; exit 3']");
    let ended = cluster.run("slurm", &[]);
    ended.says(1, "its job ended (FAILED, None) before a worker began");
    ended.says(1, "  | no such module");
    for (state, said) in [("OUT_OF_MEMORY", "(OUT_OF_MEMORY"), ("TIMEOUT", "it needs more `time`")]
    {
        cluster.knob("ends-as", Some(state));
        cluster.run("slurm", &[]).says(1, said);
    }
}

fn lost_jobs_are_submitted_again_and_not_for_ever() {
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    cluster.profile("retries = 2");
    cluster.knob("ends-as", Some("NODE_FAIL"));
    let ended = cluster.run("slurm", &[]);
    ended.says(1, "one: its job was lost (NODE_FAIL); it is submitted again (2 of 2)");
    ended.says(1, "failed: its job was lost (NODE_FAIL); it was submitted 3 times");
    assert_eq!(cluster.calls("sbatch").len(), 3);
    // No node could start it, and it is held until somebody releases it.
    let held = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    held.knob("hold", Some(""));
    held.knob("reason", Some("launch failed requeued held"));
    let run = held.start("slurm", &[]);
    until("a second array", || held.calls("sbatch").len() == 2);
    assert_eq!(held.state(1, 0), "CANCELLED");
    held.knob("reason", None);
    held.knob("hold", None);
    run.end().says(0, "one: its job was lost (launch failed requeued held); it is submitted again");
    cluster.knob("ends-as", Some("PREEMPTED"));
    let run = cluster.start("slurm", &[]);
    until("the fourth array", || cluster.calls("sbatch").len() == 4);
    until("its end", || cluster.state(4, 0) == "PREEMPTED");
    cluster.knob("ends-as", None);
    run.end().counts(2, 2);
}

fn a_failed_question_is_no_answer() {
    let cluster = Cluster::new(waiting);
    let run = cluster.start("slurm", &[]);
    until("a running job", || cluster.state(1, 0) == "RUNNING");
    cluster.knob("squeue-fails", Some(""));
    let asked = cluster.calls("squeue").len();
    until("questions", || cluster.calls("squeue").len() > asked + 3);
    fs::write(cluster.path("go"), "").unwrap();
    let ended = run.end();
    ended.counts(2, 2);
    ended
        .says(0, "the queue cannot be asked, and is asked again: squeue ended with exit status: 1");
    assert_eq!(cluster.calls("sbatch").len(), 2);
}

fn purged_and_forgotten_jobs_are_told_apart() {
    // Its end has gone from the queue, and its result is there.
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    cluster.knob("purges", Some(""));
    cluster.run("slurm", &[]).counts(2, 2);
    assert_eq!(cluster.calls("sbatch").len(), 2);
    // The controller has lost a job that waited.
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    cluster.knob("hold", Some(""));
    let run = cluster.start("slurm", &[]);
    until("a question", || cluster.state(1, 0) == "PENDING" && !cluster.calls("squeue").is_empty());
    fs::remove_dir_all(cluster.element(1, 0)).unwrap();
    until("a second array", || cluster.calls("sbatch").len() == 2);
    cluster.knob("hold", None);
    let ended = run.end();
    ended.counts(2, 2);
    ended.says(0, "one: the queue does not know its job any more; it is submitted again (1 of 3)");
}

fn waves_are_cut_and_throttled() {
    let labels: Vec<String> = (0..7).map(|number| format!("part/{number}")).collect();
    let mut tasks: Vec<ToyTask> = labels
        .iter()
        .map(|label| ToyTask::new(label, "emit", json!({ "text": label }), &[]))
        .collect();
    let names: Vec<&str> = labels.iter().map(String::as_str).collect();
    tasks.push(ToyTask::new("report", "page", json!({}), &names));
    let cluster = Cluster::new(|_| Toy(tasks));
    cluster.profile("at_once = 2");
    cluster.knob("array-size", Some("3"));
    cluster.knob("hold", Some(""));
    let run = cluster.start("slurm", &[]);
    until("three arrays", || cluster.calls("sbatch").len() == 3);
    // One question a cycle, about all of them, however many jobs wait.
    until("a question", || {
        cluster.calls("squeue").iter().any(|call| call.matches("titrate-").count() == 3)
    });
    cluster.knob("hold", None);
    run.end().counts(8, 8);
    let arrays: Vec<String> = cluster
        .calls("sbatch")
        .iter()
        .map(|call| call.split(' ').find(|word| word.starts_with("--array")).unwrap().to_owned())
        .collect();
    assert_eq!(arrays, ["--array=0-2%2", "--array=0-2%2", "--array=0-0%2", "--array=0-0%2"]);
}

fn a_time_limit_is_a_checkpoint_and_a_requeue() {
    let cluster = Cluster::new(|_| single("count", json!({ "to": 100 })));
    let run = cluster.start("slurm", &[]);
    let script = || fs::read_to_string(cluster.element(1, 0).join("pid")).ok()?.trim().parse().ok();
    until("a worker", || cluster.worker().is_some() && script().is_some());
    // Slurm tells the script alone, ahead of the limit.
    let script = Pid::from_raw(script().unwrap()).unwrap();
    kill_process(script, Signal::USR2).unwrap();
    let ended = run.end();
    ended.counts(2, 2);
    assert_eq!(cluster.calls("scontrol requeue"), ["scontrol requeue 1_0"]);
    assert_eq!(cluster.calls("sbatch").len(), 2);
    let shown = cluster.shown("one");
    assert!(shown.contains("attempt 2"), "{shown}");
    let log = shown.lines().find_map(|line| line.strip_prefix("log ")).unwrap();
    let log = cluster.path(".titrate/objects").join(&log[..2]).join(&log[2..]);
    let log = fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    assert!(log.starts_with("counts from ") && !log.starts_with("counts from 0"), "{log}");
}

fn a_killed_run_finds_its_jobs() {
    let cluster = Cluster::new(|folder| {
        let mut toy = waiting(folder);
        toy.0.insert(1, ToyTask::new("other", "emit", json!({ "text": "x" }), &[]));
        toy
    });
    let run = cluster.start("slurm", &[]);
    let running = || [1, 2].into_iter().filter(|job| cluster.state(*job, 0) == "RUNNING").count();
    until("a worker", || cluster.worker().is_some());
    // The other task is over at once, its job a little later.
    until("one job to run", || running() == 1 && cluster.calls("sbatch").len() == 2);
    run.kill();
    let submitted = cluster.calls("sbatch").len();
    let mut status = cluster.surrounded(cluster.workspace.command(&["status"]));
    let status = String::from_utf8(status.output().unwrap().stdout).unwrap();
    assert!(status.contains("in the queue: ") && status.contains("1 RUNNING"), "{status}");
    let again = cluster.start("slurm", &[]);
    let asked = cluster.calls("squeue").len();
    until("questions", || cluster.calls("squeue").len() > asked + 3);
    fs::write(cluster.path("go"), "").unwrap();
    let ended = again.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(cluster.calls("sbatch").len(), submitted + 1, "the report alone is submitted now");
    assert!(cluster.shown("slow").contains("attempt 1"));
    assert_eq!(cluster.left(), [""; 0].map(PathBuf::from));
}

fn a_run_killed_while_it_submits_submits_once() {
    let cluster = Cluster::new(|_| single("emit", json!({ "text": "x" })));
    cluster.knob("sbatch-slow", Some(""));
    let run = cluster.start("slurm", &[]);
    until("sbatch", || !cluster.calls("sbatch").is_empty());
    run.kill();
    cluster.run("slurm", &[]).counts(2, 2);
    assert_eq!(cluster.calls("sbatch").len(), 2, "one of them is the report's");
}

fn an_interrupt_cancels_jobs() {
    let cluster = Cluster::new(waiting);
    let run = cluster.start("slurm", &[]);
    until("a running job", || cluster.state(1, 0) == "RUNNING");
    until("a worker", || cluster.worker().is_some());
    let worker = cluster.worker().unwrap();
    run.signal(Signal::INT);
    run.end().says(130, "interrupted");
    assert_eq!(cluster.state(1, 0), "CANCELLED");
    until("the worker's end", || !is_alive(worker));
    fs::write(cluster.path("go"), "").unwrap();
    cluster.run("slurm", &[]).counts(2, 2);
}

/// One job has failed while the other still waits.
fn a_failure_takes_back_what_waits() {
    let cluster = Cluster::new(|folder| {
        let mut toy = waiting(folder);
        toy.0.insert(0, ToyTask::new("broken", "fail", json!({}), &[]));
        toy
    });
    cluster.knob("hold", Some(""));
    let run = cluster.start("slurm", &[]);
    until("two jobs", || cluster.state(1, 0) == "PENDING" && cluster.state(2, 0) == "PENDING");
    // Arrays are submitted in the order of their kinds.
    fs::write(cluster.element(1, 0).join("state"), "FAILED\n").unwrap();
    let ended = run.end();
    ended.says(1, "task broken");
    assert!(ended.stdout.contains("ran 0 of 3 tasks, 0 cached, 1 failed"), "{ended:?}");
    assert_eq!(cluster.state(2, 0), "CANCELLED");
    assert!(cluster.calls("scancel").iter().any(|call| call.contains("--state=PENDING")));
}
