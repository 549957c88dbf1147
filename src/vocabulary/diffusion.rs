//! How latent diffusion models are tuned and sampled from.

use serde::{Deserialize, Serialize};

/// The course of a learning rate after its warm-up, as in diffusers' `get_scheduler`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LearningRateSchedule {
    /// It stays.
    Constant,
    /// It falls linearly to 0 at the last step.
    Linear,
    /// It falls along half a cosine to 0 at the last step.
    Cosine,
}

/// The number format of a UNet's computations. Trained weights and sums over many values are always
/// in single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision, 32 bits.
    #[default]
    F32,
    /// bfloat16: 16 bits with the exponent's range of single precision.
    Bf16,
    /// Half precision, 16 bits.
    F16,
}

impl Precision {
    /// Whether this is the default, single precision.
    pub fn is_single(&self) -> bool {
        *self == Self::F32
    }
}

/// The numerical method from noise to an image, with the timesteps of its reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// DPM-Solver++ (2M), multistep in data prediction (Lu et al. 2022, arXiv 2211.01095, algorithm
    /// 2). Timesteps, the last step's order and the end at timestep 0 follow diffusers 0.17's
    /// `DPMSolverMultistepScheduler` with its defaults (midpoint, `lower_order_final`), which is
    /// what the authors sampled with.
    DpmSolver,
    /// DDIM without noise (Song et al. 2021, arXiv 2010.02502, equation 12 with eta 0), its
    /// timesteps as Stable Diffusion's scheduler_config.json has them: "leading" with
    /// `steps_offset` 1, ending at timestep 0 (`set_alpha_to_one` false).
    Ddim,
}

/// The transforms of a view, in this order: torchvision's RandomResizedCrop, horizontal flip and
/// ColorJitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TuningTransforms {
    /// Least and largest area of the crop as a share of the image's, both more than 0. A crop that
    /// does not fit the image is drawn again.
    pub scale: [f64; 2],
    /// Least and largest ratio of the crop's width to its height, both more than 0.
    pub ratio: [f64; 2],
    /// Largest relative change of brightness, contrast and saturation, and largest turn of the hue
    /// as a share of the colour circle; 0 or more, less than 0.5.
    pub jitter: f64,
    /// Probability of a horizontal flip, 0 to 1.
    pub flip: f64,
}

/// The mask of an inpainting model's training view: one rectangle or ellipse, anywhere in the
/// image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TuningMask {
    /// Probability of a rectangle instead of an ellipse, 0 to 1.
    pub rectangles: f64,
    /// Least and largest width and height of the mask as shares of the image's side, 0 to 1.
    pub sides: [f64; 2],
}

/// Low-rank adaptation (Hu et al. 2021): each target layer's weights stay frozen, and a product of
/// two narrow matrices is added to them and tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Rank of the products. 0: no adaptation, the whole UNet is tuned.
    pub rank: usize,
    /// Scale of the products, more than 0: each is multiplied by `alpha / rank`.
    pub alpha: f64,
    /// Ends of the names of the layers that are adapted, such as `to_q`: each once, one or more
    /// unless `rank` is 0.
    pub targets: Vec<String>,
}

/// What a UNet is trained to predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PredictionType {
    /// The noise (Ho et al. 2020).
    Epsilon,
    /// v = alpha * noise - sigma * x0 (Salimans & Ho 2022).
    VPrediction,
}

/// What a UNet is given beside the noisy latents and the prompt.
#[derive(Hash, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    /// Nothing.
    TextToImage,
    /// A mask, and the latents of the masked image.
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
