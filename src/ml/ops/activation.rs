//! Pointwise functions, those that follow a normalisation among them, and the gated GELU.

use super::element::{Element, for_chunks, uninit, vectorised};
use super::kernel::Kernel;
use candle_core::Shape;

/// Elements a task handles.
const CHUNK: usize = 1 << 14;

/// An activation, applied to a normalised value in the same pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x`.
    None,
    /// `x * sigmoid(x)`.
    Silu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(super) fn logistic<T: Element>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

#[inline(always)]
pub(super) fn silu<T: Element>(x: T) -> T {
    x * logistic(x)
}

/// Derivative of SiLU.
#[inline(always)]
pub(super) fn silu_slope<T: Element>(x: T) -> T {
    let s = logistic(x);
    s * (x * (T::ONE - s) + T::ONE)
}

#[inline(always)]
pub(super) fn relu6<T: Element>(x: T) -> T {
    let (zero, six) = (T::ZERO, T::of(6.0));
    // NaN stays NaN.
    if x < zero {
        zero
    } else if x > six {
        six
    } else {
        x
    }
}

/// Derivative of ReLU6; 0 at both kinks, as in PyTorch.
#[inline(always)]
pub(super) fn relu6_slope<T: Element>(x: T) -> T {
    if x > T::ZERO && x < T::of(6.0) { T::ONE } else { T::ZERO }
}

/// The normal distribution function.
#[inline(always)]
fn normal_cdf<T: Element>(x: T) -> T {
    (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf()) * T::of(0.5)
}

#[inline(always)]
fn gelu_slope<T: Element>(x: T) -> T {
    let density = (x * x * T::of(-0.5)).exp()
        * T::of(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
    x * density + normal_cdf(x)
}

fn map<T: Element>(x: &[T], f: impl Fn(T) -> T + Sync + Send) -> Vec<T> {
    let mut y = uninit(x.len());
    for_chunks(&mut y, CHUNK, |i, y| {
        vectorised(
            #[inline(always)]
            || {
                for (y, &x) in y.iter_mut().zip(&x[i * CHUNK..]) {
                    *y = f(x);
                }
            },
        );
    });
    y
}

fn map2<T: Element>(x: &[T], g: &[T], f: impl Fn(T, T) -> T + Sync + Send) -> Vec<T> {
    let mut y = uninit(x.len());
    for_chunks(&mut y, CHUNK, |i, y| {
        vectorised(
            #[inline(always)]
            || {
                for ((y, &x), &g) in y.iter_mut().zip(&x[i * CHUNK..]).zip(&g[i * CHUNK..]) {
                    *y = f(x, g);
                }
            },
        );
    });
    y
}

/// A pointwise function.
#[derive(Clone, Copy)]
pub(super) enum Pointwise {
    Silu,
    Gelu,
    QuickGelu,
    Sigmoid,
}

/// A pointwise function of a tensor of this shape.
pub(super) struct Map {
    pub function: Pointwise,
    pub shape: Shape,
}

/// CLIP's constant.
const QUICK: f64 = 1.702;

impl Kernel<1> for Map {
    const NAME: &'static str = "activation";

    fn output_shape(&self) -> Shape {
        self.shape.clone()
    }

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Vec<T> {
        let quick = T::of(QUICK);
        match self.function {
            Pointwise::Silu => map(
                x,
                #[inline(always)]
                |x| silu(x),
            ),
            Pointwise::Gelu => map(
                x,
                #[inline(always)]
                |x| x * normal_cdf(x),
            ),
            Pointwise::QuickGelu => map(
                x,
                #[inline(always)]
                |x| x * logistic(quick * x),
            ),
            Pointwise::Sigmoid => map(
                x,
                #[inline(always)]
                |x| logistic(x),
            ),
        }
    }

    fn backward<T: Element>(
        &self,
        [x]: [&[T]; 1],
        y: &[T],
        grad: &[T],
        _: [bool; 1],
    ) -> [Option<Vec<T>>; 1] {
        let quick = T::of(QUICK);
        [Some(match self.function {
            Pointwise::Silu => map2(
                x,
                grad,
                #[inline(always)]
                |x, g| g * silu_slope(x),
            ),
            Pointwise::Gelu => map2(
                x,
                grad,
                #[inline(always)]
                |x, g| g * gelu_slope(x),
            ),
            Pointwise::QuickGelu => map2(
                x,
                grad,
                #[inline(always)]
                |x, g| g * silu_slope(quick * x),
            ),
            Pointwise::Sigmoid => map2(
                y,
                grad,
                #[inline(always)]
                |y, g| g * y * (T::ONE - y),
            ),
        })]
    }
}

/// The gated GELU on rows of twice `half` elements.
pub(super) struct Geglu {
    pub half: usize,
    pub output: Shape,
}

impl Geglu {
    fn rows(&self) -> usize {
        CHUNK.div_ceil(2 * self.half.max(1))
    }
}

impl Kernel<1> for Geglu {
    const NAME: &'static str = "geglu";

    fn output_shape(&self) -> Shape {
        self.output.clone()
    }

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Vec<T> {
        let (mut y, half, rows) = (uninit(x.len() / 2), self.half, self.rows());
        for_chunks(&mut y, rows * half, |i, y| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y
                        .chunks_exact_mut(half)
                        .zip(x[i * rows * 2 * half..].chunks_exact(2 * half))
                    {
                        let (a, b) = x.split_at(half);
                        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                            *y = a * (b * normal_cdf(b));
                        }
                    }
                },
            );
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
        let (mut dx, half, rows) = (uninit(x.len()), self.half, self.rows());
        for_chunks(&mut dx, rows * 2 * half, |i, dx| {
            vectorised(
                #[inline(always)]
                || {
                    let (x, grad) = (
                        x[i * rows * 2 * half..].chunks_exact(2 * half),
                        grad[i * rows * half..].chunks_exact(half),
                    );
                    for ((dx, x), grad) in dx.chunks_exact_mut(2 * half).zip(x).zip(grad) {
                        let ((da, db), (a, b)) = (dx.split_at_mut(half), x.split_at(half));
                        for ((((da, db), &a), &b), &g) in
                            da.iter_mut().zip(db).zip(a).zip(b).zip(grad)
                        {
                            *da = g * (b * normal_cdf(b));
                            *db = g * a * gelu_slope(b);
                        }
                    }
                },
            );
        });
        [Some(dx)]
    }
}
