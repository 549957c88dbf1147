//! Differentiable tensor operations for training on a CPU: fused, channels-last, bit-identical at
//! every thread count.
//!
//! Images are `[B,H,W,C]`, tokens `[B,N,C]`; weights lie as in PyTorch, so that state dicts match.
//! f32 and f64 on a CPU run the kernels of this room; other devices and dtypes run [`composed`].
//! Every function is differentiable in each of its float tensors unless its contract says
//! otherwise. Work is split by shape alone, never by the number of threads.

mod activation;
mod attention;
mod awake;
pub mod composed;
mod conv;
mod depthwise;
mod element;
mod gemm;
mod kernel;
mod layer_norm;
mod norm;
mod normed;
mod resample;
mod scale;
#[cfg(test)]
mod tests;
mod window;

pub use activation::Activation;
use activation::Pointwise;
use candle_core::{D, DType, Device, Result, Tensor, bail};
#[cfg(test)]
pub use kernel::without_kernels;
use kernel::{apply1, apply2, apply3, serves};
use std::sync::{Arc, OnceLock};
pub use window::{Padding, Stride};

/// The size of the last dimension, after checking that each of `vectors` has as many elements and
/// that none is empty.
fn channels_of(x: &Tensor, vectors: &[&Tensor]) -> Result<usize> {
    let channels = x.dim(D::Minus1)?;
    if x.elem_count() == 0 || vectors.iter().any(|v| v.dims() != [channels]) {
        let shapes: Vec<_> = vectors.iter().map(|v| v.shape()).collect();
        bail!("normalisation: x {:?} and per-channel vectors {shapes:?} do not fit", x.shape());
    }
    Ok(channels)
}

fn pointwise(x: &Tensor, function: Pointwise) -> Result<Tensor> {
    apply1(activation::Map { function, shape: x.shape().clone() }, x)
}

/// Cross-correlation of `x [B,H,W,Cin]` with `weight [Cout,Cin,kh,kw]`, plus `bias [Cout]`:
/// `[B,OH,OW,Cout]`.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: Padding,
) -> Result<Tensor> {
    if !serves(x) {
        return composed::conv2d(x, weight, bias, stride, padding);
    }
    let conv = conv::Conv::new(x, weight, bias, stride, padding)?;
    match bias {
        Some(bias) => apply3(conv, x, weight, bias),
        None => apply2(conv, x, weight),
    }
}

/// Cross-correlation of each channel of `x [B,H,W,C]` with its own filter of `weight [C,1,kh,kw]`,
/// plus `bias [C]`.
pub fn depthwise_conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: Padding,
) -> Result<Tensor> {
    if !serves(x) {
        return composed::depthwise_conv2d(x, weight, bias, stride, padding);
    }
    let conv = depthwise::Depthwise::new(x, weight, bias, stride, padding)?;
    match bias {
        Some(bias) => apply3(conv, x, weight, bias),
        None => apply2(conv, x, weight),
    }
}

/// `x [..,K]` times the transpose of `weight [N,K]`, plus `bias [N]`: `[..,N]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if !serves(x) {
        return composed::linear(x, weight, bias);
    }
    let (n, k) = weight.dims2()?;
    if x.dim(D::Minus1)? != k || bias.is_some_and(|b| b.dims() != [n]) {
        bail!(
            "linear: x {:?}, weight {:?}, bias {:?} do not fit",
            x.shape(),
            weight.shape(),
            bias.map(Tensor::shape)
        );
    }
    let conv = conv::Conv::linear(x.elem_count() / k.max(1), k, n);
    let y = match bias {
        Some(bias) => apply3(conv, x, weight, bias),
        None => apply2(conv, x, weight),
    }?;
    let mut shape = x.dims().to_vec();
    shape[x.rank() - 1] = n;
    y.reshape(shape)
}

/// Group normalisation of `x [B,..,C]` over all positions and the `C / groups` channels of a group,
/// scaled by `weight [C]` and shifted by `bias [C]`, then `activation`. The variance is the biased
/// one.
pub fn group_norm(
    x: &Tensor,
    groups: usize,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<Tensor> {
    let (batch, channels) = (x.dim(0)?, channels_of(x, &[weight, bias])?);
    if groups == 0 || !channels.is_multiple_of(groups) {
        bail!("group_norm: {groups} groups do not divide the channels of {:?}", x.shape());
    }
    if !serves(x) {
        return composed::group_norm(x, groups, weight, bias, eps, activation);
    }
    let (shape, positions) = (x.shape().clone(), x.elem_count() / (batch * channels));
    let moments = OnceLock::new();
    apply3(
        norm::GroupNorm { shape, batch, positions, channels, groups, eps, activation, moments },
        x,
        weight,
        bias,
    )
}

/// Normalisation of `x [..,C]` over its last dimension, scaled by `weight [C]` and shifted by `bias
/// [C]`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let channels = channels_of(x, &[weight, bias])?;
    if !serves(x) {
        return composed::layer_norm(x, weight, bias, eps);
    }
    apply3(layer_norm::LayerNorm { shape: x.shape().clone(), channels, eps }, x, weight, bias)
}

/// Batch normalisation of `x [..,C]` over all but the last dimension, then `activation`. Returns
/// the output, the batch mean `[C]` and the batch's biased variance `[C]`; no gradient flows
/// through the latter two.
pub fn batch_norm_train(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<(Tensor, Tensor, Tensor)> {
    let channels = channels_of(x, &[weight, bias])?;
    if !serves(x) {
        return composed::batch_norm_train(x, weight, bias, eps, activation);
    }
    let moments = Arc::new(OnceLock::new());
    let statistics = norm::Statistics::Batch(moments.clone());
    let y = apply3(
        norm::BatchNorm { shape: x.shape().clone(), channels, eps, activation, statistics },
        x,
        weight,
        bias,
    )?;
    let [mean, variance] = batch_statistics(&moments, x.dtype())?;
    Ok((y, mean, variance))
}

/// [`batch_norm_train`] of a convolution without bias of `x [B,H,W,Cin]`, with the normalisation's
/// `weight` and `bias [Cout]`: as one operation, it is faster than the two.
pub fn conv_norm_train(
    x: &Tensor,
    filters: &Tensor,
    Stride { stride, padding, depthwise }: Stride,
    [weight, bias]: [&Tensor; 2],
    eps: f64,
    activation: Activation,
) -> Result<(Tensor, Tensor, Tensor)> {
    let channels = filters.dim(0)?;
    if weight.dims() != [channels] || bias.dims() != [channels] || x.elem_count() == 0 {
        bail!(
            "conv_norm: x {:?}, filters {:?} and weight {:?} do not fit",
            x.shape(),
            filters.shape(),
            weight.shape()
        );
    }
    if !serves(x) {
        let convolve = if depthwise { composed::depthwise_conv2d } else { composed::conv2d };
        return composed::batch_norm_train(
            &convolve(x, filters, None, stride, padding)?,
            weight,
            bias,
            eps,
            activation,
        );
    }
    let moments = Arc::new(OnceLock::new());
    let statistics = norm::Statistics::Batch(moments.clone());
    let norm = |shape| norm::BatchNorm { shape, channels, eps, activation, statistics };
    let affine = Tensor::cat(&[weight, bias], 0)?;
    let y = if depthwise {
        let convolution = depthwise::Depthwise::new(x, filters, None, stride, padding)?;
        apply3(normed::Normed::new(convolution, norm), x, filters, &affine)?
    } else {
        let convolution = conv::Conv::new(x, filters, None, stride, padding)?;
        apply3(normed::Normed::new(convolution, norm), x, filters, &affine)?
    };
    let [mean, variance] = batch_statistics(&moments, x.dtype())?;
    Ok((y, mean, variance))
}

/// The mean and variance that a forward pass left.
fn batch_statistics(moments: &OnceLock<norm::Moments>, dtype: DType) -> Result<[Tensor; 2]> {
    let Some((mean, variance)) = moments.get() else {
        bail!("batch normalisation: the forward pass left no statistics")
    };
    let tensor =
        |values: &[f64]| Tensor::from_slice(values, values.len(), &Device::Cpu)?.to_dtype(dtype);
    Ok([tensor(mean)?, tensor(variance)?])
}

/// Batch normalisation of `x [..,C]` with given statistics `[C]`, then `activation`. Differentiable
/// in `x`, `weight`, `bias`.
pub fn batch_norm_eval(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running_mean: &Tensor,
    running_var: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<Tensor> {
    let channels = channels_of(x, &[weight, bias, running_mean, running_var])?;
    if !serves(x) {
        return composed::batch_norm_eval(
            x,
            weight,
            bias,
            running_mean,
            running_var,
            eps,
            activation,
        );
    }
    let values = |t: &Tensor| t.to_dtype(DType::F64)?.to_vec1::<f64>();
    let statistics = norm::Statistics::Fixed((values(running_mean)?, values(running_var)?));
    apply3(
        norm::BatchNorm { shape: x.shape().clone(), channels, eps, activation, statistics },
        x,
        weight,
        bias,
    )
}

/// `x sigmoid(x)`.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    if serves(x) { pointwise(x, Pointwise::Silu) } else { composed::silu(x) }
}

/// `x Phi(x)` with `Phi` the normal distribution function (the error function, not its tanh
/// approximation).
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if serves(x) { pointwise(x, Pointwise::Gelu) } else { composed::gelu(x) }
}

/// `x sigmoid(1.702 x)`, CLIP's approximation of GELU.
pub fn quick_gelu(x: &Tensor) -> Result<Tensor> {
    if serves(x) { pointwise(x, Pointwise::QuickGelu) } else { composed::quick_gelu(x) }
}

/// Gated GELU of `x [..,2D]`: the first half times the GELU of the second, `[..,D]`, as in
/// diffusers' feed-forward.
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    let mut output = x.dims().to_vec();
    let half = x.dim(D::Minus1)? / 2;
    if half == 0 || x.dim(D::Minus1)? % 2 != 0 {
        bail!("geglu: the last dimension of {:?} has no halves", x.shape());
    }
    if !serves(x) {
        return composed::geglu(x);
    }
    output[x.rank() - 1] = half;
    apply1(activation::Geglu { half, output: output.into() }, x)
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    if serves(x) { pointwise(x, Pointwise::Sigmoid) } else { composed::sigmoid(x) }
}

/// Multi-head attention of `q [B,N,D]` over `k`, `v [B,M,D]`: softmax of `q k^T / sqrt(D / heads)`
/// times `v` in each head, the heads being consecutive runs of `D / heads` channels. `causal` lets
/// query `i` see keys `0..=i`.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    if !serves(q) {
        return composed::attention(q, k, v, heads, causal);
    }
    apply3(attention::Attention::new(q, k, v, heads, causal)?, q, k, v)
}

/// Each pixel of `x [B,H,W,C]` repeated into a 2x2 block: `[B,2H,2W,C]`.
pub fn upsample_nearest_2x(x: &Tensor) -> Result<Tensor> {
    if !serves(x) {
        return composed::upsample_nearest_2x(x);
    }
    let (batch, h, w, channels) = x.dims4()?;
    apply1(resample::Upsample { batch, size: (h, w), channels }, x)
}

/// Mean of `x [B,H,W,C]` over its pixels: `[B,C]`.
pub fn avg_pool_global(x: &Tensor) -> Result<Tensor> {
    if !serves(x) {
        return composed::avg_pool_global(x);
    }
    let (batch, h, w, channels) = x.dims4()?;
    apply1(resample::GlobalMean { batch, pixels: h * w, channels }, x)
}

/// `x [B,..,C]` times `factors [B,C]`, one for each channel of each item.
pub fn scale_channels(x: &Tensor, factors: &Tensor) -> Result<Tensor> {
    let (batch, channels) = (x.dim(0)?, x.dim(D::Minus1)?);
    if factors.dims() != [batch, channels] || x.elem_count() == 0 {
        bail!("scale_channels: x {:?} and factors {:?} do not fit", x.shape(), factors.shape());
    }
    if !serves(x) {
        return composed::scale_channels(x, factors);
    }
    apply2(
        scale::ScaleChannels {
            shape: x.shape().clone(),
            pixels: x.elem_count() / (batch * channels),
            channels,
        },
        x,
        factors,
    )
}

/// `parts` joined along their last dimension; candle's own, which is as fast as a kernel.
pub fn concat_channels(parts: &[&Tensor]) -> Result<Tensor> {
    composed::concat_channels(parts)
}
