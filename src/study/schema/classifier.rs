//! How classifiers are trained.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocabulary::{ClassifierSchedule, Crop, HeadKind, NormalisationKind, WeightsKept};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// Most epochs; validation follows each.
    pub epochs: usize,
    /// Side in pixels of the squares that the network sees, where images are larger; 0: as they
    /// are.
    pub size: usize,
    /// Of real pictures that are not square (`images.fit = "crop"`).
    pub crop: Crop,
    /// Optimiser steps of an epoch, the same for every arm; 0: one pass over the training images.
    pub steps_per_epoch: usize,
    pub batch: usize,
    /// `[images, batch]`: from so many training images on that batch instead, in rising order. The
    /// authors' rule is 8, from 100 images on 32, from 1000 on 64.
    pub batch_by_images: Vec<[usize; 2]>,
    /// Whether each pass leaves out the images that do not fill a batch (the authors'); otherwise
    /// the next pass fills it.
    pub drop_last: bool,
    pub learning_rate: f64,
    pub schedule: ClassifierSchedule,
    pub weight_decay: f64,
    /// Whether the scales and shifts of normalisations and the biases decay as well (the authors':
    /// false, as fastai has it).
    pub decay_norms_and_biases: bool,
    /// Epochs without a lower validation loss before training ends; 0: it goes to its last epoch,
    /// so that every arm has the same budget. With `keep = "last"` as well nothing of the result
    /// depends on the validation images.
    pub patience: usize,
    pub keep: WeightsKept,
    /// The share of a label that goes to all classes alike, 0 to 1 (Szegedy et al. 2016); in the
    /// training loss only.
    pub label_smoothing: f64,
    /// Weights of single classes in the loss; the others' are 1.
    pub class_weights: BTreeMap<String, f64>,
    pub head: HeadKind,
    pub normalisation: NormalisationKind,
}

impl Classifier {
    /// Images that a training on so many shows at most.
    pub fn shown(&self, images: usize) -> usize {
        let pass = if self.steps_per_epoch == 0 {
            images
        } else {
            self.steps_per_epoch * self.batch_of(images)
        };
        self.epochs * pass
    }

    /// The batch for so many training images.
    pub fn batch_of(&self, images: usize) -> usize {
        let reached = self.batch_by_images.iter().rev().find(|[from, _]| images >= *from);
        reached.map_or(self.batch, |[_, batch]| *batch)
    }
}

/// What the regime `head` has of its own; for the rest it is trained as `classifier` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadRegime {
    /// Transformed views of each image whose features are computed, once for all classifiers; pass
    /// p over the images shows view p modulo this number. 0: nothing is computed before, each image
    /// is transformed anew each time it is shown.
    pub views: usize,
    /// A head alone bears more than a whole network does.
    pub learning_rate: f64,
}
