//! Stored predictions of a classifier for each held-out image, checked when made and when read.

use serde::{Deserialize, Serialize};

use crate::fst;

/// Largest deviation of a sum of probabilities from 1: the rounding of an f32 softmax.
const SUM_TOLERANCE: f32 = 1e-3;

/// A classifier's prediction for one held-out image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// The image's name in its image set.
    pub id: String,
    /// The true class, an index into [`Predictions::classes`].
    pub label: usize,
    /// The predicted probability of each class, in the order of the classes.
    pub probabilities: Vec<f32>,
    /// Fitzpatrick skin type, 1 to 6, or 12, 34 or 56 where only the pair is known; none where
    /// neither is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fst: Option<u8>,
    /// Whether the condition is malignant, if the image set knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malignant: Option<bool>,
    /// The patient, if the image set names one; a patient's pictures are one unit of sampling.
    /// Empty: the picture is a unit of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub patient: String,
    /// The image set that it comes from, where that is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

impl Prediction {
    /// The most probable class; of equals the first.
    pub fn predicted(&self) -> usize {
        let mut best = 0;
        for (class, probability) in self.probabilities.iter().enumerate() {
            if *probability > self.probabilities[best] {
                best = class;
            }
        }
        best
    }

    /// The probability of the most probable class.
    pub fn confidence(&self) -> f32 {
        self.probabilities[self.predicted()]
    }

    /// In which of `bins` stretches of equal width its confidence lies, each without its lower end
    /// and with its upper one.
    pub fn bin(&self, bins: usize) -> usize {
        let confidence = f64::from(self.confidence());
        (1..bins).filter(|edge| confidence > *edge as f64 / bins as f64).count()
    }

    /// Whether the most probable class is the true one (top-1).
    pub fn correct(&self) -> bool {
        self.predicted() == self.label
    }

    /// Whether the true class is among the `k` most probable ones; of equals the first rank higher,
    /// as in [`Self::predicted`].
    pub fn within(&self, k: usize) -> bool {
        let own = self.probabilities[self.label];
        let ahead = |(class, p): (usize, &f32)| *p > own || (*p == own && class < self.label);
        self.probabilities.iter().enumerate().filter(|entry| ahead(*entry)).count() < k
    }
}

/// One classifier's predictions for a held-out set: at least one image, ids unique and ascending,
/// probabilities checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Predictions {
    classes: Vec<String>,
    images: Vec<Prediction>,
}

/// Predictions as they lie in a file, before anything is known of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    classes: Vec<String>,
    images: Vec<Prediction>,
}

impl TryFrom<Unchecked> for Predictions {
    type Error = PredictionsError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        Self::new(unchecked.classes, unchecked.images)
    }
}

/// Predictions that cannot be scored.
#[derive(Debug, thiserror::Error, PartialEq)]
#[expect(missing_docs, reason = "messages name the fields")]
pub enum PredictionsError {
    /// There is no image.
    #[error("predictions hold no image")]
    Empty,
    /// Two predictions have this image's id.
    #[error("image `{0}` is predicted twice")]
    Twice(String),
    /// A label that is not the index of a class.
    #[error("image `{id}` has label {label}, but there are {classes} classes")]
    Label { id: String, label: usize, classes: usize },
    /// An image with more or fewer probabilities than classes.
    #[error("image `{id}` has {found} probabilities for {classes} classes")]
    Length { id: String, found: usize, classes: usize },
    /// Probabilities that are negative, not finite or do not sum to 1.
    #[error("probabilities of image `{id}` are not a distribution: {probabilities:?}")]
    Distribution { id: String, probabilities: Vec<f32> },
    /// A skin type that does not exist.
    #[error("image `{id}` has Fitzpatrick skin type {fst}, which is not 1 to 6 nor 12, 34 or 56")]
    SkinType { id: String, fst: u8 },
}

impl Predictions {
    /// Checks the predictions and puts them in the order of their ids.
    ///
    /// # Errors
    /// If there is no image, an id is given twice, or an image's label, probabilities or skin type
    /// are impossible.
    pub fn new(
        classes: Vec<String>,
        mut images: Vec<Prediction>,
    ) -> Result<Self, PredictionsError> {
        if images.is_empty() {
            return Err(PredictionsError::Empty);
        }
        images.sort_by(|a, b| a.id.cmp(&b.id));
        for image in &images {
            check(image, classes.len())?;
        }
        match images.windows(2).find(|pair| pair[0].id == pair[1].id) {
            Some(pair) => Err(PredictionsError::Twice(pair[0].id.clone())),
            None => Ok(Self { classes, images }),
        }
    }

    /// The class labels, in the order that labels and probabilities use.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The predictions, by ascending id.
    pub fn images(&self) -> &[Prediction] {
        &self.images
    }

    /// Counts of images by true class (row) and predicted class (column).
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; self.classes.len()]; self.classes.len()];
        self.images.iter().for_each(|image| counts[image.label][image.predicted()] += 1);
        counts
    }

    /// Whether each class is malignant. None where that is not known: a class has no image, or an
    /// image's malignancy is unknown or differs from that of another image of its class.
    pub fn malignant_classes(&self) -> Option<Vec<bool>> {
        let mut classes = vec![None; self.classes.len()];
        for image in &self.images {
            let malignant = image.malignant?;
            if *classes[image.label].get_or_insert(malignant) != malignant {
                return None;
            }
        }
        classes.into_iter().collect()
    }

    /// The first thing in which the two held-out sets differ (classes, ids, labels, skin types,
    /// malignancy, patients), or none if they pair up.
    pub fn find_difference(&self, other: &Self) -> Option<String> {
        if self.classes != other.classes {
            return Some(format!("classes {:?} and {:?}", self.classes, other.classes));
        }
        let lone = |a: &Self, b: &Self| {
            let unknown = |image: &&Prediction| {
                b.images.binary_search_by(|other| other.id.cmp(&image.id)).is_err()
            };
            a.images.iter().find(unknown).map(|image| format!("image `{}` in one only", image.id))
        };
        if let Some(lone) = lone(self, other).or_else(|| lone(other, self)) {
            return Some(lone);
        }
        fn known(image: &Prediction) -> (usize, Option<u8>, Option<bool>, &str) {
            (image.label, image.fst, image.malignant, &image.patient)
        }
        let mut pairs = self.images.iter().zip(&other.images);
        let differing = pairs.find(|(a, b)| known(a) != known(b));
        differing
            .map(|(a, _)| format!("label, skin type, malignancy or patient of image `{}`", a.id))
    }
}

fn check(image: &Prediction, classes: usize) -> Result<(), PredictionsError> {
    let id = image.id.clone();
    if image.label >= classes {
        return Err(PredictionsError::Label { id, label: image.label, classes });
    }
    if image.probabilities.len() != classes {
        return Err(PredictionsError::Length { id, found: image.probabilities.len(), classes });
    }
    let in_range = image.probabilities.iter().all(|probability| (0.0..=1.0).contains(probability));
    if !in_range || (image.probabilities.iter().sum::<f32>() - 1.0).abs() > SUM_TOLERANCE {
        return Err(PredictionsError::Distribution {
            id,
            probabilities: image.probabilities.clone(),
        });
    }
    match image.fst {
        Some(fst) if fst::bin(fst).is_none() => Err(PredictionsError::SkinType { id, fst }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, label: usize, probabilities: [f32; 3], fst: Option<u8>) -> Prediction {
        let (probabilities, patient, source) = (probabilities.into(), String::new(), String::new());
        Prediction { id: id.into(), label, probabilities, fst, malignant: None, patient, source }
    }

    fn three() -> Vec<String> {
        ["a", "b", "c"].map(String::from).into()
    }

    fn sample() -> Predictions {
        let images = vec![
            image("4", 2, [0.2, 0.3, 0.5], Some(6)),
            image("1", 0, [0.5, 0.5, 0.0], Some(1)),
            image("2", 1, [0.5, 0.5, 0.0], Some(6)),
            image("3", 1, [0.0, 0.1, 0.9], None),
        ];
        Predictions::new(three(), images).unwrap()
    }

    #[test]
    fn the_file_form_is_compact_and_checked_when_read() {
        let text = serde_json::to_string(&sample()).unwrap();
        assert!(
            text.starts_with(r#"{"classes":["a","b","c"],"images":[{"id":"1","label":0,"probabilities":[0.5,0.5,0.0],"fst":1},"#)
        );
        assert_eq!(serde_json::from_str::<Predictions>(&text).unwrap(), sample());
        let broken =
            serde_json::from_str::<Predictions>(&text.replace(r#""label":2"#, r#""label":3"#))
                .unwrap_err();
        assert!(
            broken.to_string().contains("image `4` has label 3, but there are 3 classes"),
            "{broken}"
        );
    }

    #[test]
    fn what_cannot_be_scored_is_refused() {
        let error = |images| Predictions::new(three(), images).unwrap_err().to_string();
        assert_eq!(error(vec![]), "predictions hold no image");
        assert_eq!(
            error(vec![image("1", 0, [1.0, 0.0, 0.0], None); 2]),
            "image `1` is predicted twice"
        );
        assert!(
            error(vec![image("1", 0, [f32::NAN, 0.0, 1.0], None)]).contains("not a distribution")
        );
        assert!(error(vec![image("1", 0, [0.5, 0.0, 0.0], None)]).contains("not a distribution"));
        assert!(error(vec![image("1", 0, [1.0, 0.0, 0.0], Some(7))]).contains("not 1 to 6"));
    }

    #[test]
    fn malignancy_is_known_where_each_class_has_one() {
        let with = |last: Option<bool>, label: usize| {
            let known = [
                ("1", 0, Some(true)),
                ("2", 1, Some(false)),
                ("3", 1, Some(false)),
                ("4", label, last),
            ];
            let images = known.map(|(id, label, malignant)| Prediction {
                malignant,
                ..image(id, label, [1.0, 0.0, 0.0], None)
            });
            Predictions::new(three(), images.into()).unwrap().malignant_classes()
        };
        assert_eq!(with(Some(true), 2), Some(vec![true, false, true]));
        assert_eq!(with(None, 2), None, "one image's is unknown");
        assert_eq!(with(Some(false), 0), None, "a class with both");
        assert_eq!(with(Some(false), 1), None, "a class without images");
    }

    #[test]
    fn sets_of_different_images_do_not_pair() {
        let mut fewer = sample().images().to_vec();
        fewer.pop();
        let fewer = Predictions::new(three(), fewer).unwrap();
        assert_eq!(sample().find_difference(&sample()), None);
        assert_eq!(sample().find_difference(&fewer).unwrap(), "image `4` in one only");
    }

    #[test]
    fn images_of_which_something_else_is_known_do_not_pair() {
        let changes: [fn(&mut Prediction); 4] = [
            |image| image.label = 2,
            |image| image.fst = None,
            |image| image.malignant = Some(true),
            |image| image.patient = "p1".into(),
        ];
        for change in changes {
            let mut images = sample().images().to_vec();
            change(&mut images[1]);
            let other = Predictions::new(three(), images).unwrap();
            assert_eq!(
                sample().find_difference(&other).unwrap(),
                "label, skin type, malignancy or patient of image `2`"
            );
        }
    }
}
