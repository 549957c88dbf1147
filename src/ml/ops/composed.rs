//! The same operations from candle's own differentiable tensor functions: what runs on a GPU, and
//! the oracle in tests.
//!
//! Only functions whose gradients are right are used; that excludes `softmax_last_dim`, contiguous
//! `LayerNorm`, `upsample_nearest2d`, strided `conv2d` on sizes that the window does not tile, and
//! batched `matmul` on strided operands.

use super::activation::Activation;
use super::window::{Padding, out_size};
use candle_core::{D, DType, Result, Tensor};

/// `[B,H,W,Cin]` to `[B,OH,OW,Cout]`, as one matrix product of what the window meets, so that both
/// gradients are such products too: candle's own `conv2d` finds the input's on a GPU without them.
/// See [`super::conv2d`].
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: Padding,
) -> Result<Tensor> {
    let (out, _, kh, kw) = weight.dims4()?;
    let taps = taps(x, (kh, kw), stride, padding)?;
    let (b, oh, ow, _) = taps[0].dims4()?;
    let columns = if taps.len() == 1 { taps[0].clone() } else { Tensor::cat(&taps, 3)? };
    let filters = weight.permute((2, 3, 1, 0))?.contiguous()?.reshape(((), out))?;
    let y = columns.reshape(((), filters.dim(0)?))?.matmul(&filters)?.reshape((b, oh, ow, out))?;
    add_bias(&y, bias)
}

/// One filter a channel, as a sum over the window's positions; see [`super::depthwise_conv2d`].
pub fn depthwise_conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: Padding,
) -> Result<Tensor> {
    let (c, _, kh, kw) = weight.dims4()?;
    let filters = weight.reshape((c, kh * kw))?.t()?.contiguous()?;
    let taps = taps(x, (kh, kw), stride, padding)?;
    let terms =
        taps.iter().enumerate().map(|(at, tap)| tap.broadcast_mul(&filters.narrow(0, at, 1)?));
    let sum = terms.reduce(|sum, term| sum? + term?).expect("a window has a position")?;
    add_bias(&sum, bias)
}

/// The pixels of `x [B,H,W,C]` under each position of a window, row by row: `[B,OH,OW,C]` each.
fn taps(
    x: &Tensor,
    (kh, kw): (usize, usize),
    stride: usize,
    padding: Padding,
) -> Result<Vec<Tensor>> {
    let (b, h, w, c) = x.dims4()?;
    let (oh, ow) = out_size((h, w), (kh, kw), stride, padding)?;
    let (rows, cols) = ((kh - 1) / stride + oh, (kw - 1) / stride + ow);
    let x = fit(&fit(x, 1, padding.top, rows * stride)?, 2, padding.left, cols * stride)?;
    let x = x.reshape((b, rows, stride, cols, stride * c))?;
    let tap = |at: usize| {
        let (ky, kx) = (at / kw, at % kw);
        let row = x.narrow(2, ky % stride, 1)?.narrow(1, ky / stride, oh)?;
        row.narrow(4, kx % stride * c, c)?
            .narrow(3, kx / stride, ow)?
            .contiguous()?
            .reshape((b, oh, ow, c))
    };
    (0..kh * kw).map(tap).collect()
}

/// `size` entries of dimension `dim`, of which the first `before` are zeros; zeros follow where the
/// input ends earlier.
fn fit(x: &Tensor, dim: usize, before: usize, size: usize) -> Result<Tensor> {
    let have = x.dim(dim)?;
    let x = x.pad_with_zeros(dim, before, size.saturating_sub(before + have))?;
    if x.dim(dim)? > size { x.narrow(dim, 0, size)?.contiguous() } else { Ok(x) }
}

fn add_bias(y: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y.clone()),
    }
}

/// `x weight^T + bias`; see [`super::linear`].
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (mut shape, n) = (x.dims().to_vec(), weight.dim(0)?);
    let rows = x.contiguous()?.reshape(((), x.dim(D::Minus1)?))?;
    let y = add_bias(&rows.matmul(&weight.t()?)?, bias)?;
    if let Some(last) = shape.last_mut() {
        *last = n;
    }
    y.reshape(shape)
}

/// See [`super::group_norm`].
pub fn group_norm(
    x: &Tensor,
    groups: usize,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<Tensor> {
    if is_half(x) {
        return in_single(
            x,
            |x, [weight, bias]| group_norm(x, groups, weight, bias, eps, activation),
            [weight, bias],
        );
    }
    let (b, c) = (x.dim(0)?, x.dim(D::Minus1)?);
    let grouped = x.contiguous()?.reshape((b, (), groups, c / groups))?;
    let centred = grouped.broadcast_sub(&grouped.mean_keepdim((1, 3))?)?;
    let deviation = (centred.sqr()?.mean_keepdim((1, 3))? + eps)?.sqrt()?;
    let normed = centred.broadcast_div(&deviation)?.reshape(x.shape())?;
    activate(&normed.broadcast_mul(weight)?.broadcast_add(bias)?, activation)
}

/// Whether sums over many values of `x` lose too much in its own precision; PyTorch's autocast
/// computes norms and softmax in f32 too.
fn is_half(x: &Tensor) -> bool {
    matches!(x.dtype(), DType::F16 | DType::BF16)
}

/// `f` of `x` and `vectors` in single precision, in the precision of `x`.
fn in_single<const N: usize>(
    x: &Tensor,
    f: impl FnOnce(&Tensor, [&Tensor; N]) -> Result<Tensor>,
    vectors: [&Tensor; N],
) -> Result<Tensor> {
    let mut single = Vec::with_capacity(N);
    for vector in vectors {
        single.push(vector.to_dtype(DType::F32)?);
    }
    f(&x.to_dtype(DType::F32)?, std::array::from_fn(|at| &single[at]))?.to_dtype(x.dtype())
}

/// See [`super::layer_norm`].
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    if is_half(x) {
        return in_single(x, |x, [weight, bias]| layer_norm(x, weight, bias, eps), [weight, bias]);
    }
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    centred.broadcast_div(&deviation)?.broadcast_mul(weight)?.broadcast_add(bias)
}

/// See [`super::batch_norm_train`].
pub fn batch_norm_train(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<(Tensor, Tensor, Tensor)> {
    let rows = x.contiguous()?.reshape(((), x.dim(D::Minus1)?))?;
    let mean = rows.mean(0)?;
    let centred = rows.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean(0)?;
    let scaled = centred
        .broadcast_div(&(&variance + eps)?.sqrt()?)?
        .broadcast_mul(weight)?
        .broadcast_add(bias)?;
    Ok((activate(&scaled.reshape(x.shape())?, activation)?, mean.detach(), variance.detach()))
}

/// See [`super::batch_norm_eval`].
pub fn batch_norm_eval(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running_mean: &Tensor,
    running_var: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<Tensor> {
    let deviation = (running_var.detach() + eps)?.sqrt()?;
    let normed = x.broadcast_sub(&running_mean.detach())?.broadcast_div(&deviation)?;
    activate(&normed.broadcast_mul(weight)?.broadcast_add(bias)?, activation)
}

fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::None => Ok(x.clone()),
        Activation::Silu => silu(x),
        Activation::Relu6 => x.relu()?.minimum(6.0),
    }
}

/// `x sigmoid(x)`.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.silu()
}

/// `x Phi(x)`, with the error function rather than its tanh approximation.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.gelu_erf()
}

/// `x sigmoid(1.702 x)`.
pub fn quick_gelu(x: &Tensor) -> Result<Tensor> {
    x * sigmoid(&(x * 1.702)?)?
}

/// First half of the last dimension times the GELU of the second.
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    x.narrow(D::Minus1, 0, half)? * gelu(&x.narrow(D::Minus1, half, half)?)?
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// Scores that [`attention`] has at once, about: three tensors of a gigabyte in single precision.
/// In Stable Diffusion's outermost level an image of 512 px has 84 million, and a batch is forty of
/// those.
const SCORES: usize = 1 << 28;

/// See [`super::attention`].
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    let at_once = (SCORES / (heads * q.dim(1)? * k.dim(1)?).max(1)).max(1);
    attention_in_turns(at_once, [q, k, v], heads, causal)
}

/// The attention of `at_once` items of the batch at a time.
pub(super) fn attention_in_turns(
    at_once: usize,
    qkv: [&Tensor; 3],
    heads: usize,
    causal: bool,
) -> Result<Tensor> {
    let count = qkv[0].dim(0)?;
    let turn = |first: usize| {
        let [q, k, v] = qkv.map(|tensor| tensor.narrow(0, first, at_once.min(count - first)));
        attention_at_once(&q?, &k?, &v?, heads, causal)
    };
    Tensor::cat(&(0..count).step_by(at_once).map(turn).collect::<Result<Vec<_>>>()?, 0)
}

fn attention_at_once(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    causal: bool,
) -> Result<Tensor> {
    let (b, n, d) = q.dims3()?;
    let m = k.dim(1)?;
    let split = |t: &Tensor, len: usize| {
        t.reshape((b, len, heads, d / heads))?.transpose(1, 2)?.contiguous()
    };
    let (q, k, v) =
        (split(&q.contiguous()?, n)?, split(&k.contiguous()?, m)?, split(&v.contiguous()?, m)?);
    // In half precision, sums of products lie beyond f16's largest number, and lose most of bf16's
    // digits.
    let (dtype, scale) = (v.dtype(), ((d / heads) as f64).sqrt().recip());
    let [q, k] =
        if is_half(&q) { [q.to_dtype(DType::F32)?, k.to_dtype(DType::F32)?] } else { [q, k] };
    let mut scores = (q * scale)?.matmul(&k.transpose(2, 3)?.contiguous()?)?;
    if causal {
        let mask: Vec<f32> =
            (0..n * m).map(|i| if i % m > i / m { f32::NEG_INFINITY } else { 0.0 }).collect();
        scores = scores.broadcast_add(
            &Tensor::from_vec(mask, (n, m), v.device())?.to_dtype(scores.dtype())?,
        )?;
    }
    let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let attended = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?;
    let attended = attended.to_dtype(dtype)?.matmul(&v)?;
    attended.transpose(1, 2)?.contiguous()?.reshape((b, n, d))
}

/// Each pixel repeated into a 2x2 block.
pub fn upsample_nearest_2x(x: &Tensor) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    x.reshape((b, h, 1, w, 1, c))?.broadcast_as((b, h, 2, w, 2, c))?.contiguous()?.reshape((
        b,
        2 * h,
        2 * w,
        c,
    ))
}

/// Mean over height and width.
pub fn avg_pool_global(x: &Tensor) -> Result<Tensor> {
    x.mean((1, 2))
}

/// See [`super::scale_channels`].
pub fn scale_channels(x: &Tensor, factors: &Tensor) -> Result<Tensor> {
    let (batch, channels) = factors.dims2()?;
    let mut shape = vec![1; x.rank()];
    (shape[0], shape[x.rank() - 1]) = (batch, channels);
    x.broadcast_mul(&factors.reshape(shape)?)
}

/// Joined along the last dimension.
pub fn concat_channels(parts: &[&Tensor]) -> Result<Tensor> {
    Tensor::cat(parts, D::Minus1)
}
