//! Influence of each sampled unit on a statistic, from which the sampling covariance between
//! replicates is computed.
//!
//! A unit is a held-out image, or all images of a patient where patients are known: a patient's
//! images resemble each other, so taking them for independent ones makes intervals too short.

use std::collections::BTreeMap;

use crate::metrics::Predictions;

/// A statistic's value, and the influence of each unit, scaled so that the sampling covariance of
/// two classifiers' values on the same images is the sum of the products of their influences.
#[derive(Clone, Debug, PartialEq)]
pub struct Influence {
    /// Value of the statistic.
    pub value: f64,
    /// Influence of each unit on it.
    pub units: Vec<f64>,
}

/// The held-out images as they were sampled.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The images of each class.
    pub classes: Vec<Vec<usize>>,
    /// The unit of each image, by the image's place.
    pub unit: Vec<usize>,
    /// Number of units.
    pub units: usize,
    /// Whether units are patients.
    pub patients: bool,
}

impl Sample {
    /// The sample that `predictions` are of: patients where images name them, otherwise images.
    pub fn of(predictions: &Predictions) -> Self {
        let mut classes = vec![Vec::new(); predictions.classes().len()];
        let mut known = BTreeMap::new();
        let mut unit = Vec::with_capacity(predictions.images().len());
        for (place, image) in predictions.images().iter().enumerate() {
            classes[image.label].push(place);
            // Where nothing is known of a patient, the image is one of its own.
            let name =
                if image.patient.is_empty() { (false, &image.id) } else { (true, &image.patient) };
            let next = known.len();
            unit.push(*known.entry(name).or_insert(next));
        }
        Self { classes, units: known.len(), patients: known.len() < unit.len(), unit }
    }

    /// Images of these classes, each a unit of its own.
    pub fn of_classes(labels: &[usize]) -> Self {
        let mut classes = vec![Vec::new(); labels.iter().max().map_or(0, |most| most + 1)];
        labels.iter().enumerate().for_each(|(place, label)| classes[*label].push(place));
        Self { classes, unit: (0..labels.len()).collect(), units: labels.len(), patients: false }
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.unit.len()
    }

    /// Units that have one of these images.
    pub fn units_of(&self, images: &[usize]) -> usize {
        if !self.patients {
            return images.len();
        }
        images
            .iter()
            .map(|image| self.unit[*image])
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    }

    /// The mean of `scores` over all images. As many images of each class are in every sample, so
    /// only what varies within a class counts; with patients, who may have images of several
    /// classes, all does.
    pub fn mean(&self, scores: &[f64]) -> Influence {
        if self.patients || self.classes.iter().any(|class| class.len() == 1) {
            return self.mean_of(scores, &(0..scores.len()).collect::<Vec<_>>());
        }
        let images = scores.len() as f64;
        let mut units = vec![0.0; self.units];
        for class in self.classes.iter().filter(|class| !class.is_empty()) {
            let count = class.len() as f64;
            let centre = class.iter().map(|image| scores[*image]).sum::<f64>() / count;
            let scale = count / images / (count * (count - 1.0)).sqrt();
            class
                .iter()
                .for_each(|image| units[self.unit[*image]] = (scores[*image] - centre) * scale);
        }
        Influence { value: scores.iter().sum::<f64>() / images, units }
    }

    /// The mean of `scores` over some `images`, at least one, whose number by class was left to
    /// chance. With patients it is a ratio of two sums over patients (Obuchowski 1997).
    pub fn mean_of(&self, scores: &[f64], images: &[usize]) -> Influence {
        let count = images.len() as f64;
        let value = images.iter().map(|image| scores[*image]).sum::<f64>() / count;
        let mut units = vec![0.0; self.units];
        images.iter().for_each(|image| units[self.unit[*image]] += scores[*image] - value);
        let present = self.units_of(images) as f64;
        let scale = if present > 1.0 { (present / (present - 1.0)).sqrt() / count } else { 0.0 };
        units.iter_mut().for_each(|unit| *unit *= scale);
        Influence { value, units }
    }

    /// Of a statistic of all images, from its value without each unit (the jackknife), by the
    /// unit's place.
    pub fn jackknife(&self, value: f64, without: &[f64]) -> Influence {
        let count = without.len() as f64;
        let centre = without.iter().sum::<f64>() / count;
        let scale = -((count - 1.0) / count).sqrt();
        Influence {
            value,
            units: without.iter().map(|without| (without - centre) * scale).collect(),
        }
    }

    /// The images of each unit.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.units];
        self.unit.iter().enumerate().for_each(|(image, unit)| members[*unit].push(image));
        members
    }
}
