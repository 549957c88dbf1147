//! The project's chores. `cargo xtask` without arguments lists them.

mod bench;
mod check;
mod fuzz;
mod process;
mod reproduce;
mod torture;
mod versions;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask reproduce [STUDY] [OPTIONS]   build titrate and reproduce a study (default: quick); --help lists the options
cargo xtask test                          everything that CI runs (also: cargo xtask ci)
cargo xtask bench [NAME] [--rounds N] [--case NAME]
                                          time titrate against PyTorch and diffusers in turns; without NAME, list the benches
cargo xtask bench full [OPTIONS]          time a generator of Stable Diffusion's size, and say how much memory it takes
cargo xtask bench graphs [--rounds N] [--tasks N]
                                          what the harness costs: graphs of up to 100,000 tiny tasks, beside ninja and Snakemake
cargo xtask fuzz [--rounds N] [--seed N]  the readers of files from outside under N mutations each (default: 2 million)
cargo xtask torture [--minutes N] [--elsewhere] [--every-fault]
                                          kills, damaged files, faults of the disk and two runs at once on a toy study, for N
                                          minutes (default: 10); or only kills where a command or a cluster runs the tasks;
                                          then each call that reads or writes fails in turn, and some below smoke (ten minutes
                                          on an idle machine)
cargo xtask calibrate                     the statistics on simulated studies: false alarms, coverage, power (minutes)
cargo xtask versions                      record the source of kinds whose VERSION was raised
cargo xtask versions --acknowledge KIND --output-neutral WHY
                                          record a change of source that leaves a kind's output as it is (KIND may be `all`)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((chore, rest)) = arguments.split_first() else {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    };
    let outcome = match chore.as_str() {
        "reproduce" => reproduce::reproduce(rest),
        "test" | "ci" if rest.is_empty() => check::everything(),
        "bench" => bench::bench(rest),
        "torture" => torture::torture(rest),
        "fuzz" => fuzz::fuzz(rest),
        "calibrate" if rest.is_empty() => calibrate(),
        "versions" => versions::versions(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprint!("error: no such chore: cargo xtask {}\n\n{USAGE}", arguments.join(" "));
            Ok(ExitCode::from(2))
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs the whole of tests/calibrate, which prints its tables.
fn calibrate() -> anyhow::Result<ExitCode> {
    let mut test = process::cargo(&[
        "test",
        "--quiet",
        "--release",
        "--package",
        "titrate",
        "--test",
        "calibrate",
    ]);
    test.args(["--", "--ignored", "--nocapture"]);
    Ok(process::exit_code(process::status(&mut test)?))
}
