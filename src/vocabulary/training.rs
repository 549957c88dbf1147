//! How classifiers are trained.

use serde::{Deserialize, Serialize};

/// How a classifier's learning rate goes over its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassifierSchedule {
    /// Ten steps of rising, then half a cosine down to 0 at the last of all epochs.
    #[default]
    WarmupCosine,
    /// The authors'.
    Constant,
}

/// Which weights a classifier's training ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsKept {
    /// Those with the lowest validation loss (the authors' dose experiment).
    #[default]
    Best,
    /// Those of the last epoch (the authors' other experiments).
    Last,
}

/// What is put on the pretrained body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// torchvision's: means, dropout, one linear layer.
    #[default]
    Linear,
    /// fastai's and the authors': largest values and means, two linear layers with batch
    /// normalisation and dropout before each.
    ConcatPool,
}

/// What images in [0, 1] become at the network's door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormalisationKind {
    /// What the backbone was trained with.
    #[default]
    Backbone,
    /// Nothing (the authors').
    None,
    /// Less ImageNet's mean, divided by its standard deviation.
    Imagenet,
}

/// Where the largest square of a picture lies that training is shown. Tests always take the centre.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    #[default]
    Centre,
    /// Anywhere along the longer side, anew each time that the picture is shown (the authors').
    Random,
}

/// Which part of a classifier is trained.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// Everything.
    #[default]
    Full,
    /// The head, and scale and shift of the body's batch normalisations, whose statistics move;
    /// stochastic depth is on: fastai's frozen body, as the authors have it.
    Authors,
    /// The head alone, on features of the body as it was pretrained.
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

/// fastai's `aug_transforms` as the authors called it (paper.md section 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transforms {
    pub flip: f64,
    pub warp: f64,
    pub rotate: f64,
    pub zoom: f64,
    pub lighting: f64,
    /// Probability of each of warp, rotate, zoom and lighting.
    pub probability: f64,
}
