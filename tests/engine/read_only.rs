//! Commands that read: what they say for programs, and a store that may not be written to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::command_line::{Workspace, files};

pub const TESTS: &[(&str, fn())] = &[
    ("what_stands_where_can_be_had_as_json", what_stands_where_can_be_had_as_json),
    ("a_store_that_is_only_read_gives_its_report", a_store_that_is_only_read_gives_its_report),
];

/// What `plan`, `status`, `why`, `show` and `runs` say, for programs.
fn what_stands_where_can_be_had_as_json() {
    let workspace = Workspace::study();
    workspace.told(&["reproduce"]);
    workspace.edit(|toy| {
        toy.task("weights/b").params.insert("steps".into(), json!(200));
    });
    let json = |words: &[&str]| -> Value {
        serde_json::from_str(&workspace.told(&[words, &["--json"]].concat())).unwrap()
    };
    let planned = json(&["plan"]);
    assert_eq!(planned["tally"], json!({"tasks": 11, "fresh": 6, "stale": 1, "unknown": 4}));
    assert_eq!(json(&["status"])["tally"], planned["tally"]);
    let tasks = planned["tasks"].as_array().unwrap();
    let of = |label: &str| tasks.iter().find(|task| task["label"] == label).unwrap();
    assert_eq!(of("weights/b")["because"], "params.steps: 100 -> 200");
    assert_eq!(of("report")["waits_for"], json!(["analysis/sweep"]));
    let why = json(&["why", "report"]);
    assert_eq!(
        (&why["state"], &why["behind"][0]["label"]),
        (&json!("unknown"), &json!("weights/b"))
    );
    let shown = json(&["show", "weights/b"]);
    assert_eq!((&shown["shown"], &shown["state"]), (&json!("task"), &json!("stale")));
    assert_eq!(shown["receipt"]["label"], "weights/b");
    assert_eq!(json(&["runs"])[0]["ran"], 11);
}

/// A store of somebody else, or of a medium that can't be written to.
fn a_store_that_is_only_read_gives_its_report() {
    let workspace = Workspace::study();
    workspace.told(&["reproduce", "--out", "ours"]);
    let store = files(&workspace.path(".titrate"));
    let theirs = workspace.path("theirs");
    fs::create_dir(&theirs).unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(workspace.folder(), 0o755);
    mode(&theirs, 0o777);
    mode(&workspace.path(".titrate"), 0o555);
    mode(&workspace.path(".titrate/lock"), 0o444);
    let reproduce = || {
        let mut command = workspace.command(&["reproduce", "--out", "theirs/report"]);
        // The rules of files do not hold for root.
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        command.output().unwrap()
    };
    let output = reproduce();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("ran 0 of 11 tasks"));
    let page = |name: &str| fs::read(workspace.path(name).join("index.html")).unwrap();
    assert_eq!(page("theirs/report"), page("ours"));
    workspace.edit(|toy| drop(toy.task("analysis/sweep").params.insert("q".into(), json!(0.1))));
    let output = reproduce();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "the store can't be written to, and 2 tasks are still to run, such as analysis/sweep; --store names another";
    assert!(said.contains(expected), "{said}");
    assert!(files(&workspace.path(".titrate")) == store, "it was written to");
    mode(&workspace.path(".titrate"), 0o755);
}
