//! How well scores rank positive images before negative ones: AUROC, average precision, sensitivity and specificity.

use super::predictions::{Prediction, Predictions};

/// Images by descending score, each positive or negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    images: Vec<(f64, bool)>,
    positives: usize,
}

impl Ranking {
    /// The ranking of `(score, positive)` pairs; a NaN is a programming error.
    pub fn new(pairs: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut images = pairs.into_iter().collect::<Vec<_>>();
        assert!(images.iter().all(|(score, _)| !score.is_nan()), "a score is NaN");
        images.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        Self::sorted(images)
    }

    /// The ranking of pairs that are sorted by descending score.
    pub fn sorted(images: Vec<(f64, bool)>) -> Self {
        let positives = images.iter().filter(|(_, positive)| *positive).count();
        Self { images, positives }
    }

    fn negatives(&self) -> usize {
        self.images.len() - self.positives
    }

    /// Positives and negatives among the images of each score, by descending score.
    fn ties(&self) -> impl Iterator<Item = (usize, usize)> {
        self.images.chunk_by(|(a, _), (b, _)| a == b).map(|tied| {
            let positives = tied.iter().filter(|(_, positive)| *positive).count();
            (positives, tied.len() - positives)
        })
    }

    /// Area under the ROC curve: the chance that a positive image scores higher than a negative one, equal scores counting half.
    /// None without a positive or a negative image.
    pub fn auroc(&self) -> Option<f64> {
        let mut below = self.negatives();
        let mut halves = 0;
        for (positives, negatives) in self.ties() {
            below -= negatives;
            halves += positives * (2 * below + negatives);
        }
        let pairs = self.positives * self.negatives();
        (pairs > 0).then(|| halves as f64 / (2 * pairs) as f64)
    }

    /// Average precision: the precision at each distinct score, weighted by the recall gained there. None without a positive image.
    pub fn average_precision(&self) -> Option<f64> {
        let (mut found, mut named, mut sum) = (0, 0, 0.0);
        for (positives, negatives) in self.ties() {
            found += positives;
            named += positives + negatives;
            sum += positives as f64 * found as f64 / named as f64;
        }
        (self.positives > 0).then(|| sum / self.positives as f64)
    }

    /// The share of positive images whose score is at least `threshold`; none without a positive image.
    pub fn sensitivity(&self, threshold: f64) -> Option<f64> {
        let found = self.images.iter().filter(|(score, positive)| *positive && *score >= threshold).count();
        (self.positives > 0).then(|| found as f64 / self.positives as f64)
    }

    /// The share of negative images whose score is below `threshold`; none without a negative image.
    pub fn specificity(&self, threshold: f64) -> Option<f64> {
        let spared = self.images.iter().filter(|(score, positive)| !*positive && *score < threshold).count();
        (self.negatives() > 0).then(|| spared as f64 / self.negatives() as f64)
    }
}

impl Predictions {
    /// The images by the summed probability of a set of classes, those of the set being positive; `set` has an entry for each class.
    pub fn ranking(&self, set: &[bool]) -> Ranking {
        assert_eq!(set.len(), self.classes().len(), "an entry for each class");
        let score = |image: &Prediction| {
            let members = image.probabilities.iter().zip(set).filter(|(_, member)| **member);
            members.map(|(probability, _)| f64::from(*probability)).sum()
        };
        Ranking::new(self.images().iter().map(|image| (score(image), set[image.label])))
    }

    /// One-versus-rest AUROC of each class, in their order; none for a class without images or with all of them.
    pub fn auroc_per_class(&self) -> Vec<Option<f64>> {
        let classes = self.classes().len();
        (0..classes).map(|class| self.ranking(&(0..classes).map(|at| at == class).collect::<Vec<_>>()).auroc()).collect()
    }

    /// The unweighted mean of the classes' AUROCs; none if one of them is undefined.
    pub fn auroc(&self) -> Option<f64> {
        let sum = self.auroc_per_class().into_iter().sum::<Option<f64>>()?;
        Some(sum / self.classes().len() as f64)
    }

    /// Which classes are malignant. None where that is not known: a class has no image, or an image's malignancy is unknown or differs
    /// from that of another image of its class.
    pub fn malignant_classes(&self) -> Option<Vec<bool>> {
        let mut classes = vec![None; self.classes().len()];
        for image in self.images() {
            let malignant = image.malignant?;
            if *classes[image.label].get_or_insert(malignant) != malignant {
                return None;
            }
        }
        classes.into_iter().collect()
    }
}
