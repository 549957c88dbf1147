//! `cargo xtask torture`: tests/engine's torture for as long as one likes.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, exit_code, status};

/// Tortures a toy study's store; prints what was tried, survived and failed.
pub fn torture(arguments: &[String]) -> Result<ExitCode> {
    let (mut minutes, mut every_fault, mut elsewhere) = (10.0, false, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--minutes" => {
                let value = rest.next().context("--minutes: a number expected")?;
                minutes = value
                    .parse::<f64>()
                    .with_context(|| format!("--minutes {value}: a number expected"))?;
            }
            "--every-fault" => every_fault = true,
            "--elsewhere" => elsewhere = true,
            _ => bail!("{argument}: expected nothing, --minutes N, --elsewhere or --every-fault"),
        }
    }
    let of = |test| ["test", "--quiet", "--release", "--package", "titrate", "--test", test];
    let mut engine = cargo(&of("engine"));
    engine.args(["--", "torture"]).env("TITRATE_TORTURE_MINUTES", minutes.to_string());
    if elsewhere {
        engine.env("TITRATE_TORTURE_ELSEWHERE", "1");
    }
    if every_fault {
        engine.arg("every_fault").env("TITRATE_TORTURE_EVERY_FAULT", "1");
    }
    let ended = status(&mut engine)?;
    if !ended.success() || !every_fault {
        return Ok(exit_code(ended));
    }
    let mut smoke = cargo(&of("chain"));
    smoke.args(["--", "--ignored", "--nocapture", "faults_of_the_disk"]);
    Ok(exit_code(status(&mut smoke)?))
}
