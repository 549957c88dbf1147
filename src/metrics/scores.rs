//! Counts of right predictions: top-k, by class, by skin type, and which class is taken for which.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::predictions::{Prediction, Predictions};
use crate::fst;

/// Correct predictions among images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    pub correct: usize,
    pub images: usize,
}

impl Score {
    /// Correct over images, 0 to 1; NaN without images.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.images as f64
    }

    fn count(&mut self, correct: bool) {
        self.correct += usize::from(correct);
        self.images += 1;
    }
}

impl Predictions {
    /// Top-k score of all images: the true class is among the `k` most probable, of equals the first. `k = 1` is accuracy.
    ///
    /// scikit-learn's `top_k_accuracy_score` lets the last of equals win, unlike its own accuracy of an argmax; without ties the two
    /// are equal.
    pub fn top_k(&self, k: usize) -> Score {
        let mut score = Score::default();
        self.images().iter().for_each(|image| score.count(image.within(k)));
        score
    }

    /// Top-k score of each class's images, in the order of the classes.
    pub fn per_class(&self, k: usize) -> Vec<Score> {
        let mut scores = vec![Score::default(); self.classes().len()];
        self.images().iter().for_each(|image| scores[image.label].count(image.within(k)));
        scores
    }

    /// Top-k score by Fitzpatrick skin type, of the images whose type is known.
    pub fn per_fst(&self, k: usize) -> BTreeMap<u8, Score> {
        self.grouped(k, |image| image.fst)
    }

    /// Top-k score by pair of Fitzpatrick skin types (`12`, `34`, `56`, as DDI has them), of the images whose type is known.
    pub fn per_fst_bin(&self, k: usize) -> BTreeMap<&'static str, Score> {
        self.grouped(k, |image| image.fst.and_then(fst::bin))
    }

    fn grouped<G: Ord>(&self, k: usize, group: impl Fn(&Prediction) -> Option<G>) -> BTreeMap<G, Score> {
        let mut scores = BTreeMap::<G, Score>::new();
        for image in self.images() {
            if let Some(group) = group(image) {
                scores.entry(group).or_default().count(image.within(k));
            }
        }
        scores
    }

    /// Counts of images by true class (row) and predicted class (column).
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; self.classes().len()]; self.classes().len()];
        self.images().iter().for_each(|image| counts[image.label][image.predicted()] += 1);
        counts
    }

    /// The mean of the classes' top-1 accuracies, 0 to 1, over the classes that have images.
    pub fn balanced_accuracy(&self) -> f64 {
        let scores = self.per_class(1);
        let present = scores.iter().filter(|score| score.images > 0).map(Score::accuracy).collect::<Vec<_>>();
        present.iter().sum::<f64>() / present.len() as f64
    }
}
