//! Depthwise convolution: one filter a channel, sixteen channels at a time.

use super::element::{Element, column_sums, for_chunks, sum_rows, uninit, vectorised};
use super::kernel::Kernel;
use super::{Padding, out_size};
use candle_core::{Result, Shape, Tensor, bail};

/// Channels summed in registers.
const LANES: usize = 16;

/// Shapes of one depthwise convolution.
pub(super) struct Depthwise {
    batch: usize,
    input: (usize, usize),
    output: (usize, usize),
    channels: usize,
    window: (usize, usize),
    stride: usize,
    padding: Padding,
}

/// The window positions `k` and the sources `(position - k) / stride`, or `position * stride + k`, that lie in the image.
type Taps = Vec<(usize, usize)>;

impl Depthwise {
    pub fn new(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: usize, padding: Padding) -> Result<Self> {
        let (batch, h, w, channels) = x.dims4()?;
        let (filters, one, kh, kw) = weight.dims4()?;
        if filters != channels || one != 1 || bias.is_some_and(|b| b.dims() != [channels]) {
            let bias = bias.map(Tensor::shape);
            bail!("depthwise_conv2d: x {:?}, weight {:?}, bias {bias:?} do not fit", x.shape(), weight.shape());
        }
        let output = out_size((h, w), (kh, kw), stride, padding)?;
        Ok(Self { batch, input: (h, w), output, channels, window: (kh, kw), stride, padding })
    }

    fn taps(&self) -> usize {
        self.window.0 * self.window.1
    }

    /// For each output position along one axis, which window positions meet which input.
    fn forward_taps(&self, out: usize, input: usize, window: usize, before: usize) -> Vec<Taps> {
        let source = |o: usize, k: usize| (o * self.stride + k).checked_sub(before).filter(|&i| i < input).map(|i| (k, i));
        (0..out).map(|o| (0..window).filter_map(|k| source(o, k)).collect()).collect()
    }

    /// For each input position along one axis, which window positions meet which output.
    fn backward_taps(&self, out: usize, input: usize, window: usize, before: usize) -> Vec<Taps> {
        let mut all = vec![Taps::new(); input];
        for (o, taps) in self.forward_taps(out, input, window, before).into_iter().enumerate() {
            taps.into_iter().for_each(|(k, i)| all[i].push((k, o)));
        }
        all
    }

    /// Each target pixel: `bias` plus the sum over its taps of filter times source pixel.
    fn gather<T: Element>(
        &self,
        source: &[T],
        source_size: (usize, usize),
        (rows, columns): (&[Taps], &[Taps]),
        filters: &[T],
        bias: Option<&[T]>,
    ) -> Vec<T> {
        let c = self.channels;
        let mut target = uninit(self.batch * rows.len() * columns.len() * c);
        for_chunks(&mut target, (rows.len() * columns.len() * c).max(1), |b, image| {
            let source = &source[b * source_size.0 * source_size.1 * c..][..source_size.0 * source_size.1 * c];
            vectorised(
                #[inline(always)]
                || {
                    for (pixel, target) in image.chunks_exact_mut(c).enumerate() {
                        let (row, column) = (&rows[pixel / columns.len()], &columns[pixel % columns.len()]);
                        let taps = |at: usize| {
                            row.iter().flat_map(move |&(ky, y)| {
                                column
                                    .iter()
                                    .map(move |&(kx, x)| ((y * source_size.1 + x) * c + at, (ky * self.window.1 + kx) * c + at))
                            })
                        };
                        let mut parts = target.chunks_exact_mut(LANES);
                        let mut at = 0;
                        for part in &mut parts {
                            let mut acc = [T::ZERO; LANES];
                            if let Some(bias) = bias {
                                acc.copy_from_slice(&bias[at..at + LANES]);
                            }
                            for (s, f) in taps(at) {
                                let (s, f) = (&source[s..s + LANES], &filters[f..f + LANES]);
                                for i in 0..LANES {
                                    acc[i] = s[i].fma(f[i], acc[i]);
                                }
                            }
                            part.copy_from_slice(&acc);
                            at += LANES;
                        }
                        for (i, target) in parts.into_remainder().iter_mut().enumerate() {
                            let start = bias.map_or(T::ZERO, |b| b[at + i]);
                            *target = taps(at + i).fold(start, |sum, (s, f)| source[s].fma(filters[f], sum));
                        }
                    }
                },
            );
        });
        target
    }

    /// Filters with the channel last: `[kh,kw,C]`.
    fn channels_last<T: Element>(&self, weight: &[T]) -> Vec<T> {
        let taps = self.taps();
        (0..taps * self.channels).map(|i| weight[i % self.channels * taps + i / self.channels]).collect()
    }

    fn forward<T: Element>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let rows = self.forward_taps(self.output.0, self.input.0, self.window.0, self.padding.top);
        let columns = self.forward_taps(self.output.1, self.input.1, self.window.1, self.padding.left);
        self.gather(x, self.input, (&rows, &columns), &self.channels_last(weight), bias)
    }

    fn input_grad<T: Element>(&self, weight: &[T], grad: &[T]) -> Vec<T> {
        let rows = self.backward_taps(self.output.0, self.input.0, self.window.0, self.padding.top);
        let columns = self.backward_taps(self.output.1, self.input.1, self.window.1, self.padding.left);
        self.gather(grad, self.output, (&rows, &columns), &self.channels_last(weight), None)
    }

    fn weight_grad<T: Element>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let (c, taps, (h, w), (oh, ow)) = (self.channels, self.taps(), self.input, self.output);
        let columns: Vec<Vec<(usize, usize)>> = (0..self.window.1)
            .map(|k| {
                let source = |o: usize| (o * self.stride + k).checked_sub(self.padding.left).filter(|&x| x < w).map(|x| (o, x));
                (0..ow).filter_map(source).collect()
            })
            .collect();
        let rows = self.forward_taps(oh, h, self.window.0, self.padding.top);
        let images = self.batch.div_ceil(16).max(1);
        let mut parts = vec![T::ZERO; self.batch.div_ceil(images) * taps * c];
        for_chunks(&mut parts, taps * c, |part, sum| {
            for b in part * images..((part + 1) * images).min(self.batch) {
                let (x, grad) = (&x[b * h * w * c..][..h * w * c], &grad[b * oh * ow * c..][..oh * ow * c]);
                for (oy, row) in rows.iter().enumerate() {
                    let grad = &grad[oy * ow * c..][..ow * c];
                    for &(ky, y) in row {
                        let x = &x[y * w * c..][..w * c];
                        let filters = sum[ky * self.window.1 * c..].chunks_exact_mut(c);
                        columns.iter().zip(filters).for_each(|(pairs, filter)| row_products(x, grad, pairs, filter));
                    }
                }
            }
        });
        let sum = sum_rows(&parts, taps * c);
        (0..taps * c).map(|i| sum[i % taps * c + i / taps]).collect()
    }
}

/// `filter += sum over (o, i) of grad[o] * x[i]`, pixels of as many channels as the filter.
fn row_products<T: Element>(x: &[T], grad: &[T], pairs: &[(usize, usize)], filter: &mut [T]) {
    let c = filter.len();
    vectorised(
        #[inline(always)]
        || {
            let mut parts = filter.chunks_exact_mut(LANES);
            let mut at = 0;
            for part in &mut parts {
                let mut acc = [T::ZERO; LANES];
                for &(o, i) in pairs {
                    let (g, x) = (&grad[o * c + at..][..LANES], &x[i * c + at..][..LANES]);
                    for i in 0..LANES {
                        acc[i] = g[i].fma(x[i], acc[i]);
                    }
                }
                part.iter_mut().zip(acc).for_each(|(p, a)| *p += a);
                at += LANES;
            }
            for (j, part) in parts.into_remainder().iter_mut().enumerate() {
                *part += pairs.iter().fold(T::ZERO, |sum, &(o, i)| grad[o * c + at + j].fma(x[i * c + at + j], sum));
            }
        },
    );
}

impl Kernel<2> for Depthwise {
    const NAME: &'static str = "depthwise_conv2d";

    fn output_shape(&self) -> Shape {
        Shape::from((self.batch, self.output.0, self.output.1, self.channels))
    }

    fn forward<T: Element>(&self, [x, weight]: [&[T]; 2]) -> Vec<T> {
        self.forward(x, weight, None)
    }

    fn backward<T: Element>(&self, [x, weight]: [&[T]; 2], _: &[T], grad: &[T], wanted: [bool; 2]) -> [Option<Vec<T>>; 2] {
        [wanted[0].then(|| self.input_grad(weight, grad)), wanted[1].then(|| self.weight_grad(x, grad))]
    }
}

impl Kernel<3> for Depthwise {
    const NAME: &'static str = "depthwise_conv2d";

    fn output_shape(&self) -> Shape {
        Kernel::<2>::output_shape(self)
    }

    fn forward<T: Element>(&self, [x, weight, bias]: [&[T]; 3]) -> Vec<T> {
        self.forward(x, weight, Some(bias))
    }

    fn backward<T: Element>(&self, [x, weight, _]: [&[T]; 3], _: &[T], grad: &[T], wanted: [bool; 3]) -> [Option<Vec<T>>; 3] {
        [
            wanted[0].then(|| self.input_grad(weight, grad)),
            wanted[1].then(|| self.weight_grad(x, grad)),
            wanted[2].then(|| column_sums(grad, self.channels)),
        ]
    }
}
