//! `cargo xtask test`: what CI runs, stage by stage; the first failure ends it.

use std::fs;
use std::io::ErrorKind;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process::{cargo, exit_code, status, succeeds, target, typed};
use crate::reproduce;

/// One stage: its name and its commands, or the reason why it cannot run here.
struct Stage {
    name: &'static str,
    commands: Vec<Command>,
    note: Option<&'static str>,
}

impl Stage {
    fn new(name: &'static str, commands: impl Into<Vec<Command>>) -> Self {
        Self { name, commands: commands.into(), note: None }
    }
}

/// Runs every stage; ends with a table of what took how long.
pub fn everything() -> Result<ExitCode> {
    let mut times: Vec<(&str, String)> = Vec::new();
    for stage in stages()? {
        let clock = Instant::now();
        if let Some(note) = stage.note {
            println!("== {}: {note}", stage.name);
        }
        let passed_over = stage.commands.is_empty();
        for mut command in stage.commands {
            println!("== {}: {}", stage.name, typed(&command));
            let ended = status(&mut command)?;
            if !ended.success() {
                eprintln!(
                    "== {} failed after {}: {}",
                    stage.name,
                    seconds(clock.elapsed()),
                    typed(&command)
                );
                return Ok(exit_code(ended));
            }
        }
        times.push((
            stage.name,
            if passed_over { "passed over".into() } else { seconds(clock.elapsed()) },
        ));
    }
    println!("== all stages passed");
    for (name, time) in times {
        println!("   {name:<13} {time:>12}");
    }
    Ok(ExitCode::SUCCESS)
}

fn stages() -> Result<Vec<Stage>> {
    let mut docs = cargo(&["doc", "--quiet", "--release", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    Ok(vec![
        Stage::new("format", [cargo(&["fmt", "--all", "--check"])]),
        Stage::new(
            "lint",
            [cargo(&[
                "clippy",
                "--quiet",
                "--release",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ])],
        ),
        dependencies(),
        Stage::new("tests", [cargo(&["test", "--release", "--workspace"])]),
        Stage::new("documentation", [docs]),
        Stage::new("smoke study", [reproduce::build(), smoke()?]),
    ])
}

/// The audit of deny.toml, as far as this machine can do it.
fn dependencies() -> Stage {
    let mut stage = Stage::new("dependencies", []);
    if !succeeds(&mut cargo(&["deny", "--version"])) {
        stage.note =
            Some("cargo-deny is not installed, so nothing is audited (cargo install cargo-deny)");
        return stage;
    }
    stage.commands.push(cargo(&[
        "deny",
        "--log-level",
        "error",
        "check",
        "bans",
        "licenses",
        "sources",
    ]));
    if succeeds(&mut cargo(&["deny", "fetch", "db"])) {
        stage.commands.push(cargo(&["deny", "--log-level", "error", "check", "advisories"]));
    } else {
        stage.note = Some("the advisory database cannot be reached, so advisories are not checked");
    }
    stage
}

/// The smoke study in a store and a folder of its own, both empty.
fn smoke() -> Result<Command> {
    let folder = target()?.join("smoke");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", folder.display()));
        }
        _ => {}
    }
    let mut smoke = reproduce::titrate()?;
    smoke
        .args(["reproduce", "smoke", "--quiet", "--store"])
        .arg(folder.join("store"))
        .arg("--out")
        .arg(folder.join("report"));
    Ok(smoke)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
