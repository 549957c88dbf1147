//! Multi-head attention, one head of one item a task; the probabilities are made again in the
//! backward pass.

use super::element::{Element, Shared, uninit, vectorised};
use super::gemm::{Panels, Rows, add_products};
use super::kernel::Kernel;
use candle_core::{Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Queries whose scores are held at a time.
const BLOCK: usize = 96;

/// Shapes of one attention: `queries` and `keys` tokens of `heads * width` channels.
pub(super) struct Attention {
    batch: usize,
    queries: usize,
    keys: usize,
    heads: usize,
    width: usize,
    causal: bool,
}

/// The tokens of one head: rows of `width` elements, `stride` apart.
#[derive(Clone, Copy)]
struct Head<'a, T> {
    values: &'a [T],
    stride: usize,
    width: usize,
}

impl<'a, T: Element> Head<'a, T> {
    fn row(&self, i: usize) -> &'a [T] {
        &self.values[i * self.stride..i * self.stride + self.width]
    }

    fn pointers(&self, rows: std::ops::Range<usize>) -> Vec<*const T> {
        rows.map(|i| self.row(i).as_ptr()).collect()
    }
}

/// A head's tokens to write, through a pointer that the tasks of other heads share.
#[derive(Clone, Copy)]
struct Target<T> {
    shared: Shared<T>,
    offset: usize,
    stride: usize,
}

impl<T: Element> Target<T> {
    fn pointers(&self, rows: std::ops::Range<usize>) -> Vec<*mut T> {
        // SAFETY: rows are of this head and item, which one task handles.
        rows.map(|i| unsafe { self.shared.at(self.offset + i * self.stride) }).collect()
    }

    fn copy_from(&self, values: &[T], width: usize) {
        let rows = values.chunks_exact(width);
        for (to, row) in self.pointers(0..rows.len()).into_iter().zip(rows) {
            // SAFETY: `width` elements of this task follow each pointer.
            unsafe { std::slice::from_raw_parts_mut(to, width) }.copy_from_slice(row);
        }
    }
}

/// `left right` for rows given by pointers to `run` elements, into `out` rows.
///
/// # Safety
/// `run` elements follow each left pointer, and as many as `right` has columns each out pointer.
unsafe fn product<T: Element>(left: &[*const T], run: usize, right: &Panels<T>, out: &[*mut T]) {
    unsafe { Rows { left, runs: 1, run, right, bias: None, out }.run() }
}

fn row_pointers<T>(values: &mut [T], width: usize) -> Vec<*mut T> {
    values.chunks_exact_mut(width).map(|row| row.as_mut_ptr()).collect()
}

fn const_row_pointers<T>(values: &[T], width: usize) -> Vec<*const T> {
    values.chunks_exact(width).map(|row| row.as_ptr()).collect()
}

#[inline(always)]
fn lanes_fold<T: Element>(values: &[T], start: T, f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [start; 16];
    let chunks = values.chunks_exact(16);
    let rest = chunks.remainder().iter().fold(start, |a, &b| f(a, b));
    for chunk in chunks {
        for i in 0..16 {
            lanes[i] = f(lanes[i], chunk[i]);
        }
    }
    lanes.into_iter().fold(rest, f)
}

/// Softmax of the first `seen` scores of a row; the rest become zero.
#[inline(always)]
fn softmax<T: Element>(row: &mut [T], seen: usize) {
    let (row, hidden) = row.split_at_mut(seen);
    hidden.fill(T::ZERO);
    let highest = lanes_fold(
        row,
        row[0],
        #[inline(always)]
        |a, b| if b > a { b } else { a },
    );
    row.iter_mut().for_each(|s| *s = (*s - highest).exp());
    let inverse = T::ONE
        / lanes_fold(
            row,
            T::ZERO,
            #[inline(always)]
            |a, b| a + b,
        );
    row.iter_mut().for_each(|s| *s *= inverse);
}

impl Attention {
    pub fn new(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Self> {
        let (batch, queries, d) = q.dims3()?;
        let (_, keys, _) = k.dims3()?;
        let fits = k.dims() == [batch, keys, d] && v.dims() == k.dims();
        if !fits || keys == 0 || heads == 0 || d % heads != 0 || (causal && queries > keys) {
            let shapes = (q.shape(), k.shape(), v.shape());
            bail!("attention: q, k, v {shapes:?} do not fit {heads} heads, causal {causal}");
        }
        Ok(Self { batch, queries, keys, heads, width: d / heads, causal })
    }

    fn head<'a, T: Element>(&self, values: &'a [T], tokens: usize, task: usize) -> Head<'a, T> {
        let d = self.heads * self.width;
        Head { values: &values[self.offset(tokens, task)..], stride: d, width: self.width }
    }

    fn offset(&self, tokens: usize, task: usize) -> usize {
        task / self.heads * tokens * self.heads * self.width + task % self.heads * self.width
    }

    fn target<T: Element>(&self, shared: Shared<T>, tokens: usize, task: usize) -> Target<T> {
        Target { shared, offset: self.offset(tokens, task), stride: self.heads * self.width }
    }

    fn scale(&self) -> f64 {
        (self.width as f64).sqrt().recip()
    }

    fn blocks(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let queries = self.queries;
        (0..queries).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(queries))
    }

    /// The rows of probabilities of some queries of one head; `keys_by_column` is already scaled.
    fn probabilities<T: Element>(
        &self,
        q: Head<T>,
        rows: std::ops::Range<usize>,
        keys_by_column: &Panels<T>,
        p: &mut [T],
    ) {
        // SAFETY: rows of `q` have `width` elements, rows of `p` one for each key.
        unsafe {
            product(
                &q.pointers(rows.clone()),
                self.width,
                keys_by_column,
                &row_pointers(p, self.keys),
            )
        };
        vectorised(
            #[inline(always)]
            || {
                for (i, row) in rows.clone().zip(p.chunks_exact_mut(self.keys)) {
                    softmax(row, if self.causal { i + 1 } else { self.keys });
                }
            },
        );
    }

    fn scaled_keys<T: Element>(&self, k: Head<T>) -> Panels<T> {
        let scale = T::of(self.scale());
        let mut scaled = uninit(self.keys * self.width);
        for (j, to) in scaled.chunks_exact_mut(self.width).enumerate() {
            to.iter_mut().zip(k.row(j)).for_each(|(to, &k)| *to = k * scale);
        }
        Panels::from_columns(self.width, self.keys, 1, &scaled, self.width)
    }

    fn head_forward<T: Element>(&self, q: Head<T>, k: Head<T>, v: Head<T>, out: Target<T>) {
        let keys_by_column = self.scaled_keys(k);
        let values = Panels::from_rows(self.keys, self.width, |j| v.row(j));
        let mut p = uninit(BLOCK.min(self.queries) * self.keys);
        for rows in self.blocks() {
            let p = &mut p[..rows.len() * self.keys];
            self.probabilities(q, rows.clone(), &keys_by_column, p);
            // SAFETY: rows of `p` have an element for each key, rows of the output `width`.
            unsafe {
                product(&const_row_pointers(p, self.keys), self.keys, &values, &out.pointers(rows))
            };
        }
    }

    fn head_backward<T: Element>(
        &self,
        [q, k, v, grad]: [Head<T>; 4],
        [dq, dk, dv]: [Target<T>; 3],
    ) {
        let (keys, width) = (self.keys, self.width);
        let keys_by_column = self.scaled_keys(k);
        let values_by_column = Panels::from_columns(width, keys, 1, v.values, v.stride);
        let keys_by_row = Panels::from_rows(keys, width, |j| k.row(j));
        let (mut p, mut dp) =
            (uninit(BLOCK.min(self.queries) * keys), uninit(BLOCK.min(self.queries) * keys));
        let (mut sum_dk, mut sum_dv) = (vec![T::ZERO; keys * width], vec![T::ZERO; keys * width]);
        for rows in self.blocks() {
            let (p, dp) = (&mut p[..rows.len() * keys], &mut dp[..rows.len() * keys]);
            self.probabilities(q, rows.clone(), &keys_by_column, p);
            // SAFETY: rows of the gradient have `width` elements, rows of `dp` one for each key.
            unsafe {
                product(
                    &grad.pointers(rows.clone()),
                    width,
                    &values_by_column,
                    &row_pointers(dp, keys),
                )
            };
            let grads = Panels::from_rows(rows.len(), width, |i| grad.row(rows.start + i));
            let queries = Panels::from_rows(rows.len(), width, |i| q.row(rows.start + i));
            // SAFETY: rows of `p` and `dp` have an element for each key.
            unsafe {
                add_products(&const_row_pointers(p, keys), keys, &grads, &mut sum_dv, false);
            }
            score_gradients(p, dp, keys, T::of(self.scale()));
            // SAFETY: as above; rows of `dq` have `width` elements.
            unsafe {
                let left = &const_row_pointers(dp, keys);
                add_products(left, keys, &queries, &mut sum_dk, false);
                product(left, keys, &keys_by_row, &dq.pointers(rows));
            }
        }
        dk.copy_from(&sum_dk, width);
        dv.copy_from(&sum_dv, width);
    }

    fn tasks(&self, task: impl Fn(usize) + Sync + Send) {
        (0..self.batch * self.heads).into_par_iter().for_each(task);
    }
}

/// Turns the gradients of probabilities into those of the unscaled scores: `scale p (dp - sum of p
/// dp)` in each row.
fn score_gradients<T: Element>(p: &[T], dp: &mut [T], keys: usize, scale: T) {
    vectorised(
        #[inline(always)]
        || {
            for (p, dp) in p.chunks_exact(keys).zip(dp.chunks_exact_mut(keys)) {
                dp.iter_mut().zip(p).for_each(|(d, &p)| *d *= p);
                let sum = lanes_fold(
                    dp,
                    T::ZERO,
                    #[inline(always)]
                    |a, b| a + b,
                );
                dp.iter_mut().zip(p).for_each(|(d, &p)| *d = scale * (*d - p * sum));
            }
        },
    );
}

impl Kernel<3> for Attention {
    const NAME: &'static str = "attention";

    fn output_shape(&self) -> Shape {
        Shape::from((self.batch, self.queries, self.heads * self.width))
    }

    fn forward<T: Element>(&self, [q, k, v]: [&[T]; 3]) -> Vec<T> {
        let mut out = uninit(q.len());
        let shared = Shared::new(&mut out);
        self.tasks(|i| {
            let [q, k, v] = [(q, self.queries), (k, self.keys), (v, self.keys)]
                .map(|(t, n)| self.head(t, n, i));
            self.head_forward(q, k, v, self.target(shared, self.queries, i));
        });
        out
    }

    fn backward<T: Element>(
        &self,
        [q, k, v]: [&[T]; 3],
        _: &[T],
        grad: &[T],
        _: [bool; 3],
    ) -> [Option<Vec<T>>; 3] {
        let (mut dq, mut dk, mut dv) = (uninit(q.len()), uninit(k.len()), uninit(v.len()));
        let shared = [(&mut dq, self.queries), (&mut dk, self.keys), (&mut dv, self.keys)]
            .map(|(t, n)| (Shared::new(t), n));
        self.tasks(|i| {
            let inputs = [(q, self.queries), (k, self.keys), (v, self.keys), (grad, self.queries)];
            self.head_backward(
                inputs.map(|(t, n)| self.head(t, n, i)),
                shared.map(|(t, n)| self.target(t, n, i)),
            );
        });
        [Some(dq), Some(dk), Some(dv)]
    }
}
