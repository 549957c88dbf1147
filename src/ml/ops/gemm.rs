//! Matrix products whose left operand is read in place through pointers to its rows or columns, so
//! that a convolution needs no im2col: each output row names, per kernel position, the run of
//! channels it multiplies (Dukhan, The Indirect Convolution Algorithm, 2019). The right operand is
//! packed once into panels as wide as two registers. Sums run in one order for each output element,
//! whatever the other rows are.

#![expect(
    clippy::needless_range_loop,
    reason = "constant bounds unroll and keep the accumulators in registers"
)]

use super::element::{Element, copy_strided, for_chunks, load, uninit};
use pulp::{Arch, Simd, WithSimd};

/// Rows of a register tile: with two registers a row, twelve accumulators of AVX2's sixteen
/// registers.
const TILE: usize = 6;
/// The same for AVX-512's thirty-two, which the registers of 64 bytes come with.
const WIDE_TILE: usize = 12;

/// Rows that a transposition handles together, so that the lines it reads and writes stay in the
/// first cache.
pub(super) const CACHED: usize = 32;

/// A `k x n` matrix as consecutive panels of `width` columns, each row-major, zero beyond column
/// `n`.
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
    /// Packs with `fill(panels, width, columns)`: the `k x width` elements of each of some panels,
    /// and the columns that they hold.
    fn pack(
        k: usize,
        n: usize,
        fill: impl Fn(&mut [T], usize, std::ops::Range<usize>) + Sync + Send,
    ) -> Self {
        let width = Arch::new().dispatch(Width::<T>(std::marker::PhantomData));
        let panels = n.div_ceil(width);
        let mut data = uninit(panels * k * width);
        // Few tasks: the hand-over to another thread costs, and rows that are read whole come
        // faster than parts of them.
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

    /// From columns `apart` elements from one another in `values`, of `k` elements each, of which
    /// element `r * step + i` is row `i * (k / step) + r` of the matrix; `step = 1` is a plain
    /// transposition.
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

    /// From blocks of `n * step` elements, one after the other in `values`: row `t * blocks + b` of
    /// the matrix has the elements `taken[t]`, `step` apart, of block `b`.
    pub fn from_strided(
        blocks: usize,
        n: usize,
        step: usize,
        taken: &[usize],
        values: &[T],
    ) -> Self {
        let k = taken.len() * blocks;
        Self::pack(k, n, |part, width, columns| {
            for (b, block) in values.chunks_exact(n * step).enumerate() {
                for (p, start) in columns.clone().step_by(width).enumerate() {
                    for (t, &first) in taken.iter().enumerate() {
                        let to = &mut part[(p * k + t * blocks + b) * width..]
                            [..width.min(columns.end - start)];
                        let from = &block[start * step + first..];
                        if step == 1 {
                            to.copy_from_slice(&from[..to.len()])
                        } else {
                            copy_strided(to, from, step)
                        }
                    }
                }
            }
        })
    }

    /// Rows to give to one task so that its share is worth the hand-over; a function of the shape
    /// alone.
    pub fn rows_per_task(&self) -> usize {
        let flops = (2 * self.k * self.n).max(1);
        ((1 << 22) / flops).clamp(2 * TILE, 32 * TILE).next_multiple_of(WIDE_TILE)
    }
}

/// `out[row] = bias + sum over runs i of left[row][i][..run] * right[i * run..]`, where `left`
/// holds `runs` pointers a row.
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
    /// Every pointer of `left` is followed by `run` elements, every pointer of `out` by `right.n`
    /// that nobody else touches.
    pub unsafe fn run(self) {
        assert!(
            self.left.len() == self.runs * self.out.len() && self.right.k == self.runs * self.run
        );
        assert!(self.bias.is_none_or(|b| b.len() == self.right.n));
        Arch::new().dispatch(self);
    }
}

impl<T: Element> Tiled<T> for Rows<'_, T> {
    #[inline(always)]
    fn rows(&self) -> usize {
        self.out.len()
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const W: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: &[T],
        column: usize,
    ) {
        let lanes = T::lanes::<S>();
        let mut acc = [[T::splat(simd, T::ZERO); 2]; R];
        let mut right = panel.as_ptr();
        for i in 0..self.runs {
            let left: [*const T; R] = std::array::from_fn(|r| self.left[(row + r) * self.runs + i]);
            for c in 0..self.run {
                // SAFETY: `run` elements follow each left pointer; the panel has `runs * run` rows
                // of two registers.
                unsafe {
                    let b0 = load::<T, S>(right);
                    let b1 = load::<T, S>(right.add(lanes));
                    right = right.add(2 * lanes);
                    for r in 0..R {
                        let a = T::splat(simd, *left[r].add(c));
                        acc[r][0] = T::mul_add(simd, a, b0, acc[r][0]);
                        if W == 2 {
                            acc[r][1] = T::mul_add(simd, a, b1, acc[r][1]);
                        }
                    }
                }
            }
        }
        let width = self.right.width.min(self.right.n - column);
        if width == W * lanes {
            let zero = T::splat(simd, T::ZERO);
            // SAFETY: so many registers of biases and of each row's outputs begin at `column`.
            unsafe {
                let bias = match self.bias {
                    Some(bias) => load_some::<T, S, W>(simd, bias.as_ptr().add(column)),
                    None => [zero; 2],
                };
                for r in 0..R {
                    store_sums::<T, S, W>(simd, acc[r], bias, self.out[row + r].add(column));
                }
            }
        } else {
            for (r, sums) in spill::<T, S, R>(acc).iter().enumerate() {
                // SAFETY: `width` elements follow the output pointer.
                let out =
                    unsafe { std::slice::from_raw_parts_mut(self.out[row + r].add(column), width) };
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
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.all(simd, self.right);
    }
}

/// A product that is made tile by tile, the sums of a tile in registers.
trait Tiled<T: Element> {
    fn rows(&self) -> usize;

    /// `R` rows by `W` registers of columns.
    fn tile<S: Simd, const R: usize, const W: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: &[T],
        column: usize,
    );

    #[inline(always)]
    fn sweep<S: Simd, const W: usize>(&mut self, simd: S, panel: &[T], column: usize) {
        let rows = self.rows();
        let mut row = 0;
        while wide::<T, S>() && row + WIDE_TILE <= rows {
            self.tile::<S, WIDE_TILE, W>(simd, row, panel, column);
            row += WIDE_TILE;
        }
        while row + TILE <= rows {
            self.tile::<S, TILE, W>(simd, row, panel, column);
            row += TILE;
        }
        match rows - row {
            1 => self.tile::<S, 1, W>(simd, row, panel, column),
            2 => self.tile::<S, 2, W>(simd, row, panel, column),
            3 => self.tile::<S, 3, W>(simd, row, panel, column),
            4 => self.tile::<S, 4, W>(simd, row, panel, column),
            5 => self.tile::<S, 5, W>(simd, row, panel, column),
            _ => {}
        }
    }

    /// All tiles, panel by panel.
    #[inline(always)]
    fn all<S: Simd>(&mut self, simd: S, right: &Panels<T>) {
        for (p, panel) in panels(right).enumerate() {
            let column = p * right.width;
            match right.n - column <= T::lanes::<S>() {
                true => self.sweep::<S, 1>(simd, panel, column),
                false => self.sweep::<S, 2>(simd, panel, column),
            }
        }
    }
}

/// Whether the registers of `S` are those that there are thirty-two of.
#[inline(always)]
fn wide<T: Element, S: Simd>() -> bool {
    size_of::<T::Vector<S>>() == 64
}

fn panels<T: Element>(right: &Panels<T>) -> impl Iterator<Item = &[T]> {
    // An empty inner dimension still has outputs: zeros.
    (0..right.n.div_ceil(right.width))
        .map(move |p| &right.data[p * right.k * right.width..(p + 1) * right.k * right.width])
}

/// `out[m][n] += sum over k of left[k][m] * right[k][n]`, or, `afresh`, `out = 0 + ...`: the left
/// operand by pointers to its `m` consecutive elements each, `out` row by row. In parallel.
///
/// # Safety
/// Every pointer of `left` is followed by `m` elements.
pub(super) unsafe fn add_products<T: Element>(
    left: &[*const T],
    m: usize,
    right: &Panels<T>,
    out: &mut [T],
    afresh: bool,
) {
    assert!(left.len() == right.k && out.len() == m * right.n);
    let (left, share) = (Columns(left), right.rows_per_task());
    for_chunks(out, (share * right.n).max(1), |task, out| {
        // Whole, so that what is captured may be shared between threads.
        let Columns(left) = { left };
        Arch::new().dispatch(Transposed {
            left,
            first: task * share,
            m: out.len() / right.n,
            right,
            out,
            afresh,
        });
    });
}

/// Pointers to elements that tasks read.
#[derive(Clone, Copy)]
struct Columns<'a, T>(&'a [*const T]);

// SAFETY: they are read only.
unsafe impl<T: Sync> Sync for Columns<'_, T> {}
unsafe impl<T: Sync> Send for Columns<'_, T> {}

/// [`add_products`] for rows from `first` on.
struct Transposed<'a, T> {
    left: &'a [*const T],
    first: usize,
    m: usize,
    right: &'a Panels<T>,
    out: &'a mut [T],
    afresh: bool,
}

impl<T: Element> Tiled<T> for Transposed<'_, T> {
    #[inline(always)]
    fn rows(&self) -> usize {
        self.m
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const W: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: &[T],
        column: usize,
    ) {
        let lanes = T::lanes::<S>();
        let zero = T::splat(simd, T::ZERO);
        let mut acc = [[zero; 2]; R];
        let mut right = panel.as_ptr();
        for &left in self.left {
            // SAFETY: `m` elements follow each left pointer; the panel has a row of two registers
            // for each.
            unsafe {
                let b0 = load::<T, S>(right);
                let b1 = load::<T, S>(right.add(lanes));
                right = right.add(2 * lanes);
                let left = left.add(self.first + row);
                for r in 0..R {
                    let a = T::splat(simd, *left.add(r));
                    acc[r][0] = T::mul_add(simd, a, b0, acc[r][0]);
                    if W == 2 {
                        acc[r][1] = T::mul_add(simd, a, b1, acc[r][1]);
                    }
                }
            }
        }
        let width = self.right.width.min(self.right.n - column);
        if width == W * lanes {
            for r in 0..R {
                let start = (row + r) * self.right.n + column;
                let out = self.out[start..start + width].as_mut_ptr();
                // SAFETY: the slice holds so many registers.
                unsafe {
                    let addend =
                        if self.afresh { [zero; 2] } else { load_some::<T, S, W>(simd, out) };
                    store_sums::<T, S, W>(simd, acc[r], addend, out);
                }
            }
        } else {
            for (r, sums) in spill::<T, S, R>(acc).iter().enumerate() {
                let start = (row + r) * self.right.n + column;
                let afresh = self.afresh;
                let add =
                    |(out, &sum): (&mut T, &T)| *out = if afresh { T::ZERO } else { *out } + sum;
                self.out[start..start + width].iter_mut().zip(sums).for_each(add);
            }
        }
    }
}

impl<T: Element> WithSimd for Transposed<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.all(simd, self.right);
    }
}

/// Writes the first `W` of `sums + addend` to `out`. Loops that end in this keep their sums in
/// registers, as an address of theirs would not.
///
/// # Safety
/// `W` registers of elements follow `out`.
#[inline(always)]
unsafe fn store_sums<T: Element, S: Simd, const W: usize>(
    simd: S,
    sums: [T::Vector<S>; 2],
    addend: [T::Vector<S>; 2],
    out: *mut T,
) {
    let out = out.cast::<T::Vector<S>>();
    // SAFETY: as the caller says.
    unsafe {
        out.write_unaligned(T::sum(simd, sums[0], addend[0]));
        if W == 2 {
            out.add(1).write_unaligned(T::sum(simd, sums[1], addend[1]));
        }
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

/// `W` registers from `from`, and zeros.
///
/// # Safety
/// `W` registers of elements follow `from`.
#[inline(always)]
unsafe fn load_some<T: Element, S: Simd, const W: usize>(
    simd: S,
    from: *const T,
) -> [T::Vector<S>; 2] {
    // SAFETY: as the caller says.
    unsafe {
        let second =
            if W == 2 { load::<T, S>(from.add(T::lanes::<S>())) } else { T::splat(simd, T::ZERO) };
        [load::<T, S>(from), second]
    }
}
