//! titrate's side of `cargo xtask bench`: reads `COUNT KIND NUMBER..` a line, answers with the
//! seconds that COUNT iterations took and the most memory that was in use so far, in bytes.
//!
//! The folder given as an argument gets the models' configurations, from which the other side
//! builds the same ones.

mod classifiers;
mod full;
mod memory;
mod models;
mod operations;

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

// As in the program: without it, large tensors cost page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs some iterations of one case, after one that is not counted, and gives the seconds they
/// took.
type Case = Box<dyn FnMut(usize) -> Result<f64>>;

fn repeated(mut work: impl FnMut() -> candle_core::Result<()> + 'static) -> Case {
    repeated_after(move |()| work(), (), ())
}

/// The same of work that does less before it counts.
fn repeated_after<T: Copy + 'static>(
    mut work: impl FnMut(T) -> candle_core::Result<()> + 'static,
    uncounted: T,
    counted: T,
) -> Case {
    Box::new(move |count| {
        work(uncounted)?;
        let clock = Instant::now();
        for _ in 0..count {
            work(counted)?;
        }
        Ok(clock.elapsed().as_secs_f64())
    })
}

fn prepare(kind: &str, numbers: &[usize]) -> Result<Case> {
    for of_kind in [models::case, full::case, classifiers::case, operations::case] {
        if let Some(case) = of_kind(kind, numbers)? {
            return Ok(case);
        }
    }
    bail!("no such case: {kind} of {} numbers", numbers.len())
}

fn main() -> Result<()> {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"))
        .context("no folder given")?;
    models::write_configurations(Path::new(&folder))?;
    println!("ready");
    // As workers run their steps.
    rayon::scope(|_| answer())
}

fn answer() -> Result<()> {
    let mut cases: HashMap<String, Case> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (count, case) = line.split_once(' ').context("a line is COUNT KIND NUMBER..")?;
        if !cases.contains_key(case) {
            let mut words = case.split(' ');
            let kind = words.next().context("no kind")?;
            let numbers = words.map(str::parse).collect::<Result<Vec<usize>, _>>()?;
            // One case at a time, so that none pays for the memory of those before.
            cases.clear();
            cases.insert(case.to_owned(), prepare(kind, &numbers)?);
        }
        let seconds = cases.get_mut(case).context("prepared above")?(count.parse()?)?;
        println!("{seconds} {}", memory::peak());
        std::io::stdout().flush()?;
    }
    Ok(())
}
