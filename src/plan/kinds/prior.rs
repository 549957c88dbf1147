//! Images that the base makes, for a tuned UNet to remember.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec, evaluations};
use crate::plan::work::{Unit, Work};
use crate::vocabulary;

/// What the prior's images are labelled with, where those of a class have its name.
pub const PRIOR: &str = "prior";

/// Images of a prompt by a model as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prior {
    pub prompt: String,
    pub images: usize,
    /// Side in pixels.
    pub size: usize,
    pub solver: vocabulary::Solver,
    pub steps: usize,
    pub guidance: f64,
    pub precision: vocabulary::Precision,
}

impl Spec for Prior {
    const KIND: Kind = Kind { name: "prior", version: 3, noun: "prior", on_device: true };
}

impl Prior {
    pub fn work(&self) -> Work {
        Work::of([
            (Unit::Images, self.images),
            (Unit::Evaluations, evaluations(self.images, self.steps, self.guidance)),
        ])
    }
}
