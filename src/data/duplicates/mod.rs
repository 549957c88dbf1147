//! Images that are there twice, as they were or saved anew, mirrored, turned by a right angle, or
//! cropped by up to 5% at each edge.
//!
//! Exact duplicates have equal pixels. Near duplicates are found in three steps, each of which lets
//! every true pair through and leaves fewer others: (1) vectors of low frequencies that mirroring
//! and turning don't change, all pairs of which are compared by a sweep along the axis on which
//! they differ most; (2) the same frequencies under each of the eight symmetries, less what moving
//! the edges can change (Simard et al. 1998, tangent distance); (3) the brightness grids
//! themselves, one laid over the other by Lucas and Kanade's method.
//!
//! A pair may differ by what a JPEG file and a crop change, and no more. Measured on 100 images
//! each, saved anew under all eight symmetries, uncropped and with 2.5% or 5% off every edge, 5%
//! off one edge, a corner, or both sides (the unit is the most that a pair may have, so that 1 and
//! more is missed):
//!
//! | images | as PNG, 99% | quality 75, 99% | quality 50, 99% | closest false pair |
//! | --- | ---: | ---: | ---: | ---: |
//! | phantoms, 64 px | 0.35 | 0.37 | 0.53 | none below 3 among 2,000 |
//! | phantoms, 32 px | 0.42 | 0.60 | 0.92 | none below 3 among 2,000, 1.5 among 18,000 |
//!
//! Photographs of 28 px of things that look alike are the hard case: there, plain shirts pass for
//! one another.

mod align;
mod fingerprint;
mod grid;

use std::collections::BTreeMap;

use rayon::prelude::*;

pub use fingerprint::{BYTES, Fingerprint};
use fingerprint::{Coefficients, dot, take_out, turned_low};

/// Root mean square, in levels, of what saving a small image as JPEG of quality 50 changes once
/// [`fingerprint`] has smoothed it.
const NOISE: f32 = 2.5;
/// What resizing a crop changes, of the contrast of the details.
const RESIZED: f32 = 0.12;
/// The most that may be left between two images, of their contrast and of that of their details:
/// what is plain is like much.
const OF_CONTRAST: f32 = 0.2;
const OF_DETAIL: f32 = 0.4;
/// What may be left on the way beside it, of the contrast: of the low frequencies, and of the
/// coarse grid before the last steps.
const OFF_TANGENT: f32 = 0.06;
const COARSE: f32 = 0.2;
/// How far apart low frequencies may be before a crop is allowed for, of the contrast.
const UNCROPPED: f32 = 0.5;
/// Levels of contrast below which there is no picture to recognise.
const PLAIN: f32 = 3.0;
/// Images that one is laid over at most, the closest of step 2: bounds the time on sets of very
/// many alike images.
const LAID_OVER: usize = 256;

/// How two images are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likeness {
    /// The same width, height and pixels.
    Exact,
    /// The same picture.
    Near {
        /// The difference that is left between the two images; 1 is the most that a pair may have.
        difference: f32,
    },
}

/// Two images of a list, by position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The position of the first image.
    pub first: usize,
    /// Larger than `first`.
    pub second: usize,
    /// How the two are alike.
    pub likeness: Likeness,
}

/// The duplicates among images, sorted by position: every other image with equal pixels paired with
/// the first of them, and the near pairs among those first ones. The same for every number of
/// threads.
pub fn pairs(images: &[Fingerprint]) -> Vec<Pair> {
    let mut firsts = BTreeMap::new();
    let mut found = Vec::new();
    for (second, image) in images.iter().enumerate() {
        match firsts.get(&image.digest) {
            Some(&first) => found.push(Pair { first, second, likeness: Likeness::Exact }),
            None => drop(firsts.insert(image.digest, second)),
        }
    }
    let candidates =
        firsts.into_values().filter(|&image| images[image].contrast >= PLAIN).collect();
    let sweep = Sweep::new(images, candidates);
    found.par_extend(
        (0..sweep.order.len()).into_par_iter().flat_map_iter(|place| sweep.near(place)),
    );
    found.sort_unstable_by_key(|pair| (pair.first, pair.second));
    found
}

/// Images in the order of the axis on which their invariant vectors differ most.
struct Sweep<'a> {
    images: &'a [Fingerprint],
    order: Vec<usize>,
    axis: usize,
    /// In that order: the invariant vectors and how far from each a pair may be.
    vectors: Vec<(Coefficients, f32)>,
}

impl<'a> Sweep<'a> {
    fn new(images: &'a [Fingerprint], mut order: Vec<usize>) -> Self {
        let spread = |axis: usize| {
            let values = || order.iter().map(|&image| f64::from(images[image].invariant[axis]));
            let mean = values().sum::<f64>() / order.len() as f64;
            values().map(|value| (value - mean).powi(2)).sum::<f64>()
        };
        let axis =
            (0..fingerprint::LOW).max_by(|&a, &b| spread(a).total_cmp(&spread(b))).unwrap_or(0);
        order.sort_unstable_by(|&a, &b| {
            images[a].invariant[axis].total_cmp(&images[b].invariant[axis]).then(a.cmp(&b))
        });
        let vectors = order
            .iter()
            .map(|&image| (images[image].invariant, UNCROPPED * images[image].contrast))
            .collect();
        Self { images, order, axis, vectors }
    }

    /// The near duplicates of the image at `place` among those after it.
    fn near(&self, place: usize) -> Vec<Pair> {
        let (vector, reach) = &self.vectors[place];
        let image = &self.images[self.order[place]];
        let mut candidates = Vec::new();
        for (after, (other, other_reach)) in self.vectors.iter().enumerate().skip(place + 1) {
            if other[self.axis] - vector[self.axis] > *reach {
                break;
            }
            let difference: Coefficients = std::array::from_fn(|at| vector[at] - other[at]);
            let limit = reach.min(*other_reach);
            if dot(&difference, &difference) <= limit * limit {
                off_tangent(image, &self.images[self.order[after]], |symmetry, distance| {
                    candidates.push((distance, self.order[after], symmetry))
                });
            }
        }
        candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        candidates.truncate(LAID_OVER);
        let mut differences = BTreeMap::new();
        for (_, other, symmetry) in candidates {
            let tolerance = tolerance(image, &self.images[other]);
            let left = align::difference(
                &image.grid,
                &self.images[other].grid,
                symmetry,
                tolerance.hypot(COARSE * image.contrast),
            );
            let difference = left / tolerance;
            let least = differences.entry(other).or_insert(f32::INFINITY);
            *least = difference.min(*least);
        }
        let near = differences.into_iter().filter(|(_, difference)| *difference < 1.0);
        let pair = |(other, difference)| {
            let (first, second) = (self.order[place].min(other), self.order[place].max(other));
            Pair { first, second, likeness: Likeness::Near { difference } }
        };
        near.map(pair).collect()
    }
}

/// How many levels may be left between two images that show the same picture.
fn tolerance(a: &Fingerprint, b: &Fingerprint) -> f32 {
    let (contrast, detail) = (a.contrast.min(b.contrast), a.detail.min(b.detail));
    NOISE.hypot(RESIZED * detail).min(OF_CONTRAST * contrast).min(OF_DETAIL * detail)
}

/// The symmetries under which step 2 lets the pair through, with the distances.
fn off_tangent(a: &Fingerprint, b: &Fingerprint, mut each: impl FnMut(usize, f32)) {
    let contrast = a.contrast.min(b.contrast);
    let most = tolerance(a, b).hypot(OFF_TANGENT * contrast);
    for symmetry in 0..8 {
        let turned = turned_low(&b.low, symmetry);
        let mut difference: Coefficients = std::array::from_fn(|at| a.low[at] - turned[at]);
        if dot(&difference, &difference) > (UNCROPPED * contrast).powi(2) {
            continue;
        }
        a.tangents.iter().for_each(|tangent| take_out(&mut difference, tangent));
        let distance = dot(&difference, &difference).sqrt();
        if distance <= most {
            each(symmetry, distance);
        }
    }
}

#[cfg(test)]
mod tests;
