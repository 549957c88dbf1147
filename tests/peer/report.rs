//! The files beside a report, read by Python.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::{lacks, python};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/read_report.py");

#[test]
fn a_report_is_read_and_computed_anew_by_others() {
    if lacks("jsonschema, pandas, rocrate_validator, rocrate") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (report, commands) = (folder.path().join("report"), folder.path().join("commands"));
    let (study, store) = (
        Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/smoke.toml"),
        folder.path().join("store"),
    );
    let (study, store) = (study.to_str().unwrap(), store.to_str().unwrap());
    let titrate = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_titrate")).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let out = report.to_str().unwrap();
    titrate(&["reproduce", "--quiet", study, "--store", store, "--out", out]);
    // What commands print as JSON, beside its schemas. Of a changed study, so that something is to do.
    fs::create_dir(&commands).unwrap();
    let changed = ["--set", "classifier.epochs=2"];
    for (name, words) in [
        ("plan", [&["plan", study][..], &changed].concat()),
        ("status", [&["status", study][..], &changed].concat()),
        ("why", [&["why", "report", study][..], &changed].concat()),
        ("show", vec!["show", "report", study]),
        ("trace", vec!["trace", "report", study]),
        ("runs", vec!["runs"]),
        ("diff", vec!["diff", out, out, "--study", study]),
    ] {
        let told = titrate(&[&words[..], &["--store", store, "--json"]].concat());
        fs::write(commands.join(format!("{name}.json")), told).unwrap();
        fs::write(commands.join(format!("{name}.schema.json")), titrate(&["schema", name]))
            .unwrap();
    }
    let read = Command::new(python()).arg(SCRIPT).arg(&report).arg(&commands).output().unwrap();
    let _ = write!(std::io::stderr(), "{}", String::from_utf8_lossy(&read.stdout));
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}
