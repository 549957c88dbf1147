//! Features of images and their views, by a frozen backbone.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::{Unit, Work};
use crate::vocabulary;

/// Features of the images of the input `images`, by the body of the input `backbone`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Features {
    /// Decides what of the feature maps is pooled.
    pub head: vocabulary::HeadKind,
    /// Normalisation of the images.
    pub normalisation: vocabulary::NormalisationKind,
    /// Side of the squares that the body sees; 0: as they are.
    pub size: usize,
    /// Transformed views of each image; absent: one view, the image as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<Views>,
}

/// Transformed views of each image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Views {
    /// Views of each image.
    pub count: usize,
    /// Their transforms.
    pub transforms: vocabulary::Transforms,
}

impl Spec for Features {
    const KIND: Kind =
        Kind { name: "features", version: 2, noun: "set of features", on_device: true };
}

impl Features {
    /// One task's work, on `images` images.
    pub fn work(&self, images: usize) -> Work {
        let views = self.views.as_ref().map_or(1, |views| views.count);
        Work::of([(Unit::Features, images * views)])
    }
}
