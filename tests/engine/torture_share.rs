//! Damage to a shared store, and kills of whoever reads or writes it: the machine that takes results
//! from it gets the same report, and what is there stays whole.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::Rng;
use rand::seq::IndexedRandom;
use rustix::process::{Signal, kill_process_group};

use crate::command_line::{files, pid};
use crate::share::Machines;
use crate::torture::{ended, inflict, report, waited};

pub const SPACES: [&str; 2] = ["ac", "cas"];
pub const KILLED: [&str; 3] = ["push", "pull", "reproduce"];

/// Two machines, one of which has pushed everything.
pub struct Attacked {
    machines: Machines,
    report: BTreeMap<PathBuf, Vec<u8>>,
    /// The shared store as it was.
    kept: BTreeMap<PathBuf, Vec<u8>>,
}

impl Attacked {
    pub fn new() -> Self {
        let machines = Machines::pushed();
        let report = names(report(&machines.a));
        let kept = files(&machines.a.path("shared"));
        Self { machines, report, kept }
    }

    /// Puts the shared store back, and empties the other machine.
    fn reset(&self, shared: bool) {
        let b = &self.machines.b;
        for folder in [b.path(".titrate"), b.path("reports"), self.machines.a.path("shared")] {
            if folder.exists() {
                fs::remove_dir_all(folder).unwrap();
            }
        }
        for (path, bytes) in self.kept.iter().filter(|_| shared) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Damages one entry of a space, or two, and lets the other machine run.
    pub fn damaged(&self, space: &str, damage: &str, rng: &mut impl Rng) -> Result<(), String> {
        self.reset(true);
        let all: Vec<_> = files(&self.machines.a.path("shared").join(space)).into_keys().collect();
        let (path, other) = (all.choose(rng).unwrap(), all.choose(rng).unwrap());
        inflict(damage, path, other, rng);
        self.rerun(11).map_err(|fault| format!("{}: {fault}", path.display()))
    }

    /// Kills a command of either machine at some moment.
    pub fn killed(&self, command: &str, after: Duration) -> Result<(), String> {
        self.reset(command != "push");
        let machine = if command == "push" { &self.machines.a } else { &self.machines.b };
        let mut started: Command = machine.command(&[command]);
        started.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = started.spawn().unwrap();
        std::thread::sleep(after);
        let _ = kill_process_group(pid(&child), Signal::KILL);
        waited(&mut child).ok_or("it hangs")?;
        if command == "push" {
            // Whatever has a receipt there has its objects too.
            let pulled = ended(self.machines.b.command(&["pull", "--all"]))?;
            if pulled.code != Some(0) && self.machines.a.path("shared").exists() {
                return Err(format!("half of a result is there: {}", pulled.stderr));
            }
            self.machines.a.told(&["push"]);
        }
        self.rerun(0)
    }

    /// The other machine runs, `most` tasks at most, and has the same report.
    fn rerun(&self, most: usize) -> Result<(), String> {
        let b = &self.machines.b;
        let run = ended(b.command(&["reproduce"]))?;
        let said = format!("{}{}", run.stdout, run.stderr);
        if run.code != Some(0) {
            return Err(format!("the run ends with {:?}: {said}", run.code));
        }
        let ran = run.stdout.lines().find_map(|line| line.strip_prefix("ran ")?.split(' ').next());
        if ran.and_then(|count| count.parse().ok()).is_none_or(|count: usize| count > most) {
            return Err(format!("more than {most} tasks run: {said}"));
        }
        if names(report(b)) != self.report {
            return Err(format!("the report is another: {said}"));
        }
        let again = ended(b.command(&["reproduce", "--no-remote"]))?;
        if !again.stdout.starts_with("ran 0 of 11 tasks, 11 cached, 0 failed") {
            return Err(format!("it does not settle: {}{}", again.stdout, again.stderr));
        }
        let verified = ended(b.command(&["verify"]))?;
        match verified.code == Some(0) && verified.stdout.contains(" 0 corrupt") {
            true => Ok(()),
            false => Err(format!("it is not whole: {}{}", verified.stdout, verified.stderr)),
        }
    }
}

/// The files of a report by their names, wherever it lies.
fn names(report: BTreeMap<PathBuf, Vec<u8>>) -> BTreeMap<PathBuf, Vec<u8>> {
    let name = |path: PathBuf| {
        let mut parts = path.iter().skip_while(|part| *part != "reports");
        parts.by_ref().collect::<PathBuf>()
    };
    report.into_iter().map(|(path, bytes)| (name(path), bytes)).collect()
}
