//! How classifiers are trained.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocabulary::{ClassifierSchedule, Crop, HeadKind, NormalisationKind, WeightsKept};

/// Settings of a classifier's training, which minimises the cross-entropy by AdamW (betas 0.9 and
/// 0.99, epsilon 1e-5: fastai's defaults).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// Largest number of epochs, 1 or more. The validation loss is measured after each.
    pub epochs: usize,
    /// Side of the squares that the network sees, in pixels: at most `images.size`, and images are
    /// reduced to it. 0: images keep their size, the only choice for `base.backbone.training`.
    pub size: usize,
    /// Which square of a picture that is not square is used. `random` needs a source of pictures
    /// with `images.fit = "crop"`; with the regime `head` it also needs `head.views = 0`.
    pub crop: Crop,
    /// Optimiser steps in an epoch, the same for every arm. 0: one pass over the training images,
    /// so that arms with more images train longer.
    pub steps_per_epoch: usize,
    /// Training images in a batch: 1 or more, and 2 or more with `head = "concat-pool"`.
    pub batch: usize,
    /// Batches that depend on the size of the training set, as pairs `[images, batch]` with rising
    /// `images`: from that many training images on, `batch` of them (1 or more) make a batch. The
    /// authors use 8, from 100 images on 32, from 1000 on 64. `[]`: always `batch`.
    pub batch_by_images: Vec<[usize; 2]>,
    /// Whether a pass leaves out the images that do not fill its last batch, as the authors do
    /// (PyTorch's `drop_last`); otherwise the next pass fills it. `true` needs a full batch in
    /// every arm.
    pub drop_last: bool,
    /// Learning rate of AdamW, more than 0; the highest one where `schedule` varies it.
    pub learning_rate: f64,
    /// Course of the learning rate over the steps of all epochs.
    pub schedule: ClassifierSchedule,
    /// Decoupled weight decay of AdamW, 0 or more: each step shrinks weights by the learning rate
    /// times this.
    pub weight_decay: f64,
    /// Whether weight decay also applies to biases and to the scales and shifts of normalisations.
    /// The authors' and fastai's setting is `false`.
    pub decay_norms_and_biases: bool,
    /// Epochs in a row without a lower validation loss after which training stops. 0: it never
    /// stops early, so that every arm has the same budget; with `keep = "last"` the validation
    /// images then have no influence on the result.
    pub patience: usize,
    /// Which epoch's weights are kept.
    pub keep: WeightsKept,
    /// Share of each label that is spread evenly over all classes, 0 or more and less than 1
    /// (Szegedy et al. 2016). It applies to the training loss only.
    pub label_smoothing: f64,
    /// Weight in the training and validation loss by class, each more than 0; a class that is not
    /// named has weight 1. Empty for `base.backbone.training`.
    pub class_weights: BTreeMap<String, f64>,
    /// Layers that turn the backbone's features into class scores; `linear` for
    /// `base.backbone.training`.
    pub head: HeadKind,
    /// Normalisation of the input images; `backbone` for `base.backbone.training`.
    pub normalisation: NormalisationKind,
}

impl Classifier {
    /// The most images that a training on `images` images shows, repeats included.
    pub fn shown(&self, images: usize) -> usize {
        let pass = if self.steps_per_epoch == 0 {
            images
        } else {
            self.steps_per_epoch * self.batch_of(images)
        };
        self.epochs * pass
    }

    /// Optimiser steps of an epoch on `images` images.
    pub fn steps_on(&self, images: usize) -> usize {
        let batch = self.batch_of(images);
        match (self.steps_per_epoch, self.drop_last) {
            (0, true) => images / batch,
            (0, false) => images.div_ceil(batch),
            (steps, _) => steps,
        }
    }

    /// The largest batch that there may be.
    pub fn largest_batch(&self) -> usize {
        self.batch_by_images.iter().map(|[_, batch]| *batch).fold(self.batch, usize::max)
    }

    /// Side of the squares that the network sees of images with sides of `side` pixels.
    pub fn side_of(&self, side: usize) -> usize {
        if self.size == 0 { side } else { self.size }
    }

    /// The batch size for `images` training images.
    pub fn batch_of(&self, images: usize) -> usize {
        let reached = self.batch_by_images.iter().rev().find(|[from, _]| images >= *from);
        reached.map_or(self.batch, |[_, batch]| *batch)
    }
}

/// The regime `head`: a head trained on features that the frozen backbone has computed. Its other
/// settings are those of `classifier`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadRegime {
    /// Transformed views of each image whose features are computed once, for all classifiers; pass
    /// `p` over the images shows view `p` modulo this number. 0: features are not stored, and each
    /// image is transformed anew whenever it is shown.
    pub views: usize,
    /// Learning rate of AdamW for the head, more than 0. A head alone tolerates a higher rate than
    /// a whole network.
    pub learning_rate: f64,
}
