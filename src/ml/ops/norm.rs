//! Group, batch and fixed-statistics normalisation over channels-last rows, with the activation
//! that follows.

use super::activation::{Activation, relu6, relu6_slope, silu, silu_slope};
use super::element::{Element, for_chunks, sum_rows, uninit, vectorised};
use super::kernel::Kernel;
use candle_core::Shape;
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// Rows whose sum is taken in the element type; beyond that, totals are in f64.
pub(super) const BLOCK: usize = 256;

/// `act(scale x + shift)` with a scale and a shift for each channel.
struct Channelwise<'a, T> {
    scale: &'a [T],
    shift: &'a [T],
    activation: Activation,
}

impl<T: Element> Channelwise<'_, T> {
    fn forward(&self, x: &[T], y: &mut [T]) {
        match self.activation {
            Activation::None => self.forward_with(
                x,
                y,
                #[inline(always)]
                |z| z,
            ),
            Activation::Silu => self.forward_with(
                x,
                y,
                #[inline(always)]
                |z| silu(z),
            ),
            Activation::Relu6 => self.forward_with(
                x,
                y,
                #[inline(always)]
                |z| relu6(z),
            ),
        }
    }

    #[inline(always)]
    fn forward_with(&self, x: &[T], y: &mut [T], act: impl Fn(T) -> T) {
        let c = self.scale.len();
        vectorised(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_exact(c).zip(y.chunks_exact_mut(c)) {
                    for (((y, &x), &scale), &shift) in
                        y.iter_mut().zip(x).zip(self.scale).zip(self.shift)
                    {
                        *y = act(x.fma(scale, shift));
                    }
                }
            },
        );
    }

    /// Leaves the gradient of the activation's argument in `dz`; returns its sum, and that of its
    /// product with `x - centre`.
    fn backward(&self, x: &[T], grad: &[T], centre: &[T], dz: &mut [T]) -> [Vec<T>; 2] {
        match self.activation {
            Activation::None => self.backward_with(
                x,
                grad,
                centre,
                dz,
                #[inline(always)]
                |_, g| g,
            ),
            Activation::Silu => self.backward_with(
                x,
                grad,
                centre,
                dz,
                #[inline(always)]
                |z, g| g * silu_slope(z),
            ),
            Activation::Relu6 => self.backward_with(
                x,
                grad,
                centre,
                dz,
                #[inline(always)]
                |z, g| g * relu6_slope(z),
            ),
        }
    }

    #[inline(always)]
    fn backward_with(
        &self,
        x: &[T],
        grad: &[T],
        centre: &[T],
        dz: &mut [T],
        slope: impl Fn(T, T) -> T,
    ) -> [Vec<T>; 2] {
        let c = self.scale.len();
        let (mut sum, mut moment) = (vec![T::ZERO; c], vec![T::ZERO; c]);
        vectorised(
            #[inline(always)]
            || {
                for ((x, grad), dz) in
                    x.chunks_exact(c).zip(grad.chunks_exact(c)).zip(dz.chunks_exact_mut(c))
                {
                    let affine = x.iter().zip(self.scale).zip(self.shift).zip(centre);
                    let sums = sum.iter_mut().zip(&mut moment);
                    for (((((&x, &scale), &shift), &centre), (&g, dz)), (sum, moment)) in
                        affine.zip(grad.iter().zip(dz)).zip(sums)
                    {
                        *dz = slope(x.fma(scale, shift), g);
                        *sum += *dz;
                        *moment = dz.fma(x - centre, *moment);
                    }
                }
            },
        );
        [sum, moment]
    }
}

/// `dx = scale dz - offset - slope (x - centre)` a channel, in place of `dz`.
pub(super) struct Correction<T> {
    scale: Vec<T>,
    offset: Vec<T>,
    slope: Vec<T>,
    centre: Vec<T>,
}

impl<T: Element> Correction<T> {
    /// Of whole rows `dz` and as many of `x`.
    pub fn apply(&self, x: &[T], dz: &mut [T]) {
        let c = self.scale.len();
        vectorised(
            #[inline(always)]
            || {
                for (x, dz) in x.chunks_exact(c).zip(dz.chunks_exact_mut(c)) {
                    let terms =
                        self.scale.iter().zip(&self.offset).zip(&self.slope).zip(&self.centre);
                    for ((dz, &x), (((&scale, &offset), &slope), &centre)) in
                        dz.iter_mut().zip(x).zip(terms)
                    {
                        *dz = scale * *dz - offset - slope * (x - centre);
                    }
                }
            },
        );
    }
}

/// The column sums of `x` in f64, block by block; squared distances from `centre` where there is
/// one.
fn column_totals<T: Element>(x: &[T], c: usize, centre: Option<&[T]>) -> Vec<f64> {
    let mut totals = vec![0.0; c];
    let mut sums = vec![T::ZERO; c];
    for block in x.chunks(BLOCK * c) {
        sums.fill(T::ZERO);
        vectorised(
            #[inline(always)]
            || match centre {
                None => block
                    .chunks_exact(c)
                    .for_each(|row| row.iter().zip(&mut sums).for_each(|(&x, sum)| *sum += x)),
                Some(centre) => {
                    for row in block.chunks_exact(c) {
                        for ((&x, &centre), sum) in row.iter().zip(centre).zip(&mut sums) {
                            *sum = (x - centre).fma(x - centre, *sum);
                        }
                    }
                }
            },
        );
        totals.iter_mut().zip(&sums).for_each(|(total, sum)| *total += sum.to_f64());
    }
    totals
}

/// Each group's sum of `values`, for each of its channels.
fn group_sums(values: &[f64], groups: usize) -> Vec<f64> {
    let each = values.len() / groups;
    values
        .chunks_exact(each)
        .flat_map(|group| std::iter::repeat_n(group.iter().sum(), each))
        .collect()
}

fn narrow<T: Element>(values: impl IntoIterator<Item = f64>) -> Vec<T> {
    values.into_iter().map(T::of).collect()
}

/// Group normalisation of `batch` images of `positions` rows of `channels`.
pub(super) struct GroupNorm {
    pub shape: Shape,
    pub batch: usize,
    pub positions: usize,
    pub channels: usize,
    pub groups: usize,
    pub eps: f64,
    pub activation: Activation,
    /// For each image, each channel's mean and reciprocal deviation, from the forward pass.
    pub moments: OnceLock<Vec<f64>>,
}

impl GroupNorm {
    /// Each channel's mean, then each channel's reciprocal deviation, in one image.
    fn moments<T: Element>(&self, x: &[T]) -> Vec<f64> {
        let count = (self.positions * (self.channels / self.groups)) as f64;
        let mut moments = group_sums(&column_totals(x, self.channels, None), self.groups);
        moments.iter_mut().for_each(|m| *m /= count);
        let centre: Vec<T> = narrow(moments.iter().copied());
        let squares = group_sums(&column_totals(x, self.channels, Some(&centre)), self.groups);
        moments.extend(squares.iter().map(|s| (s / count + self.eps).sqrt().recip()));
        moments
    }

    fn scale_and_shift<T: Element>(
        &self,
        moments: &[f64],
        weight: &[T],
        bias: &[T],
    ) -> [Vec<T>; 2] {
        let (mean, inverse) = moments.split_at(self.channels);
        let scale: Vec<f64> = inverse.iter().zip(weight).map(|(r, w)| r * w.to_f64()).collect();
        let shift = narrow(bias.iter().zip(mean).zip(&scale).map(|((b, m), s)| b.to_f64() - m * s));
        [narrow(scale), shift]
    }

    /// The input gradient of one image into `dx`, its share of the weight's and bias's gradients
    /// into `params`.
    fn image_grad<T: Element>(
        &self,
        [x, weight, bias, grad]: [&[T]; 4],
        moments: &[f64],
        dx: &mut [T],
        params: &mut [T],
    ) {
        let [scale, shift] = self.scale_and_shift(moments, weight, bias);
        let (mean, inverse) = moments.split_at(self.channels);
        let centre: Vec<T> = narrow(mean.iter().copied());
        let channelwise = Channelwise { scale: &scale, shift: &shift, activation: self.activation };
        let [sum, moment] = channelwise.backward(x, grad, &centre, dx);
        let weighted = |sums: &[T]| -> Vec<f64> {
            sums.iter().zip(weight).map(|(s, w)| s.to_f64() * w.to_f64()).collect()
        };
        let count = (self.positions * (self.channels / self.groups)) as f64;
        let offset = group_sums(&weighted(&sum), self.groups)
            .into_iter()
            .zip(inverse)
            .map(|(s, r)| s * r / count);
        let slope = group_sums(&weighted(&moment), self.groups)
            .into_iter()
            .zip(inverse)
            .map(|(s, r)| s * r * r * r / count);
        Correction { scale, offset: narrow(offset), slope: narrow(slope), centre }.apply(x, dx);
        let (dw, db) = params.split_at_mut(self.channels);
        dw.iter_mut().zip(moment).zip(inverse).for_each(|((d, m), &r)| *d = m * T::of(r));
        db.copy_from_slice(&sum);
    }
}

impl Kernel<3> for GroupNorm {
    const NAME: &'static str = "group_norm";

    fn output_shape(&self) -> Shape {
        self.shape.clone()
    }

    fn forward<T: Element>(&self, [x, weight, bias]: [&[T]; 3]) -> Vec<T> {
        let image = self.positions * self.channels;
        let (mut y, mut moments) = (uninit(x.len()), vec![0.0; 2 * self.channels * self.batch]);
        let stored = moments.par_chunks_exact_mut(2 * self.channels);
        y.par_chunks_exact_mut(image).zip(x.par_chunks_exact(image)).zip(stored).for_each(
            |((y, x), stored)| {
                stored.copy_from_slice(&self.moments(x));
                let [scale, shift] = self.scale_and_shift(stored, weight, bias);
                Channelwise { scale: &scale, shift: &shift, activation: self.activation }
                    .forward(x, y);
            },
        );
        self.moments.get_or_init(|| moments);
        y
    }

    fn backward<T: Element>(
        &self,
        [x, weight, bias]: [&[T]; 3],
        _: &[T],
        grad: &[T],
        _: [bool; 3],
    ) -> [Option<Vec<T>>; 3] {
        let (image, c) = (self.positions * self.channels, self.channels);
        let moments = self
            .moments
            .get_or_init(|| x.chunks_exact(image).flat_map(|x| self.moments(x)).collect());
        let (mut dx, mut params) = (uninit(x.len()), uninit(2 * c * self.batch));
        let sources = x
            .par_chunks_exact(image)
            .zip(grad.par_chunks_exact(image))
            .zip(moments.par_chunks_exact(2 * c));
        let targets = dx.par_chunks_exact_mut(image).zip(params.par_chunks_exact_mut(2 * c));
        targets.zip(sources).for_each(|((dx, params), ((x, grad), moments))| {
            self.image_grad([x, weight, bias, grad], moments, dx, params);
        });
        let mut dw = sum_rows(&params, 2 * c);
        let db = dw.split_off(c);
        [Some(dx), Some(dw), Some(db)]
    }
}

/// Mean and biased variance of each channel.
pub(super) type Moments = (Vec<f64>, Vec<f64>);

/// Source of the statistics of a [`BatchNorm`].
pub(super) enum Statistics {
    /// From the batch, left here by the forward pass; the gradient flows through them.
    Batch(Arc<OnceLock<Moments>>),
    /// Given, and constant.
    Fixed(Moments),
}

/// Normalisation of `rows` of `channels` by a mean and variance a channel.
pub(super) struct BatchNorm {
    pub shape: Shape,
    pub channels: usize,
    pub eps: f64,
    pub activation: Activation,
    pub statistics: Statistics,
}

impl BatchNorm {
    fn block_totals<T: Element>(&self, x: &[T], centre: Option<&[T]>) -> Vec<f64> {
        let blocks: Vec<Vec<f64>> = x
            .par_chunks(BLOCK * self.channels)
            .map(|x| column_totals(x, self.channels, centre))
            .collect();
        let rows = (x.len() / self.channels) as f64;
        let mut mean = vec![0.0; self.channels];
        blocks.iter().for_each(|block| mean.iter_mut().zip(block).for_each(|(m, b)| *m += b));
        mean.iter_mut().for_each(|m| *m /= rows);
        mean
    }

    fn moments<T: Element>(&self, x: &[T]) -> &Moments {
        match &self.statistics {
            Statistics::Fixed(moments) => moments,
            Statistics::Batch(moments) => moments.get_or_init(|| {
                let mean = self.block_totals(x, None);
                let variance = self.block_totals(x, Some(&narrow::<T>(mean.iter().copied())));
                (mean, variance)
            }),
        }
    }

    /// Reciprocal deviation, scale and shift of each channel.
    fn affine<T: Element>(
        &self,
        (mean, variance): &Moments,
        weight: &[T],
        bias: &[T],
    ) -> (Vec<f64>, Vec<T>, Vec<T>) {
        let inverse: Vec<f64> = variance.iter().map(|v| (v + self.eps).sqrt().recip()).collect();
        let scale: Vec<f64> = inverse.iter().zip(weight).map(|(r, w)| r * w.to_f64()).collect();
        let shift = narrow(bias.iter().zip(mean).zip(&scale).map(|((b, m), s)| b.to_f64() - m * s));
        (inverse, narrow(scale), shift)
    }

    /// The gradient of the activation's argument, what makes that of the input of it, and the
    /// gradients of weight and bias.
    pub fn uncorrected<T: Element>(
        &self,
        [x, weight, bias]: [&[T]; 3],
        grad: &[T],
    ) -> (Vec<T>, Correction<T>, [Vec<T>; 2]) {
        let (c, chunk) = (self.channels, BLOCK * self.channels);
        let moments = self.moments(x);
        let (inverse, scale, shift) = self.affine(moments, weight, bias);
        let centre: Vec<T> = narrow(moments.0.iter().copied());
        let (mut dz, mut sums) = (uninit(x.len()), uninit::<T>(x.len().div_ceil(chunk) * 2 * c));
        let sources = x.par_chunks(chunk).zip(grad.par_chunks(chunk));
        dz.par_chunks_mut(chunk).zip(sums.par_chunks_exact_mut(2 * c)).zip(sources).for_each(
            |((dz, sums), (x, grad))| {
                let channelwise =
                    Channelwise { scale: &scale, shift: &shift, activation: self.activation };
                let [sum, moment] = channelwise.backward(x, grad, &centre, dz);
                sums[..c].copy_from_slice(&moment);
                sums[c..].copy_from_slice(&sum);
            },
        );
        let mut dw = sum_rows(&sums, 2 * c);
        let db = dw.split_off(c);
        let rows = (x.len() / c) as f64;
        let through =
            if matches!(self.statistics, Statistics::Batch(_)) { rows.recip() } else { 0.0 };
        let offset = db.iter().zip(&scale).map(|(&d, &s)| d * s * T::of(through)).collect();
        let slope = dw
            .iter()
            .zip(&scale)
            .zip(&inverse)
            .map(|((&d, &s), r)| d * s * T::of(r * r * through))
            .collect();
        dw.iter_mut().zip(&inverse).for_each(|(d, &r)| *d *= T::of(r));
        (dz, Correction { scale, offset, slope, centre }, [dw, db])
    }
}

impl Kernel<3> for BatchNorm {
    const NAME: &'static str = "batch_norm";

    fn output_shape(&self) -> Shape {
        self.shape.clone()
    }

    fn forward<T: Element>(&self, [x, weight, bias]: [&[T]; 3]) -> Vec<T> {
        let (_, scale, shift) = self.affine(self.moments(x), weight, bias);
        let (mut y, chunk) = (uninit(x.len()), BLOCK * self.channels);
        for_chunks(&mut y, chunk, |i, y| {
            let x = &x[i * chunk..i * chunk + y.len()];
            Channelwise { scale: &scale, shift: &shift, activation: self.activation }.forward(x, y);
        });
        y
    }

    fn backward<T: Element>(
        &self,
        [x, weight, bias]: [&[T]; 3],
        _: &[T],
        grad: &[T],
        _: [bool; 3],
    ) -> [Option<Vec<T>>; 3] {
        let (mut dx, correction, [dw, db]) = self.uncorrected([x, weight, bias], grad);
        let chunk = BLOCK * self.channels;
        for_chunks(&mut dx, chunk, |i, dx| correction.apply(&x[i * chunk..], dx));
        [Some(dx), Some(dw), Some(db)]
    }
}
