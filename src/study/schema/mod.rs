//! The keys of a study file, as types. Their documentation is what experiments/KEYS.md shows: the
//! meaning of each key, its unit and the range that `validate` enforces.
//!
//! Defaults live in `defaults.toml` in the folder above and nowhere else: a key that is not there
//! does not exist, so every parameter of a run can be read in its resolved study.

mod classifier;
mod generator;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocabulary::{
    Arm, Claim, Comparison, Correction, Dedupe, Fit, ImageSource, PredictionType, Regime,
    SkinTypeScale, Transforms, Unusable, Usage,
};

pub use classifier::*;
pub use generator::*;

/// One study: everything that decides its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Title of the report.
    pub title: String,
    /// A paragraph at the head of the report.
    pub about: String,
    /// What the study produces.
    pub goal: Goal,
    /// Root of every random stream of the study, 0 or more. The authors' first experiment has
    /// 111108.
    pub seed: u64,
    /// The real images.
    pub images: Images,
    /// The pretrained weights.
    pub base: Base,
    /// The source of the synthetic images.
    pub generator: Generator,
    /// The classifiers that the experiment compares.
    pub classifier: Classifier,
    /// The classifiers of the regime `head`.
    pub head: HeadRegime,
    /// Transforms of the classifiers' training images.
    pub transforms: Transforms,
    /// The probe: the classifier that judges in the generator check whether synthetic images show
    /// their class. It is trained on `images.plentiful` real images of each class.
    pub probe: Classifier,
    /// What uses of synthetic images have unless they say otherwise.
    pub usage: Usage,
    /// Uses of synthetic images by name, each like `usage` but for what it says. Arms of
    /// experiments name them, as in `text-to-image+light`.
    pub usages: BTreeMap<String, Usage>,
    /// The comparison of synthetic with real images in a feature space.
    pub quality: Quality,
    /// What experiments have unless they say otherwise; where there are no named ones, the only
    /// experiment.
    pub experiment: Experiment,
    /// Experiments by name, each like `experiment` but for what it says, in the order of their
    /// names.
    pub experiments: BTreeMap<String, Experiment>,
    /// The statistics of the report.
    pub analysis: Analysis,
    /// Ratings of synthetic images by readers.
    pub ratings: Ratings,
    /// Claims by name: statements of a paper that the study tests. One has its `statement`, its
    /// `source`, the `published` number in words (empty: none is known), the day on which its rule
    /// was `fixed`, the `experiment` whose classifiers decide, and its `rule`, whose kind `is`
    /// `gains`, `shrinks`, `saturates`, `reals-gain-more`, `class-gains-most`, `skin-types-gain`,
    /// `skin-type-gap-narrows` or
    /// `ratings-predict-gains` (`src/vocabulary/claim.rs` has what each takes).
    pub claims: BTreeMap<String, Claim>,
}

/// What a study produces at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Base weights: autoencoder, text encoder, UNets, classifier backbone.
    Base,
    /// The report of the experiment.
    Report,
}

/// The real images of the study. Paths are relative to the study file that names them; `${NAME}` in
/// a path stands for an environment variable, and a path that begins with `hf://` is in the Hugging
/// Face hub. Numbers of images are per class, and the four sets (`pool`, `validation`, `held_out`,
/// `plentiful`) are disjoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// The image set, and with it the layout of its files.
    pub source: ImageSource,
    /// Folder of the files or shards. Required by every source but `phantom`, which has no files.
    pub path: String,
    /// Table of annotations, of a source that has one. Empty: the table of the set's own name in
    /// `path`; for `folder`, no table.
    pub annotations: String,
    /// Table of the pictures that make up the test part (fitzpatrick17k only). Empty: the study
    /// draws them.
    pub held_out_list: String,
    /// Table of the other pictures that may be used (fitzpatrick17k only). Empty: all of them.
    pub training_list: String,
    /// Columns of the tables, or fields of the shards' records, that are not read (sources of
    /// pictures only). Any other column without a known meaning is refused.
    pub ignored_columns: Vec<String>,
    /// Ids of pictures that are never used, each once (sources of pictures only). A picture's id is
    /// its path from the set's folder without the ending, `-` for each `/` and `.`; in shards it is
    /// the key of its members.
    pub exclude: Vec<String>,
    /// Which annotation of the skin type counts (fitzpatrick17k only).
    pub skin_type: SkinTypeScale,
    /// How a picture that is not square becomes square.
    pub fit: Fit,
    /// What to do with pictures that are missing or cannot be decoded.
    pub unusable: Unusable,
    /// What to do with copies of the same picture (sources of pictures only).
    pub dedupe: Dedupe,
    /// Side of the square images, in pixels: a multiple of 8, and of 2 to the number of times that
    /// the base's autoencoder and UNet halve it.
    pub size: usize,
    /// Names of the classes, two or more, each once, in the order of tables. `ddi` knows `benign`
    /// and `malignant`.
    pub classes: Vec<String>,
    /// Images per class that classifiers sample from and that DreamBooth is tuned on, 1 or more.
    pub pool: usize,
    /// Images per class for the validation loss, which early stopping and the choice of weights
    /// look at, 1 or more. For `ddi`, images per pair of skin types.
    pub validation: usize,
    /// Images per class that every accuracy is measured on, 1 or more. For `ddi`, images per pair
    /// of skin types.
    pub held_out: usize,
    /// Images per class for the probe of the generator check, which nothing else sees. 0: no check;
    /// a study without strategies has none either.
    pub plentiful: usize,
}

/// The pretrained weights. Sizes and trainings of the networks apply where the study trains its own
/// base (`from = ""`); otherwise the base or the pretrained models bring theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Folder of shipped base weights, relative to the study file. Empty: the study trains its own,
    /// which takes the source `phantom` or `idx`; `goal = "base"` requires it.
    pub from: String,
    /// Models from elsewhere that replace those of the base.
    pub pretrained: Pretrained,
    /// Images that a base is trained on.
    pub corpus: Corpus,
    /// Autoencoder between images and latents.
    pub autoencoder: Autoencoder,
    /// Text encoder of the prompts.
    pub text_encoder: TextEncoder,
    /// Diffusion process.
    pub diffusion: Diffusion,
    /// Denoising network.
    pub unet: UNet,
    /// Optimiser steps of the inpainting UNet, 1 or more. It continues from `base.unet` with the
    /// same settings.
    pub inpainting_steps: usize,
    /// Classifier network before its head.
    pub backbone: Backbone,
}

/// Models from elsewhere. Paths are relative to the study file, or in the Hugging Face hub
/// (`hf://...`). All are empty with `goal = "base"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    /// Folder of a text-to-image pipeline in diffusers' layout (unet/, vae/, text_encoder/,
    /// tokenizer/ and scheduler/, weights as safetensors), such as Stable Diffusion's. Empty: the
    /// base's.
    pub text_to_image: String,
    /// Folder of an inpainting pipeline in the same layout. Empty: the base's.
    pub inpainting: String,
    /// File of ImageNet weights of the classifiers' backbone: safetensors, or a state dict of
    /// `torch.save`, with torchvision's or efficientnet_lite_pytorch's names, for the network that
    /// `base.backbone.architecture` names. Empty: the base's.
    pub backbone: String,
}

/// Captioned images for pretraining; none of the study's classes or images is among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// Classes of the source `idx` to train on, each once and none of them in `images.classes`.
    /// `[]` for `phantom`, which uses all of its base kinds.
    pub classes: Vec<String>,
    /// Training images in total, 1 or more.
    pub train: usize,
    /// Validation images in total, 1 or more; the backbone's training looks at them.
    pub validation: usize,
}

/// The autoencoder (diffusers' `AutoencoderKL`) and its training. The reconstruction loss is the L1
/// error of pixels plus the weighted terms below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autoencoder {
    /// Channels of each level from the finest, one or more, each a multiple of `norm_groups`; each
    /// further level halves the side (diffusers' `block_out_channels`).
    pub channels: Vec<usize>,
    /// Channels of the latents, 1 or more.
    pub latent_channels: usize,
    /// Residual blocks in each level, 1 or more.
    pub layers_per_block: usize,
    /// Groups of the group normalisations, 1 or more.
    pub norm_groups: usize,
    /// Optimiser steps of the training, 1 or more.
    pub steps: usize,
    /// Images in a batch: even, 2 or more (its halves are trained side by side).
    pub batch: usize,
    /// Highest learning rate of AdamW, more than 0; it follows a warm-up and a cosine.
    pub learning_rate: f64,
    /// Weight of the Kullback-Leibler divergence of the latents from the standard normal, 0 or
    /// more.
    pub kl_weight: f64,
    /// Weight of the L1 error of differences between neighbouring pixels, 0 or more; it keeps edges
    /// and texture.
    pub gradient_weight: f64,
    /// Weight of the L1 error of colour (each pixel less the mean of its channels), 0 or more.
    pub chroma_weight: f64,
    /// Weight of the distance between the backbone's features of image and reconstruction, 0 or
    /// more (LPIPS, Zhang et al. 2018, with all channels weighted alike).
    pub perceptual_weight: f64,
}

/// The text encoder, a CLIP text model that is trained together with the UNet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextEncoder {
    /// Entries of the byte-pair vocabulary, which is learnt from the captions of the corpus; more
    /// than 256, the bytes that it starts from.
    pub vocabulary: usize,
    /// Tokens to which a prompt is padded or cut, start and end included; 3 or more.
    pub context: usize,
    /// Width of the embeddings, a multiple of `heads`.
    pub width: usize,
    /// Transformer layers, 1 or more.
    pub layers: usize,
    /// Attention heads in each layer, 1 or more; a divisor of `width`.
    pub heads: usize,
}

/// The noise schedule, which is Stable Diffusion's `scaled_linear`: the square root of beta rises
/// linearly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    /// Timesteps from image to noise, 1 or more (diffusers' `num_train_timesteps`).
    pub timesteps: usize,
    /// Variance of the noise that the first timestep adds, more than 0 and less than `beta_end`.
    pub beta_start: f64,
    /// Variance of the noise that the last timestep adds, less than 1.
    pub beta_end: f64,
    /// What the UNet is trained to predict.
    pub prediction: PredictionType,
}

/// The UNet (diffusers' `UNet2DConditionModel`) and its pretraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNet {
    /// Channels of each level from the finest, one or more, each a multiple of `norm_groups` and of
    /// `heads`; each further level halves the side (diffusers' `block_out_channels`).
    pub channels: Vec<usize>,
    /// Residual blocks in each level, 1 or more.
    pub layers_per_block: usize,
    /// Attention heads in each layer, 1 or more; a divisor of every width in `channels`.
    pub heads: usize,
    /// Groups of the group normalisations, 1 or more.
    pub norm_groups: usize,
    /// Optimiser steps of the pretraining, 1 or more.
    pub steps: usize,
    /// Images in a batch: even, 2 or more (its halves are trained side by side).
    pub batch: usize,
    /// Highest learning rate of AdamW, more than 0; it follows a warm-up and a cosine.
    pub learning_rate: f64,
    /// Decay per step of the moving average of the weights, 0 or more and less than 1; the average
    /// is kept.
    pub ema: f64,
    /// Probability, 0 or more and less than 1, that a caption is replaced by the empty prompt,
    /// which trains classifier-free guidance.
    pub caption_dropout: f64,
    /// Gamma of the min-SNR weighting of the loss (Hang et al. 2023), 0 or more. 0: all timesteps
    /// weigh the same.
    pub snr_gamma: f64,
}

/// Names of the classifiers' networks: a small EfficientNet-V2 for small images, EfficientNet-V2-S
/// and -M, EfficientNet-Lite0.
pub const ARCHITECTURES: &[&str] = &["tiny", "v2-s", "v2-m", "lite0"];

/// The classifiers' network before its head, and its pretraining on the kinds of the corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backbone {
    /// The network: `tiny` (a small EfficientNet-V2 for small images), `v2-s` or `v2-m`
    /// (torchvision's EfficientNet-V2), or `lite0` (EfficientNet-Lite0). `base.from` has `tiny`.
    pub architecture: String,
    /// Training of the backbone where the study trains its own base.
    pub training: Classifier,
}

/// How near synthetic images are to real ones, as features of the classifiers' backbone: distances
/// of whole sets, coverage, and copies. Compared are the classes of which every arm has images, and
/// of each arm the first generations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Real images of each class whose synthetic images are compared, 0 to `images.pool`: the first
    /// that the first replicate draws, of those that every arm has images of. 0: no comparison; a
    /// study without strategies has none either.
    pub sources: usize,
    /// Neighbours that an image's surroundings have, about, in the plane by t-SNE that shows the
    /// same images: its perplexity, 2 or more. Fewer show small groups, more the whole. At most a
    /// third of the images.
    pub perplexity: f64,
}

/// An experiment: a question, and the classifiers that are trained to answer it. Real images only,
/// and every arm at every dose, at every n, transform setting and regime, in every replicate.
/// Classifiers that several experiments have are trained once. No list has a value twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The question, at the head of its part of the report. Empty: none is shown.
    pub question: String,
    /// Numbers of real images per class, one or more, each 1 to `images.pool`.
    pub n: Vec<usize>,
    /// What is compared with real images only, one or more: synthetic images by a strategy
    /// (`text-to-image`, `inpaint`, `in-then-outpaint`; with `@` and a name by a variant of the
    /// generator; with `+` and a name in a use), or a control (`reseeded`, `equal-steps`, `equal-passes`,
    /// `duplicate`, `pool`). Without a strategy in any experiment nothing is generated.
    pub arms: Vec<Arm>,
    /// Synthetic images per real image, one value or more, each 1 or more; what controls add or
    /// repeat is counted like them. Real images only, dose 0, is always an arm.
    pub doses: Vec<usize>,
    /// Whether the classifiers' training images are transformed, as `[transforms]` says: `true`,
    /// `false` or both.
    pub transforms: Vec<bool>,
    /// Which parts of the classifiers are trained, one value or more. Arms are compared within a
    /// regime.
    pub regimes: Vec<Regime>,
    /// Replicates, 1 or more: repetitions of all classifiers, each with its own sample of real
    /// images and its own training seed.
    pub replicates: usize,
    /// A class that has fewer real images than the others. Arms add to it alone: they fill it up.
    pub rare: Rare,
    /// Comparisons by name, beside those of every arm with real only; each is a family of its own.
    /// One has a `question`; `of`, which designs are compared: `n`, `arms`, `doses`, `transforms`,
    /// `regime`, each any where it is left out; and `against`, what is different in the design that
    /// each is compared with: `n`, `arm`, `dose`, `transforms`, `regime`. With a `class`, only the
    /// held-out images of that class count.
    pub comparisons: BTreeMap<String, Comparison>,
}

/// A class of which there are few images, in the training of classifiers only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rare {
    /// The class. Empty: none is rare.
    pub class: String,
    /// Its real images, 1 or more and fewer than every n; 0 where no class is rare.
    pub n: usize,
}

/// How real readers find synthetic images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratings {
    /// CSV table with the columns `class`, `arm` and `rating`, a row a rating: the higher, the more
    /// real. Relative to the study file. Empty: there are none, and claims about them are not
    /// tested.
    pub path: String,
}

/// The statistics of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Coverage of every confidence interval, more than 0 and less than 1.
    pub confidence: f64,
    /// The rate that the correction bounds in each family of comparisons, more than 0 and less than
    /// 1: of false discoveries, or with `holm` of any false rejection.
    pub q: f64,
    /// The correction of a family for multiple comparisons.
    pub correction: Correction,
    /// Assumptions of the power that `titrate plan` shows.
    pub assumed: Assumed,
}

/// Standard deviations of the difference between two arms' accuracies that `titrate plan` assumes
/// to compute power before there are results. Accuracies are rates from 0 to 1; the report measures
/// these deviations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    /// Between replicates, 0 or more.
    pub rerun: f64,
    /// Between images, the same in all replicates, for a single image; 0 or more.
    pub image: f64,
    /// Of a single image in a single replicate, beyond the two others; 0 or more.
    pub residual: f64,
}
