//! What a command takes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What one run of a command took, with all processes that it waited for.
#[derive(Clone, Copy)]
pub struct Taken {
    pub wall_s: f64,
    /// Processor time.
    pub cpu_s: f64,
    /// The most memory of the command's own process, in bytes, looked at every two milliseconds.
    pub peak_memory: u64,
}

/// Runs `command` to its end.
pub fn measure(command: &mut Command) -> Result<Taken> {
    let shown = format!("{command:?}");
    let log = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.try_clone()?);
    let (before, clock) = (children_cpu_s()?, Instant::now());
    let mut child = command.spawn().with_context(|| shown.clone())?;
    let mut peak_memory = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_memory = peak_of(child.id()).unwrap_or(0).max(peak_memory);
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall_s = clock.elapsed().as_secs_f64();
    if !status.success() {
        use std::io::{Read, Seek};
        let (mut log, mut text) = (log, String::new());
        log.rewind()?;
        log.read_to_string(&mut text)?;
        bail!("{shown} ended with {status}: {text}");
    }
    Ok(Taken { wall_s, cpu_s: children_cpu_s()? - before, peak_memory })
}

/// Processor time of all children of this process that have ended, and of theirs.
fn children_cpu_s() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may have blanks: fields 16 and 17 are cutime and cstime.
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat")?;
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<_, _>>()?;
    // To programs Linux counts in hundredths of a second, whatever its own clock.
    Ok(ticks as f64 / 100.0)
}

fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
