//! The real image that lies nearest to each image of a set.

use serde::{Deserialize, Serialize};

use super::sample::{Sample, distance};

/// An image and the real image nearest to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Name of the image.
    pub image: String,
    /// Name of the nearest real image.
    pub real: String,
    /// Whether the image was made for this real one.
    pub is_source: bool,
    /// Distance of the two, in units of the features.
    pub distance: f64,
}

/// For each of `samples` the nearest of `real`, the first of those that are equally near.
///
/// # Panics
/// If there is no real image.
pub fn nearest(samples: &[Sample], real: &[Sample]) -> Vec<Pair> {
    let of = |sample: &Sample| {
        let distances =
            real.iter().map(|other| (distance(&sample.features, &other.features), other));
        let nearest = distances.min_by(|a, b| a.0.total_cmp(&b.0));
        let (distance, other) = nearest.expect("there are real images");
        Pair {
            image: sample.id.clone(),
            real: other.id.clone(),
            is_source: sample.source.as_ref() == Some(&other.id),
            distance,
        }
    };
    samples.iter().map(of).collect()
}

/// The `count` pairs with the smallest distances, nearest first, the equally near by name.
pub fn closest(pairs: &[Pair], count: usize) -> Vec<Pair> {
    let mut ordered = pairs.iter().collect::<Vec<_>>();
    ordered.sort_by(|a, b| a.distance.total_cmp(&b.distance).then_with(|| a.image.cmp(&b.image)));
    ordered.into_iter().take(count).cloned().collect()
}
