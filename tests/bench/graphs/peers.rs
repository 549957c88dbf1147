//! The same graph for ninja and for Snakemake: files that are joined by `cat`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::pipeline::{GATHERED, chains};

/// A program that makes files from files.
pub struct Peer {
    pub name: &'static str,
    program: PathBuf,
    arguments: &'static [&'static str],
    describe: fn(usize, &Path) -> Result<()>,
    /// The most tasks that it is given: beyond, a row would take longer than all others together.
    pub most: usize,
    pub most_cold: usize,
}

impl Peer {
    /// Writes the graph of about `tasks` tasks into `folder`.
    pub fn describe(&self, tasks: usize, folder: &Path) -> Result<()> {
        (self.describe)(chains(tasks), folder).with_context(|| folder.display().to_string())
    }

    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.arguments).current_dir(folder);
        command
    }
}

/// Those that this machine has; says which it lacks.
pub fn peers() -> Vec<Peer> {
    let named = |variable: &str, name: &str| std::env::var_os(variable).unwrap_or(name.into());
    let all = [
        Peer {
            name: "ninja",
            program: named("TITRATE_NINJA", "ninja").into(),
            arguments: &["-j2", "--quiet"],
            describe: ninja,
            most: usize::MAX,
            most_cold: 10_000,
        },
        Peer {
            name: "Snakemake",
            program: named("TITRATE_SNAKEMAKE", "snakemake").into(),
            arguments: &["--cores", "2", "--quiet", "all"],
            describe: snakemake,
            most: 3_000,
            most_cold: 300,
        },
    ];
    let mut found = Vec::new();
    for peer in all {
        match Command::new(&peer.program).arg("--version").output() {
            Ok(output) if output.status.success() => {
                let version = String::from_utf8_lossy(&output.stdout);
                println!("{} {}", peer.name, version.trim());
                found.push(peer);
            }
            _ => println!(
                "without {}: {} does not start (TITRATE_NINJA and TITRATE_SNAKEMAKE name programs)",
                peer.name,
                peer.program.display()
            ),
        }
    }
    found
}

fn ninja(chains: usize, folder: &Path) -> Result<()> {
    let mut text = String::from(
        "rule emit\n  command = echo $out > $out\nrule join\n  command = cat $in > $out\n",
    );
    let groups = chains.div_ceil(GATHERED);
    for chain in 0..chains {
        writeln!(text, "build source/{chain}: emit")?;
        writeln!(text, "build model/{chain}: join source/{chain}")?;
        writeln!(text, "build judged/{chain}: join source/{chain} model/{chain}")?;
    }
    for group in 0..groups {
        write!(text, "build gathered/{group}: join")?;
        for chain in group * GATHERED..((group + 1) * GATHERED).min(chains) {
            write!(text, " judged/{chain}")?;
        }
        text.push('\n');
    }
    text.push_str("build report: join");
    (0..groups).try_for_each(|group| write!(text, " gathered/{group}"))?;
    text.push_str("\ndefault report\n");
    fs::write(folder.join("build.ninja"), text)?;
    Ok(())
}

fn snakemake(chains: usize, folder: &Path) -> Result<()> {
    let groups = chains.div_ceil(GATHERED);
    let text = format!(
        r#"
rule report:
    input: expand("gathered/{{group}}", group=range({groups}))
    output: "report"
    shell: "cat {{input}} > {{output}}"
rule gathered:
    input: lambda which: expand("judged/{{chain}}", chain=range(int(which.group) * {GATHERED}, min({chains}, (int(which.group) + 1) * {GATHERED})))
    output: "gathered/{{group}}"
    shell: "cat {{input}} > {{output}}"
rule judged:
    input: "source/{{chain}}", "model/{{chain}}"
    output: "judged/{{chain}}"
    shell: "cat {{input}} > {{output}}"
rule model:
    input: "source/{{chain}}"
    output: "model/{{chain}}"
    shell: "cat {{input}} > {{output}}"
rule source:
    output: "source/{{chain}}"
    shell: "echo {{output}} > {{output}}"
"#
    );
    fs::write(folder.join("Snakefile"), text)?;
    Ok(())
}
