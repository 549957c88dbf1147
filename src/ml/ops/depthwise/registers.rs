//! Inner loops of depthwise convolutions, over rows of pixels whose sums stay in registers.

#![expect(
    clippy::needless_range_loop,
    reason = "constant bounds unroll and keep the accumulators in registers"
)]

use std::ops::Range;

use crate::ml::ops::element::{Element, load, vectorised};
use pulp::{Arch, Simd, WithSimd};

/// Channels summed in registers.
const LANES: usize = 16;
/// Neighbouring pixels that are summed together where the window is three wide and moves by one.
pub const STRIP: usize = 4;

/// The window positions `k` and the sources `(position - k) / stride`, or `position * stride + k`,
/// that lie in the image.
pub type Taps = Vec<(usize, usize)>;

/// `target = bias + sum over the taps of source * filter`, slices of one length.
pub fn weigh<T: Element>(target: &mut [T], taps: &[(&[T], &[T])], bias: Option<&[T]>) {
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
                    let (s, f) = unsafe {
                        (source.get_unchecked(at..at + LANES), filter.get_unchecked(at..at + LANES))
                    };
                    for i in 0..LANES {
                        acc[i] = s[i].fma(f[i], acc[i]);
                    }
                }
                part.copy_from_slice(&acc);
                at += LANES;
            }
            for (i, target) in (at..).zip(parts.into_remainder()) {
                let start = bias.map_or(T::ZERO, |bias| bias[i]);
                *target =
                    taps.iter().fold(start, |sum, (source, filter)| source[i].fma(filter[i], sum));
            }
        },
    );
}

/// Where the first [`STRIP`] of `columns` meet windows of three that move by one pixel: the first
/// source pixel, and the window positions in the order of source pixels.
pub fn strip(columns: &[Taps]) -> Option<(usize, [usize; 3])> {
    let (first, strip) = (columns.first()?, columns.get(..STRIP)?);
    let met: [(usize, usize); 3] = first.as_slice().try_into().ok()?;
    let (start, order) = (met[0].1, met.map(|tap| tap.0));
    let meets = |(i, taps): (usize, &Taps)| {
        taps.iter().copied().eq((0..3).map(|j| (order[j], start + i + j)))
    };
    strip.iter().enumerate().all(meets).then_some((start, order))
}

/// The part of a strip's sums that comes from one source row: its pixels, and the filters of three
/// of them in turn.
pub struct Line<'a, T> {
    pub pixels: [&'a [T]; STRIP + 2],
    pub filters: [&'a [T]; 3],
}

/// [`weigh`] for `width` channels of the pixels of a strip, which begin `apart` elements from one
/// another in `targets`.
pub struct Strip<'a, T> {
    pub targets: &'a mut [T],
    pub apart: usize,
    pub width: usize,
    pub lines: &'a [Line<'a, T>],
    pub bias: Option<&'a [T]>,
}

impl<T: Element> WithSimd for Strip<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { targets, apart, width, lines, bias } = self;
        assert!(
            lines.iter().all(|line| line
                .pixels
                .iter()
                .chain(&line.filters)
                .all(|slice| slice.len() == width))
        );
        assert!(
            targets.len() >= (STRIP - 1) * apart + width
                && bias.is_none_or(|bias| bias.len() == width)
        );
        let whole = width - width % T::lanes::<S>();
        for at in (0..whole).step_by(T::lanes::<S>()) {
            let mut acc = [T::splat(simd, T::ZERO); STRIP];
            // SAFETY: a register's worth of elements follows `at` in every slice, and in each pixel
            // of the targets.
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
                    targets
                        .as_mut_ptr()
                        .add(i * apart + at)
                        .cast::<T::Vector<S>>()
                        .write_unaligned(acc[i]);
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

/// What adds the products of rows: `filters[r][k] += sum over the outputs o that tap k meets of
/// grad[o] * x[r][i]`, for some channels of pixels of `c`. `x` has any number of rows, and each has
/// its filters.
pub type RowProducts<'a, T> = Box<dyn Fn(&[T], &[T], &mut [T], usize, Range<usize>) + Sync + 'a>;

/// The products of rows of `width` pixels by windows of `K`, of `R` rows at a time; `columns` has
/// the pairs (k, i) of each o.
pub fn row_products<T: Element, const R: usize, const K: usize>(
    columns: &[Taps],
    width: usize,
) -> RowProducts<'_, T> {
    // The pixel that each tap meets at each output; past the last where it meets none.
    let met = |taps: &Taps| {
        std::array::from_fn(|k| taps.iter().find(|tap| tap.0 == k).map_or(width, |tap| tap.1))
    };
    let met = columns.iter().map(met).collect::<Vec<[usize; K]>>();
    let all = |taps: &Taps| taps.len() == K;
    let first = columns.iter().position(all).unwrap_or(columns.len());
    let inner = first..first + columns[first..].iter().take_while(|taps| all(taps)).count();
    Box::new(move |x, grad, filters, c, channels| {
        let together = |x: &[T], filters: &mut [T]| {
            let (met, inner, channels) = (met.as_slice(), inner.clone(), channels.clone());
            match x.len() == R * width * c {
                true => Arch::new().dispatch(Products::<T, R, K> {
                    x,
                    grad,
                    filters,
                    met,
                    inner,
                    c,
                    channels,
                }),
                false => Arch::new().dispatch(Products::<T, 1, K> {
                    x,
                    grad,
                    filters,
                    met,
                    inner,
                    c,
                    channels,
                }),
            }
        };
        let rows = x.len() / (width * c);
        let mut at = 0;
        while at < rows {
            let count = if rows - at < R { 1 } else { R };
            let (x, filters) = (
                &x[at * width * c..][..count * width * c],
                &mut filters[at * K * c..][..count * K * c],
            );
            let whole = together(x, filters);
            for (x, filters) in x.chunks_exact(width * c).zip(filters.chunks_exact_mut(K * c)) {
                channel_products(x, grad, columns, filters, c, whole..channels.end);
            }
            at += count;
        }
    })
}

/// The products of `R` rows, which share what is read of the gradient, for the channels that fill
/// registers. Sums that do not depend on one another hide how long an addition takes.
struct Products<'a, T, const R: usize, const K: usize> {
    x: &'a [T],
    grad: &'a [T],
    filters: &'a mut [T],
    met: &'a [[usize; K]],
    /// Outputs at which all taps meet a pixel: neighbours.
    inner: Range<usize>,
    c: usize,
    channels: Range<usize>,
}

impl<T: Element, const R: usize, const K: usize> WithSimd for Products<'_, T, R, K> {
    /// The first channel that is left.
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let Self { x, grad, filters, met, inner, c, channels } = self;
        let width = x.len() / (R * c);
        assert!(
            x.len() == R * width * c
                && grad.len() == met.len() * c
                && filters.len() == R * K * c
                && channels.end <= c
        );
        assert!(met[inner.clone()].iter().all(|met| met[0] + K <= width));
        let whole = channels.end - channels.len() % T::lanes::<S>();
        for at in (channels.start..whole).step_by(T::lanes::<S>()) {
            let mut acc = [[T::splat(simd, T::ZERO); K]; R];
            // SAFETY: rows are `width` pixels of `c` values, `o` is below the outputs and each
            // place read from is below `width`; a register's worth of channels follows `at` in each
            // of them.
            unsafe {
                let x = x.as_ptr().add(at);
                for o in 0..met.len() {
                    let g = load::<T, S>(grad.as_ptr().add(o * c + at));
                    if inner.contains(&o) {
                        let first = x.add(met[o][0] * c);
                        for r in 0..R {
                            for k in 0..K {
                                acc[r][k] = T::mul_add(
                                    simd,
                                    g,
                                    load::<T, S>(first.add((r * width + k) * c)),
                                    acc[r][k],
                                );
                            }
                        }
                    } else {
                        for k in 0..K {
                            if met[o][k] < width {
                                for r in 0..R {
                                    let pixel = load::<T, S>(x.add((r * width + met[o][k]) * c));
                                    acc[r][k] = T::mul_add(simd, g, pixel, acc[r][k]);
                                }
                            }
                        }
                    }
                }
                for r in 0..R {
                    for k in 0..K {
                        let filter = filters.as_mut_ptr().add((r * K + k) * c + at);
                        let sum = T::sum(simd, load::<T, S>(filter), acc[r][k]);
                        filter.cast::<T::Vector<S>>().write_unaligned(sum);
                    }
                }
            }
        }
        whole
    }
}

/// [`row_products`] of one row for some of the channels, one by one, and windows of any width.
pub fn channel_products<T: Element>(
    x: &[T],
    grad: &[T],
    columns: &[Taps],
    filters: &mut [T],
    c: usize,
    channels: Range<usize>,
) {
    for channel in channels {
        for k in 0..filters.len() / c {
            let of_tap = columns.iter().enumerate().flat_map(|(o, taps)| {
                taps.iter().filter(|tap| tap.0 == k).map(move |tap| (o, tap.1))
            });
            let sum = of_tap
                .fold(T::ZERO, |sum, (o, i)| grad[o * c + channel].fma(x[i * c + channel], sum));
            filters[k * c + channel] += sum;
        }
    }
}
