//! The embeddings of a prompt and of the empty one.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;

/// The parameters of a prompt's embeddings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prompt {
    /// The prompt.
    pub prompt: String,
}

impl Spec for Prompt {
    const KIND: Kind =
        Kind { name: "prompt", version: 2, noun: "prompt embedding", on_device: true };
}

impl Prompt {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(0.05)
    }
}
