//! Quality and copying: how near synthetic images are to real ones in a feature space.
//!
//! The features are those of a study's own backbone and not of Inception, so no number here is an
//! FID or a KID, and none compares with those of another backbone.

mod frechet;
mod kernel;
mod manifold;
mod nearest;
mod paired;
mod plane;
mod sample;
mod tsne;

use serde::{Deserialize, Serialize};

use super::interval::quantile;
use crate::seed::Seed;
pub use frechet::frechet;
pub use kernel::kernel;
pub use manifold::{NEIGHBOURS, precision_recall};
pub use nearest::{Pair, nearest};
pub use paired::{PERMUTATIONS, Paired, paired};
pub use plane::Plane;
pub use sample::{Sample, distance};
pub use tsne::{Embedded, EmbeddedArm, NEAREST, embed};

/// An image is very near to a real one if it lies nearer than this quantile of held-out real images
/// does to its nearest one.
pub const VERY_NEAR: f64 = 0.01;

/// Closest pairs that are named.
const CLOSEST: usize = 5;

/// How near synthetic images are to real ones. Distances are Euclidean, in units of the features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Names of the compared classes: those of which every arm has images.
    pub classes: Vec<String>,
    /// Features of an image.
    pub features: usize,
    /// Images of the pool, on which generators may have been tuned, of these classes.
    pub pool: usize,
    /// Real images that synthetic ones were made for, of these classes.
    pub sources: usize,
    /// Synthetic images of each source.
    pub generations: usize,
    /// Images of each of the two sets that a [`Closeness`] compares, as many of each class.
    pub compared: usize,
    /// Distance to the nearest image of the pool below which an image is very near to it: the 1%
    /// quantile of the held-out images' distances.
    pub very_near: f64,
    /// Shares of the pool's variance along its two principal components, 0 to 1.
    pub variance: [f64; 2],
    /// Held-out real images beside the pool: what real images look like that nobody copied.
    pub held_out: SetQuality,
    /// The images of each arm, in the order of the study.
    pub arms: Vec<ArmQuality>,
}

impl Quality {
    /// Arms of whose images a larger share is very near to an image of the pool than of the
    /// held-out real ones.
    pub fn count_nearer(&self) -> usize {
        self.arms.iter().filter(|arm| arm.set.very_near > self.held_out.very_near).count()
    }

    /// The arms whose images can be paired with sources, and those among them whose images lie
    /// nearer to their own source than to permuted ones, by the means.
    pub fn count_paired(&self) -> (usize, usize) {
        let paired = self.arms.iter().filter_map(|arm| arm.paired);
        let nearer = paired.clone().filter(|paired| paired.own < paired.permuted);
        (paired.count(), nearer.count())
    }
}

/// The images of an arm beside those of the pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmQuality {
    /// Name of the arm, e.g. "inpaint@lora".
    pub arm: String,
    /// What is asked of held-out real images as well.
    pub set: SetQuality,
    /// Distances to the own source; none where no class has two sources.
    pub paired: Option<Paired>,
}

/// A set of images beside the pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetQuality {
    /// Images of the set.
    pub images: usize,
    /// The set as a whole beside the pool; none where there are too few images to compare.
    pub closeness: Option<Closeness>,
    /// Median distance to the nearest image of the pool.
    pub nearest: f64,
    /// Share of the images that are very near to one of the pool, 0 to 1.
    pub very_near: f64,
    /// The pairs of an image and its nearest of the pool that are closest, at most five.
    pub closest: Vec<Pair>,
    /// The images in the plane of the pool's first two principal components.
    pub points: Vec<[f64; 2]>,
}

/// Two sets of equally many images, compared as wholes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closeness {
    /// Squared Fréchet distance, 0 or more.
    pub frechet: f64,
    /// Kernel distance (squared, unbiased), which may be below 0.
    pub kernel: f64,
    /// Share of the set that lies where the pool does, 0 to 1.
    pub precision: f64,
    /// Share of the pool that lies where the set does, 0 to 1.
    pub recall: f64,
}

/// The images to compare, all of the classes in `classes`.
pub struct Images<'a> {
    /// Names of the classes.
    pub classes: &'a [String],
    /// Synthetic images of each source, the same for all arms.
    pub generations: usize,
    /// Real images that generators may have been tuned on, the sources among them.
    pub pool: &'a [Sample],
    /// Real images that they were not.
    pub held_out: &'a [Sample],
    /// The arms by name, with their images.
    pub arms: &'a [(String, Vec<Sample>)],
}

impl Images<'_> {
    /// Images of each class in the sets that are compared: those of the smallest set.
    fn each(&self) -> usize {
        let arms = self.arms.iter().map(|(_, samples)| samples.as_slice());
        let sets = arms.chain([self.pool, self.held_out]);
        let fewest = sets.map(|samples| sample::fewest(samples, self.classes.len()));
        fewest.min().unwrap_or(0)
    }

    fn sources(&self) -> usize {
        let samples = self.arms.first().map(|(_, samples)| samples.as_slice()).unwrap_or_default();
        let mut sources = samples.iter().map(|sample| &sample.source).collect::<Vec<_>>();
        sources.sort_unstable();
        sources.dedup();
        sources.len()
    }
}

/// Every number of the section on quality. Permutations of the arm called `a` are drawn from
/// `seed.child("a")`. Of sets with more images than the smallest, the first of each class enter the
/// comparisons as wholes; all else is asked of all images.
///
/// # Panics
/// If pool or held-out images are none, or an image's source is not in the pool.
pub fn assess(images: &Images, seed: &Seed) -> Quality {
    let Images { classes, generations, pool, held_out, arms } = *images;
    let plane = Plane::fit(&sample::rows(pool));
    let each = images.each();
    let reference = sample::first_of_each(pool, classes.len(), each);
    let beside_pool = |samples: &[Sample], pairs: &[Pair], very_near: f64| {
        let distances = ascending(pairs);
        let nearer = distances.iter().filter(|distance| **distance < very_near).count();
        SetQuality {
            images: samples.len(),
            closeness: closeness(&reference, &sample::first_of_each(samples, classes.len(), each)),
            nearest: quantile(&distances, 0.5),
            very_near: nearer as f64 / samples.len() as f64,
            closest: nearest::closest(pairs, CLOSEST),
            points: samples.iter().map(|sample| plane.project(&sample.features)).collect(),
        }
    };
    let pairs = nearest(held_out, pool);
    let very_near = quantile(&ascending(&pairs), VERY_NEAR);
    let arm = |(name, samples): &(String, Vec<Sample>)| ArmQuality {
        arm: name.clone(),
        set: beside_pool(samples, &nearest(samples, pool), very_near),
        paired: paired(samples, pool, classes.len(), &seed.child(name)),
    };
    Quality {
        classes: classes.to_vec(),
        features: pool[0].features.len(),
        pool: pool.len(),
        sources: images.sources(),
        generations,
        compared: each * classes.len(),
        very_near,
        variance: plane.shares,
        held_out: beside_pool(held_out, &pairs, very_near),
        arms: arms.iter().map(arm).collect(),
    }
}

fn ascending(pairs: &[Pair]) -> Vec<f64> {
    let mut distances = pairs.iter().map(|pair| pair.distance).collect::<Vec<_>>();
    distances.sort_by(f64::total_cmp);
    distances
}

/// None for sets too small to have a third neighbour.
fn closeness(pool: &[&[f64]], set: &[&[f64]]) -> Option<Closeness> {
    if set.len() <= NEIGHBOURS {
        return None;
    }
    let (precision, recall) = precision_recall(pool, set);
    Some(Closeness { frechet: frechet(pool, set), kernel: kernel(pool, set), precision, recall })
}

#[cfg(test)]
mod tests;
