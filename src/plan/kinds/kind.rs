//! What every kind of task has, and what several share.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::plan::memory::Memory;
use crate::vocabulary::Arm;

/// What all tasks of a kind have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The name in manifests, receipts and reports.
    pub name: &'static str,
    /// A part of every key; raised when the step's code comes to give other bytes for the same
    /// manifest (tests/house/versions.rs).
    pub version: u32,
    /// What one task of it is called in a report.
    pub noun: &'static str,
    /// Whether its step runs on the device that was asked for; otherwise on the processor.
    pub on_device: bool,
}

impl Kind {
    /// The file under `src/` whose code, with all that it uses, decides the kind's output.
    pub fn source(&self) -> String {
        format!("steps/{}.rs", self.name.replace('-', "_"))
    }
}

/// The parameters of one kind of task: exactly what its step reads, so exactly what its key depends
/// on.
pub trait Spec: Serialize + DeserializeOwned {
    /// The kind that these are parameters of.
    const KIND: Kind;

    /// What one task may need of memory, in a study whose images have sides of `side` pixels.
    fn memory(&self, _side: usize) -> Memory {
        Memory::PLAIN
    }
}

/// The inputs that have the synthetic images of an arm and class.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSet {
    /// Absent: made by the model before it was tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<Arm>,
    /// The class.
    pub class: String,
    /// The inputs.
    pub roles: Vec<String>,
}

impl ShardSet {
    /// The roles among `sets` of an arm and class.
    pub fn roles<'a>(
        sets: &'a [Self],
        arm: Option<&Arm>,
        class: &str,
    ) -> impl Iterator<Item = &'a str> {
        let set = sets.iter().find(|set| set.arm.as_ref() == arm && set.class == class);
        set.into_iter().flat_map(|set| &set.roles).map(String::as_str)
    }
}

/// Evaluations of a UNet that images take in so many steps: two a step, with and without the
/// prompt, unless there is no guidance.
pub fn evaluations(images: usize, steps: usize, guidance: f64) -> usize {
    images * steps * if guidance == 1.0 { 1 } else { 2 }
}
