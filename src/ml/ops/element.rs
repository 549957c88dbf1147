//! The two number types of the kernels, their vectors, and f32 exponential and error functions that
//! compilers vectorise.

use candle_core::{WithDType, cpu::erf::erf_f64};
use pulp::{Arch, Simd, WithSimd};

/// `f32` or `f64`. Vector functions must be called under `pulp::Arch::dispatch`, scalar ones
/// vectorise there too.
pub(super) trait Element: WithDType + std::ops::Neg<Output = Self> {
    /// A register of these on the instruction set `S`.
    type Vector<S: Simd>: Copy;
    const ZERO: Self;
    const ONE: Self;

    /// `self a + b`.
    fn fma(self, a: Self, b: Self) -> Self;
    fn exp(self) -> Self;
    fn erf(self) -> Self;
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    fn sum<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a b + c`.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;

    /// Elements in a register of `S`.
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }

    /// The literal `value` rounded to this type.
    #[inline(always)]
    fn of(value: f64) -> Self {
        Self::from_f64(value)
    }
}

impl Element for f32 {
    type Vector<S: Simd> = S::f32s;
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    /// Cephes' `expf`: `2^n P(r)` with `r = x - n ln 2` in two parts; relative error below 2e-7 on
    /// [-87.3, 88.3], clamped outside. NaN stays NaN.
    #[inline(always)]
    fn exp(self) -> Self {
        const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the nearest integer in the low mantissa bits
        let x = if self < -87.3 { -87.3 } else { self };
        let x = if x > 88.3 { 88.3 } else { x };
        let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, x));
        let p = 1.987_569_1e-4_f32
            .mul_add(r, 1.398_199_9e-3)
            .mul_add(r, 8.333_452e-3)
            .mul_add(r, 4.166_579_6e-2);
        let p = p.mul_add(r, 1.666_666_5e-1).mul_add(r, 0.5).mul_add(r * r, r + 1.0);
        p * f32::from_bits(shifted.to_bits().wrapping_shl(23).wrapping_add(127 << 23))
    }

    /// The rational approximation of Eigen's `erf` for f32, `x P(x^2) / Q(x^2)` on [-4, 4];
    /// absolute error below 3e-7.
    #[inline(always)]
    fn erf(self) -> Self {
        let x = if self < -4.0 { -4.0 } else { self };
        let x = if x > 4.0 { 4.0 } else { x };
        let s = x * x;
        let p = (-2.726_142_3e-10_f32)
            .mul_add(s, 2.770_681_4e-8)
            .mul_add(s, -2.101_024e-6)
            .mul_add(s, -5.692_506_4e-5);
        let p = p.mul_add(s, -7.349_906_3e-4).mul_add(s, -2.954_6e-3).mul_add(s, -1.609_603_3e-2);
        let q = (-1.456_607_2e-5_f32)
            .mul_add(s, -2.133_740_6e-4)
            .mul_add(s, -1.682_827e-3)
            .mul_add(s, -7.373_329_2e-3);
        x * p / q.mul_add(s, -1.426_473_9e-2)
    }

    #[inline(always)]
    fn splat<S: Simd>(simd: S, value: Self) -> S::f32s {
        simd.splat_f32s(value)
    }

    #[inline(always)]
    fn sum<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
        simd.add_f32s(a, b)
    }

    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(a, b, c)
    }
}

impl Element for f64 {
    type Vector<S: Simd> = S::f64s;
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn erf(self) -> Self {
        erf_f64(self)
    }

    #[inline(always)]
    fn splat<S: Simd>(simd: S, value: Self) -> S::f64s {
        simd.splat_f64s(value)
    }

    #[inline(always)]
    fn sum<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.add_f64s(a, b)
    }

    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        simd.mul_add_e_f64s(a, b, c)
    }
}

/// # Safety
/// A register's worth of elements follows `from`.
#[inline(always)]
pub(super) unsafe fn load<T: Element, S: Simd>(from: *const T) -> T::Vector<S> {
    unsafe { from.cast::<T::Vector<S>>().read_unaligned() }
}

struct Vectorised<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Vectorised<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Runs `f` compiled for the best instruction set at hand. `f` must be `#[inline(always)]` and
/// change something it captures: the `call_once` and `call_mut` that the compiler derives for other
/// closures are not always inlined, and run without the set.
#[inline(always)]
pub(super) fn vectorised<R>(f: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Vectorised(f))
}

/// `n` elements to be overwritten before they are read.
#[expect(clippy::uninit_vec, reason = "zeroing costs as much as many of the kernels")]
pub(super) fn uninit<T: Element>(n: usize) -> Vec<T> {
    let mut values = Vec::with_capacity(n);
    // SAFETY: every bit pattern is a float, and callers write each element before it is read.
    unsafe {
        values.set_len(n);
    }
    values
}

/// `to[i] = from[i * apart]`: a row of a transposition.
#[inline(always)]
pub(super) fn copy_strided<T: Element>(to: &mut [T], from: &[T], apart: usize) {
    assert!(to.is_empty() || (to.len() - 1) * apart < from.len());
    let mut from = from.as_ptr();
    for to in to {
        // SAFETY: no further than the element that was just looked for.
        *to = unsafe { *from };
        from = from.wrapping_add(apart);
    }
}

/// Runs `f` on consecutive chunks of `out`, in parallel; `f` gets the chunk's number.
pub(super) fn for_chunks<T: Element>(
    out: &mut [T],
    chunk: usize,
    f: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    use rayon::prelude::*;
    if out.len() <= chunk {
        if !out.is_empty() {
            f(0, out);
        }
    } else {
        out.par_chunks_mut(chunk).enumerate().for_each(|(i, part)| f(i, part));
    }
}

/// `parts` consecutive rows of `n` summed in order into one.
pub(super) fn sum_rows<T: Element>(rows: &[T], n: usize) -> Vec<T> {
    let mut total = vec![T::ZERO; n];
    vectorised(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(n) {
                for (t, &r) in total.iter_mut().zip(row) {
                    *t += r;
                }
            }
        },
    );
    total
}

/// Sums of each of `n` columns, over fixed blocks of rows whose totals are added in order.
pub(super) fn column_sums<T: Element>(values: &[T], n: usize) -> Vec<T> {
    const ROWS: usize = 256;
    let mut parts = uninit(values.len().div_ceil(ROWS * n) * n);
    let block = |i: usize, part: &mut [T]| {
        part.copy_from_slice(&sum_rows(
            &values[i * ROWS * n..values.len().min((i + 1) * ROWS * n)],
            n,
        ));
    };
    if values.len() < 1 << 15 {
        parts.chunks_exact_mut(n).enumerate().for_each(|(i, part)| block(i, part));
    } else {
        for_chunks(&mut parts, n, block);
    }
    sum_rows(&parts, n)
}

/// A pointer that tasks share, each to write elements of its own.
#[derive(Clone, Copy)]
pub(super) struct Shared<T>(*mut T);

// SAFETY: users write disjoint elements, as `at` demands.
unsafe impl<T: Send> Sync for Shared<T> {}
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    pub fn new(values: &mut [T]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// # Safety
    /// `offset` lies in the slice, and no two tasks use one element.
    pub unsafe fn at(&self, offset: usize) -> *mut T {
        unsafe { self.0.add(offset) }
    }
}
