//! Lays one grid over another: which crop brings them closest, and how much is then left between
//! them.

use super::grid::{GRID, Levels, details, place, slopes, turned};

/// How far a crop may move an edge, of the side: 5%, and a third more.
const REACH: f32 = 0.068;
/// Cells of the coarse grid, where large crops are found.
const COARSE: usize = GRID / 2;
/// Steps on the coarse and on the fine grid; fewer where they become small.
const STEPS: (usize, usize) = (4, 4);
/// A step this short, of the side, is the last.
const SHORT: f32 = 0.0005;

/// Where the cells of one grid lie on another, a direction each: moved by `shift + stretch *
/// place`, of the side.
#[derive(Clone, Copy, Default)]
struct Crop {
    shift: [f32; 2],
    stretch: [f32; 2],
}

/// A line of cells on another line: the cell before, how far past it (of a cell), and 1, or 0 if it
/// lies outside.
type Line<const N: usize> = [(usize, f32, f32); N];

impl Crop {
    fn line<const N: usize>(&self, axis: usize) -> Line<N> {
        std::array::from_fn(|cell| {
            let moved = self.shift[axis] + self.stretch[axis] * place::<N>(cell);
            let at = cell as f32 + moved * N as f32;
            // Half a cell of the border has the border's level.
            let inside = (-0.5..=N as f32 - 0.5).contains(&at);
            let at = at.clamp(0.0, N as f32 - 1.0);
            let before = (at as usize).min(N - 2);
            (before, at - before as f32, if inside { 1.0 } else { 0.0 })
        })
    }

    fn moved(mut self, step: [f32; 4]) -> Self {
        for axis in 0..2 {
            self.shift[axis] += step[2 * axis];
            self.stretch[axis] += step[2 * axis + 1];
            let scale = (REACH / (self.shift[axis].abs() + self.stretch[axis].abs())).min(1.0);
            self.shift[axis] *= scale;
            self.stretch[axis] *= scale;
        }
        self
    }
}

/// One grid as a crop sees it.
struct Seen<const N: usize> {
    levels: Levels<N>,
    /// 1 where the crop lies on the grid, else 0.
    columns: [f32; N],
    rows: [f32; N],
}

impl<const N: usize> Seen<N> {
    fn of(grid: &Levels<N>, crop: &Crop) -> Self {
        let (across, along) = (crop.line::<N>(0), crop.line::<N>(1));
        let wide = grid.map(|row| {
            across.map(|(before, past, _)| row[before] + past * (row[before + 1] - row[before]))
        });
        let levels = along.map(|(before, past, _)| {
            let (a, b) = (&wide[before], &wide[before + 1]);
            std::array::from_fn(|x| a[x] + past * (b[x] - a[x]))
        });
        Self { levels, columns: across.map(|cell| cell.2), rows: along.map(|cell| cell.2) }
    }
}

/// `steps` of Gauss and Newton (Lucas and Kanade 1981, with the mean of both grids' slopes) from
/// `crop`.
fn aligned<const N: usize>(
    a: &Levels<N>,
    b: &Levels<N>,
    mut crop: Crop,
    steps: usize,
) -> (Crop, Seen<N>) {
    let mut seen = Seen::of(b, &crop);
    for _ in 0..steps {
        let Some(step) = solved(equations(a, &seen)) else { break };
        let step = step.map(|step| step / N as f32);
        crop = crop.moved(step);
        seen = Seen::of(b, &crop);
        if step.iter().all(|step| step.abs() < SHORT) {
            break;
        }
    }
    (crop, seen)
}

/// Matrix (lower triangle) and right-hand side of the step's normal equations.
type Equations = ([[f32; 4]; 4], [f32; 4]);

const LANES: usize = 8;

fn equations<const N: usize>(a: &Levels<N>, seen: &Seen<N>) -> Equations {
    let mean =
        std::array::from_fn(|y| std::array::from_fn(|x| (a[y][x] + seen.levels[y][x]) / 2.0));
    let [right, down] = slopes::<N>(&mean);
    let places: [f32; N] = std::array::from_fn(place::<N>);
    let (mut matrix, mut vector) = ([[0.0; 4]; 4], [0.0; 4]);
    for y in (0..N).filter(|&y| seen.rows[y] > 0.0) {
        let mut sums = [[0.0; LANES]; 9];
        for from in (0..N).step_by(LANES) {
            for lane in 0..LANES {
                let x = from + lane;
                let (right, down) = (seen.columns[x] * right[y][x], seen.columns[x] * down[y][x]);
                let difference = a[y][x] - seen.levels[y][x];
                let wide = right * places[x];
                let terms = [
                    right * right,
                    right * wide,
                    wide * wide,
                    right * down,
                    wide * down,
                    down * down,
                    right * difference,
                    wide * difference,
                    down * difference,
                ];
                for (sum, term) in sums.iter_mut().zip(terms) {
                    sum[lane] += term;
                }
            }
        }
        let [rr, rw, ww, rd, wd, dd, r, w, d] = sums.map(|lanes| lanes.iter().sum::<f32>());
        let tall = places[y];
        let row = [
            [rr, 0.0, 0.0, 0.0],
            [rw, ww, 0.0, 0.0],
            [rd, wd, dd, 0.0],
            [tall * rd, tall * wd, tall * dd, tall * tall * dd],
        ];
        matrix
            .as_flattened_mut()
            .iter_mut()
            .zip(row.as_flattened())
            .for_each(|(sum, term)| *sum += term);
        vector.iter_mut().zip([r, w, d, tall * d]).for_each(|(sum, term)| *sum += term);
    }
    (matrix, vector)
}

/// Solved by Cholesky's factors; none without slopes.
fn solved((mut matrix, mut vector): Equations) -> Option<[f32; 4]> {
    let steepest = (0..4).map(|at| matrix[at][at]).fold(0.0, f32::max);
    for j in 0..4 {
        // So that a direction without slopes is not moved along.
        matrix[j][j] += 1e-3 * steepest - (0..j).map(|k| matrix[j][k].powi(2)).sum::<f32>();
        if matrix[j][j] <= 1e-6 {
            return None;
        }
        matrix[j][j] = matrix[j][j].sqrt();
        for i in j + 1..4 {
            let known = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum::<f32>();
            matrix[i][j] = (matrix[i][j] - known) / matrix[j][j];
        }
    }
    for i in 0..4 {
        let known = (0..i).map(|k| matrix[i][k] * vector[k]).sum::<f32>();
        vector[i] = (vector[i] - known) / matrix[i][i];
    }
    for i in (0..4).rev() {
        let known = (i + 1..4).map(|k| matrix[k][i] * vector[k]).sum::<f32>();
        vector[i] = (vector[i] - known) / matrix[i][i];
    }
    Some(vector)
}

/// Root mean square of the differences where both are seen, in levels.
fn left<const N: usize>(a: &Levels<N>, seen: &Seen<N>) -> f32 {
    let (mut count, mut squares) = (0.0, 0.0);
    for y in (0..N).filter(|&y| seen.rows[y] > 0.0) {
        for x in (0..N).filter(|&x| seen.columns[x] > 0.0) {
            count += 1.0;
            squares += (a[y][x] - seen.levels[y][x]).powi(2);
        }
    }
    (squares / f32::max(count, 1.0)).sqrt()
}

/// What is left between two grids, in levels, once the second is turned by `symmetry` and either is
/// cropped to the other: of the whole or of the details, whichever is more. Infinite if on the
/// coarse grid more than `most` is left.
pub fn difference(
    a: &[[u8; GRID]; GRID],
    b: &[[u8; GRID]; GRID],
    symmetry: usize,
    most: f32,
) -> f32 {
    let a = a.map(|row| row.map(f32::from));
    let b = turned(&b.map(|row| row.map(f32::from)), symmetry);
    let (coarse_a, coarse_b) = (halved(&a), halved(&b));
    let (crop, seen) = aligned(&coarse_a, &coarse_b, Crop::default(), STEPS.0);
    if left(&coarse_a, &seen) > most {
        return f32::INFINITY;
    }
    let (_, seen) = aligned(&a, &b, crop, STEPS.1);
    let whole = left(&a, &seen);
    let levels = details(&seen.levels, &seen.columns, &seen.rows);
    let detail = left(&details(&a, &seen.columns, &seen.rows), &Seen { levels, ..seen });
    whole.max(detail)
}

fn halved(grid: &Levels<GRID>) -> Levels<COARSE> {
    std::array::from_fn(|y| {
        let (top, bottom) = (&grid[2 * y], &grid[2 * y + 1]);
        std::array::from_fn(|x| {
            (top[2 * x] + top[2 * x + 1] + bottom[2 * x] + bottom[2 * x + 1]) / 4.0
        })
    })
}
