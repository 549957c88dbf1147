//! Depthwise convolution: one filter a channel, sixteen channels at a time.

use std::ops::Range;

use super::element::{Element, column_sums, copy_strided, for_chunks, load, sum_rows, uninit, vectorised};
use super::kernel::Kernel;
use super::{Padding, out_size};
use candle_core::{Result, Shape, Tensor, bail};
use pulp::{Arch, Simd, WithSimd};

/// Channels summed in registers.
const LANES: usize = 16;
/// Channels whose filters are used before the next channels'.
const BLOCK: usize = 256;
/// Neighbouring pixels that are summed together where the window is three wide and moves by one.
const STRIP: usize = 4;

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
            _ => Box::new(|x: &[T], grad: &[T], filters: &mut [T], c| channel_products(x, grad, &columns, filters, 0..c)),
        };
        // A window of three columns that goes from edge to edge, one beyond each.
        let slides = self.window.1 == 3 && self.stride == 1 && self.padding.left == 1 && ow == w && w > 1;
        let images = self.batch.div_ceil(16).max(1);
        let mut parts = vec![T::ZERO; self.batch.div_ceil(images) * taps * c];
        for_chunks(&mut parts, taps * c, |part, sum| {
            for b in part * images..((part + 1) * images).min(self.batch) {
                let (x, grad) = (&x[b * h * w * c..][..h * w * c], &grad[b * oh * ow * c..][..oh * ow * c]);
                for (oy, row) in rows.iter().enumerate() {
                    let grad = &grad[oy * ow * c..][..ow * c];
                    if slides && let Ok(taps) = <[_; 3]>::try_from(row.as_slice()) {
                        let sums = |ky: usize| ky * 3 * c;
                        let lines = taps.map(|(ky, y)| (&x[y * w * c..][..w * c], sums(ky)));
                        Arch::new().dispatch(Slide { lines, grad, sum, channels: c });
                        for (ky, y) in taps {
                            let filters = &mut sum[sums(ky)..][..3 * c];
                            channel_products(&x[y * w * c..][..w * c], grad, &columns, filters, c - c % LANES..c);
                        }
                        continue;
                    }
                    for &(ky, y) in row {
                        let x = &x[y * w * c..][..w * c];
                        products(x, grad, &mut sum[ky * self.window.1 * c..][..self.window.1 * c], c);
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

/// `target = bias + sum over the taps of source * filter`, slices of one length.
fn weigh<T: Element>(target: &mut [T], taps: &[(&[T], &[T])], bias: Option<&[T]>) {
    let width = target.len();
    assert!(taps.iter().all(|(source, filter)| source.len() == width && filter.len() == width));
    vectorised(
        #[inline(always)]
        || {
            let mut parts = target.chunks_exact_mut(LANES);
            let mut at = 0;
            for part in &mut parts {
                let mut acc = [T::ZERO; LANES];
                if let Some(bias) = bias {
                    acc.copy_from_slice(&bias[at..at + LANES]);
                }
                for (source, filter) in taps {
                    // SAFETY: `at + LANES` is at most the width, which is the length of both.
                    let (s, f) = unsafe { (source.get_unchecked(at..at + LANES), filter.get_unchecked(at..at + LANES)) };
                    for i in 0..LANES {
                        acc[i] = s[i].fma(f[i], acc[i]);
                    }
                }
                part.copy_from_slice(&acc);
                at += LANES;
            }
            for (i, target) in (at..).zip(parts.into_remainder()) {
                let start = bias.map_or(T::ZERO, |bias| bias[i]);
                *target = taps.iter().fold(start, |sum, (source, filter)| source[i].fma(filter[i], sum));
            }
        },
    );
}

/// Where the first [`STRIP`] of `columns` meet windows of three that move by one pixel: the first source pixel, and the window
/// positions in the order of source pixels.
fn strip(columns: &[Taps]) -> Option<(usize, [usize; 3])> {
    let (first, strip) = (columns.first()?, columns.get(..STRIP)?);
    let mut met: [(usize, usize); 3] = first.as_slice().try_into().ok()?;
    met.sort_unstable_by_key(|tap| tap.1);
    let (start, order) = (met[0].1, met.map(|tap| tap.0));
    let meets = |(i, taps): (usize, &Taps)| taps.iter().copied().eq((0..3).map(|j| (order[j], start + i + j)));
    strip.iter().enumerate().all(meets).then_some((start, order))
}

/// What one row of a source gives a strip: its pixels, and the filters of three of them in turn.
struct Line<'a, T> {
    pixels: [&'a [T]; STRIP + 2],
    filters: [&'a [T]; 3],
}

/// [`weigh`] for `width` channels of the pixels of a strip, which begin `apart` elements from one another in `targets`.
struct Strip<'a, T> {
    targets: &'a mut [T],
    apart: usize,
    width: usize,
    lines: &'a [Line<'a, T>],
    bias: Option<&'a [T]>,
}

impl<T: Element> WithSimd for Strip<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { targets, apart, width, lines, bias } = self;
        assert!(lines.iter().all(|line| line.pixels.iter().chain(&line.filters).all(|slice| slice.len() == width)));
        assert!(targets.len() >= (STRIP - 1) * apart + width && bias.is_none_or(|bias| bias.len() == width));
        let whole = width - width % T::lanes::<S>();
        for at in (0..whole).step_by(T::lanes::<S>()) {
            let mut acc = [T::splat(simd, T::ZERO); STRIP];
            // SAFETY: a register's worth of elements follows `at` in every slice, and in each pixel of the targets.
            unsafe {
                if let Some(bias) = bias {
                    acc = [load::<T, S>(bias.as_ptr().add(at)); STRIP];
                }
                for line in lines {
                    for k in 0..3 {
                        let filter = load::<T, S>(line.filters[k].as_ptr().add(at));
                        for i in 0..STRIP {
                            let pixel = load::<T, S>(line.pixels[i + k].as_ptr().add(at));
                            acc[i] = T::mul_add(simd, pixel, filter, acc[i]);
                        }
                    }
                }
                for i in 0..STRIP {
                    targets.as_mut_ptr().add(i * apart + at).cast::<T::Vector<S>>().write_unaligned(acc[i]);
                }
            }
        }
        for channel in whole..width {
            for i in 0..STRIP {
                let mut sum = bias.map_or(T::ZERO, |bias| bias[channel]);
                for line in lines {
                    for k in 0..3 {
                        sum = line.pixels[i + k][channel].fma(line.filters[k][channel], sum);
                    }
                }
                targets[i * apart + channel] = sum;
            }
        }
    }
}

/// The products of a row of gradients with three rows of pixels and a window of three columns, one beyond each edge: each pixel is
/// loaded once and meets the three gradients around it.
struct Slide<'a, T> {
    /// Rows of pixels, and where the sums of their three taps begin.
    lines: [(&'a [T], usize); 3],
    grad: &'a [T],
    sum: &'a mut [T],
    channels: usize,
}

impl<T: Element> WithSimd for Slide<'_, T> {
    type Output = ();

    /// Leaves out the last channels that do not fill [`LANES`].
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { lines, grad, sum, channels } = self;
        let width = grad.len() / channels;
        assert!(width > 1 && LANES % T::lanes::<S>() == 0);
        assert!(lines.iter().all(|(x, at)| x.len() == grad.len() && at + 3 * channels <= sum.len()));
        for at in (0..channels - channels % LANES).step_by(T::lanes::<S>()) {
            let mut acc = [[T::splat(simd, T::ZERO); 3]; 3];
            // SAFETY: a register's worth of channels follows `at` in each of the `width` pixels, and in the sums of each tap.
            unsafe {
                let grad = grad.as_ptr().add(at);
                // Gradients before, at and behind the pixel: those of the window's last, middle and first column.
                let mut before = T::splat(simd, T::ZERO);
                let (mut here, mut behind) = (load::<T, S>(grad), load::<T, S>(grad.add(channels)));
                for pixel in 0..width {
                    for line in 0..3 {
                        let x = load::<T, S>(lines[line].0.as_ptr().add(pixel * channels + at));
                        if pixel + 1 < width {
                            acc[line][0] = T::mul_add(simd, behind, x, acc[line][0]);
                        }
                        acc[line][1] = T::mul_add(simd, here, x, acc[line][1]);
                        if pixel > 0 {
                            acc[line][2] = T::mul_add(simd, before, x, acc[line][2]);
                        }
                    }
                    (before, here) = (here, behind);
                    if pixel + 2 < width {
                        behind = load::<T, S>(grad.add((pixel + 2) * channels));
                    }
                }
                for line in 0..3 {
                    for k in 0..3 {
                        let to = sum.as_mut_ptr().add(lines[line].1 + k * channels + at);
                        to.cast::<T::Vector<S>>().write_unaligned(T::sum(simd, load::<T, S>(to), acc[line][k]));
                    }
                }
            }
        }
    }
}

/// What adds a row's products: `filters[k] += sum over the outputs o that tap k meets of grad[o] * x[i]`, of pixels of `c` channels.
type RowProducts<'a, T> = Box<dyn Fn(&[T], &[T], &mut [T], usize) + Sync + 'a>;

/// The products of rows of `width` pixels by windows of `K`; `columns` has the pairs (k, i) of each o.
fn row_products<T: Element, const K: usize>(columns: &[Taps], width: usize) -> RowProducts<'_, T> {
    // The pixel that each tap meets at each output; past the last where it meets none.
    let met = |taps: &Taps| std::array::from_fn(|k| taps.iter().find(|tap| tap.0 == k).map_or(width, |tap| tap.1));
    let met = columns.iter().map(met).collect::<Vec<[usize; K]>>();
    Box::new(move |x, grad, filters, c| {
        let whole = c - c % LANES;
        assert!(x.len() == width * c && grad.len() == met.len() * c && filters.len() == K * c);
        vectorised(
            #[inline(always)]
            || {
                for at in (0..whole).step_by(LANES) {
                    let mut acc = [[T::ZERO; LANES]; K];
                    for (o, from) in met.iter().enumerate() {
                        // SAFETY: `o` and each place below `width` are of pixels of `c` values, and `at + LANES` is at most `c`.
                        let g = unsafe { grad.get_unchecked(o * c + at..o * c + at + LANES) };
                        for k in 0..K {
                            if from[k] < width {
                                // SAFETY: as above.
                                let x = unsafe { x.get_unchecked(from[k] * c + at..from[k] * c + at + LANES) };
                                for lane in 0..LANES {
                                    acc[k][lane] = g[lane].fma(x[lane], acc[k][lane]);
                                }
                            }
                        }
                    }
                    for k in 0..K {
                        let filter = &mut filters[k * c + at..][..LANES];
                        for lane in 0..LANES {
                            filter[lane] += acc[k][lane];
                        }
                    }
                }
            },
        );
        channel_products(x, grad, columns, filters, whole..c);
    })
}

/// [`row_products`] for some of the channels, one by one, and windows of any width.
fn channel_products<T: Element>(x: &[T], grad: &[T], columns: &[Taps], filters: &mut [T], channels: Range<usize>) {
    let c = channels.end;
    for channel in channels {
        for k in 0..filters.len() / c {
            let of_tap =
                columns.iter().enumerate().flat_map(|(o, taps)| taps.iter().filter(|tap| tap.0 == k).map(move |tap| (o, tap.1)));
            let sum = of_tap.fold(T::ZERO, |sum, (o, i)| grad[o * c + channel].fma(x[i * c + channel], sum));
            filters[k * c + channel] += sum;
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
