//! Scores beside top-1 accuracy: means over replicates, without tests.

use serde::{Deserialize, Serialize};

use crate::metrics::Predictions;

/// A right answer is among this many.
pub const AMONG: usize = 3;

/// Bins of the calibration error, as Guo et al. 2017 have them.
pub const BINS: usize = 15;

/// An image is called malignant where its malignant classes have this probability together.
pub const THRESHOLD: f64 = 0.5;

/// Means over the replicates of one design, all 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The true class is among the [`AMONG`] most probable.
    pub top_3: f64,
    /// One class against the rest, averaged over classes; none where a class has no images.
    pub auroc: Option<f64>,
    /// Expected calibration error over [`BINS`] bins.
    pub calibration_error: f64,
    /// Where malignant and benign classes are known.
    pub malignancy: Option<Malignancy>,
}

/// How well malignant classes are told from benign ones, by the sum of the malignant classes' probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Malignancy {
    pub auroc: f64,
    pub average_precision: f64,
    /// Share of malignant images whose sum is at least [`THRESHOLD`].
    pub sensitivity: f64,
    /// Share of benign images whose sum is below it.
    pub specificity: f64,
}

impl Scores {
    /// The scores of one design's `replicates`, of which there is at least one.
    pub fn of(replicates: &[Predictions]) -> Self {
        Self {
            top_3: mean(replicates, |one| Some(one.top_k(AMONG).accuracy())).unwrap_or_default(),
            auroc: mean(replicates, Predictions::auroc),
            calibration_error: mean(replicates, |one| Some(one.expected_calibration_error(BINS))).unwrap_or_default(),
            malignancy: Malignancy::of(replicates),
        }
    }
}

impl Malignancy {
    fn of(replicates: &[Predictions]) -> Option<Self> {
        let malignant = replicates.first()?.malignant_classes()?;
        let rankings = replicates.iter().map(|one| one.ranking(&malignant)).collect::<Vec<_>>();
        Some(Self {
            auroc: mean(&rankings, |ranking| ranking.auroc())?,
            average_precision: mean(&rankings, |ranking| ranking.average_precision())?,
            sensitivity: mean(&rankings, |ranking| ranking.sensitivity(THRESHOLD))?,
            specificity: mean(&rankings, |ranking| ranking.specificity(THRESHOLD))?,
        })
    }
}

/// The mean of a score; none where one of the items has none.
fn mean<T>(items: &[T], score: impl Fn(&T) -> Option<f64>) -> Option<f64> {
    let scores = items.iter().map(score).collect::<Option<Vec<_>>>()?;
    Some(super::interval::mean(&scores))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Prediction;

    /// Three images of classes a (malignant) and b; the probabilities of a.
    fn replicate(of_a: [f32; 3], malignant: [Option<bool>; 2]) -> Predictions {
        let image = |(at, p): (usize, f32)| Prediction {
            id: at.to_string(),
            label: at % 2,
            probabilities: vec![p, 1.0 - p],
            fst: None,
            malignant: malignant[at % 2],
            patient: String::new(),
            source: String::new(),
        };
        Predictions::new(vec!["a".into(), "b".into()], of_a.into_iter().enumerate().map(image).collect()).unwrap()
    }

    #[test]
    fn scores_are_means_over_replicates() {
        let known = [Some(true), Some(false)];
        let scores = |malignant| Scores::of(&[replicate([0.75, 0.25, 0.5], malignant), replicate([0.5, 0.5, 0.25], malignant)]);
        let malignancy = Malignancy { auroc: 0.625, average_precision: 19.0 / 24.0, sensitivity: 0.75, specificity: 0.5 };
        let Scores { top_3, auroc, calibration_error, malignancy: found } = scores(known);
        assert_eq!((top_3, auroc), (1.0, Some(0.625)));
        assert!((calibration_error - 7.0 / 24.0).abs() < 1e-12, "{calibration_error}");
        let found = found.unwrap();
        assert!((found.average_precision - malignancy.average_precision).abs() < 1e-12);
        assert_eq!(Malignancy { average_precision: malignancy.average_precision, ..found }, malignancy);
        assert_eq!(scores([Some(true), None]).malignancy, None);
        assert_eq!(scores([Some(false); 2]).malignancy, None, "nothing is malignant");
    }
}
