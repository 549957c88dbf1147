//! What Linux says of this machine and this process. Unknown values are empty or 0: a receipt is
//! worth having without them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exec::protocol::Commit;

/// Clock ticks a second in `/proc/self/stat`: USER_HZ, 100 on every Linux architecture that Rust
/// targets but Alpha.
const TICKS: f64 = 100.0;

pub(super) fn cpu_model() -> String {
    field("/proc/cpuinfo", "model name").unwrap_or_default()
}

/// Where NVIDIA's driver has a folder for each GPU.
const DRIVER: &str = "/proc/driver/nvidia/gpus";

/// How many NVIDIA GPUs the driver shows.
pub(super) fn gpus() -> usize {
    fs::read_dir(DRIVER).map_or(0, |gpus| gpus.filter_map(Result::ok).count())
}

/// The models of the NVIDIA GPUs that this machine shows, each once. Where there are several, the
/// driver does not tell which of them a process uses.
pub(super) fn gpu_models() -> Option<String> {
    gpu_models_in(Path::new(DRIVER))
}

/// The same from the driver's folder, which has a folder for each GPU.
fn gpu_models_in(driver: &Path) -> Option<String> {
    let gpus = fs::read_dir(driver).ok()?.filter_map(Result::ok);
    let models = gpus.filter_map(|gpu| field(gpu.path().join("information"), "Model"));
    let models = models.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    if models.is_empty() { None } else { Some(models.join(" or ")) }
}

/// The most resident memory that this process has had, in bytes.
pub(super) fn peak_memory() -> u64 {
    peak_memory_of("self")
}

/// The same of the process of this name in /proc.
pub(super) fn peak_memory_of(process: &str) -> u64 {
    kib(Path::new("/proc").join(process).join("status"), "VmHWM").unwrap_or(0)
}

/// Bytes of memory that this process and its children may have: what the machine has, or less where a
/// control group (a container, a job of a cluster) has a limit.
pub(super) fn memory() -> Option<u64> {
    let limits = control_groups().into_iter().filter_map(|folder| {
        let text = fs::read_to_string(folder.join("memory.max")).ok()?;
        text.trim().parse::<u64>().ok()
    });
    limits.chain(kib("/proc/meminfo", "MemTotal")).min()
}

/// The folders of this process's control group and those above it.
fn control_groups() -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned();
    let root = Path::new("/sys/fs/cgroup");
    Path::new(&own).ancestors().map(|group| root.join(group)).collect()
}

/// A number of KiB that a file in /proc has under a name, in bytes.
fn kib(path: impl AsRef<Path>, name: &str) -> Option<u64> {
    let text = field(path, name)?;
    text.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Seconds of user and system time of this process, all its threads together.
pub(super) fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the command in parentheses, may hold spaces; utime and stime are fields 14
    // and 15.
    let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks =
        after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

fn field(path: impl AsRef<Path>, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

/// The commit of the sources that this program was built from, if they are still there, or of the
/// current directory.
pub(super) fn commit() -> Option<Commit> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = if sources.join(".git").exists() { sources } else { Path::new(".") };
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let name = git(&["rev-parse", "HEAD"])?;
    Some(Commit {
        name,
        dirty: !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_named_by_their_driver() {
        let driver = tempfile::tempdir().unwrap();
        assert_eq!(gpu_models_in(driver.path()), None);
        for (bus, model) in [("0000:3b:00.0", "H100 PCIe"), ("0000:af:00.0", "H100 PCIe")] {
            fs::create_dir(driver.path().join(bus)).unwrap();
            let text = format!("Model: \t\t NVIDIA {model}\nIRQ:   \t\t 24\n");
            fs::write(driver.path().join(bus).join("information"), text).unwrap();
        }
        assert_eq!(gpu_models_in(driver.path()).as_deref(), Some("NVIDIA H100 PCIe"));
        assert_eq!(gpu_models_in(&driver.path().join("none")), None);
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        assert!(peak_memory() > 100_000, "{}", peak_memory());
        assert!(cpu_seconds() >= 0.0);
        assert!(memory().unwrap() > peak_memory());
    }
}
