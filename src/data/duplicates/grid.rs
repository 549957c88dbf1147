//! The small brightness grid that is kept of an image: its size, its symmetries, its slopes and its
//! details.

/// The grid's width and height. Images of every shape are averaged onto it, so that a turn of the
/// image turns the grid.
pub const GRID: usize = 32;
/// Cells to each side whose mean is taken away for details: skin and its shading are not what tells
/// images apart.
const SURROUNDINGS: usize = 4;

/// Brightness in rows from the top, 0 to 255.
pub type Levels<const N: usize> = [[f32; N]; N];

/// One of the square's eight symmetries: transposed if bit 2 of `symmetry` is set, then columns
/// reversed by bit 0, rows by bit 1.
pub fn turned<const N: usize>(grid: &Levels<N>, symmetry: usize) -> Levels<N> {
    std::array::from_fn(|y| {
        std::array::from_fn(|x| {
            let x = if symmetry & 1 == 0 { x } else { N - 1 - x };
            let y = if symmetry & 2 == 0 { y } else { N - 1 - y };
            if symmetry & 4 == 0 { grid[y][x] } else { grid[x][y] }
        })
    })
}

/// Where the middle of a cell lies: -1 at the grid's one edge, 1 at the other.
pub fn place<const N: usize>(cell: usize) -> f32 {
    (2.0 * cell as f32 + 1.0) / N as f32 - 1.0
}

/// Slopes to the right and downwards, in levels a cell: central differences, one-sided at the
/// edges.
pub fn slopes<const N: usize>(grid: &Levels<N>) -> [Levels<N>; 2] {
    let spans: [(usize, usize); N] =
        std::array::from_fn(|at| (at.saturating_sub(1), (at + 1).min(N - 1)));
    let steepness = |(from, to): (usize, usize), a: f32, b: f32| (b - a) / (to - from) as f32;
    let right = grid.map(|row| spans.map(|span| steepness(span, row[span.0], row[span.1])));
    let down = spans
        .map(|span| std::array::from_fn(|x| steepness(span, grid[span.0][x], grid[span.1][x])));
    [right, down]
}

/// `levels` less the means of their surroundings, of the cells whose weight is 1 and not 0.
pub fn details(levels: &Levels<GRID>, columns: &[f32; GRID], rows: &[f32; GRID]) -> Levels<GRID> {
    let around = |at: usize| at.saturating_sub(SURROUNDINGS)..(at + SURROUNDINGS + 1).min(GRID);
    let mean = |line: &dyn Fn(usize) -> f32, weights: &[f32; GRID], at: usize| {
        let weight = around(at).map(|at| weights[at]).sum::<f32>();
        around(at).map(|at| weights[at] * line(at)).sum::<f32>() / weight.max(1.0)
    };
    let across: Levels<GRID> =
        levels.map(|row| std::array::from_fn(|x| mean(&|at| row[at], columns, x)));
    std::array::from_fn(|y| {
        std::array::from_fn(|x| levels[y][x] - mean(&|at| across[at][x], rows, y))
    })
}
