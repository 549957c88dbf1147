//! The windows of convolutions: zeros around the image, stride, and the size of what comes out.

use candle_core::{Result, bail};

/// Rows and columns of zeros around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// `p` on every side.
    pub fn same(p: usize) -> Self {
        Self { top: p, left: p, bottom: p, right: p }
    }

    /// TensorFlow's "SAME" for a square window of `kernel` on an image of `(height, width)`: the
    /// output is `ceil(size / stride)`, and where the zeros cannot be divided evenly, the last row
    /// or column gets one more.
    pub fn tensorflow_same((height, width): (usize, usize), kernel: usize, stride: usize) -> Self {
        let zeros = |size: usize| {
            ((size.div_ceil(stride).max(1) - 1) * stride + kernel).saturating_sub(size)
        };
        let (rows, columns) = (zeros(height), zeros(width));
        Self {
            top: rows / 2,
            left: columns / 2,
            bottom: rows - rows / 2,
            right: columns - columns / 2,
        }
    }
}

/// Stride and padding of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stride {
    /// Step of the window along both axes, 1 or more.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: Padding,
    /// Each channel has a filter of its own.
    pub depthwise: bool,
}

/// Height and width of a convolution's output; an error where the window does not fit.
pub(super) fn out_size(
    (h, w): (usize, usize),
    (kh, kw): (usize, usize),
    stride: usize,
    padding: Padding,
) -> Result<(usize, usize)> {
    let (h, w) = (h + padding.top + padding.bottom, w + padding.left + padding.right);
    if stride == 0 || kh == 0 || kw == 0 || h < kh || w < kw {
        bail!(
            "convolution: window {kh}x{kw}, stride {stride} does not fit the padded image {h}x{w}"
        );
    }
    Ok(((h - kh) / stride + 1, (w - kw) / stride + 1))
}
