//! Depthwise convolution: one filter a channel, sixteen channels at a time.

mod registers;

use super::element::{Element, column_sums, copy_strided, for_chunks, sum_rows, uninit};
use super::kernel::Kernel;
use super::{Padding, out_size};
use candle_core::{Result, Shape, Tensor, bail};
use pulp::Arch;
use registers::{Line, STRIP, Strip, channel_products, row_products, strip, weigh};

/// Channels whose filters are used before the next channels'.
const BLOCK: usize = 256;

/// Channels of which a window's rows stay in the first cache while their products are added up.
const GRAD_BLOCK: usize = 64;

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
        let strips: Vec<_> = (0..columns.len()).map(|at| strip(&columns[at..])).collect();
        for_chunks(&mut target, (rows.len() * columns.len() * c).max(1), |b, image| {
            let source = &source[b * source_size.0 * source_size.1 * c..][..source_size.0 * source_size.1 * c];
            let (mut taps, mut lines) = (Vec::with_capacity(self.taps()), Vec::with_capacity(self.window.0));
            // The filters of a block stay in the first cache while it goes over the image.
            for block in (0..c).step_by(BLOCK) {
                let width = BLOCK.min(c - block);
                let bias = bias.map(|bias| &bias[block..][..width]);
                let place = |y: usize, x: usize| (y * source_size.1 + x) * c + block;
                let filter = |ky: usize, kx: usize| &filters[(ky * self.window.1 + kx) * c + block..][..width];
                for (row, line) in rows.iter().zip(image.chunks_exact_mut(columns.len() * c)) {
                    let mut at = 0;
                    while at < columns.len() {
                        if let Some((first, order)) = strips[at] {
                            lines.clear();
                            lines.extend(row.iter().map(|&(ky, y)| Line {
                                pixels: std::array::from_fn(|i| &source[place(y, first + i)..][..width]),
                                filters: order.map(|kx| filter(ky, kx)),
                            }));
                            let targets = &mut line[at * c + block..];
                            Arch::new().dispatch(Strip { targets, apart: c, width, lines: &lines, bias });
                            at += STRIP;
                            continue;
                        }
                        taps.clear();
                        for &(ky, y) in row {
                            taps.extend(columns[at].iter().map(|&(kx, x)| (&source[place(y, x)..][..width], filter(ky, kx))));
                        }
                        weigh(&mut line[at * c + block..][..width], &taps, bias);
                        at += 1;
                    }
                }
            }
        });
        target
    }

    /// Filters with the channel last: `[kh,kw,C]`.
    fn channels_last<T: Element>(&self, weight: &[T]) -> Vec<T> {
        let taps = self.taps();
        let mut filters = uninit(taps * self.channels);
        for (tap, filters) in filters.chunks_exact_mut(self.channels).enumerate() {
            copy_strided(filters, &weight[tap..], taps);
        }
        filters
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
        let rows = self.forward_taps(oh, h, self.window.0, self.padding.top);
        let columns = self.forward_taps(ow, w, self.window.1, self.padding.left);
        let products = match self.window.1 {
            1 => row_products::<T, 1>(&columns, w),
            3 => row_products::<T, 3>(&columns, w),
            5 => row_products::<T, 5>(&columns, w),
            7 => row_products::<T, 7>(&columns, w),
            _ => Box::new(|x: &[T], grad: &[T], filters: &mut [T], c, channels| {
                channel_products(x, grad, &columns, filters, c, channels);
            }),
        };
        let images = self.batch.div_ceil(16).max(1);
        let mut parts = vec![T::ZERO; self.batch.div_ceil(images) * taps * c];
        for_chunks(&mut parts, taps * c, |part, sum| {
            for b in part * images..((part + 1) * images).min(self.batch) {
                let (x, grad) = (&x[b * h * w * c..][..h * w * c], &grad[b * oh * ow * c..][..oh * ow * c]);
                for block in (0..c).step_by(GRAD_BLOCK) {
                    let channels = block..(block + GRAD_BLOCK).min(c);
                    for (oy, row) in rows.iter().enumerate() {
                        let grad = &grad[oy * ow * c..][..ow * c];
                        for &(ky, y) in row {
                            let x = &x[y * w * c..][..w * c];
                            let filters = &mut sum[ky * self.window.1 * c..][..self.window.1 * c];
                            products(x, grad, filters, c, channels.clone());
                        }
                    }
                }
            }
        });
        let sum = sum_rows(&parts, taps * c);
        let mut filters = uninit(taps * c);
        for (channel, filter) in filters.chunks_exact_mut(taps).enumerate() {
            copy_strided(filter, &sum[channel..], c);
        }
        filters
    }
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
