//! What a study file can say, as types. Defaults live in `defaults.toml` beside this file and nowhere else: a key that is not
//! there does not exist, so every parameter of a run can be read in its resolved study.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// Rendered skin; embedded.
    Phantom,
    /// MNIST-format .gz files.
    Idx,
}

/// The real images of the study. Counts are per class; the four sets are disjoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    pub source: ImageSource,
    /// Folder of the files (idx only).
    pub path: String,
    /// Side in pixels; a multiple of 8.
    pub size: usize,
    pub classes: Vec<String>,
    /// Images that classifiers sample from and that DreamBooth is tuned on.
    pub pool: usize,
    /// Images for early stopping.
    pub validation: usize,
    /// Images that every accuracy is measured on.
    pub held_out: usize,
    /// Images for the probe classifier of the generator check, seen by nothing else.
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

/// Folders in diffusers' layout, relative to the study file, to start the generators from instead; empty: from the base. A folder has
/// unet/, vae/, text_encoder/, tokenizer/ and scheduler/, as Stable Diffusion's repositories have, with weights as safetensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    pub text_to_image: String,
    pub inpainting: String,
    /// A file of ImageNet weights that classifiers start from instead, relative to the study file: safetensors, or a state dict of
    /// torch.save, by torchvision's or efficientnet_lite_pytorch's names; empty: from the base. `base.backbone.architecture` says whose.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    Epsilon,
    VPrediction,
}

/// The noise schedule ("scaled_linear", as Stable Diffusion's).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    pub timesteps: usize,
    pub beta_start: f64,
    pub beta_end: f64,
    pub prediction: Prediction,
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
    /// Gamma of the min-SNR weighting of the loss (Hang et al. 2023); 0: every timestep counts alike.
    pub snr_gamma: f64,
}

/// The classifiers' networks: a small EfficientNet-V2 for small images, EfficientNet-V2-S and -M, EfficientNet-Lite0.
pub const ARCHITECTURES: &[&str] = &["tiny", "v2-s", "v2-m", "lite0"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backbone {
    /// One of [`ARCHITECTURES`].
    pub architecture: String,
    pub training: Classifier,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// Prompt of fine-tuning and sampling; `{label}` stands for the class.
    pub prompt: String,
    pub dreambooth: DreamBooth,
    pub sampling: Sampling,
    /// Other generators by name, each an arm beside this one. A study file says of each what differs; here each is complete.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, Generator>,
}

/// What each fine-tuned model has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Models {
    /// One model a class, tuned on the class's whole pool, as the authors did. All replicates share it.
    PerClass,
    /// One model for each class and replicate, tuned on the class's whole pool: intervals then cover reruns of the tuning too.
    PerReplicate,
    /// One model of all classes, each image under its own class's prompt.
    All,
    /// One model for each class, replicate and n, tuned on the n images that the replicate's classifiers see, and on no other.
    LeakFree,
}

/// How the learning rate goes on after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRateSchedule {
    Constant,
    Linear,
    Cosine,
}

/// What a UNet computes in. What is trained, and every sum over many values, is in single precision whatever this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    #[default]
    F32,
    Bf16,
    F16,
}

impl Precision {
    /// Whether it is what there is no need to say.
    pub fn is_single(&self) -> bool {
        *self == Self::F32
    }
}

/// DreamBooth: the UNet alone is tuned, by AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DreamBooth {
    pub models: Models,
    /// Steps of the optimiser; 0: as many as `epochs` take.
    pub steps: usize,
    /// Passes over the images where `steps` is 0.
    pub epochs: usize,
    /// Steps of single classes, where they differ.
    pub steps_by_class: BTreeMap<String, usize>,
    pub batch: usize,
    /// Batches whose mean gradient makes a step.
    pub accumulate: usize,
    pub learning_rate: f64,
    pub schedule: LearningRateSchedule,
    /// Steps in which the learning rate rises.
    pub warmup: usize,
    /// AdamW's, for the first and the second moment.
    pub betas: [f64; 2],
    pub epsilon: f64,
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Decay of the weights' moving average, which is then what is kept; 0: the last weights are kept (the authors').
    pub ema: f64,
    /// Share of prompts replaced by the empty prompt (the authors': 0).
    pub caption_dropout: f64,
    /// Gamma of the min-SNR weighting of the loss; 0: every timestep counts alike (the authors').
    pub snr_gamma: f64,
    /// f32 or bf16; in f16 small gradients would vanish.
    pub precision: Precision,
    /// Whether the UNet's layers are computed twice rather than kept, for less memory and more time; rounding apart, nothing changes.
    pub gradient_checkpointing: bool,
    /// Transformed views of each image, encoded once; pass p over the images shows view p modulo this number.
    pub views: usize,
    /// How often in a training images are sampled to look at, the last time at its end; 0: never.
    pub previews: usize,
    pub transforms: TuningTransforms,
    pub mask: TuningMask,
    pub prior: Prior,
    pub lora: Lora,
}

/// The transforms of a view: torchvision's RandomResizedCrop, ColorJitter and horizontal flip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningTransforms {
    /// The crop's least and largest part of the image's area.
    pub scale: [f64; 2],
    /// The crop's least and largest width over height.
    pub ratio: [f64; 2],
    /// Largest change of brightness, contrast, saturation and hue, below 0.5.
    pub jitter: f64,
    pub flip: f64,
}

/// The mask of an inpainting model's training view: a rectangle or an ellipse anywhere in the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningMask {
    /// Share of rectangles; the others are ellipses.
    pub rectangles: f64,
    /// The least and the largest side, in sides of the image.
    pub sides: [f64; 2],
}

/// Prior preservation (Ruiz et al. 2023, equation 2): beside each of the class's images one that the base model made itself is learnt,
/// so that tuning does not make it forget what else there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Images that the base's text-to-image model makes, of all models together; 0: no prior preservation (the authors').
    pub images: usize,
    /// Weight of their loss.
    pub weight: f64,
    /// What they are made from and learnt by.
    pub prompt: String,
}

/// Low-rank adaptation (Hu et al. 2021): a product of two narrow matrices is tuned beside each target, which itself stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Of the products; 0: the UNet is tuned in full.
    pub rank: usize,
    /// The product counts alpha / rank times.
    pub alpha: f64,
    /// Ends of the names of the layers that get one, such as `to_q`.
    pub targets: Vec<String>,
}

/// Which solver walks from noise to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// DPM-Solver++ (2M).
    DpmSolver,
    Ddim,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    pub solver: Solver,
    pub steps: usize,
    pub guidance: f64,
    /// Of the UNet; the autoencoder computes in single precision.
    pub precision: Precision,
    /// Strength of the first pass (centre masked), in (0, 1].
    pub inpaint_strength: f64,
    /// Strength of the second pass (surroundings masked), in (0, 1].
    pub outpaint_strength: f64,
    /// Source images that one shard covers.
    pub sources_per_shard: usize,
    /// Generations of each source image that one shard covers.
    pub generations_per_shard: usize,
}

/// How a classifier's learning rate goes over its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassifierSchedule {
    /// Ten steps of rising, then half a cosine down to 0 at the last of all epochs.
    #[default]
    WarmupCosine,
    /// The authors'.
    Constant,
}

/// Which weights a classifier's training ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Those with the lowest validation loss (the authors' dose experiment).
    #[default]
    Best,
    /// Those of the last epoch (the authors' other experiments).
    Last,
}

/// What is put on the pretrained body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// torchvision's: means, dropout, one linear layer.
    #[default]
    Linear,
    /// fastai's and the authors': largest values and means, two linear layers with batch normalisation and dropout before each.
    ConcatPool,
}

/// What images in [0, 1] become at the network's door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// What the backbone was trained with.
    #[default]
    Backbone,
    /// Nothing (the authors').
    None,
    /// Less ImageNet's mean, divided by its standard deviation.
    Imagenet,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// Most epochs; validation follows each.
    pub epochs: usize,
    /// Optimiser steps of an epoch, the same for every arm; 0: one pass over the training images.
    pub steps_per_epoch: usize,
    pub batch: usize,
    /// `[images, batch]`: from so many training images on that batch instead, in rising order. The authors' rule is 8, from 100 images on
    /// 32, from 1000 on 64.
    #[serde(default)]
    pub batch_by_images: Vec<[usize; 2]>,
    /// Whether each pass leaves out the images that do not fill a batch (the authors'); otherwise the next pass fills it.
    #[serde(default)]
    pub drop_last: bool,
    pub learning_rate: f64,
    #[serde(default)]
    pub schedule: ClassifierSchedule,
    pub weight_decay: f64,
    /// Whether the scales and shifts of normalisations and the biases decay as well (the authors': false, as fastai has it).
    #[serde(default = "yes")]
    pub decay_norms_and_biases: bool,
    /// Epochs without a lower validation loss before training ends.
    pub patience: usize,
    #[serde(default)]
    pub keep: Keep,
    pub label_smoothing: f64,
    /// Weights of single classes in the loss; the others' are 1.
    #[serde(default)]
    pub class_weights: BTreeMap<String, f64>,
    #[serde(default)]
    pub head: Head,
    #[serde(default)]
    pub normalisation: Normalisation,
}

impl Classifier {
    /// The batch for so many training images.
    pub fn batch_of(&self, images: usize) -> usize {
        let reached = self.batch_by_images.iter().rev().find(|[from, _]| images >= *from);
        reached.map_or(self.batch, |[_, batch]| *batch)
    }
}

fn yes() -> bool {
    true
}

/// Which part of a classifier is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// Everything.
    #[default]
    Full,
    /// The head, and scale and shift of the body's batch normalisations, whose statistics move; stochastic depth is on: fastai's frozen
    /// body, as the authors have it.
    Authors,
    /// The head alone, on features of the body as it was pretrained.
    Head,
}

impl Regime {
    /// The name in study files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Authors => "authors",
            Self::Head => "head",
        }
    }

    /// Whether it is what there is no need to say.
    pub fn is_full(&self) -> bool {
        *self == Self::Full
    }
}

/// What the regime `head` has of its own; for the rest it is trained as `classifier` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadRegime {
    /// Transformed views of each image whose features are computed, once for all classifiers; pass p over the images shows view p modulo
    /// this number. 0: nothing is computed before, each image is transformed anew each time it is shown.
    pub views: usize,
    /// A head alone bears more than a whole network does.
    pub learning_rate: f64,
}

/// fastai's `aug_transforms` as the authors called it (paper.md section 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transforms {
    pub flip: f64,
    pub warp: f64,
    pub rotate: f64,
    pub zoom: f64,
    pub lighting: f64,
    /// Probability of each of warp, rotate, zoom and lighting.
    pub probability: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    TextToImage,
    Inpaint,
    InThenOutpaint,
}

/// The real-count sweep: real only and every strategy, at every n, dose, transform setting and regime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Real images per class.
    pub n: Vec<usize>,
    pub strategies: Vec<Strategy>,
    /// Synthetic images per real image.
    pub doses: Vec<usize>,
    /// Whether classifiers see transformed images.
    pub transforms: Vec<bool>,
    /// Which part of each classifier is trained; each regime is compared with real images only within itself.
    pub regimes: Vec<Regime>,
    pub replicates: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Coverage of every interval.
    pub confidence: f64,
    /// False discovery rate of Benjamini-Hochberg.
    pub q: f64,
    pub permutations: usize,
    pub bootstraps: usize,
}
