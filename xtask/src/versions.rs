//! `cargo xtask versions`: rewrites tests/house/versions.toml by way of the test that guards it.

use std::process::ExitCode;

use anyhow::Result;

use crate::process::{cargo, exit_code, status};

/// Records raised versions, or acknowledges one kind's change as output-neutral.
pub fn versions(arguments: &[String]) -> Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut test = cargo(&[
        "test",
        "--quiet",
        "--release",
        "--package",
        "titrate",
        "--test",
        "house",
        "versions",
    ]);
    match words.as_slice() {
        [] => test.env("TITRATE_VERSIONS", "record"),
        ["--acknowledge", kind, "--output-neutral", why] if !why.trim().is_empty() => test
            .env("TITRATE_VERSIONS", "acknowledge")
            .env("TITRATE_VERSIONS_KIND", kind)
            .env("TITRATE_VERSIONS_WHY", why),
        _ => {
            eprintln!(
                "error: expected nothing, or --acknowledge KIND --output-neutral WHY (in quotes)"
            );
            return Ok(ExitCode::from(2));
        }
    };
    Ok(exit_code(status(&mut test)?))
}
