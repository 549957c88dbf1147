//! t-SNE (van der Maaten and Hinton 2008): images in a plane in which those that are near in the
//! feature space are near.

use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};

use super::Images;
use super::plane::Plane;
use super::sample::{distance, first_of_each};

/// Steps of the descent, as many as scikit-learn takes.
const STEPS: usize = 1000;
/// Images of all sets together, about: each step looks at all pairs.
const MOST: usize = 1200;
/// How many of an image's nearest are looked at.
pub const NEAREST: usize = 10;
/// Standard deviation of the first coordinate where the descent begins, as in scikit-learn.
const START: f64 = 1e-4;

/// Held-out real and synthetic images in one plane, and how far they mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedded {
    /// Neighbours that an image's surroundings have, about.
    pub perplexity: f64,
    /// Images of each set, as many of each class.
    pub each: usize,
    /// The held-out real images. Small distances say who is near; large ones mean nothing.
    pub held_out: Vec<[f64; 2]>,
    /// The images of each arm, in the order of the study.
    pub arms: Vec<EmbeddedArm>,
}

/// The images of an arm in the plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedArm {
    /// Name of the arm, e.g. "inpaint@lora".
    pub arm: String,
    /// Where its images are.
    pub points: Vec<[f64; 2]>,
    /// The share of real images among the [`NEAREST`] of an image in the feature space, where real
    /// images and those of the arm are looked at; mean over the arm's images, 0 to 1.
    pub real: f64,
}

impl Embedded {
    /// The share that a set has whose images cannot be told from real ones.
    pub fn mixed(&self) -> f64 {
        self.each as f64 / (2 * self.each - 1) as f64
    }
}

/// The first images of each class of each set in one plane, at most `most` of a set. None where
/// there are too few to have neighbours.
///
/// # Panics
/// If no thread can be started.
pub fn embed(images: &Images, most: usize, perplexity: f64) -> Option<Embedded> {
    let (classes, sets) = (images.classes.len(), 1 + images.arms.len());
    let of_class = images.each().min(most / classes).min((MOST / sets / classes).max(1));
    let chosen = |samples| first_of_each(samples, classes, of_class);
    let held_out = chosen(images.held_out);
    let each = held_out.len();
    let mut rows = held_out.clone();
    let mut shares = Vec::new();
    for (_, samples) in images.arms {
        let made = chosen(samples);
        shares.push(share_of_real(&held_out, &made));
        rows.extend(made);
    }
    // The definition asks for three times as many images as neighbours.
    let perplexity = perplexity.min(((rows.len().saturating_sub(1)) / 3) as f64);
    if each <= NEAREST || perplexity < 2.0 {
        return None;
    }
    let mut points = descend(&rows, perplexity);
    let mut arms = Vec::new();
    for ((arm, _), real) in images.arms.iter().zip(shares).rev() {
        arms.push(EmbeddedArm {
            arm: arm.clone(),
            points: points.split_off(points.len() - each),
            real,
        });
    }
    arms.reverse();
    Some(Embedded { perplexity, each, held_out: points, arms })
}

/// By exact gradients, from the plane of two principal components.
pub(super) fn descend(rows: &[&[f64]], perplexity: f64) -> Vec<[f64; 2]> {
    let plane = Plane::fit(rows);
    let start = rows.iter().map(|row| plane.project(row)).collect::<Vec<_>>();
    let variance = start.iter().map(|point| point[0].powi(2)).sum::<f64>() / rows.len() as f64;
    let scale = if variance > 0.0 { START / variance.sqrt() } else { 0.0 };
    let start = start.iter().flatten().map(|value| value * scale).collect::<Vec<_>>();
    let fit = || {
        let mut tsne = bhtsne::tSNE::<f64, &[f64], 2>::new(rows);
        tsne.perplexity(perplexity).epochs(STEPS).initial_embedding(start);
        // The crate squares what this gives.
        tsne.exact(|a, b| distance(a, b));
        tsne.embedding()
    };
    // Sums over several threads depend on how many there are, and small differences grow.
    let pool = ThreadPoolBuilder::new().num_threads(1).build().expect("a thread starts");
    pool.install(fit).chunks_exact(2).map(|point| [point[0], point[1]]).collect()
}

/// The share of `real` among the [`NEAREST`] of each of `made`, among both.
fn share_of_real(real: &[&[f64]], made: &[&[f64]]) -> f64 {
    let share = |(at, image): (usize, &&[f64])| {
        let others = made.iter().enumerate().filter(|(other, _)| *other != at);
        let made = others.map(|(_, other)| (distance(image, other), false));
        let mut near =
            real.iter().map(|other| (distance(image, other), true)).chain(made).collect::<Vec<_>>();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let counted = near.len().min(NEAREST);
        near[..counted].iter().filter(|(_, is_real)| *is_real).count() as f64
            / counted.max(1) as f64
    };
    made.iter().enumerate().map(share).sum::<f64>() / made.len().max(1) as f64
}
