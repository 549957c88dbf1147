//! Linear contrasts of any number of arms with the same replicates and held-out images: a gain at
//! one number of real images less that at another, an arm less the mean of others, the gain on one
//! group of images less that on another.
//!
//! The influence of a unit on a linear contrast is the same linear contrast of its influences on
//! the arms. Groups of images may have units in common, such as a patient with images of two
//! classes: each unit's influences on all terms are added before they are squared.

use super::crossed::Crossed;
use super::influence::{Influence, Sample};
use super::interval::mean;

/// Values nearer to 0 than this are rounding.
const ROUNDING: f64 = 1e-13;

/// A term of a linear contrast: the mean of an arm's scores over some images, times a weight.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    /// Factor of the mean.
    pub weight: f64,
    /// The arm's scores by replicate and image, of all images of the sample.
    pub scores: &'a [Vec<f64>],
    /// Places of the images that the mean is over; none: all of the sample, of which the number by
    /// class is fixed ([`Sample::mean`]). That by class of some is left to chance
    /// ([`Sample::mean_of`]).
    pub images: Option<&'a [usize]>,
}

impl<'a> Term<'a> {
    /// The mean over all images, times `weight`.
    pub fn whole(weight: f64, scores: &'a [Vec<f64>]) -> Self {
        Self { weight, scores, images: None }
    }

    /// The mean over `images`, times `weight`.
    pub fn on(images: &'a [usize], weight: f64, scores: &'a [Vec<f64>]) -> Self {
        Self { weight, scores, images: Some(images) }
    }
}

/// A statistic in each replicate and the influence of every sampled unit on it: what a [`Crossed`]
/// is made of, kept so that statistics of the same replicates and units can be combined.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// By replicate; at least one.
    pub values: Vec<f64>,
    /// By replicate and unit of the whole sample, scaled as in [`Crossed::new`].
    pub influence: Vec<Vec<f64>>,
    /// Units that it rests on: those of the smallest set of images in it, which limits the degrees
    /// of freedom.
    pub units: usize,
}

/// Arms that cannot be combined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum LinearError {
    /// There is nothing to combine.
    #[error("a linear contrast of nothing")]
    Empty,
    /// Terms have different replicates.
    #[error("a term has {found} replicates, but the first has {expected}")]
    Replicates { found: usize, expected: usize },
    /// A term has scores of fewer or more images than there are.
    #[error("a term has scores of {found} images, but the sample has {expected}")]
    Images { found: usize, expected: usize },
    /// Statistics have different units.
    #[error("a statistic is of {found} units, but the first of {expected}")]
    Units { found: usize, expected: usize },
    /// A term is a mean over no image.
    #[error("a term is a mean over no images")]
    NoImages,
    /// A term names an image that the sample lacks.
    #[error("a term names image {image}, but the sample has {images}")]
    UnknownImage { image: usize, images: usize },
    /// A weight or score is not a number.
    #[error("a weight or score is not finite")]
    NotFinite,
}

impl Statistic {
    /// The sum of `terms`.
    ///
    /// # Errors
    /// If there are none, or they do not fit each other or the sample.
    pub fn of(terms: &[Term<'_>], sample: &Sample) -> Result<Self, LinearError> {
        let first = terms.first().ok_or(LinearError::Empty)?;
        terms.iter().try_for_each(|term| check(term, first.scores.len(), sample))?;
        // Scores on the same images are added first, where whole numbers cancel exactly.
        let (mut sets, mut sums) = (Vec::new(), Vec::new());
        for term in terms {
            let known = sets.iter().position(|images| *images == term.images);
            let place = known.unwrap_or_else(|| {
                sets.push(term.images);
                sums.push(vec![vec![0.0; sample.images()]; first.scores.len()]);
                sets.len() - 1
            });
            add(&mut sums[place], term.weight, term.scores);
        }
        let parts =
            sets.iter().zip(&sums).map(|(images, sums)| Self::mean_of(sums, *images, sample));
        let parts = parts.collect::<Vec<_>>();
        Self::combine(&parts.iter().map(|part| (1.0, part)).collect::<Vec<_>>())
    }

    /// Of the influences on any statistic, by replicate.
    ///
    /// # Panics
    /// If there are none.
    pub fn of_influences(replicates: Vec<Influence>, units: usize) -> Self {
        assert!(!replicates.is_empty(), "a replicate at least");
        let (values, influence) = replicates.into_iter().map(|one| (one.value, one.units)).unzip();
        Self { values, influence, units }
    }

    /// The sum of `parts`, each times its weight.
    ///
    /// # Errors
    /// If there are none, or they have other replicates or units.
    pub fn combine(parts: &[(f64, &Self)]) -> Result<Self, LinearError> {
        let (_, first) = parts.first().ok_or(LinearError::Empty)?;
        let (replicates, expected) = (first.values.len(), first.influence[0].len());
        let mut values = vec![0.0; replicates];
        let mut influence = vec![vec![0.0; expected]; replicates];
        let mut units = first.units;
        for (weight, part) in parts {
            if part.values.len() != replicates {
                let found = part.values.len();
                return Err(LinearError::Replicates { found, expected: replicates });
            }
            let found = part.influence[0].len();
            if found != expected {
                return Err(LinearError::Units { found, expected });
            }
            values.iter_mut().zip(&part.values).for_each(|(sum, value)| *sum += weight * value);
            add(&mut influence, *weight, &part.influence);
            units = units.min(part.units);
        }
        values.iter_mut().filter(|value| value.abs() < ROUNDING).for_each(|value| *value = 0.0);
        if values.iter().any(|value| !value.is_finite()) {
            return Err(LinearError::NotFinite);
        }
        Ok(Self { values, influence, units })
    }

    /// This one less `other`.
    ///
    /// # Errors
    /// If it has other replicates or units.
    pub fn minus(&self, other: &Self) -> Result<Self, LinearError> {
        Self::combine(&[(1.0, self), (-1.0, other)])
    }

    /// One of `parts`, two or more, less the mean of the others: a class's gain less that of the
    /// other classes, each counting the same.
    ///
    /// # Errors
    /// If there is no other, or they have different replicates or units.
    ///
    /// # Panics
    /// If there is no part at `place`.
    pub fn against_others(parts: &[Self], place: usize) -> Result<Self, LinearError> {
        assert!(place < parts.len(), "a part at {place}");
        let others = (parts.len() - 1) as f64;
        if others == 0.0 {
            return Err(LinearError::Empty);
        }
        let weight = |at: usize| if at == place { 1.0 } else { -1.0 / others };
        let parts = parts.iter().enumerate().map(|(at, part)| (weight(at), part));
        Self::combine(&parts.collect::<Vec<_>>())
    }

    /// Number of replicates.
    pub fn replicates(&self) -> usize {
        self.values.len()
    }

    /// Mean over replicates.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// What inference over reruns takes.
    pub fn crossed(&self) -> Crossed {
        Crossed::new(self.values.clone(), &self.influence, self.units)
    }

    /// The mean covariance that sampling of units gives the values of two different replicates, one
    /// of this statistic and one of `other`; 0 with one replicate.
    pub fn shared_with(&self, other: &Self) -> f64 {
        let replicates = self.values.len();
        if replicates < 2 {
            return 0.0;
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let sums = |of: &Self| {
            let mut sums = vec![0.0; of.influence[0].len()];
            let rows = of.influence.iter();
            rows.for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, one)| *sum += one));
            sums
        };
        let rows = self.influence.iter().zip(&other.influence);
        let same = rows.map(|(a, b)| dot(a, b)).sum::<f64>();
        (dot(&sums(self), &sums(other)) - same) / (replicates * (replicates - 1)) as f64
    }

    /// The covariance of the means over replicates of two statistics, over new replicates and
    /// units; with one replicate, over new units.
    pub fn covariance(&self, other: &Self) -> f64 {
        let replicates = self.values.len();
        if replicates < 2 {
            let both = self.influence[0].iter().zip(&other.influence[0]);
            return both.map(|(a, b)| a * b).sum();
        }
        let (here, there) = (self.mean(), other.mean());
        let products = self.values.iter().zip(&other.values);
        let products = products.map(|(a, b)| (a - here) * (b - there)).sum::<f64>();
        products / ((replicates - 1) * replicates) as f64 + self.shared_with(other)
    }

    fn mean_of(scores: &[Vec<f64>], images: Option<&[usize]>, sample: &Sample) -> Self {
        let mean = |scores: &Vec<f64>| match images {
            Some(images) => sample.mean_of(scores, images),
            None => sample.mean(scores),
        };
        let units = images.map_or(sample.units, |images| sample.units_of(images));
        Self::of_influences(scores.iter().map(mean).collect(), units)
    }
}

/// Adds `weight` times `terms` to `sums`.
fn add(sums: &mut [Vec<f64>], weight: f64, terms: &[Vec<f64>]) {
    for (sums, terms) in sums.iter_mut().zip(terms) {
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
    }
}

fn check(term: &Term<'_>, replicates: usize, sample: &Sample) -> Result<(), LinearError> {
    let (images, expected) = (sample.images(), replicates);
    let found = term.scores.len();
    if found != expected {
        return Err(LinearError::Replicates { found, expected });
    }
    if found == 0 {
        return Err(LinearError::Empty);
    }
    if let Some(scores) = term.scores.iter().find(|scores| scores.len() != images) {
        return Err(LinearError::Images { found: scores.len(), expected: images });
    }
    if term.images.map_or(images, <[usize]>::len) == 0 {
        return Err(LinearError::NoImages);
    }
    if let Some(&image) = term.images.into_iter().flatten().find(|image| **image >= images) {
        return Err(LinearError::UnknownImage { image, images });
    }
    let numbers = term.scores.iter().flatten().chain([&term.weight]);
    if numbers.into_iter().any(|number| !number.is_finite()) {
        return Err(LinearError::NotFinite);
    }
    Ok(())
}

#[cfg(test)]
#[path = "linear_tests.rs"]
pub(super) mod tests;
