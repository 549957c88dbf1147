//! Images that the base makes, for a tuned UNet to remember.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec, evaluations};
use crate::plan::work::{Unit, Work};
use crate::vocabulary;

/// The prior's name where a class's inputs have the name of the class.
pub const PRIOR: &str = "prior";

/// Images of a prompt by a model as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prior {
    /// The prompt.
    pub prompt: String,
    /// Number of images.
    pub images: usize,
    /// Side in pixels.
    pub size: usize,
    /// The solver.
    pub solver: vocabulary::Solver,
    /// Steps of the solver.
    pub steps: usize,
    /// Scale of classifier-free guidance.
    pub guidance: f64,
    /// Number format of the UNet's computations.
    pub precision: vocabulary::Precision,
}

impl Spec for Prior {
    const KIND: Kind = Kind { name: "prior", version: 3, noun: "prior", on_device: true };
}

impl Prior {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::of([
            (Unit::Images, self.images),
            (Unit::Evaluations, evaluations(self.images, self.steps, self.guidance)),
        ])
    }
}
