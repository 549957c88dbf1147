//! How latent diffusion models are tuned and sampled from.

use serde::{Deserialize, Serialize};

/// How the learning rate goes on after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRateSchedule {
    Constant,
    Linear,
    Cosine,
}

/// What a UNet computes in. What is trained, and every sum over many values, is in single precision
/// whatever this is.
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

/// Which solver walks from noise to an image, with the reference's timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// The mask of an inpainting model's training view: a rectangle or an ellipse anywhere in the
/// image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningMask {
    /// Share of rectangles; the others are ellipses.
    pub rectangles: f64,
    /// The least and the largest side, in sides of the image.
    pub sides: [f64; 2],
}

/// Low-rank adaptation (Hu et al. 2021): a product of two narrow matrices is tuned beside each
/// target, which itself stays.
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

/// What a UNet is trained to predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PredictionType {
    /// The noise (Ho et al. 2020).
    Epsilon,
    /// v = alpha * noise - sigma * x0 (Salimans & Ho 2022).
    VPrediction,
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
