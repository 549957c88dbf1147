//! The files beside a report, read by Python.

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
    let study = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/smoke.toml");
    let report = folder.path().join("report");
    let output = Command::new(env!("CARGO_BIN_EXE_titrate"))
        .args(["reproduce", "--quiet"])
        .arg(study)
        .arg("--store")
        .arg(folder.path().join("store"))
        .arg("--out")
        .arg(&report)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = Command::new(python()).arg(SCRIPT).arg(&report).output().unwrap();
    let _ = write!(std::io::stderr(), "{}", String::from_utf8_lossy(&read.stdout));
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}
