//! Dense convolution and the linear layer: indirect matrix products, forward and both gradients.

use std::ops::Range;

use super::element::{Element, Shared, column_sums, for_chunks, sum_rows, uninit};
use super::gemm::{CACHED, Panels, Rows, add_products};
use super::kernel::Kernel;
use super::window::{Padding, out_size};
use candle_core::{Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Pixels whose outer products are summed in registers before they are added to the weight
/// gradient.
const BLOCK: usize = 128;

/// Filters of the weight gradient that one task puts in order: a line of the sums it reads.
const FILTERS: usize = 16;

/// Shapes of one convolution; a linear layer is a 1x1 convolution of `batch` single pixels.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    batch: usize,
    input: (usize, usize),
    output: (usize, usize),
    channels_in: usize,
    channels_out: usize,
    window: (usize, usize),
    stride: usize,
    padding: Padding,
}

/// Which source pixels make which target pixels: target `(y, x)` of a `size` grid lies at `first +
/// step * (y, x)` of its image and multiplies source pixels `origin + scale * (y, x) + tap`, absent
/// ones being zero.
struct Grid {
    size: (usize, usize),
    first: (usize, usize),
    step: usize,
    origin: (isize, isize),
    scale: isize,
    taps: Vec<(isize, isize)>,
}

/// Images of `size` pixels with `channels` each.
struct Images<'a, T> {
    values: &'a [T],
    size: (usize, usize),
    channels: usize,
}

impl<T: Element> Images<'_, T> {
    /// The channels of pixel `(y, x)` of image `b`, or `zero` outside.
    #[inline(always)]
    fn pixel(&self, b: usize, y: isize, x: isize, zero: &[T]) -> *const T {
        let (h, w) = self.size;
        if (y as usize) < h && (x as usize) < w {
            self.values[((b * h + y as usize) * w + x as usize) * self.channels..].as_ptr()
        } else {
            zero.as_ptr()
        }
    }

    /// Where pixel `(y, x)` of image `b` is, or would be if the image went on.
    #[inline(always)]
    fn place(&self, b: usize, y: isize, x: isize) -> *const T {
        let (h, w) = (self.size.0 as isize, self.size.1 as isize);
        self.values
            .as_ptr()
            .wrapping_offset(((b as isize * h + y) * w + x) * self.channels as isize)
    }

    /// Whether `y + dy` and `x + dx` are in the image for all taps `(dy, dx)` within `reach`.
    #[inline(always)]
    fn holds(&self, y: isize, x: isize, reach: &Reach) -> bool {
        let (h, w) = (self.size.0 as isize, self.size.1 as isize);
        y >= -reach.least.0 && x >= -reach.least.1 && y + reach.most.0 < h && x + reach.most.1 < w
    }
}

/// Extent of a window's taps, and the offset of each from a pixel.
struct Reach {
    least: (isize, isize),
    most: (isize, isize),
    /// In elements of the source.
    offsets: Vec<isize>,
}

impl Reach {
    fn new<T>(taps: &[(isize, isize)], source: &Images<T>) -> Self {
        let bound = |start: isize, pick: fn(isize, isize) -> isize| {
            taps.iter().fold((start, start), |(y, x), &(dy, dx)| (pick(y, dy), pick(x, dx)))
        };
        let (w, c) = (source.size.1 as isize, source.channels as isize);
        let offsets = taps.iter().map(|&(dy, dx)| (dy * w + dx) * c).collect();
        Self { least: bound(isize::MAX, isize::min), most: bound(isize::MIN, isize::max), offsets }
    }
}

impl Conv {
    /// Checks the shapes of `x [B,H,W,Cin]`, `weight [Cout,Cin,kh,kw]` and `bias [Cout]`.
    pub fn new(
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: usize,
        padding: Padding,
    ) -> Result<Self> {
        let (batch, h, w, channels_in) = x.dims4()?;
        let (channels_out, weight_in, kh, kw) = weight.dims4()?;
        if weight_in != channels_in || bias.is_some_and(|b| b.dims() != [channels_out]) {
            bail!(
                "conv2d: x {:?}, weight {:?}, bias {:?} do not fit",
                x.shape(),
                weight.shape(),
                bias.map(Tensor::shape)
            );
        }
        let output = out_size((h, w), (kh, kw), stride, padding)?;
        Ok(Self {
            batch,
            input: (h, w),
            output,
            channels_in,
            channels_out,
            window: (kh, kw),
            stride,
            padding,
        })
    }

    /// A linear layer on `rows` rows.
    pub fn linear(rows: usize, k: usize, n: usize) -> Self {
        Self {
            batch: rows,
            input: (1, 1),
            output: (1, 1),
            channels_in: k,
            channels_out: n,
            window: (1, 1),
            stride: 1,
            padding: Padding::same(0),
        }
    }

    fn taps(&self) -> usize {
        self.window.0 * self.window.1
    }

    /// The window's positions, row by row, from its corner.
    fn window_taps(&self) -> Vec<(isize, isize)> {
        (0..self.taps())
            .map(|t| ((t / self.window.1) as isize, (t % self.window.1) as isize))
            .collect()
    }

    fn forward<T: Element>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let k = self.taps() * self.channels_in;
        let right = Panels::from_columns(k, self.channels_out, self.taps(), weight, k);
        let taps = self.window_taps();
        let origin = (-(self.padding.top as isize), -(self.padding.left as isize));
        let grid = Grid {
            size: self.output,
            first: (0, 0),
            step: 1,
            origin,
            scale: self.stride as isize,
            taps,
        };
        let mut y = uninit(self.batch * self.output.0 * self.output.1 * self.channels_out);
        let x = Images { values: x, size: self.input, channels: self.channels_in };
        gather(&x, self.batch, &grid, &right, bias, &mut y, self.output);
        y
    }

    /// Transposed convolution: each residue of the input pixels modulo the stride meets the same
    /// part of the window.
    fn input_grad<T: Element>(&self, weight: &[T], grad: &[T]) -> Vec<T> {
        let (s, (h, w), (kh, kw)) = (self.stride, self.input, self.window);
        let mut dx = uninit(self.batch * h * w * self.channels_in);
        let grad = Images { values: grad, size: self.output, channels: self.channels_out };
        for (py, px) in (0..s * s).map(|p| (p / s, p % s)).filter(|&(py, px)| py < h && px < w) {
            let (ky, kx) = ((py + self.padding.top) % s, (px + self.padding.left) % s);
            let (ny, nx) = (kh.saturating_sub(ky).div_ceil(s), kw.saturating_sub(kx).div_ceil(s));
            let used: Vec<usize> =
                (0..ny * nx).map(|t| (ky + t / nx * s) * kw + kx + t % nx * s).collect();
            let right = Panels::from_strided(
                self.channels_out,
                self.channels_in,
                self.taps(),
                &used,
                weight,
            );
            let origin = ((py + self.padding.top) / s, (px + self.padding.left) / s);
            let grid = Grid {
                size: ((h - py).div_ceil(s), (w - px).div_ceil(s)),
                first: (py, px),
                step: s,
                origin: (origin.0 as isize, origin.1 as isize),
                scale: 1,
                taps: (0..ny * nx).map(|t| (-((t / nx) as isize), -((t % nx) as isize))).collect(),
            };
            gather(&grad, self.batch, &grid, &right, None, &mut dx, self.input);
        }
        dx
    }

    /// `[Cout,Cin,kh,kw]`: outer products of input channels and output gradients, summed over
    /// blocks of pixels in order.
    fn weight_grad<T: Element>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let (cin, cout, taps) = (self.channels_in, self.channels_out, self.taps());
        if taps == 1 && self.stride == 1 && self.padding == Padding::same(0) {
            // The sums lie as the weights do.
            return self.sum_of_blocks(|rows, sum, afresh| {
                let right =
                    Panels::from_rows(rows.len(), cin, |r| &x[(rows.start + r) * cin..][..cin]);
                let left: Vec<_> = rows.map(|r| grad[r * cout..][..cout].as_ptr()).collect();
                // SAFETY: each pointer is to the `cout` channels of a pixel.
                unsafe { add_products(&left, cout, &right, sum, afresh) };
            });
        }
        let zero = vec![T::ZERO; cin];
        let images = Images { values: x, size: self.input, channels: cin };
        let offsets = self.window_taps();
        let reach = Reach::new(&offsets, &images);
        let sum = self.sum_of_blocks(|rows, sum, afresh| {
            let right =
                Panels::from_rows(rows.len(), cout, |r| &grad[(rows.start + r) * cout..][..cout]);
            let corners: Vec<_> = rows.map(|r| self.corner(r, &images, &reach)).collect();
            for (tap, out) in sum.chunks_exact_mut(cin * cout).enumerate() {
                let (ky, kx) = offsets[tap];
                let left = corners.iter().map(|&(b, y, x, place)| match place {
                    Some(place) => place.wrapping_offset(reach.offsets[tap]),
                    None => images.pixel(b, y + ky, x + kx, &zero),
                });
                // SAFETY: each pointer is to the `cin` channels of a pixel, or to as many zeros.
                unsafe { add_products(&left.collect::<Vec<_>>(), cin, &right, out, afresh) };
            }
        });
        let mut dw = uninit(sum.len());
        for_chunks(&mut dw, (cin * taps * FILTERS).max(1), |i, part| {
            // A line of sums is read once, for all filters of the task; the block's part of them
            // stays in the first cache.
            for first in (0..cin).step_by(CACHED) {
                for tap in 0..taps {
                    for c in first..cin.min(first + CACHED) {
                        let from = &sum[(tap * cin + c) * cout + i * FILTERS..];
                        for (j, &from) in (0..part.len() / (cin * taps)).zip(from) {
                            part[(j * cin + c) * taps + tap] = from;
                        }
                    }
                }
            }
        });
        dw
    }

    /// As many sums as there are weights. `add` puts the products of a block of output pixels onto
    /// a part of them, or begins one.
    fn sum_of_blocks<T: Element>(
        &self,
        add: impl Fn(Range<usize>, &mut [T], bool) + Sync + Send,
    ) -> Vec<T> {
        let weights = self.taps() * self.channels_in * self.channels_out;
        let pixels = self.batch * self.output.0 * self.output.1;
        let blocks = pixels.div_ceil(BLOCK);
        let share = blocks.div_ceil(8).max(2);
        let mut parts = uninit(blocks.div_ceil(share) * weights);
        for_chunks(&mut parts, weights, |part, sum| {
            for block in part * share..((part + 1) * share).min(blocks) {
                add(block * BLOCK..((block + 1) * BLOCK).min(pixels), sum, block == part * share);
            }
        });
        if parts.len() > weights { sum_rows(&parts, weights) } else { parts }
    }

    /// The image, row and column of the input where the window of output pixel `r` begins, and its
    /// place if the window is inside.
    fn corner<T: Element>(
        &self,
        r: usize,
        images: &Images<T>,
        reach: &Reach,
    ) -> (usize, isize, isize, Option<*const T>) {
        let (oh, ow) = self.output;
        let y = (r / ow % oh * self.stride) as isize - self.padding.top as isize;
        let (b, x) = (r / (oh * ow), (r % ow * self.stride) as isize - self.padding.left as isize);
        (b, y, x, images.holds(y, x, reach).then(|| images.place(b, y, x)))
    }
}

/// `target[pixel] = bias + sum over taps of source[tapped pixel] * right[tap]` on the grid's pixels
/// of each image.
fn gather<T: Element>(
    source: &Images<T>,
    batch: usize,
    grid: &Grid,
    right: &Panels<T>,
    bias: Option<&[T]>,
    target: &mut [T],
    (target_h, target_w): (usize, usize),
) {
    let (runs, n) = (grid.taps.len(), target.len() / (batch * target_h * target_w).max(1));
    let (rows, share) = (batch * grid.size.0 * grid.size.1, right.rows_per_task());
    let (zero, reach) = (vec![T::ZERO; source.channels], Reach::new(&grid.taps, source));
    let target = Shared::new(target);
    let task = |start: usize| {
        let count = share.min(rows - start);
        let (mut left, mut out) = (Vec::with_capacity(count * runs), Vec::with_capacity(count));
        let (mut b, mut y, mut x) = (
            start / (grid.size.0 * grid.size.1),
            start / grid.size.1 % grid.size.0,
            start % grid.size.1,
        );
        for _ in 0..count {
            let (sy, sx) =
                (grid.origin.0 + grid.scale * y as isize, grid.origin.1 + grid.scale * x as isize);
            if source.holds(sy, sx, &reach) {
                let place = source.place(b, sy, sx);
                left.extend(reach.offsets.iter().map(|&offset| place.wrapping_offset(offset)));
            } else {
                left.extend(
                    grid.taps.iter().map(|&(dy, dx)| source.pixel(b, sy + dy, sx + dx, &zero)),
                );
            }
            let pixel = (b * target_h + grid.first.0 + grid.step * y) * target_w
                + grid.first.1
                + grid.step * x;
            // SAFETY: the grid lies in the image, and each of its pixels belongs to one row of one
            // task.
            out.push(unsafe { target.at(pixel * n) });
            x += 1;
            if x == grid.size.1 {
                (y, x) = (y + 1, 0);
            }
            if y == grid.size.0 {
                (b, y) = (b + 1, 0);
            }
        }
        // SAFETY: left pointers are to a pixel's channels or as many zeros, out pointers to a
        // pixel's `n` channels.
        unsafe { Rows { left: &left, runs, run: source.channels, right, bias, out: &out }.run() };
    };
    if rows <= share {
        if rows > 0 {
            task(0);
        }
    } else {
        (0..rows.div_ceil(share)).into_par_iter().for_each(|i| task(i * share));
    }
}

impl Kernel<2> for Conv {
    const NAME: &'static str = "conv2d";

    fn output_shape(&self) -> Shape {
        Shape::from((self.batch, self.output.0, self.output.1, self.channels_out))
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
        [
            wanted[0].then(|| self.input_grad(weight, grad)),
            wanted[1].then(|| self.weight_grad(x, grad)),
        ]
    }
}

impl Kernel<3> for Conv {
    const NAME: &'static str = "conv2d";

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
        [
            wanted[0].then(|| self.input_grad(weight, grad)),
            wanted[1].then(|| self.weight_grad(x, grad)),
            wanted[2].then(|| column_sums(grad, self.channels_out)),
        ]
    }
}
