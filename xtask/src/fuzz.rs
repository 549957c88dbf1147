//! `cargo xtask fuzz`: tests/fuzz with more mutations than the suite has, and others.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, exit_code, status};

/// Mutations of each reader's seeds.
const ROUNDS: u64 = 2_000_000;

/// Runs every reader; the seed is said, so that what was found can be found again.
pub fn fuzz(arguments: &[String]) -> Result<ExitCode> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let (mut rounds, mut seed) = (ROUNDS, now);
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { bail!("{} has no value", pair[0]) };
        let value = value.parse().with_context(|| format!("{name} {value}: a number expected"))?;
        match name.as_str() {
            "--rounds" => rounds = value,
            "--seed" => seed = value,
            _ => bail!("no such option: {name}; --rounds N and --seed N are known"),
        }
    }
    println!("{rounds} mutations for each reader (--seed {seed})");
    let mut test =
        cargo(&["test", "--quiet", "--release", "--package", "titrate", "--test", "fuzz"]);
    test.env("TITRATE_FUZZ_ROUNDS", rounds.to_string());
    test.env("TITRATE_FUZZ_SEED", seed.to_string());
    Ok(exit_code(status(&mut test)?))
}
