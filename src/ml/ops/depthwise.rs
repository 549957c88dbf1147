//! Depthwise convolution: one filter a channel, sixteen channels at a time.

mod registers;

use super::element::{Element, Shared, column_sums, copy_strided, for_chunks, sum_rows, uninit};
use super::kernel::Kernel;
use super::normed::Convolution;
use super::window::{Padding, out_size};
use candle_core::{Result, Shape, Tensor, bail};
use pulp::Arch;
use rayon::prelude::*;
use registers::{
    Line, RowProducts, STRIP, Strip, Taps, channel_products, row_products, strip, weigh,
};
use std::ops::Range;

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

impl Depthwise {
    pub fn new(
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: usize,
        padding: Padding,
    ) -> Result<Self> {
        let (batch, h, w, channels) = x.dims4()?;
        let (filters, one, kh, kw) = weight.dims4()?;
        if filters != channels || one != 1 || bias.is_some_and(|b| b.dims() != [channels]) {
            let bias = bias.map(Tensor::shape);
            bail!(
                "depthwise_conv2d: x {:?}, weight {:?}, bias {bias:?} do not fit",
                x.shape(),
                weight.shape()
            );
        }
        let output = out_size((h, w), (kh, kw), stride, padding)?;
        Ok(Self { batch, input: (h, w), output, channels, window: (kh, kw), stride, padding })
    }

    fn taps(&self) -> usize {
        self.window.0 * self.window.1
    }

    /// For each output position along one axis, which window positions meet which input.
    fn forward_taps(&self, out: usize, input: usize, window: usize, before: usize) -> Vec<Taps> {
        let source = |o: usize, k: usize| {
            (o * self.stride + k).checked_sub(before).filter(|&i| i < input).map(|i| (k, i))
        };
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

    /// What [`Windows::gather`] takes to make outputs of the input.
    fn onto_output<T: Element>(&self, weight: &[T]) -> Windows<T> {
        let rows = self.forward_taps(self.output.0, self.input.0, self.window.0, self.padding.top);
        let columns =
            self.forward_taps(self.output.1, self.input.1, self.window.1, self.padding.left);
        Windows::new(self, self.input.1, rows, columns, self.channels_last(weight))
    }

    /// What [`Windows::gather`] takes to make the input's gradient of the output's.
    fn onto_input<T: Element>(&self, weight: &[T]) -> Windows<T> {
        let rows = self.backward_taps(self.output.0, self.input.0, self.window.0, self.padding.top);
        let columns =
            self.backward_taps(self.output.1, self.input.1, self.window.1, self.padding.left);
        Windows::new(self, self.output.1, rows, columns, self.channels_last(weight))
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
        let windows = self.onto_output(weight);
        let (pixels, image) =
            (self.input.0 * self.input.1, self.output.0 * self.output.1 * self.channels);
        let mut y = uninit(self.batch * image);
        for_chunks(&mut y, image.max(1), |b, y| {
            windows.gather(&x[b * pixels * self.channels..][..pixels * self.channels], y, bias)
        });
        y
    }

    /// Elements of the output of an image.
    fn output_len(&self) -> usize {
        self.output.0 * self.output.1 * self.channels
    }

    fn backward<T: Element>(
        &self,
        x: &[T],
        weight: &[T],
        grad: &[T],
        wanted: [bool; 2],
    ) -> [Option<Vec<T>>; 2] {
        self.gradients(x, weight, |b| &grad[b * self.output_len()..][..self.output_len()], wanted)
    }

    /// The gradients of input and weight. Both are made of an image while its output's gradient,
    /// `grad`, is in the cache. It is asked for once an image.
    fn gradients<'a, T: Element>(
        &self,
        x: &[T],
        weight: &[T],
        grad: impl Fn(usize) -> &'a [T] + Sync,
        wanted: [bool; 2],
    ) -> [Option<Vec<T>>; 2] {
        let (c, taps, image) =
            (self.channels, self.taps(), self.input.0 * self.input.1 * self.channels);
        let images = self.batch.div_ceil(16).max(1);
        let mut dx = wanted[0].then(|| uninit(self.batch * image));
        let mut sums = wanted[1].then(|| vec![T::ZERO; self.batch.div_ceil(images) * taps * c]);
        let windows = dx.is_some().then(|| self.onto_input(weight));
        let rows = self.forward_taps(self.output.0, self.input.0, self.window.0, self.padding.top);
        let columns =
            self.forward_taps(self.output.1, self.input.1, self.window.1, self.padding.left);
        let products = self.products(&columns);
        let mut of_x = dx.iter_mut().flat_map(|dx| dx.chunks_mut((images * image).max(1)));
        let mut of_weight = sums.iter_mut().flat_map(|sums| sums.chunks_exact_mut(taps * c));
        let parts: Vec<_> = (0..self.batch)
            .step_by(images)
            .map(|first| (first, of_x.next(), of_weight.next()))
            .collect();
        parts.into_par_iter().for_each(|(first, mut dx, mut sum)| {
            for b in first..(first + images).min(self.batch) {
                let grad = grad(b);
                if let (Some(windows), Some(dx)) = (&windows, &mut dx) {
                    windows.gather(grad, &mut dx[(b - first) * image..][..image], None);
                }
                if let Some(sum) = &mut sum {
                    self.add_products(&x[b * image..][..image], grad, (&rows, &products), sum);
                }
            }
        });
        let dw = sums.map(|sums| {
            let sum = sum_rows(&sums, taps * c);
            let mut filters = uninit(taps * c);
            for (channel, filter) in filters.chunks_exact_mut(taps).enumerate() {
                copy_strided(filter, &sum[channel..], c);
            }
            filters
        });
        [dx, dw]
    }

    fn products<'a, T: Element>(&'a self, columns: &'a [Taps]) -> RowProducts<'a, T> {
        let (c, width) = (self.channels, self.input.1);
        match self.window.1 {
            1 => row_products::<T, 1, 1>(columns, width),
            3 => row_products::<T, 3, 3>(columns, width),
            5 => row_products::<T, 2, 5>(columns, width),
            7 => row_products::<T, 1, 7>(columns, width),
            _ => Box::new(
                move |x: &[T], grad: &[T], filters: &mut [T], _, channels: Range<usize>| {
                    for (x, filters) in
                        x.chunks_exact(width * c).zip(filters.chunks_exact_mut(self.window.1 * c))
                    {
                        channel_products(x, grad, columns, filters, c, channels.clone());
                    }
                },
            ),
        }
    }

    /// Adds an image's part of the weight's gradient to `sum`, [kh,kw,C].
    fn add_products<T: Element>(
        &self,
        x: &[T],
        grad: &[T],
        (rows, products): (&[Taps], &RowProducts<'_, T>),
        sum: &mut [T],
    ) {
        let (c, w, ow, kw) = (self.channels, self.input.1, self.output.1, self.window.1);
        for block in (0..c).step_by(GRAD_BLOCK) {
            let channels = block..(block + GRAD_BLOCK).min(c);
            for (row, grad) in rows.iter().zip(grad.chunks_exact(ow * c)) {
                // Those that a window meets are neighbours.
                let Some(&(ky, y)) = row.first() else { continue };
                let filters = &mut sum[ky * kw * c..][..row.len() * kw * c];
                products(&x[y * w * c..][..row.len() * w * c], grad, filters, c, channels.clone());
            }
        }
    }
}

/// Of which source pixels and filters each target pixel of an image is made.
struct Windows<T> {
    channels: usize,
    window: (usize, usize),
    /// Pixels in a row of the source.
    width: usize,
    rows: Vec<Taps>,
    columns: Vec<Taps>,
    strips: Vec<Option<(usize, [usize; 3])>>,
    filters: Vec<T>,
}

impl<T: Element> Windows<T> {
    fn new(
        shapes: &Depthwise,
        width: usize,
        rows: Vec<Taps>,
        columns: Vec<Taps>,
        filters: Vec<T>,
    ) -> Self {
        let strips = (0..columns.len()).map(|at| strip(&columns[at..])).collect();
        Self {
            channels: shapes.channels,
            window: shapes.window,
            width,
            rows,
            columns,
            strips,
            filters,
        }
    }

    /// Each pixel of `target`: `bias` plus the sum over its taps of filter times pixel of `source`.
    fn gather(&self, source: &[T], target: &mut [T], bias: Option<&[T]>) {
        let c = self.channels;
        let (mut taps, mut lines) =
            (Vec::with_capacity(self.window.0 * self.window.1), Vec::with_capacity(self.window.0));
        // The filters of a block stay in the first cache while it goes over the image.
        for block in (0..c).step_by(BLOCK) {
            let width = BLOCK.min(c - block);
            let bias = bias.map(|bias| &bias[block..][..width]);
            let place = |y: usize, x: usize| (y * self.width + x) * c + block;
            let filter = |ky: usize, kx: usize| {
                &self.filters[(ky * self.window.1 + kx) * c + block..][..width]
            };
            for (row, line) in self.rows.iter().zip(target.chunks_exact_mut(self.columns.len() * c))
            {
                let mut at = 0;
                while at < self.columns.len() {
                    if let Some((first, order)) = self.strips[at] {
                        lines.clear();
                        lines.extend(row.iter().map(|&(ky, y)| Line {
                            pixels: std::array::from_fn(|i| {
                                &source[place(y, first + i)..][..width]
                            }),
                            filters: order.map(|kx| filter(ky, kx)),
                        }));
                        let targets = &mut line[at * c + block..];
                        Arch::new().dispatch(Strip {
                            targets,
                            apart: c,
                            width,
                            lines: &lines,
                            bias,
                        });
                        at += STRIP;
                        continue;
                    }
                    taps.clear();
                    for &(ky, y) in row {
                        taps.extend(
                            self.columns[at]
                                .iter()
                                .map(|&(kx, x)| (&source[place(y, x)..][..width], filter(ky, kx))),
                        );
                    }
                    weigh(&mut line[at * c + block..][..width], &taps, bias);
                    at += 1;
                }
            }
        }
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

    fn backward<T: Element>(
        &self,
        [x, weight]: [&[T]; 2],
        _: &[T],
        grad: &[T],
        wanted: [bool; 2],
    ) -> [Option<Vec<T>>; 2] {
        self.backward(x, weight, grad, wanted)
    }
}

impl Convolution for Depthwise {
    fn backward_after<T: Element>(
        &self,
        [x, weight]: [&[T]; 2],
        _: &[T],
        grad: &mut [T],
        correct: impl Fn(usize, &mut [T]) + Sync + Send,
        wanted: [bool; 2],
    ) -> [Option<Vec<T>>; 2] {
        let (len, grad) = (self.output_len(), Shared::new(grad));
        let corrected = |b: usize| {
            // SAFETY: images do not overlap, and each is asked for once.
            let part = unsafe { std::slice::from_raw_parts_mut(grad.at(b * len), len) };
            correct(b * len, part);
            &*part
        };
        self.gradients(x, weight, corrected, wanted)
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

    fn backward<T: Element>(
        &self,
        [x, weight, _]: [&[T]; 3],
        _: &[T],
        grad: &[T],
        wanted: [bool; 3],
    ) -> [Option<Vec<T>>; 3] {
        let [dx, dw] = self.backward(x, weight, grad, [wanted[0], wanted[1]]);
        [dx, dw, wanted[2].then(|| column_sums(grad, self.channels))]
    }
}
