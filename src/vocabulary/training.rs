//! How classifiers are trained.

use serde::{Deserialize, Serialize};

/// The course of a classifier's learning rate over its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ClassifierSchedule {
    /// It rises for ten steps, then falls along half a cosine to 0 at the last step of the last
    /// epoch.
    #[default]
    WarmupCosine,
    /// It stays, as the authors' does.
    Constant,
}

/// Which weights a classifier's training ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WeightsKept {
    /// Those with the lowest validation loss (the authors' dose experiment).
    #[default]
    Best,
    /// Those of the last epoch (the authors' other experiments).
    Last,
}

/// The layers that turn a backbone's features into class scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// torchvision's: average pooling, dropout, one linear layer.
    #[default]
    Linear,
    /// fastai's, which the authors used: maximum and average pooling, then two linear layers, each
    /// after a batch normalisation and dropout.
    ConcatPool,
}

/// The normalisation of a classifier's input images, whose values are in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NormalisationKind {
    /// That which the backbone was trained with.
    #[default]
    Backbone,
    /// None, as the authors have it.
    None,
    /// ImageNet's mean is subtracted, and the result divided by its standard deviation.
    Imagenet,
}

/// Which of a picture's largest squares is shown in training. Tests always show the centre.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// The one in the centre.
    #[default]
    Centre,
    /// One drawn along the longer side whenever the picture is shown, as the authors have it.
    Random,
}

/// Which part of a classifier is trained.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// Everything.
    #[default]
    Full,
    /// fastai's frozen body, as the authors trained: the head, and scale and shift of the body's
    /// batch normalisations, whose running statistics are updated; stochastic depth is active.
    Authors,
    /// The head alone, on features of the pretrained backbone.
    Head,
}

impl Regime {
    /// The name in study files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Authors => "authors",
            Self::Head => "head",
        }
    }
}

/// fastai's `aug_transforms`, whose defaults the authors used and are the defaults here. Classifiers
/// train on images transformed so where `experiment.transforms` is `true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Transforms {
    /// Probability of a horizontal flip, 0 to 1.
    pub flip: f64,
    /// Largest perspective warp, 0 or more and less than 1: the share of half the image's side by
    /// which corners move (`max_warp`).
    pub warp: f64,
    /// Largest rotation either way, in degrees, 0 to 180 (`max_rotate`).
    pub rotate: f64,
    /// Largest magnification, 1 or more, about a random centre (`max_zoom`).
    pub zoom: f64,
    /// Largest change of brightness and contrast, 0 or more and less than 1 (`max_lighting`):
    /// mid-grey becomes `0.5 (1 - lighting)` to `0.5 (1 + lighting)`, and contrast is multiplied by
    /// `1 - lighting` to `1 / (1 - lighting)`.
    pub lighting: f64,
    /// Probability, 0 to 1, of each of warp, rotation, zoom, brightness and contrast (`p_affine`
    /// and `p_lighting`).
    pub probability: f64,
}
