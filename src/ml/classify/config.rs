//! The shape of an EfficientNet: V2 as torchvision has it, and Lite.

use crate::vocabulary::HeadKind;
use serde::{Deserialize, Serialize};

/// A run of blocks at one width. The first has `stride` and changes the channels, the others keep
/// both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Fused-MBConv (a dense convolution) instead of MBConv (depthwise, with
    /// squeeze-and-excitation).
    pub fused: bool,
    /// Channels inside a block over channels coming in.
    pub expand: usize,
    /// Odd side of the window.
    pub kernel: usize,
    /// Stride of the first block; the others have 1.
    pub stride: usize,
    /// Channels coming in.
    pub in_channels: usize,
    /// Channels going out.
    pub out_channels: usize,
    /// Number of blocks, 1 or more.
    pub layers: usize,
}

/// Activation after each batch normalisation but those of projections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nonlinearity {
    /// `x * sigmoid(x)`.
    #[default]
    Silu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

/// Placement of zeros around images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zeros {
    /// Half the window on each side.
    #[default]
    Symmetric,
    /// As many as the output `ceil(size / stride)` needs, the odd one behind.
    TensorflowSame,
}

/// Normalisation of images in [0, 1] before the stem: `(x - mean) / std` of each channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Mean of red, green and blue.
    pub mean: [f64; 3],
    /// Standard deviation of red, green and blue.
    pub std: [f64; 3],
}

impl Normalisation {
    /// Images are left as they are.
    pub const NONE: Self = Self { mean: [0.0; 3], std: [1.0; 3] };
    /// `(x - 127) / 128` of bytes: EfficientNet-Lite's.
    pub const LITE: Self = Self { mean: [127.0 / 255.0; 3], std: [128.0 / 255.0; 3] };
    /// That of torchvision's ImageNet weights.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

impl Default for Normalisation {
    fn default() -> Self {
        Self::NONE
    }
}

/// Architecture and regularisation, with torchvision's meaning of each. Keys that V2 doesn't need
/// are written only where they differ from V2's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of classes.
    pub classes: usize,
    /// Channels after the first convolution.
    pub stem_channels: usize,
    /// Stride of the first convolution.
    pub stem_stride: usize,
    /// The body's runs of blocks, in order.
    pub stages: Vec<Stage>,
    /// Channels after the last convolution: the features.
    pub head_channels: usize,
    /// Chance that a feature is dropped, in training, before the last layer; half of it before a
    /// concat-pool head's first (fastai's `ps`).
    pub dropout: f64,
    /// Chance that the last block's branch is dropped for an item, in training; it grows linearly
    /// from 0 at the first block.
    pub stochastic_depth: f64,
    /// Added to variances by batch normalisations.
    pub bn_eps: f64,
    /// Weight of a batch in the running statistics.
    pub bn_momentum: f64,
    /// The activation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nonlinearity: Nonlinearity,
    /// Whether MBConv blocks have squeeze-and-excitation.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub squeeze_excitation: bool,
    /// Where convolutions put their zeros.
    #[serde(default, skip_serializing_if = "is_default")]
    pub padding: Zeros,
    /// The normalisation of input images, which the network does itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub normalisation: Normalisation,
    /// The layers between features and logits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub head: HeadKind,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_yes(value: &bool) -> bool {
    *value
}

const fn stage(
    fused: bool,
    [expand, kernel, stride, in_channels, out_channels, layers]: [usize; 6],
) -> Stage {
    Stage { fused, expand, kernel, stride, in_channels, out_channels, layers }
}

impl Config {
    /// EfficientNet-V2-S (Tan & Le 2021): 20.2M parameters besides the classifier's.
    pub fn v2_s(classes: usize) -> Self {
        Self {
            stem_channels: 24,
            stages: vec![
                stage(true, [1, 3, 1, 24, 24, 2]),
                stage(true, [4, 3, 2, 24, 48, 4]),
                stage(true, [4, 3, 2, 48, 64, 4]),
                stage(false, [4, 3, 2, 64, 128, 6]),
                stage(false, [6, 3, 1, 128, 160, 9]),
                stage(false, [6, 3, 2, 160, 256, 15]),
            ],
            head_channels: 1280,
            dropout: 0.2,
            stochastic_depth: 0.2,
            ..Self::plain(classes)
        }
    }

    /// EfficientNet-V2-M (Tan & Le 2021): 52.9M parameters besides the classifier's.
    pub fn v2_m(classes: usize) -> Self {
        Self {
            stem_channels: 24,
            stages: vec![
                stage(true, [1, 3, 1, 24, 24, 3]),
                stage(true, [4, 3, 2, 24, 48, 5]),
                stage(true, [4, 3, 2, 48, 80, 5]),
                stage(false, [4, 3, 2, 80, 160, 7]),
                stage(false, [6, 3, 1, 160, 176, 14]),
                stage(false, [6, 3, 2, 176, 304, 18]),
                stage(false, [6, 3, 1, 304, 512, 5]),
            ],
            head_channels: 1280,
            dropout: 0.3,
            stochastic_depth: 0.2,
            ..Self::plain(classes)
        }
    }

    /// EfficientNet-Lite0 (Liu 2020): EfficientNet-B0 without squeeze-and-excitation, with ReLU6
    /// and TensorFlow's padding.
    pub fn lite0(classes: usize) -> Self {
        Self {
            stem_channels: 32,
            stages: vec![
                stage(false, [1, 3, 1, 32, 16, 1]),
                stage(false, [6, 3, 2, 16, 24, 2]),
                stage(false, [6, 5, 2, 24, 40, 2]),
                stage(false, [6, 3, 2, 40, 80, 3]),
                stage(false, [6, 5, 1, 80, 112, 3]),
                stage(false, [6, 5, 2, 112, 192, 4]),
                stage(false, [6, 3, 1, 192, 320, 1]),
            ],
            head_channels: 1280,
            dropout: 0.2,
            stochastic_depth: 0.2,
            bn_momentum: 0.01,
            nonlinearity: Nonlinearity::Relu6,
            squeeze_excitation: false,
            padding: Zeros::TensorflowSame,
            normalisation: Normalisation::LITE,
            ..Self::plain(classes)
        }
    }

    /// For photographs of 32 pixels: 0.13M parameters (nine classes) and 2.9M multiply-adds an
    /// image.
    pub fn tiny(classes: usize) -> Self {
        Self {
            stem_channels: 16,
            stages: vec![
                stage(true, [1, 3, 1, 16, 16, 1]),
                stage(true, [3, 3, 2, 16, 32, 1]),
                stage(false, [3, 3, 2, 32, 48, 2]),
                stage(false, [4, 3, 1, 48, 64, 2]),
            ],
            head_channels: 192,
            dropout: 0.2,
            stochastic_depth: 0.1,
            ..Self::plain(classes)
        }
    }

    /// No blocks, and what V2's sizes have in common.
    fn plain(classes: usize) -> Self {
        Self {
            classes,
            stem_channels: 0,
            stem_stride: 2,
            stages: Vec::new(),
            head_channels: 0,
            dropout: 0.0,
            stochastic_depth: 0.0,
            bn_eps: 1e-3,
            bn_momentum: 0.1,
            nonlinearity: Nonlinearity::Silu,
            squeeze_excitation: true,
            padding: Zeros::Symmetric,
            normalisation: Normalisation::NONE,
            head: HeadKind::Linear,
        }
    }

    /// The architecture called `name` in a study: `tiny`, `v2-s`, `v2-m` or `lite0`.
    pub fn named(name: &str, classes: usize) -> Option<Self> {
        match name {
            "tiny" => Some(Self::tiny(classes)),
            "v2-s" => Some(Self::v2_s(classes)),
            "v2-m" => Some(Self::v2_m(classes)),
            "lite0" => Some(Self::lite0(classes)),
            _ => None,
        }
    }

    /// Multiply-adds of convolutions and the classifier for one square image of `size` pixels a
    /// side.
    pub fn multiply_adds(&self, size: usize) -> usize {
        let mut side = size.div_ceil(self.stem_stride);
        let mut sum = side * side * 27 * self.stem_channels;
        for stage in &self.stages {
            for layer in 0..stage.layers {
                let (input, stride) = if layer == 0 {
                    (stage.in_channels, stage.stride)
                } else {
                    (stage.out_channels, 1)
                };
                let (inner, window, wide) =
                    (input * stage.expand, stage.kernel * stage.kernel, side * side);
                side = side.div_ceil(stride);
                let narrow = side * side;
                sum += match (stage.fused, stage.expand) {
                    (true, 1) => narrow * window * input * stage.out_channels,
                    (true, _) => narrow * inner * (window * input + stage.out_channels),
                    (false, expand) => {
                        let expansion = if expand == 1 { 0 } else { wide * input * inner };
                        let excitation = if self.squeeze_excitation {
                            2 * inner * (input / 4).max(1)
                        } else {
                            0
                        };
                        expansion + narrow * inner * (window + stage.out_channels) + excitation
                    }
                };
            }
        }
        let last = self.stages.last().map_or(self.stem_channels, |stage| stage.out_channels);
        sum + side * side * last * self.head_channels + self.head_channels * self.classes
    }
}
