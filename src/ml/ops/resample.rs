//! Nearest-neighbour upsampling and global average pooling.

use super::element::{Element, for_chunks, sum_rows, uninit};
use super::kernel::Kernel;
use candle_core::Shape;

/// Doubles the height and width of `[batch, h, w, channels]`.
pub(super) struct Upsample {
    pub batch: usize,
    pub size: (usize, usize),
    pub channels: usize,
}

impl Kernel<1> for Upsample {
    const NAME: &'static str = "upsample_nearest_2x";

    fn output_shape(&self) -> Shape {
        Shape::from((self.batch, 2 * self.size.0, 2 * self.size.1, self.channels))
    }

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Vec<T> {
        let ((h, w), c) = (self.size, self.channels);
        let mut y = uninit(4 * x.len());
        for_chunks(&mut y, (4 * h * w * c).max(1), |b, y| {
            let rows = x[b * h * w * c..(b + 1) * h * w * c].chunks_exact(w * c);
            for (pair, row) in y.chunks_exact_mut(4 * w * c).zip(rows) {
                let (top, bottom) = pair.split_at_mut(2 * w * c);
                for (to, pixel) in top.chunks_exact_mut(2 * c).zip(row.chunks_exact(c)) {
                    to[..c].copy_from_slice(pixel);
                    to[c..].copy_from_slice(pixel);
                }
                bottom.copy_from_slice(top);
            }
        });
        y
    }

    fn backward<T: Element>(
        &self,
        [x]: [&[T]; 1],
        _: &[T],
        grad: &[T],
        _: [bool; 1],
    ) -> [Option<Vec<T>>; 1] {
        let ((h, w), c) = (self.size, self.channels);
        let mut dx = uninit(x.len());
        for_chunks(&mut dx, (h * w * c).max(1), |b, dx| {
            let pairs = grad[4 * b * h * w * c..4 * (b + 1) * h * w * c].chunks_exact(4 * w * c);
            for (row, pair) in dx.chunks_exact_mut(w * c).zip(pairs) {
                let (top, bottom) = pair.split_at(2 * w * c);
                let blocks = top.chunks_exact(2 * c).zip(bottom.chunks_exact(2 * c));
                for (pixel, (top, bottom)) in row.chunks_exact_mut(c).zip(blocks) {
                    for i in 0..c {
                        pixel[i] = (top[i] + top[c + i]) + (bottom[i] + bottom[c + i]);
                    }
                }
            }
        });
        [Some(dx)]
    }
}

/// The mean over the `pixels` of each item of `[batch, pixels, channels]`.
pub(super) struct GlobalMean {
    pub batch: usize,
    pub pixels: usize,
    pub channels: usize,
}

impl Kernel<1> for GlobalMean {
    const NAME: &'static str = "avg_pool_global";

    fn output_shape(&self) -> Shape {
        Shape::from((self.batch, self.channels))
    }

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Vec<T> {
        let (share, image) = (T::of(1.0 / self.pixels as f64), self.pixels * self.channels);
        let mut means = uninit(self.batch * self.channels);
        for_chunks(&mut means, self.channels.max(1), |b, means| {
            let sums = sum_rows(&x[b * image..(b + 1) * image], self.channels);
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = sum * share);
        });
        means
    }

    fn backward<T: Element>(
        &self,
        [x]: [&[T]; 1],
        _: &[T],
        grad: &[T],
        _: [bool; 1],
    ) -> [Option<Vec<T>>; 1] {
        let share = T::of(1.0 / self.pixels as f64);
        let mut dx = uninit(x.len());
        for_chunks(&mut dx, (self.pixels * self.channels).max(1), |b, image| {
            let grad = &grad[b * self.channels..(b + 1) * self.channels];
            for pixel in image.chunks_exact_mut(self.channels) {
                pixel.iter_mut().zip(grad).for_each(|(d, &g)| *d = g * share);
            }
        });
        [Some(dx)]
    }
}
