//! `cargo xtask torture`: tests/engine's torture for as long as one likes.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, exit_code, status};

/// Tortures a toy study's store; prints what was tried, survived and failed.
pub fn torture(arguments: &[String]) -> Result<ExitCode> {
    let minutes = match arguments {
        [] => 10.0,
        [name, value] if name == "--minutes" => {
            value.parse::<f64>().with_context(|| format!("{name} {value}: a number expected"))?
        }
        _ => bail!("expected nothing, or --minutes N"),
    };
    let mut test =
        cargo(&["test", "--quiet", "--release", "--package", "titrate", "--test", "engine"]);
    test.args(["--", "torture"]).env("TITRATE_TORTURE_MINUTES", minutes.to_string());
    Ok(exit_code(status(&mut test)?))
}
