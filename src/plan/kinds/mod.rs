//! The kinds of task, a file each: what a kind is called, its version, where it computes, its
//! parameters and how much work they are. Its step is the file of the same name in `steps/`.

mod analysis;
mod audit;
mod autoencoder;
mod backbone;
mod check;
mod classifier;
mod cohort;
mod contact;
mod corpus;
mod decode;
mod dreambooth;
mod features;
mod generate;
mod head;
mod import;
mod inpainting;
mod latents;
mod pretrained;
mod pretrained_backbone;
mod prior;
mod probe;
mod prompt;
mod released;
mod report;
mod unet;
mod unpack;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::vocabulary::Arm;

pub use analysis::Analysis;
pub use audit::{Audit, PictureSet};
pub use autoencoder::Autoencoder;
pub use backbone::Backbone;
pub use check::Check;
pub use classifier::Classifier;
pub use cohort::Cohort;
pub use contact::Contact;
pub use corpus::Corpus;
pub use decode::Decode;
pub use dreambooth::DreamBooth;
pub use features::{Features, Views};
pub use generate::Generate;
pub use head::Head;
pub use import::Import;
pub use inpainting::Inpainting;
pub use latents::Latents;
pub use pretrained::Pretrained;
pub use pretrained_backbone::PretrainedBackbone;
pub use prior::{PRIOR, Prior};
pub use probe::Probe;
pub use prompt::Prompt;
pub use released::Released;
pub use report::{KindCount, Report, Training};
pub use unet::UNet;
pub use unpack::Unpack;

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
}

/// Calls a macro with all kinds, in the order in which a study needs them: each kind's file, which
/// is called alike in `plan/kinds/` and in `steps/`, and its spec.
macro_rules! for_each_kind {
    ($call:ident) => {
        $call! {
            import::Import,
            decode::Decode,
            audit::Audit,
            corpus::Corpus,
            cohort::Cohort,
            autoencoder::Autoencoder,
            unet::UNet,
            inpainting::Inpainting,
            backbone::Backbone,
            pretrained::Pretrained,
            pretrained_backbone::PretrainedBackbone,
            prompt::Prompt,
            latents::Latents,
            prior::Prior,
            dreambooth::DreamBooth,
            unpack::Unpack,
            released::Released,
            generate::Generate,
            features::Features,
            head::Head,
            classifier::Classifier,
            probe::Probe,
            check::Check,
            contact::Contact,
            analysis::Analysis,
            report::Report,
        }
    };
}
pub(crate) use for_each_kind;

macro_rules! list {
    ($($file:ident::$spec:ident,)*) => {
        /// Every kind.
        pub const ALL: &[&Kind] = &[$(&$spec::KIND),*];
    };
}
for_each_kind!(list);

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
fn evaluations(images: usize, steps: usize, guidance: f64) -> usize {
    images * steps * if guidance == 1.0 { 1 } else { 2 }
}

/// Real images at these positions of the pool, and so many synthetic ones for each.
fn training_images(sources: &BTreeMap<String, Vec<usize>>, dose: usize) -> usize {
    sources.values().map(Vec::len).sum::<usize>() * (1 + dose)
}
