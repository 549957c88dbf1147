//! A real study between machines: what one computed and pushed another reports without running, and
//! an archive says what came out otherwise.

use std::fs;
use std::process::{Command, Output};
use std::time::Instant;

use crate::chain::Chain;

fn titrate(chain: &Chain, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_titrate"));
    command.args(words).env("TITRATE_WORKSPACE", chain.path("")).current_dir(chain.path(""));
    command.output().unwrap()
}

fn told(output: Output) -> String {
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

/// Whether a task depends on how classifiers are trained.
fn touched(label: &str) -> bool {
    let after = ["lineage", "predictions", "report"].contains(&label);
    label.starts_with("classifier/") || label.starts_with("analysis/") || after
}

#[test]
fn one_machine_computes_and_another_reports() {
    let (a, b) = (Chain::new("pushes"), Chain::new("pulls"));
    let url = format!("file://{}", a.path("shared").display());
    let timed = |what: &str, work: &mut dyn FnMut() -> String| {
        let clock = Instant::now();
        let said = work();
        println!("{what}: {:.1} s: {}", clock.elapsed().as_secs_f64(), said.trim());
        said
    };
    let all = a.run(&[]).tasks;
    told(titrate(&a, &["remote", "keygen", "secret"]));
    let public = told(titrate(&a, &["remote", "public-key", "secret"]));
    let pushed = timed("push", &mut || {
        let mut command = a.command(&["push"]);
        told(command.args(["--remote", &url, "--key", "secret"]).output().unwrap())
    });
    assert!(pushed.starts_with(&format!("study: {all} results pushed to {url}")), "{pushed}");
    let config = format!("[remote]\nurl = \"{url}\"\ntrusted = [\"{}\"]\n", public.trim());
    fs::write(b.path("titrate.toml"), config).unwrap();
    let pulled = timed("pull", &mut || told(b.command(&["pull"]).output().unwrap()));
    assert!(pulled.contains(&format!("; {all} of {all} tasks have a result")), "{pulled}");
    assert_eq!(b.run(&[]).ran, [] as [String; 0]);
    assert!(a.report() == b.report(), "the reports are equal");
    // An edit of a parameter runs what it touches, and fetches what that reads.
    let ran = b.run(&["classifier.epochs=1"]).ran;
    assert!(!ran.is_empty() && ran.iter().all(|label| touched(label)), "{ran:?}");
    // The lineage says what all tasks gave, and reads none of it.
    assert!(told(b.command(&["verify"]).output().unwrap()).contains("outputs that lie elsewhere"));

    timed("export", &mut || {
        let mut command = a.command(&["export-run"]);
        told(command.args(["run.zip", "--weights"]).output().unwrap())
    });
    let archive = a.path("run.zip");
    let against = |chain: &Chain, archive: &str| {
        let mut command = chain.command(&["reproduce"]);
        command.args(["--out", "report", "--against", archive]).output().unwrap()
    };
    let same = timed("against", &mut || told(against(&a, "run.zip")));
    assert!(
        same.ends_with(&format!("{all} tasks the same, 0 within 0.001, 0 diverged\n")),
        "{same}"
    );
    // One byte of one weight: a value far behind the header of the first safetensors in it.
    let mut bytes = fs::read(&archive).unwrap();
    let header = b"{\"__metadata__\"";
    let at = bytes.windows(header.len()).position(|part| part == header);
    let tensors = at.or_else(|| bytes.windows(9).position(|part| part == b"\"dtype\":\"")).unwrap();
    bytes[tensors + 20_000] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let output = against(&a, "run.zip");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    println!("{said}");
    assert!(
        said.contains("  refused in the archive: 1\n") && said.contains(".safetensors"),
        "{said}"
    );
}
