//! Matrix products whose left operand is read in place through pointers to its rows or columns, so that a convolution needs no
//! im2col: each output row names, per kernel position, the run of channels it multiplies (Dukhan, The Indirect Convolution
//! Algorithm, 2019). The right operand is packed once into panels as wide as two registers. Sums run in one order for each output
//! element, whatever the other rows are.

#![expect(clippy::needless_range_loop, reason = "constant bounds unroll and keep the accumulators in registers")]

use super::element::{Element, copy_strided, for_chunks, uninit};
use pulp::{Arch, Simd, WithSimd};

/// Rows of a register tile: with two registers a row, twelve accumulators of AVX2's sixteen registers.
const TILE: usize = 6;

/// Rows that a transposition handles together, so that the lines it reads and writes stay in the first cache.
pub(super) const CACHED: usize = 32;

/// A `k x n` matrix as consecutive panels of `width` columns, each row-major, zero beyond column `n`.
pub(super) struct Panels<T> {
    data: Vec<T>,
    k: usize,
    n: usize,
    width: usize,
}

struct Width<T>(std::marker::PhantomData<T>);

impl<T: Element> WithSimd for Width<T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * T::lanes::<S>()
    }
}

impl<T: Element> Panels<T> {
    /// Packs with `fill(panels, width, columns)`: the `k x width` elements of each of some panels, and the columns that they hold.
    fn pack(k: usize, n: usize, fill: impl Fn(&mut [T], usize, std::ops::Range<usize>) + Sync + Send) -> Self {
        let width = Arch::new().dispatch(Width::<T>(std::marker::PhantomData));
        let panels = n.div_ceil(width);
        let mut data = uninit(panels * k * width);
        // Few tasks: the hand-over to another thread costs, and rows that are read whole come faster than parts of them.
        let share = if data.len() < 1 << 14 { panels } else { panels.div_ceil(4) }.max(1);
        for_chunks(&mut data, (share * k * width).max(1), |i, part| {
            let first = i * share * width;
            if first + share * width > n && !n.is_multiple_of(width) {
                let last = part.len() - k * width;
                part[last..].fill(T::ZERO);
            }
            fill(part, width, first..(first + share * width).min(n));
        });
        Self { data, k, n, width }
    }

    /// From rows: `row(k)` starts `n` consecutive elements.
    pub fn from_rows<'a>(k: usize, n: usize, row: impl Fn(usize) -> &'a [T] + Sync + Send) -> Self {
        Self::pack(k, n, |part, width, columns| {
            for i in 0..k {
                for (p, from) in row(i)[columns.clone()].chunks(width).enumerate() {
                    part[(p * k + i) * width..][..from.len()].copy_from_slice(from);
                }
            }
        })
    }

    /// From columns `apart` elements from one another in `values`, of `k` elements each, of which element `r * step + i` is row
    /// `i * (k / step) + r` of the matrix; `step = 1` is a plain transposition.
    pub fn from_columns(k: usize, n: usize, step: usize, values: &[T], apart: usize) -> Self {
        let run = k / step;
        Self::pack(k, n, |part, width, columns| {
            for (p, start) in columns.clone().step_by(width).enumerate() {
                let (values, count) = (&values[start * apart..], width.min(columns.end - start));
                for first in (0..run).step_by(CACHED) {
                    for i in 0..step {
                        for r in first..run.min(first + CACHED) {
                            let to = &mut part[(p * k + i * run + r) * width..][..count];
                            copy_strided(to, &values[r * step + i..], apart);
                        }
                    }
                }
            }
        })
    }

    /// From blocks of `n * step` elements, one after the other in `values`: row `t * blocks + b` of the matrix has the elements
    /// `taken[t]`, `step` apart, of block `b`.
    pub fn from_strided(blocks: usize, n: usize, step: usize, taken: &[usize], values: &[T]) -> Self {
        let k = taken.len() * blocks;
        Self::pack(k, n, |part, width, columns| {
            for (b, block) in values.chunks_exact(n * step).enumerate() {
                for (p, start) in columns.clone().step_by(width).enumerate() {
                    for (t, &first) in taken.iter().enumerate() {
                        let to = &mut part[(p * k + t * blocks + b) * width..][..width.min(columns.end - start)];
                        copy_strided(to, &block[start * step + first..], step);
                    }
                }
            }
        })
    }

    /// Rows to give to one task so that its share is worth the hand-over; a function of the shape alone.
    pub fn rows_per_task(&self) -> usize {
        let flops = (2 * self.k * self.n).max(1);
        ((1 << 22) / flops).clamp(2 * TILE, 32 * TILE).next_multiple_of(TILE)
    }
}

/// `out[row] = bias + sum over runs i of left[row][i][..run] * right[i * run..]`, where `left` holds `runs` pointers a row.
pub(super) struct Rows<'a, T> {
    pub left: &'a [*const T],
    pub runs: usize,
    pub run: usize,
    pub right: &'a Panels<T>,
    pub bias: Option<&'a [T]>,
    pub out: &'a [*mut T],
}

impl<T: Element> Rows<'_, T> {
    /// # Safety
    /// Every pointer of `left` is followed by `run` elements, every pointer of `out` by `right.n` that nobody else touches.
    pub unsafe fn run(self) {
        assert!(self.left.len() == self.runs * self.out.len() && self.right.k == self.runs * self.run);
        assert!(self.bias.is_none_or(|b| b.len() == self.right.n));
        Arch::new().dispatch(self);
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, simd: S, row: usize, panel: &[T], column: usize) {
        let lanes = T::lanes::<S>();
        let mut acc = [[T::splat(simd, T::ZERO); 2]; R];
        let mut right = panel.as_ptr();
        for i in 0..self.runs {
            let left: [*const T; R] = std::array::from_fn(|r| self.left[(row + r) * self.runs + i]);
            for c in 0..self.run {
                // SAFETY: `run` elements follow each left pointer; the panel has `runs * run` rows of two registers.
                unsafe {
                    let b0 = load::<T, S>(right);
                    let b1 = load::<T, S>(right.add(lanes));
                    right = right.add(2 * lanes);
                    for r in 0..R {
                        let a = T::splat(simd, *left[r].add(c));
                        acc[r][0] = T::mul_add(simd, a, b0, acc[r][0]);
                        acc[r][1] = T::mul_add(simd, a, b1, acc[r][1]);
                    }
                }
            }
        }
        let width = self.right.width.min(self.right.n - column);
        if width == self.right.width {
            let zero = T::splat(simd, T::ZERO);
            // SAFETY: two registers of biases and of each row's outputs begin at `column`.
            unsafe {
                let bias = self.bias.map_or([zero; 2], |bias| load_pair::<T, S>(bias.as_ptr().add(column)));
                for r in 0..R {
                    store_sums::<T, S>(simd, acc[r], bias, self.out[row + r].add(column));
                }
            }
        } else {
            for (r, sums) in spill::<T, S, R>(acc).iter().enumerate() {
                // SAFETY: `width` elements follow the output pointer.
                let out = unsafe { std::slice::from_raw_parts_mut(self.out[row + r].add(column), width) };
                for (j, (out, &sum)) in out.iter_mut().zip(sums).enumerate() {
                    *out = self.bias.map_or(sum, |bias| sum + bias[column + j]);
                }
            }
        }
    }
}

impl<T: Element> WithSimd for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (p, panel) in panels(self.right).enumerate() {
            let (column, rows) = (p * self.right.width, self.out.len());
            let mut row = 0;
            while row + TILE <= rows {
                self.tile::<S, TILE>(simd, row, panel, column);
                row += TILE;
            }
            match rows - row {
                1 => self.tile::<S, 1>(simd, row, panel, column),
                2 => self.tile::<S, 2>(simd, row, panel, column),
                3 => self.tile::<S, 3>(simd, row, panel, column),
                4 => self.tile::<S, 4>(simd, row, panel, column),
                5 => self.tile::<S, 5>(simd, row, panel, column),
                _ => {}
            }
        }
    }
}

fn panels<T: Element>(right: &Panels<T>) -> impl Iterator<Item = &[T]> {
    // An empty inner dimension still has outputs: zeros.
    (0..right.n.div_ceil(right.width)).map(move |p| &right.data[p * right.k * right.width..(p + 1) * right.k * right.width])
}

/// `out[m][n] += sum over k of left[k][m] * right[k][n]`: the left operand by pointers to its `m` consecutive elements each.
pub(super) struct Transposed<'a, T> {
    pub left: &'a [*const T],
    pub m: usize,
    pub right: &'a Panels<T>,
    /// `m` rows of `stride`, of which the first `right.n` elements are added to.
    pub out: &'a mut [T],
    pub stride: usize,
}

impl<T: Element> Transposed<'_, T> {
    /// # Safety
    /// Every pointer of `left` is followed by `m` elements.
    pub unsafe fn run(self) {
        assert!(self.left.len() == self.right.k && self.right.n <= self.stride);
        assert!(self.m == 0 || self.out.len() >= (self.m - 1) * self.stride + self.right.n);
        Arch::new().dispatch(self);
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&mut self, simd: S, row: usize, panel: &[T], column: usize) {
        let lanes = T::lanes::<S>();
        let mut acc = [[T::splat(simd, T::ZERO); 2]; R];
        let mut right = panel.as_ptr();
        for &left in self.left {
            // SAFETY: `m` elements follow each left pointer; the panel has a row of two registers for each.
            unsafe {
                let b0 = load::<T, S>(right);
                let b1 = load::<T, S>(right.add(lanes));
                right = right.add(2 * lanes);
                let left = left.add(row);
                for r in 0..R {
                    let a = T::splat(simd, *left.add(r));
                    acc[r][0] = T::mul_add(simd, a, b0, acc[r][0]);
                    acc[r][1] = T::mul_add(simd, a, b1, acc[r][1]);
                }
            }
        }
        let width = self.right.width.min(self.right.n - column);
        if width == self.right.width {
            for r in 0..R {
                let start = (row + r) * self.stride + column;
                let out = self.out[start..start + width].as_mut_ptr();
                // SAFETY: the slice holds two registers.
                unsafe { store_sums::<T, S>(simd, acc[r], load_pair::<T, S>(out), out) };
            }
        } else {
            for (r, sums) in spill::<T, S, R>(acc).iter().enumerate() {
                let start = (row + r) * self.stride + column;
                self.out[start..start + width].iter_mut().zip(sums).for_each(|(out, &sum)| *out += sum);
            }
        }
    }
}

impl<T: Element> WithSimd for Transposed<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for (p, panel) in panels(self.right).enumerate() {
            let column = p * self.right.width;
            let mut row = 0;
            while row + TILE <= self.m {
                self.tile::<S, TILE>(simd, row, panel, column);
                row += TILE;
            }
            match self.m - row {
                1 => self.tile::<S, 1>(simd, row, panel, column),
                2 => self.tile::<S, 2>(simd, row, panel, column),
                3 => self.tile::<S, 3>(simd, row, panel, column),
                4 => self.tile::<S, 4>(simd, row, panel, column),
                5 => self.tile::<S, 5>(simd, row, panel, column),
                _ => {}
            }
        }
    }
}

/// Writes `sums + addend` to `out`. Loops that end in this keep their sums in registers, as an address of theirs would not.
///
/// # Safety
/// Two registers of elements follow `out`.
#[inline(always)]
unsafe fn store_sums<T: Element, S: Simd>(simd: S, sums: [T::Vector<S>; 2], addend: [T::Vector<S>; 2], out: *mut T) {
    let out = out.cast::<T::Vector<S>>();
    // SAFETY: as the caller says.
    unsafe {
        out.write_unaligned(T::sum(simd, sums[0], addend[0]));
        out.add(1).write_unaligned(T::sum(simd, sums[1], addend[1]));
    }
}

/// The elements of a tile's sums; no register has more than sixteen.
#[inline(always)]
fn spill<T: Element, S: Simd, const R: usize>(acc: [[T::Vector<S>; 2]; R]) -> [[T; 32]; R] {
    let mut elements = [[T::ZERO; 32]; R];
    for r in 0..R {
        let to = elements[r].as_mut_ptr();
        // SAFETY: a row takes two registers of at most sixteen elements.
        unsafe {
            to.cast::<T::Vector<S>>().write_unaligned(acc[r][0]);
            to.add(T::lanes::<S>()).cast::<T::Vector<S>>().write_unaligned(acc[r][1]);
        }
    }
    elements
}

/// # Safety
/// Two registers of elements follow `from`.
#[inline(always)]
unsafe fn load_pair<T: Element, S: Simd>(from: *const T) -> [T::Vector<S>; 2] {
    unsafe { [load::<T, S>(from), load::<T, S>(from.add(T::lanes::<S>()))] }
}

/// # Safety
/// A register's worth of elements follows `from`.
#[inline(always)]
unsafe fn load<T: Element, S: Simd>(from: *const T) -> T::Vector<S> {
    unsafe { from.cast::<T::Vector<S>>().read_unaligned() }
}
