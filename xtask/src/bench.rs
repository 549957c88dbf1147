//! `cargo xtask bench`: titrate and PyTorch with diffusers and torchvision on the same work, in
//! turns.
//!
//! Each side is a process that keeps its models; tests/bench/ has both. A round asks one side, then
//! the other, for as many iterations as fill half a second, and the order of the two alternates.

mod full;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, exit_code, root, status, target};

/// Threads of either side.
const THREADS: &str = "2";
/// How long one side works in a round, about.
const SECONDS: f64 = 0.5;
/// What titrate's workers get in their environment, besides the number of threads.
const AS_WORKERS: [(&str, &str); 2] = [("CANDLE_NUM_THREADS", "1"), ("MIMALLOC_PURGE_DELAY", "-1")];
/// What the other side is made of.
const PACKAGES: [&str; 4] = ["torch==2.15.0", "torchvision==0.29.2", "diffusers==0.42.1", "numpy"];
/// glibc keeps what is freed, as titrate's allocator does; by default it gives large tensors back
/// and faults them in again.
const KEEP_MEMORY: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "1000000000"), ("MALLOC_TRIM_THRESHOLD_", "1000000000")];
const PYTHON: &str = "TITRATE_PEER_PYTHON";

/// One row of a table: its name, what the sides are asked for, and the items that an iteration
/// handles, where that is of interest.
struct Case {
    name: &'static str,
    work: &'static str,
    items: Option<f64>,
}

const fn case(name: &'static str, work: &'static str, items: usize) -> Case {
    Case { name, work, items: if items == 0 { None } else { Some(items as f64) } }
}

const ML: &[Case] = &[
    case("UNet step, 8x8x4, batch 4", "train 8 4", 4),
    case("UNet step, 8x8x4, batch 16", "train 8 16", 16),
    case("UNet step, 16x16x4, batch 4", "train 16 4", 4),
    case("sampling, 32 px, 20 images", "sample 8 20", 20),
    case("VAE encode, 32 px, 16 images", "encode 32 16", 16),
    case("VAE decode, 32 px, 16 images", "decode 32 16", 16),
    case("VAE encode, 64 px, 16 images", "encode 64 16", 16),
    case("VAE decode, 64 px, 16 images", "decode 64 16", 16),
    case("V2-S step, 64 px, batch 16", "v2-s-step 64 16", 16),
    case("V2-S inference, 64 px, 16 images", "v2-s-infer 64 16", 16),
    case("V2-S step, 224 px, batch 4", "v2-s-step 224 4", 4),
    case("V2-S inference, 224 px, 4 images", "v2-s-infer 224 4", 4),
    case("small V2 step, 32 px, batch 32", "tiny-step 32 32", 32),
    case("small V2 inference, 32 px, 128 images", "tiny-infer 32 128", 128),
    case("depthwise 3x3, 14x14x960, batch 4", "depthwise 14 4 960", 0),
    case("depthwise 3x3, 14x14x960, both ways", "depthwise+ 14 4 960", 0),
    case("depthwise 3x3, 8x8x256, batch 32", "depthwise 8 32 256", 0),
    case("depthwise 3x3, 8x8x256, both ways", "depthwise+ 8 32 256", 0),
    case("depthwise-norm 14x14x960, both ways", "depthwise-norm+ 14 4 960", 0),
    case("depthwise-norm 8x8x256, both ways", "depthwise-norm+ 8 32 256", 0),
    case("transforms, 32 px, 32 images", "transforms 32 32", 32),
    case("transforms, 224 px, 16 images", "transforms 224 16", 16),
];

/// At the shapes of the UNet's training at batch 4: the outer level of 16x16 latents, the inner one
/// of 8x8.
const OPS: &[Case] = &[
    case("conv 3x3 48>48, 16x16", "conv 16 4 48 48", 0),
    case("conv 3x3 48>48, 16x16, both ways", "conv+ 16 4 48 48", 0),
    case("conv 3x3 96>96, 4x4", "conv 4 4 96 96", 0),
    case("conv 3x3 96>96, 4x4, both ways", "conv+ 4 4 96 96", 0),
    case("conv 3x3 16>16, 64x64", "conv 64 4 16 16", 0),
    case("norm + SiLU, 16x16x48", "norm-silu 16 4 48", 0),
    case("norm + SiLU, 16x16x48, both ways", "norm-silu+ 16 4 48", 0),
    case("attention 256 to 256, 48", "attention 256 256 4 48", 0),
    case("attention 256 to 256, 48, both ways", "attention+ 256 256 4 48", 0),
    case("attention 64 to 32, 96", "attention 64 32 4 96", 0),
    case("attention 64 to 32, 96, both ways", "attention+ 64 32 4 96", 0),
    case("linear 48>384, 1024 rows", "linear 1024 48 384", 0),
    case("linear 48>384, 1024 rows, both ways", "linear+ 1024 48 384", 0),
    case("SiLU of 49152", "silu 49152", 0),
    case("SiLU of 49152, both ways", "silu+ 49152", 0),
];

const BENCHES: &[(&str, &str, &[Case])] = &[
    ("ml", "training, sampling, autoencoding and classifying as studies do them", ML),
    ("ops", "single operations at the same shapes", OPS),
];

const GRAPHS: &str = "[--rounds N] [--tasks N]";

/// Runs the bench that `arguments` name; lists them without any.
pub fn bench(arguments: &[String]) -> Result<ExitCode> {
    let Some((name, options)) = arguments.split_first() else {
        for (name, about, cases) in BENCHES {
            println!("cargo xtask bench {name}   {about}");
            cases.iter().for_each(|case| println!("    {}", case.name));
        }
        println!(
            "cargo xtask bench full   a generator of Stable Diffusion 2.1-base's size, titrate alone\n    {}",
            full::OPTIONS
        );
        println!(
            "cargo xtask bench graphs {GRAPHS}\n    what the harness costs: graphs of 300 to 100,000 tiny tasks, beside ninja and Snakemake"
        );
        return Ok(ExitCode::SUCCESS);
    };
    if name == "full" {
        full::full(options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if name == "graphs" {
        let mut graphs = cargo(&["bench", "--quiet", "--profile", "release", "--bench", "graphs"]);
        return Ok(exit_code(status(graphs.args(["--package", "titrate", "--"]).args(options))?));
    }
    let Some((_, _, cases)) = BENCHES.iter().find(|(bench, ..)| bench == name) else {
        bail!("no such bench: {name}; `cargo xtask bench` lists them");
    };
    let (mut rounds, mut filter) = (9, "");
    for option in options.chunks(2) {
        match option {
            [key, value] if key == "--rounds" => {
                rounds = value.parse().with_context(|| format!("--rounds {value}"))?
            }
            [key, value] if key == "--case" => filter = value,
            _ => bail!("bench: {} is not --rounds N or --case NAME", option.join(" ")),
        }
    }
    let cases = cases
        .iter()
        .filter(|case| case.name.contains(filter) || case.work.contains(filter))
        .collect::<Vec<_>>();
    if cases.is_empty() || rounds == 0 {
        bail!("bench: nothing to do in {rounds} rounds of cases like `{filter}`");
    }
    compare(&cases, rounds)?;
    Ok(ExitCode::SUCCESS)
}

/// Where the sides find each other's files.
fn folder() -> Result<PathBuf> {
    let folder = target()?.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn compare(cases: &[&Case], rounds: usize) -> Result<()> {
    let folder = folder()?;
    let mut ours = Side::titrate(&[], &[("RAYON_NUM_THREADS", THREADS)])?;
    let mut theirs = match Side::pytorch(&folder) {
        Ok(side) => Some(side),
        Err(reason) => {
            println!("titrate alone, without PyTorch to compare it with: {reason:#}");
            None
        }
    };
    println!(
        "{:<37}{:>11}{:>11}{:>7}  {:<13}{:>8}  PyTorch's setting",
        "", "titrate", "PyTorch", "ratio", "rounds", "items/s"
    );
    for case in cases {
        let row = measure(case, rounds, &mut ours, theirs.as_mut())?;
        println!("{row}");
    }
    Ok(())
}

/// The row of one case.
fn measure(
    case: &Case,
    rounds: usize,
    ours: &mut Side,
    mut theirs: Option<&mut Side>,
) -> Result<String> {
    let mut sides = vec![&mut *ours];
    sides.extend(theirs.as_deref_mut());
    let counts = sides.iter_mut().map(|side| side.count(case)).collect::<Result<Vec<_>>>()?;
    let mut times = vec![Vec::new(); sides.len()];
    for round in 0..rounds {
        for turn in 0..sides.len() {
            let at = (round + turn) % sides.len();
            times[at].push(sides[at].seconds(case, counts[at])?);
        }
    }
    let titrate = median(&times[0]);
    let rate = case.items.map(|items| format!("{:.1}", items / titrate)).unwrap_or_default();
    let Some(pytorch) = times.get(1) else {
        return Ok(format!(
            "{:<37}{:>11}{:>11}{:>7}  {:<13}{rate:>8}",
            case.name,
            written(titrate),
            "",
            "",
            ""
        ));
    };
    let ratios = times[0].iter().zip(pytorch).map(|(a, b)| a / b).collect::<Vec<_>>();
    let (least, most) =
        ratios.iter().fold((f64::MAX, 0.0_f64), |(least, most), &r| (least.min(r), most.max(r)));
    Ok(format!(
        "{:<37}{:>11}{:>11}{:>7.2}  {:<13}{rate:>8}  {}",
        case.name,
        written(titrate),
        written(median(pytorch)),
        median(&ratios),
        format!("{least:.2} to {most:.2}"),
        theirs.map(|side| side.setting.as_str()).unwrap_or_default(),
    ))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

fn written(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{:.1} us", seconds * 1e6)
    } else {
        format!("{:.2} ms", seconds * 1e3)
    }
}

/// A running process that measures one side.
struct Side {
    child: Child,
    /// Closed to end it.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What the last answer said besides the time: PyTorch's setting, titrate's most memory in
    /// bytes.
    setting: String,
}

impl Side {
    /// titrate built with `features`, in its workers' environment and this one; it leaves the
    /// models' configurations in [`folder`].
    fn titrate(features: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let mut command = cargo(&[
            "bench",
            "--quiet",
            "--profile",
            "release",
            "--package",
            "titrate",
            "--bench",
            "bench",
        ]);
        command.args(features).arg("--").arg(folder()?);
        Self::start(command.envs(AS_WORKERS).envs(environment.iter().copied()))
    }

    fn pytorch(folder: &Path) -> Result<Self> {
        let python = python(folder)?;
        let script = root().join("tests/bench/peer.py");
        Self::start(
            Command::new(python)
                .arg(script)
                .arg(folder)
                .env("OMP_NUM_THREADS", THREADS)
                .envs(KEEP_MEMORY),
        )
    }

    /// Starts `command` and waits until it says that it is ready.
    fn start(command: &mut Command) -> Result<Self> {
        let shown = crate::process::typed(command);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.with_context(|| format!("cannot start {shown}"))?;
        let (orders, answers) =
            (child.stdin.take(), BufReader::new(child.stdout.take().expect("piped")));
        let mut side = Self { child, orders, answers, setting: String::new() };
        match side.line() {
            Ok(line) if line == "ready" => Ok(side),
            Ok(line) => bail!("{shown} said {line:?} at its start"),
            Err(error) => Err(error.context(shown)),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("it ended with {}", self.child.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }

    /// The seconds that `count` iterations of `work` took.
    fn ask(&mut self, work: &str, count: usize) -> Result<f64> {
        writeln!(self.orders.as_mut().expect("open until dropped"), "{count} {work}")?;
        let line = self.line()?;
        let (seconds, setting) = line.split_once(' ').unwrap_or((&line, ""));
        self.setting = setting.to_owned();
        seconds.parse().with_context(|| format!("{line:?} is no time"))
    }

    /// The seconds that each of `count` iterations took.
    fn seconds(&mut self, case: &Case, count: usize) -> Result<f64> {
        Ok(self.ask(case.work, count).context(case.name)? / count as f64)
    }

    /// How many iterations fill a round.
    fn count(&mut self, case: &Case) -> Result<usize> {
        let few = ((0.02 / self.seconds(case, 1)?) as usize).clamp(1, 100);
        Ok(((SECONDS / self.seconds(case, few)?) as usize).clamp(1, 20_000))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Fails only where the process has been waited for already.
        let _ = self.child.wait();
    }
}

/// The interpreter that has PyTorch and diffusers: the one of the environment, or one in `folder`
/// that gets them if it lacks them.
fn python(folder: &Path) -> Result<PathBuf> {
    if let Some(python) = std::env::var_os(PYTHON) {
        return Ok(python.into());
    }
    let (venv, done) = (folder.join("venv"), folder.join("venv").join(PACKAGES.join(",")));
    let python = venv.join("bin").join("python");
    if done.exists() {
        return Ok(python);
    }
    eprintln!("installing {} into {}", PACKAGES.join(", "), venv.display());
    let succeeds = |command: &mut Command| match status(command) {
        Ok(ended) if ended.success() => Ok(()),
        Ok(ended) => bail!(
            "{} ended with {ended}; {PYTHON} may name a Python that has them",
            crate::process::typed(command)
        ),
        Err(error) => Err(error),
    };
    succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    succeeds(Command::new(&python).args(install).args(PACKAGES))?;
    fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))?;
    Ok(python)
}
