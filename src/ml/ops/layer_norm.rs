//! Layer normalisation, a row at a time.

use super::element::{Element, Shared, for_chunks, sum_rows, uninit, vectorised};
use super::kernel::Kernel;
use candle_core::Shape;

/// Normalisation of each row of `channels` by its own mean and variance.
pub(super) struct LayerNorm {
    pub shape: Shape,
    pub channels: usize,
    pub eps: f64,
}

/// `x . y`, in sixteen partial sums that vectorise.
#[inline(always)]
fn dot<T: Element>(x: &[T], y: &[T]) -> T {
    let mut lanes = [T::ZERO; 16];
    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
    let rest = xs.remainder().iter().zip(ys.remainder()).fold(T::ZERO, |sum, (&x, &y)| sum + x * y);
    for (x, y) in xs.zip(ys) {
        for i in 0..16 {
            lanes[i] = x[i].fma(y[i], lanes[i]);
        }
    }
    lanes.into_iter().fold(rest, |sum, lane| sum + lane)
}

impl LayerNorm {
    fn rows(&self) -> usize {
        (1_usize << 13).div_ceil(self.channels.max(1))
    }

    /// Writes the normalised row; returns the reciprocal deviation.
    #[inline(always)]
    fn normalise<T: Element>(&self, x: &[T], ones: &[T], normed: &mut [T]) -> T {
        let count = T::of(1.0 / self.channels as f64);
        let mean = dot(x, ones) * count;
        normed.iter_mut().zip(x).for_each(|(n, &x)| *n = x - mean);
        let inverse = T::of(((dot(normed, normed) * count).to_f64() + self.eps).sqrt().recip());
        normed.iter_mut().for_each(|n| *n *= inverse);
        inverse
    }
}

impl Kernel<3> for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn output_shape(&self) -> Shape {
        self.shape.clone()
    }

    fn forward<T: Element>(&self, [x, weight, bias]: [&[T]; 3]) -> Vec<T> {
        let (mut y, c, ones) = (uninit(x.len()), self.channels, vec![T::ONE; self.channels]);
        let chunk = self.rows() * c;
        for_chunks(&mut y, chunk, |i, y| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(c).zip(x[i * chunk..].chunks_exact(c)) {
                        self.normalise(x, &ones, y);
                        y.iter_mut()
                            .zip(weight)
                            .zip(bias)
                            .for_each(|((y, &w), &b)| *y = y.fma(w, b));
                    }
                },
            );
        });
        y
    }

    fn backward<T: Element>(
        &self,
        [x, weight, _]: [&[T]; 3],
        _: &[T],
        grad: &[T],
        _: [bool; 3],
    ) -> [Option<Vec<T>>; 3] {
        let (c, ones, count) =
            (self.channels, vec![T::ONE; self.channels], T::of(1.0 / self.channels as f64));
        let chunk = self.rows() * c;
        let (mut dx, mut params) =
            (uninit(x.len()), vec![T::ZERO; x.len().div_ceil(chunk) * 2 * c]);
        let shared = Shared::new(&mut dx);
        for_chunks(&mut params, 2 * c, |i, params| {
            let rows = i * chunk..((i + 1) * chunk).min(x.len());
            // SAFETY: the rows are this task's alone.
            let dx = unsafe { std::slice::from_raw_parts_mut(shared.at(rows.start), rows.len()) };
            let (dw, db) = params.split_at_mut(c);
            let mut normed = uninit(c);
            vectorised(
                #[inline(always)]
                || {
                    let sources =
                        x[rows.clone()].chunks_exact(c).zip(grad[rows.clone()].chunks_exact(c));
                    for (dx, (x, grad)) in dx.chunks_exact_mut(c).zip(sources) {
                        let inverse = self.normalise(x, &ones, &mut normed);
                        for ((((dw, db), dx), &n), (&g, &w)) in dw
                            .iter_mut()
                            .zip(&mut *db)
                            .zip(&mut *dx)
                            .zip(&normed)
                            .zip(grad.iter().zip(weight))
                        {
                            *dw = g.fma(n, *dw);
                            *db += g;
                            *dx = g * w;
                        }
                        let (offset, slope) = (dot(dx, &ones) * count, dot(dx, &normed) * count);
                        dx.iter_mut()
                            .zip(&normed)
                            .for_each(|(d, &n)| *d = inverse * (*d - offset - slope * n));
                    }
                },
            );
        });
        let mut dw = sum_rows(&params, 2 * c);
        let db = dw.split_off(c);
        [Some(dx), Some(dw), Some(db)]
    }
}
