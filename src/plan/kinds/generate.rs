//! A shard of synthetic images.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec, evaluations};
use crate::plan::work::{Unit, Work};
use crate::vocabulary;
use crate::vocabulary::Strategy;

/// The parameters of a shard of synthetic images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generate {
    /// Their class.
    pub class: String,
    /// The prompt.
    pub prompt: String,
    /// How images are made.
    pub strategy: Strategy,
    /// "dreambooth" or "base": which model is asked, as the shard's records name it.
    pub model: String,
    /// Positions of the source images in the class's pool.
    pub sources: Vec<usize>,
    /// First generation index and how many follow.
    pub first_generation: usize,
    /// Images of each source.
    pub generations: usize,
    /// The solver.
    pub solver: vocabulary::Solver,
    /// Steps of the solver.
    pub steps: usize,
    /// Scale of classifier-free guidance.
    pub guidance: f64,
    /// Number format of the UNet's computations.
    pub precision: vocabulary::Precision,
    /// Of the pass that this task runs; 1 for text-to-image.
    pub strength: f64,
}

impl Spec for Generate {
    const KIND: Kind =
        Kind { name: "generate", version: 3, noun: "synthetic shard", on_device: true };
}

impl Generate {
    /// Images that it makes.
    pub fn images(&self) -> usize {
        self.sources.len() * self.generations
    }

    /// One task's work.
    pub fn work(&self) -> Work {
        let images = self.images();
        Work::of([
            (Unit::Images, images),
            (Unit::Evaluations, evaluations(images, self.steps, self.guidance)),
        ])
    }
}
