//! A real Slurm of two nodes on this machine, which up.sh starts and down.sh ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A run or a daemon ends well before this, or it hangs.
pub const HANGS: Duration = Duration::from_secs(60);

/// Whether a process runs. One that has ended and that nobody waits for does not.
pub fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z'))
}

/// Waits for something that comes about in well under a minute.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = Instant::now();
    while !is_so() {
        assert!(clock.elapsed() < HANGS, "{what} does not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A Slurm of a test's own. Dropped, it is ended and removed.
pub struct Slurm {
    folder: PathBuf,
    _parent: tempfile::TempDir,
}

impl Slurm {
    /// With two nodes of so many cores each, whatever the machine has; or why that can't be.
    pub fn start(cores: usize) -> Result<Self, String> {
        // On the disk: a file system in memory is no other than what clusters share.
        let parent = tempfile::tempdir().unwrap();
        let slurm = Self { folder: parent.path().join("s"), _parent: parent };
        // Ports of this process's own: suites may run side by side.
        let port = 20_000 + std::process::id() % 2_000 * 4;
        let folder = slurm.folder.display().to_string();
        let up = slurm
            .script("up.sh")
            .args([&folder, &port.to_string(), "2", &cores.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&up.stdout).trim().to_owned();
        match up.status.code() {
            Some(0) => Ok(slurm),
            Some(77) => Err(said),
            _ => panic!("the cluster does not start: {said} {up:?}"),
        }
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm").join(name));
        command
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("slurm.conf")
    }

    /// What a command of Slurm says.
    pub fn says(&self, words: &[&str]) -> String {
        let mut command = Command::new(words[0]);
        let output = command.args(&words[1..]).env("SLURM_CONF", self.config()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The states and nodes of all jobs, a line each.
    pub fn jobs(&self) -> Vec<String> {
        let jobs = self.says(&["squeue", "-h", "-r", "-t", "all", "-o", "%F_%K %T %N"]);
        jobs.lines().map(str::to_owned).collect()
    }

    /// A job that runs, with its node.
    pub fn running(&self) -> Option<(String, String)> {
        let jobs = self.jobs();
        let job = jobs.iter().find(|job| job.contains(" RUNNING "))?;
        let mut words = job.split(' ');
        Some((words.next()?.to_owned(), words.nth(1)?.to_owned()))
    }

    /// Brings all nodes back that are down.
    pub fn resume(&self) {
        until("all nodes", || {
            // It refuses for those that are up.
            let mut resume = Command::new("scontrol");
            resume.args(["update", "nodename=n[1-2]", "state=resume"]);
            resume.env("SLURM_CONF", self.config()).output().unwrap();
            let states = self.says(&["sinfo", "-h", "-N", "-p", "main", "-o", "%T"]);
            states.lines().filter(|state| ["idle", "mixed", "allocated"].contains(state)).count()
                == 2
        });
    }

    pub fn restart_controller(&self, signal: Signal) {
        let file = self.folder.join("slurmctld.pid");
        let pid: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        kill_process(pid, signal).unwrap();
        until("the controller's end", || !is_alive(pid));
        // It is its own daemon; what it says is in its log.
        self.says(&["slurmctld"]);
        until("the controller", || {
            let mut ping = Command::new("scontrol");
            let ping = ping.arg("ping").env("SLURM_CONF", self.config()).output().unwrap();
            String::from_utf8_lossy(&ping.stdout).contains("is UP")
        });
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        let _ = self.script("down.sh").arg(&self.folder).status();
    }
}
