//! One factor for each channel of each image, as in squeeze-and-excitation.

use super::element::{Element, for_chunks, uninit, vectorised};
use super::kernel::Kernel;
use candle_core::Shape;

/// The product of `[batch, pixels, channels]` and `[batch, channels]`.
pub(super) struct ScaleChannels {
    pub shape: Shape,
    pub pixels: usize,
    pub channels: usize,
}

impl ScaleChannels {
    /// `x` times the factors of its image.
    fn scaled<T: Element>(&self, x: &[T], factors: &[T]) -> Vec<T> {
        let (mut y, image) = (uninit(x.len()), self.pixels * self.channels);
        for_chunks(&mut y, image, |b, y| {
            let factors = &factors[b * self.channels..(b + 1) * self.channels];
            vectorised(
                #[inline(always)]
                || {
                    let pixels = y
                        .chunks_exact_mut(self.channels)
                        .zip(x[b * image..].chunks_exact(self.channels));
                    for (y, x) in pixels {
                        for ((y, &x), &factor) in y.iter_mut().zip(x).zip(factors) {
                            *y = x * factor;
                        }
                    }
                },
            );
        });
        y
    }
}

impl Kernel<2> for ScaleChannels {
    const NAME: &'static str = "scale_channels";

    fn output_shape(&self) -> Shape {
        self.shape.clone()
    }

    fn forward<T: Element>(&self, [x, factors]: [&[T]; 2]) -> Vec<T> {
        self.scaled(x, factors)
    }

    fn backward<T: Element>(
        &self,
        [x, factors]: [&[T]; 2],
        _: &[T],
        grad: &[T],
        wanted: [bool; 2],
    ) -> [Option<Vec<T>>; 2] {
        let image = self.pixels * self.channels;
        let slopes = || {
            let mut slopes = vec![T::ZERO; factors.len()];
            for_chunks(&mut slopes, self.channels, |b, slopes| {
                vectorised(
                    #[inline(always)]
                    || {
                        let x = x[b * image..(b + 1) * image].chunks_exact(self.channels);
                        for (x, grad) in x.zip(grad[b * image..].chunks_exact(self.channels)) {
                            for ((slope, &x), &g) in slopes.iter_mut().zip(x).zip(grad) {
                                *slope = x.fma(g, *slope);
                            }
                        }
                    },
                );
            });
            slopes
        };
        [wanted[0].then(|| self.scaled(grad, factors)), wanted[1].then(slopes)]
    }
}
