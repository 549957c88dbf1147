//! The parameters of each kind of task: exactly what its step reads, so exactly what its key
//! depends on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use crate::study::{self, Cell, ImageSource, Strategy};

/// An image set is imported whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    pub source: ImageSource,
}

/// A block of pictures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decode {
    /// Side of the squares in pixels.
    pub size: usize,
    pub fit: study::Fit,
    /// Whether frames are made instead: whole pictures, or nearly, with shorter sides of `size`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frames: bool,
    /// Whether the files are shards.
    pub packed: bool,
}

/// A shard of a released synthetic set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unpack {
    /// Side of the squares in pixels.
    pub size: usize,
    pub fit: study::Fit,
    pub unusable: study::Unusable,
    /// Only images of these, and with smaller numbers than this, are taken.
    pub classes: Vec<String>,
    pub strategies: Vec<Strategy>,
    pub generations: usize,
}

/// The images `first..first + generations` of each of the pool's images of a class, of the inputs
/// `unpacked/...`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Released {
    pub class: String,
    pub strategy: Strategy,
    pub first: usize,
    pub generations: usize,
}

/// A set of pictures, of the inputs `pictures/...`, `annotations`, `held_out_list` and
/// `training_list`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PictureSet {
    pub source: ImageSource,
    /// Side of the squares in pixels.
    pub size: usize,
    pub classes: Vec<String>,
    pub skin_type: study::SkinTypeScale,
    pub unusable: study::Unusable,
    pub dedupe: study::Dedupe,
    /// The study's sets and their counts, in the order in which they draw. A cohort is the last of
    /// them; those after it are not named.
    pub sets: Vec<(String, usize)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Corpus {
    pub source: ImageSource,
    pub size: usize,
    pub classes: Vec<String>,
    pub train: usize,
    pub validation: usize,
}

/// `start..start + count` of each class's seeded order; sets are disjoint because their ranges are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cohort {
    pub source: ImageSource,
    pub size: usize,
    pub classes: Vec<String>,
    pub start: usize,
    pub count: usize,
    /// The key of the study file that asked for them, for messages.
    pub set: String,
    /// Of a set of pictures, which comes in no range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PictureSet>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Autoencoder {
    pub autoencoder: study::Autoencoder,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UNet {
    pub text_encoder: study::TextEncoder,
    pub diffusion: study::Diffusion,
    pub unet: study::UNet,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inpainting {
    pub unet: study::UNet,
    pub steps: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backbone {
    pub architecture: String,
    #[serde(serialize_with = "without_neutral")]
    pub training: study::Classifier,
    pub transforms: study::Transforms,
}

/// What a UNet is conditioned on beside the prompt.
#[derive(Hash, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    TextToImage,
    Inpainting,
}

impl Conditioning {
    /// The name in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextToImage => "text-to-image",
            Self::Inpainting => "inpainting",
        }
    }
}

/// A pipeline in diffusers' layout is checked to be one for this.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pretrained {
    pub conditioning: Conditioning,
}

/// Weights of a file are checked to be those of this network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PretrainedBackbone {
    pub architecture: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prompt {
    pub prompt: String,
}

/// Views of a class's images that a UNet is tuned on, as latents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latents {
    pub class: String,
    pub views: usize,
    pub transforms: study::TuningTransforms,
    /// How masks are drawn; only for inpainting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<study::TuningMask>,
}

/// What the prior's images are labelled with, where those of a class have its name.
pub const PRIOR: &str = "prior";

/// Images of a prompt by a model as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prior {
    pub prompt: String,
    pub images: usize,
    /// Side in pixels.
    pub size: usize,
    pub solver: study::Solver,
    pub steps: usize,
    pub guidance: f64,
    #[serde(default, skip_serializing_if = "study::Precision::is_single")]
    pub precision: study::Precision,
}

/// The latents of a class are the input `latents/<class>`, its prompt the input `prompt/<class>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DreamBooth {
    /// The classes tuned on, each with the positions in its pool; none: all of it.
    pub classes: BTreeMap<String, Vec<usize>>,
    pub views: usize,
    pub steps: usize,
    pub batch: usize,
    pub accumulate: usize,
    pub learning_rate: f64,
    pub schedule: study::LearningRateSchedule,
    pub warmup: usize,
    pub betas: [f64; 2],
    pub epsilon: f64,
    pub weight_decay: f64,
    pub clip: f64,
    pub ema: f64,
    pub caption_dropout: f64,
    pub snr_gamma: f64,
    #[serde(default, skip_serializing_if = "study::Precision::is_single")]
    pub precision: study::Precision,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gradient_checkpointing: bool,
    /// Weight of the loss on the prior's images, the inputs `prior/latents` and `prior/prompt`;
    /// absent: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_weight: Option<f64>,
    /// How often samples are drawn to look at.
    pub previews: usize,
    /// Absent: the UNet is tuned in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<study::Lora>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generate {
    pub class: String,
    pub prompt: String,
    pub strategy: Strategy,
    /// "dreambooth" or "base": which model is asked, as the shard's records name it.
    pub model: String,
    /// Positions of the source images in the class's pool.
    pub sources: Vec<usize>,
    /// First generation index and how many follow.
    pub first_generation: usize,
    pub generations: usize,
    pub solver: study::Solver,
    pub steps: usize,
    pub guidance: f64,
    #[serde(default, skip_serializing_if = "study::Precision::is_single")]
    pub precision: study::Precision,
    /// Of the pass that this task runs; 1 for text-to-image.
    pub strength: f64,
}

/// A training without the keys that are as if they were not there: some came after results were
/// stored, which stay valid.
fn without_neutral<S: Serializer>(
    training: &study::Classifier,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let neutral = [
        ("size", json!(0)),
        ("crop", json!("centre")),
        ("batch_by_images", json!([])),
        ("drop_last", json!(false)),
        ("schedule", json!("warmup-cosine")),
        ("decay_norms_and_biases", json!(true)),
        ("keep", json!("best")),
        ("class_weights", json!({})),
        ("head", json!("linear")),
        ("normalisation", json!("backbone")),
    ];
    let mut value = serde_json::to_value(training).map_err(serde::ser::Error::custom)?;
    if let Some(keys) = value.as_object_mut() {
        keys.retain(|key, value| {
            !neutral.iter().any(|(name, neutral)| name == key && neutral == value)
        });
    }
    value.serialize(serializer)
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// Features of the images of the input `images`, by the body of the input `backbone`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Features {
    /// Decides what of the feature maps is pooled.
    pub head: study::Head,
    pub normalisation: study::Normalisation,
    /// Side of the squares that the body sees; 0: as they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: usize,
    /// Transformed views of each image; absent: one view, the image as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<Views>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Views {
    pub count: usize,
    pub transforms: study::Transforms,
}

/// A head over the features of the inputs `pool`, `validation`, `held_out` and `synthetic/...`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// Positions in the pool of the real images to train on, a list for each class.
    pub sources: BTreeMap<String, Vec<usize>>,
    /// Synthetic images per real image; 0: real only.
    pub dose: usize,
    #[serde(serialize_with = "without_neutral")]
    pub training: study::Classifier,
    pub classes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Classifier {
    /// Positions in the pool of the real images to train on, a list for each class.
    pub sources: BTreeMap<String, Vec<usize>>,
    /// Synthetic images per real image; 0: real only.
    pub dose: usize,
    #[serde(serialize_with = "without_neutral")]
    pub training: study::Classifier,
    /// Absent: images are shown as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transforms: Option<study::Transforms>,
    #[serde(default, skip_serializing_if = "study::Regime::is_full")]
    pub regime: study::Regime,
    pub classes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Probe {
    #[serde(serialize_with = "without_neutral")]
    pub training: study::Classifier,
    pub transforms: study::Transforms,
    pub classes: Vec<String>,
}

/// The shards of a class and strategy are the inputs whose role begins with `<strategy>/<class>/`,
/// `base/<class>/` for the untuned model's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    pub classes: Vec<String>,
    /// The arms, each a strategy and perhaps a variant of the generator.
    pub strategies: Vec<String>,
    pub confidence: f64,
    /// Side of the squares that the probe sees; 0: as they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contact {
    pub classes: Vec<String>,
    /// The arms, each a strategy and perhaps a variant of the generator.
    pub strategies: Vec<String>,
    /// Pool positions of the shown sources, by class.
    pub sources: BTreeMap<String, Vec<usize>>,
    /// The models whose previews are shown.
    pub trainings: Vec<Training>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Analysis {
    /// The cell behind each input role.
    pub cells: BTreeMap<String, Cell>,
    /// Coverage of every interval, 0 to 1.
    pub confidence: f64,
    /// False discovery rate, 0 to 1.
    pub q: f64,
}

/// How many tasks of a kind the study has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KindCount {
    pub kind: String,
    pub tasks: usize,
    /// Classifiers that depend on at least one of them.
    pub serves: usize,
    /// Tasks of the kind that there would be if every classifier had its own.
    pub apart: usize,
}

/// A tuned model whose losses the report shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Training {
    /// The input that has them.
    pub role: String,
    /// What it was tuned on.
    pub model: String,
    pub conditioning: Conditioning,
    pub steps: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The study file's stem.
    pub name: String,
    pub title: String,
    pub about: String,
    pub seed: u64,
    pub source: ImageSource,
    /// What there is how many of, for the report's head.
    pub sizes: Vec<(String, usize)>,
    /// What all replicates have in common, which no interval covers.
    pub shared: Vec<String>,
    /// The resolved study, as TOML.
    pub study: String,
    pub tasks: Vec<KindCount>,
    pub trainings: Vec<Training>,
}
