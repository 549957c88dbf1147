//! The files of an image set, checked and unpacked.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;
use crate::vocabulary::ImageSource;

/// An image set is imported whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    /// The image set.
    pub source: ImageSource,
}

impl Spec for Import {
    const KIND: Kind =
        Kind { name: "import", version: 1, noun: "import of files", on_device: false };
}

impl Import {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(1.0)
    }
}
