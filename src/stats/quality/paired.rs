//! Are synthetic images nearer to the real image that they were made for than to others of its
//! class?

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::sample::{Sample, distance};
use crate::seed::Seed;

/// Permutations of the sources.
pub const PERMUTATIONS: usize = 999;

/// Distances to the own source, and to sources that are permuted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paired {
    /// Mean distance of an image to its own source, in units of the features.
    pub own: f64,
    /// The same with the sources of each class permuted, mean over the permutations.
    pub permuted: f64,
    /// Share of the permutations, with the sources as they are among them, whose mean distance is
    /// at most the own one: more than 0, at most 1.
    pub p: f64,
}

/// Sums of distances from the images made for each source of a class (rows) to each source.
type Sums = Vec<Vec<f64>>;

/// Distances of `samples` to their sources among `real`. In each of 999 permutations, drawn from
/// streams below `seed`, every source of a class stands for another of the class or for itself, and
/// the images made for it stay together: what is permuted are sources, as images of one source
/// resemble each other. None where no class has two sources.
///
/// # Panics
/// If an image has no source among `real`.
pub fn paired(samples: &[Sample], real: &[Sample], classes: usize, seed: &Seed) -> Option<Paired> {
    let sums = (0..classes).map(|class| sums(samples, real, class)).collect::<Vec<_>>();
    if sums.iter().all(|of_class| of_class.len() < 2) {
        return None;
    }
    let images = samples.len() as f64;
    let mut orders =
        sums.iter().map(|of_class| (0..of_class.len()).collect::<Vec<_>>()).collect::<Vec<_>>();
    let own = total(&sums, &orders) / images;
    let (mut sum, mut as_near) = (0.0, 1);
    for permutation in 0..PERMUTATIONS {
        let mut rng = seed.nth(permutation as u64).rng();
        for order in &mut orders {
            order.sort_unstable();
            order.shuffle(&mut rng);
        }
        let mean = total(&sums, &orders) / images;
        sum += mean;
        // A permutation that changes nothing may differ by rounding.
        as_near += usize::from(mean <= own * (1.0 + 1e-12));
    }
    Some(Paired {
        own,
        permuted: sum / PERMUTATIONS as f64,
        p: as_near as f64 / (PERMUTATIONS + 1) as f64,
    })
}

fn sums(samples: &[Sample], real: &[Sample], class: usize) -> Sums {
    let of_class = samples.iter().filter(|sample| sample.class == class);
    let made = of_class
        .map(|sample| (sample.source.as_deref().expect("it is synthetic"), sample))
        .collect::<Vec<_>>();
    let mut sources = made.iter().map(|(source, _)| *source).collect::<Vec<_>>();
    sources.sort_unstable();
    sources.dedup();
    let found = |source: &&str| {
        let found = real.iter().find(|other| other.id == **source);
        &found.unwrap_or_else(|| panic!("source `{source}` is not among the real images")).features
    };
    let features = sources.iter().map(found).collect::<Vec<_>>();
    let sum = |own: &str, other: &[f64]| {
        let images = made.iter().filter(|(source, _)| *source == own);
        images.map(|(_, sample)| distance(&sample.features, other)).sum::<f64>()
    };
    let row = |own: &&str| features.iter().map(|other| sum(own, other)).collect();
    sources.iter().map(row).collect()
}

/// The sum over all images, with source `order[i]` of a class in the place of source i.
fn total(sums: &[Sums], orders: &[Vec<usize>]) -> f64 {
    let of_class = |(sums, order): (&Sums, &Vec<usize>)| {
        order.iter().zip(sums).map(|(&source, row)| row[source]).sum::<f64>()
    };
    sums.iter().zip(orders).map(of_class).sum()
}
