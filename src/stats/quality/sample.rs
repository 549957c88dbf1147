//! Images as points of a feature space, and the distances between them.

/// An image of a set, in the feature space.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The image's name.
    pub id: String,
    /// Position of its class among the compared classes.
    pub class: usize,
    /// Name of the real image that it was made for; none: it is real itself.
    pub source: Option<String>,
    /// Its features, finite and as many as every other image's.
    pub features: Vec<f64>,
}

/// Euclidean distance of two points, in the units of the features.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The features of `samples`, an image a row.
pub fn rows(samples: &[Sample]) -> Vec<&[f64]> {
    samples.iter().map(|sample| sample.features.as_slice()).collect()
}

/// Of each of `classes` classes the first `count` images, or all where there are fewer, in the
/// order of `samples`.
pub fn first_of_each(samples: &[Sample], classes: usize, count: usize) -> Vec<&[f64]> {
    let mut taken = vec![0; classes];
    let mut chosen = Vec::new();
    for sample in samples {
        if taken[sample.class] < count {
            taken[sample.class] += 1;
            chosen.push(sample.features.as_slice());
        }
    }
    chosen
}

/// Images of the class, among `classes`, that has fewest.
pub fn fewest(samples: &[Sample], classes: usize) -> usize {
    let mut counts = vec![0; classes];
    samples.iter().for_each(|sample| counts[sample.class] += 1);
    counts.into_iter().min().unwrap_or(0)
}
