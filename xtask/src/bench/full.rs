//! `cargo xtask bench full`: titrate alone with a generator of Stable Diffusion 2.1-base's size,
//! and the memory that it takes.

use anyhow::{Context, Result, bail};

use super::Side;

pub const OPTIONS: &str = "[--device cpu|cuda] [--precision f32|bf16|f16] [--size PIXELS] [--batch N] [--images N] [--steps N] [--rounds N] [--case train|sample]";

/// What is to be measured.
struct Asked {
    device: String,
    precision: String,
    /// Pixels each way.
    size: usize,
    /// Images of a training step.
    batch: usize,
    /// Images that are sampled at once.
    images: usize,
    /// The solver's.
    steps: usize,
    /// Training steps that are timed, after one that is not.
    rounds: usize,
    case: String,
}

impl Asked {
    fn new(options: &[String]) -> Result<Self> {
        let [device, precision, case] = ["cpu", "f32", ""].map(str::to_owned);
        let mut asked =
            Self { device, precision, size: 512, batch: 2, images: 1, steps: 50, rounds: 2, case };
        for option in options.chunks(2) {
            let [key, value] = option else { bail!("bench full: {} has no value", option[0]) };
            let number = || value.parse::<usize>().ok().filter(|number| *number > 0);
            let number = || {
                number().with_context(|| {
                    format!("bench full: {key} {value}: a number from 1 on expected")
                })
            };
            match key.as_str() {
                "--device" => asked.device.clone_from(value),
                "--precision" => asked.precision.clone_from(value),
                "--size" => asked.size = number()?,
                "--batch" => asked.batch = number()?,
                "--images" => asked.images = number()?,
                "--steps" => asked.steps = number()?,
                "--rounds" => asked.rounds = number()?,
                "--case" => asked.case.clone_from(value),
                _ => bail!("bench full: no such option: {key}; there are {OPTIONS}"),
            }
        }
        Ok(asked)
    }

    /// Each row's name, work, and how often and on how many images it is done.
    fn rows(&self) -> [(String, String, usize, usize); 2] {
        let Self { device, precision, size, batch, images, steps, rounds, .. } = self;
        let place = format!("@{device}@{precision} {size}");
        [
            (
                format!("training step, {size} px, batch {batch}"),
                format!("full-train{place} {batch}"),
                *rounds,
                *batch,
            ),
            (
                format!("sampling, {size} px, {images} in {steps} steps"),
                format!("full-sample{place} {images} {steps}"),
                1,
                *images,
            ),
        ]
    }
}

pub fn full(options: &[String]) -> Result<()> {
    let asked = Asked::new(options)?;
    let on_gpu = asked.device == "cuda";
    let features: &[&str] = if on_gpu { &["--features", "cuda"] } else { &[] };
    let of = if on_gpu { "the GPU" } else { "the process" };
    println!(
        "Stable Diffusion 2.1-base, {} on {}; the most memory of {of}",
        asked.precision, asked.device
    );
    println!("{:<37}{:>11}{:>11}{:>11}", "", "time", "images/s", "memory");
    for (name, work, count, images) in asked.rows() {
        if !work.contains(&asked.case) {
            continue;
        }
        // A process a row, so that the most that it took is the row's.
        let mut side = Side::titrate(features, &[])?;
        let seconds = side.ask(&work, count).context(name.clone())? / count as f64;
        let memory = side
            .setting
            .parse::<f64>()
            .with_context(|| format!("{name}: {:?} is no memory", side.setting))?;
        let rate = images as f64 / seconds;
        println!(
            "{name:<37}{:>11}{rate:>11.4}{:>11}",
            format!("{seconds:.2} s"),
            format!("{:.2} GiB", memory / f64::from(1 << 30))
        );
    }
    Ok(())
}
