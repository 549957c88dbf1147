//! The shape of an EfficientNet-V2.

use serde::{Deserialize, Serialize};

/// A run of blocks at one width. The first has `stride` and changes the channels, the others keep both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Fused-MBConv (a dense convolution) instead of MBConv (depthwise, with squeeze-and-excitation).
    pub fused: bool,
    /// Channels inside a block over channels coming in.
    pub expand: usize,
    /// Odd side of the window.
    pub kernel: usize,
    pub stride: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub layers: usize,
}

/// Architecture and regularisation, with torchvision's meaning of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub classes: usize,
    pub stem_channels: usize,
    pub stem_stride: usize,
    pub stages: Vec<Stage>,
    pub head_channels: usize,
    /// Chance that a pooled feature is dropped, in training.
    pub dropout: f64,
    /// Chance that the last block's branch is dropped for an item, in training; it grows linearly from 0 at the first block.
    pub stochastic_depth: f64,
    pub bn_eps: f64,
    /// Weight of a batch in the running statistics.
    pub bn_momentum: f64,
}

const fn stage(fused: bool, [expand, kernel, stride, in_channels, out_channels, layers]: [usize; 6]) -> Stage {
    Stage { fused, expand, kernel, stride, in_channels, out_channels, layers }
}

impl Config {
    /// EfficientNet-V2-S (Tan & Le 2021): 20.2M parameters besides the classifier's.
    pub fn v2_s(classes: usize) -> Self {
        Self {
            classes,
            stem_channels: 24,
            stem_stride: 2,
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
            bn_eps: 1e-3,
            bn_momentum: 0.1,
        }
    }

    /// For photographs of 32 pixels: 0.13M parameters (nine classes) and 2.9M multiply-adds an image.
    pub fn tiny(classes: usize) -> Self {
        Self {
            classes,
            stem_channels: 16,
            stem_stride: 2,
            stages: vec![
                stage(true, [1, 3, 1, 16, 16, 1]),
                stage(true, [3, 3, 2, 16, 32, 1]),
                stage(false, [3, 3, 2, 32, 48, 2]),
                stage(false, [4, 3, 1, 48, 64, 2]),
            ],
            head_channels: 192,
            dropout: 0.2,
            stochastic_depth: 0.1,
            bn_eps: 1e-3,
            bn_momentum: 0.1,
        }
    }

    /// The architecture called `name` in a study: `tiny` or `v2-s`.
    pub fn named(name: &str, classes: usize) -> Option<Self> {
        match name {
            "tiny" => Some(Self::tiny(classes)),
            "v2-s" => Some(Self::v2_s(classes)),
            _ => None,
        }
    }

    /// Multiply-adds of convolutions and the classifier for one square image of `size` pixels a side.
    pub fn multiply_adds(&self, size: usize) -> usize {
        let mut side = size.div_ceil(self.stem_stride);
        let mut sum = side * side * 27 * self.stem_channels;
        for stage in &self.stages {
            for layer in 0..stage.layers {
                let (input, stride) = if layer == 0 { (stage.in_channels, stage.stride) } else { (stage.out_channels, 1) };
                let (inner, window, wide) = (input * stage.expand, stage.kernel * stage.kernel, side * side);
                side = side.div_ceil(stride);
                let narrow = side * side;
                sum += match (stage.fused, stage.expand) {
                    (true, 1) => narrow * window * input * stage.out_channels,
                    (true, _) => narrow * inner * (window * input + stage.out_channels),
                    (false, expand) => {
                        let expansion = if expand == 1 { 0 } else { wide * input * inner };
                        expansion + narrow * inner * (window + stage.out_channels) + 2 * inner * (input / 4).max(1)
                    }
                };
            }
        }
        let last = self.stages.last().map_or(self.stem_channels, |stage| stage.out_channels);
        sum + side * side * last * self.head_channels + self.head_channels * self.classes
    }
}
