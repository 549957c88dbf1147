//! What a study file can say, as types. Defaults live in `defaults.toml` beside this file and
//! nowhere else: a key that is not there does not exist, so every parameter of a run can be read in
//! its resolved study.

mod classifier;
mod generator;

use serde::{Deserialize, Serialize};

use crate::vocabulary::{
    Control, Dedupe, Fit, ImageSource, PredictionType, Regime, SkinTypeScale, Strategy, Transforms,
    Unusable,
};

pub use classifier::*;
pub use generator::*;

/// One study: everything that decides its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    pub title: String,
    /// A paragraph for the report's head.
    pub about: String,
    pub goal: Goal,
    /// Root of every random stream of the study.
    pub seed: u64,
    pub images: Images,
    pub base: Base,
    pub generator: Generator,
    pub classifier: Classifier,
    pub head: HeadRegime,
    pub transforms: Transforms,
    pub probe: Classifier,
    pub experiment: Experiment,
    pub analysis: Analysis,
}

/// What a study produces at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Base weights: autoencoder, text encoder, UNets, classifier backbone.
    Base,
    /// The experiment's report.
    Report,
}

/// The real images of the study. Paths are relative to the study file, and `${NAME}` in one stands
/// for a variable of the environment. Counts are per class; the four sets are disjoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    pub source: ImageSource,
    /// Folder of the files, or of the shards.
    pub path: String,
    /// The table of annotations; empty: the one of the set's own name in the folder, or (folder)
    /// none.
    pub annotations: String,
    /// A table of the pictures that are the test part; empty: a study draws them (fitzpatrick17k
    /// only).
    pub held_out_list: String,
    /// A table of all other pictures to use; empty: all (fitzpatrick17k only).
    pub training_list: String,
    /// Columns of the tables, or fields of the shards' records, that are left unread. Any other that
    /// says nothing known is refused.
    pub ignored_columns: Vec<String>,
    /// fitzpatrick17k only.
    pub skin_type: SkinTypeScale,
    pub fit: Fit,
    pub unusable: Unusable,
    pub dedupe: Dedupe,
    /// Side in pixels; a multiple of 8.
    pub size: usize,
    pub classes: Vec<String>,
    /// Images that classifiers sample from and that DreamBooth is tuned on.
    pub pool: usize,
    /// Images that the losses of learning curves are of, and that early stopping and the choice of
    /// weights look at.
    pub validation: usize,
    /// Images that every accuracy is measured on. Of DDI this and `validation` count each pair of
    /// skin types.
    pub held_out: usize,
    /// Images for the probe classifier of the generator check, seen by nothing else; 0: there is no
    /// check, as without a strategy.
    pub plentiful: usize,
}

/// Where the pretrained weights come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Folder of shipped weights, relative to the study file; empty: trained as part of this study.
    pub from: String,
    pub pretrained: Pretrained,
    pub corpus: Corpus,
    pub autoencoder: Autoencoder,
    pub text_encoder: TextEncoder,
    pub diffusion: Diffusion,
    pub unet: UNet,
    /// The inpainting variant, continued from the UNet: steps only, the rest as `unet`.
    pub inpainting_steps: usize,
    pub backbone: Backbone,
}

/// Folders in diffusers' layout, relative to the study file, to start the generators from instead;
/// empty: from the base. A folder has unet/, vae/, text_encoder/, tokenizer/ and scheduler/, as
/// Stable Diffusion's repositories have, with weights as safetensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    pub text_to_image: String,
    pub inpainting: String,
    /// A file of ImageNet weights that classifiers start from instead, relative to the study file:
    /// safetensors, or a state dict of torch.save, by torchvision's or efficientnet_lite_pytorch's
    /// names; empty: from the base. `base.backbone.architecture` says whose.
    pub backbone: String,
}

/// Captioned images for pretraining; no class and no image of the study is among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// Classes to use (idx only); phantom: must be empty, all base kinds are used.
    pub classes: Vec<String>,
    /// Images in total.
    pub train: usize,
    pub validation: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autoencoder {
    /// Channels of each level, finest first; each further level halves the side.
    pub channels: Vec<usize>,
    pub latent_channels: usize,
    pub layers_per_block: usize,
    pub norm_groups: usize,
    pub steps: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub kl_weight: f64,
    /// Weight of the L1 loss on differences of neighbouring pixels.
    pub gradient_weight: f64,
    /// Weight of the L1 loss on colour: each pixel less the mean of its channels.
    pub chroma_weight: f64,
    /// Weight of the distance between the backbone's features of image and reconstruction.
    pub perceptual_weight: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextEncoder {
    /// Entries of the byte-pair vocabulary, trained on the corpus's captions.
    pub vocabulary: usize,
    /// Tokens a prompt is padded or cut to.
    pub context: usize,
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
}

/// The noise schedule ("scaled_linear", as Stable Diffusion's).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    pub timesteps: usize,
    pub beta_start: f64,
    pub beta_end: f64,
    pub prediction: PredictionType,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNet {
    pub channels: Vec<usize>,
    pub layers_per_block: usize,
    pub heads: usize,
    pub norm_groups: usize,
    pub steps: usize,
    pub batch: usize,
    pub learning_rate: f64,
    /// Decay of the weights' exponential moving average, which is what is kept.
    pub ema: f64,
    /// Share of captions replaced by the empty prompt, for classifier-free guidance.
    pub caption_dropout: f64,
    /// Gamma of the min-SNR weighting of the loss (Hang et al. 2023); 0: every timestep counts
    /// alike.
    pub snr_gamma: f64,
}

/// The classifiers' networks: a small EfficientNet-V2 for small images, EfficientNet-V2-S and -M,
/// EfficientNet-Lite0.
pub const ARCHITECTURES: &[&str] = &["tiny", "v2-s", "v2-m", "lite0"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backbone {
    /// One of [`ARCHITECTURES`].
    pub architecture: String,
    pub training: Classifier,
}

/// The real-count sweep: real only, every control and every strategy, at every n, dose, transform
/// setting and regime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Real images per class.
    pub n: Vec<usize>,
    /// None of them where there are controls: then nothing is generated, and there is nothing to
    /// check or to show.
    pub strategies: Vec<Strategy>,
    pub controls: Vec<Control>,
    /// Synthetic images per real image; of no effect without a strategy.
    pub doses: Vec<usize>,
    /// Whether classifiers see transformed images.
    pub transforms: Vec<bool>,
    /// Which part of each classifier is trained; each regime is compared with real images only
    /// within itself.
    pub regimes: Vec<Regime>,
    pub replicates: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Coverage of every interval, 0 to 1.
    pub confidence: f64,
    /// False discovery rate of Benjamini-Hochberg, 0 to 1.
    pub q: f64,
    pub assumed: Assumed,
}

/// How much a difference of two arms' accuracies is taken to vary before there are results, for
/// `titrate plan`: standard deviations of rates, 0 to 1. The report measures them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    /// Between replicates.
    pub rerun: f64,
    /// Between images, the same in all replicates; of one image.
    pub image: f64,
    /// Neither; of one image in one replicate.
    pub residual: f64,
}
