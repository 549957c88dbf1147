//! What a depthwise convolution does with rows of pixels while their sums stay in registers.

#![expect(clippy::needless_range_loop, reason = "constant bounds unroll and keep the accumulators in registers")]

use std::ops::Range;

use super::Taps;
use crate::ml::ops::element::{Element, load, vectorised};
use pulp::{Simd, WithSimd};

/// Channels summed in registers.
const LANES: usize = 16;
/// Neighbouring pixels that are summed together where the window is three wide and moves by one.
pub const STRIP: usize = 4;

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
pub fn strip(columns: &[Taps]) -> Option<(usize, [usize; 3])> {
    let (first, strip) = (columns.first()?, columns.get(..STRIP)?);
    let met: [(usize, usize); 3] = first.as_slice().try_into().ok()?;
    let (start, order) = (met[0].1, met.map(|tap| tap.0));
    let meets = |(i, taps): (usize, &Taps)| taps.iter().copied().eq((0..3).map(|j| (order[j], start + i + j)));
    strip.iter().enumerate().all(meets).then_some((start, order))
}

/// What one row of a source gives a strip: its pixels, and the filters of three of them in turn.
pub struct Line<'a, T> {
    pub pixels: [&'a [T]; STRIP + 2],
    pub filters: [&'a [T]; 3],
}

/// [`weigh`] for `width` channels of the pixels of a strip, which begin `apart` elements from one another in `targets`.
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

/// What adds a row's products: `filters[k] += sum over the outputs o that tap k meets of grad[o] * x[i]`, for some channels of pixels of
/// `c`.
pub type RowProducts<'a, T> = Box<dyn Fn(&[T], &[T], &mut [T], usize, Range<usize>) + Sync + 'a>;

/// The products of rows of `width` pixels by windows of `K`; `columns` has the pairs (k, i) of each o.
pub fn row_products<T: Element, const K: usize>(columns: &[Taps], width: usize) -> RowProducts<'_, T> {
    // The pixel that each tap meets at each output; past the last where it meets none.
    let met = |taps: &Taps| std::array::from_fn(|k| taps.iter().find(|tap| tap.0 == k).map_or(width, |tap| tap.1));
    let met = columns.iter().map(met).collect::<Vec<[usize; K]>>();
    Box::new(move |x, grad, filters, c, channels| {
        let whole = channels.end - channels.len() % LANES;
        assert!(x.len() == width * c && grad.len() == met.len() * c && filters.len() == K * c && channels.end <= c);
        vectorised(
            #[inline(always)]
            || {
                for at in (channels.start..whole).step_by(LANES) {
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
        channel_products(x, grad, columns, filters, c, whole..channels.end);
    })
}

/// [`row_products`] for some of the channels, one by one, and windows of any width.
pub fn channel_products<T: Element>(x: &[T], grad: &[T], columns: &[Taps], filters: &mut [T], c: usize, channels: Range<usize>) {
    for channel in channels {
        for k in 0..filters.len() / c {
            let of_tap =
                columns.iter().enumerate().flat_map(|(o, taps)| taps.iter().filter(|tap| tap.0 == k).map(move |tap| (o, tap.1)));
            let sum = of_tap.fold(T::ZERO, |sum, (o, i)| grad[o * c + channel].fma(x[i * c + channel], sum));
            filters[k * c + channel] += sum;
        }
    }
}
