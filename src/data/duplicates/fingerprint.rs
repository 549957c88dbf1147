//! What is kept of an image to find it again: the digest of its pixels, a small brightness grid,
//! and its lowest frequencies.

use std::f32::consts::PI;
use std::sync::LazyLock;

use super::grid::{GRID, Levels, details, place, slopes};
use crate::data::RgbImage;
use crate::id::Digest;

/// Bytes of a digest.
const DIGEST: usize = 32;
/// Bytes of a fingerprint: those of the digest, then those of the grid.
pub const BYTES: usize = DIGEST + GRID * GRID;
/// Frequencies in each direction, in half periods an image: 0 to 3. A crop of 5% moves an edge by a
/// thirteenth of the highest's period, which is still little enough to be undone by a linear step.
const FREQUENCIES: usize = 4;
/// Coefficients of the cosine transform.
pub const LOW: usize = FREQUENCIES * FREQUENCIES;

/// Coefficients of low frequencies, a row for each vertical one, in levels: their squares sum to a
/// part of the mean square.
pub type Coefficients = [f32; LOW];

/// An image as the search sees it; about 1.5 kB.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    /// Of width, height and every pixel.
    pub digest: Digest,
    pub(super) grid: Box<[[u8; GRID]; GRID]>,
    /// Standard deviation of the grid, in levels.
    pub(super) contrast: f32,
    /// The same of the grid less the means of the cells' surroundings: of edges and texture,
    /// without shading.
    pub(super) detail: f32,
    pub(super) low: Coefficients,
    /// The same for an image and its mirrored and turned versions.
    pub(super) invariant: Coefficients,
    /// Orthonormal, or zero: how the coefficients change when the image's edges move.
    pub(super) tangents: [Coefficients; 4],
}

impl Fingerprint {
    /// Of an image with at least one pixel.
    pub fn of(image: &RgbImage) -> Self {
        Self::from_grid(
            digest(image),
            Box::new(blurred(&averaged(image)).map(|row| row.map(|level| level.round() as u8))),
        )
    }

    fn from_grid(digest: Digest, levels: Box<[[u8; GRID]; GRID]>) -> Self {
        let grid = levels.map(|row| row.map(f32::from));
        let low = transform(&grid);
        Self {
            digest,
            contrast: deviation(&grid),
            detail: deviation(&details(&grid, &[1.0; GRID], &[1.0; GRID])),
            invariant: invariant(&low),
            tangents: tangents(&grid),
            low,
            grid: levels,
        }
    }

    /// What [`Fingerprint::from_bytes`] makes the fingerprint from again.
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let (digest, grid) = bytes.split_at_mut(DIGEST);
        digest.copy_from_slice(self.digest.as_bytes());
        grid.copy_from_slice(self.grid.as_flattened());
        bytes
    }

    /// The fingerprint whose [`Fingerprint::to_bytes`] gave these bytes.
    pub fn from_bytes(bytes: &[u8; BYTES]) -> Self {
        let (digest, grid) = bytes.split_at(DIGEST);
        let mut levels = Box::new([[0; GRID]; GRID]);
        levels.as_flattened_mut().copy_from_slice(grid);
        Self::from_grid(Digest::from_bytes(digest.try_into().expect("split there")), levels)
    }
}

fn deviation(grid: &Levels<GRID>) -> f32 {
    let cells = grid.as_flattened();
    let mean = cells.iter().sum::<f32>() / cells.len() as f32;
    (cells.iter().map(|level| (level - mean).powi(2)).sum::<f32>() / cells.len() as f32).sqrt()
}

fn digest(image: &RgbImage) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&(image.width as u64).to_le_bytes())
        .update(&(image.height as u64).to_le_bytes())
        .update(&image.pixels);
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// For each cell of the grid along a side of `length` pixels the pixels that it covers, each with
/// its share of the cell.
fn coverage(length: usize) -> [Vec<(usize, f32)>; GRID] {
    let width = length as f64 / GRID as f64;
    std::array::from_fn(|cell| {
        let (from, to) = (cell as f64 * width, (cell + 1) as f64 * width);
        let share =
            |pixel: usize| (to.min((pixel + 1) as f64) - from.max(pixel as f64)).max(0.0) / width;
        (from as usize..(to.ceil() as usize).min(length))
            .map(|pixel| (pixel, share(pixel) as f32))
            .collect()
    })
}

/// Means of the brightness (the luma of ITU-R BT.601) over the grid's cells.
fn averaged(image: &RgbImage) -> Levels<GRID> {
    let (columns, rows) = (coverage(image.width), coverage(image.height));
    let mut line = vec![0.0; image.width];
    rows.map(|shares| {
        line.fill(0.0);
        for (y, share) in shares {
            let pixels =
                image.pixels[3 * y * image.width..3 * (y + 1) * image.width].as_chunks::<3>().0;
            for (sum, &[red, green, blue]) in line.iter_mut().zip(pixels) {
                *sum += share
                    * (0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue));
            }
        }
        std::array::from_fn(|column| {
            columns[column].iter().map(|&(x, share)| share * line[x]).sum()
        })
    })
}

/// Smoothed by 1 2 1 in both directions: what is finer does not survive the JPEG file of a small
/// image.
fn blurred(grid: &Levels<GRID>) -> Levels<GRID> {
    let smooth = |line: &dyn Fn(usize) -> f32, at: usize| {
        (line(at.saturating_sub(1)) + 2.0 * line(at) + line((at + 1).min(GRID - 1))) / 4.0
    };
    let across: Levels<GRID> = grid.map(|row| std::array::from_fn(|x| smooth(&|at| row[at], x)));
    std::array::from_fn(|y| std::array::from_fn(|x| smooth(&|at| across[at][x], y)))
}

/// The lowest frequencies of the cosine transform (DCT-II), orthonormal for the mean square.
fn transform(grid: &Levels<GRID>) -> Coefficients {
    static WAVES: LazyLock<[[f32; GRID]; FREQUENCIES]> = LazyLock::new(|| {
        let scale = |frequency: usize| if frequency == 0 { 1.0 } else { 2f32.sqrt() } / GRID as f32;
        let wave = |frequency: usize, x: usize| {
            (PI * frequency as f32 * (x as f32 + 0.5) / GRID as f32).cos()
        };
        std::array::from_fn(|frequency| {
            std::array::from_fn(|x| scale(frequency) * wave(frequency, x))
        })
    });
    let mut low = [0.0; LOW];
    for (y, row) in grid.iter().enumerate() {
        let across: [f32; FREQUENCIES] =
            std::array::from_fn(|u| row.iter().zip(&WAVES[u]).map(|(a, b)| a * b).sum());
        for at in 0..LOW {
            low[at] += WAVES[at / FREQUENCIES][y] * across[at % FREQUENCIES];
        }
    }
    low
}

/// Mirroring changes the sign of odd frequencies, turning swaps the directions. Of what these
/// leave, a vector: no two images are farther apart in it than their coefficients are under the
/// best of the eight symmetries.
fn invariant(low: &Coefficients) -> Coefficients {
    let mut invariant = [0.0; LOW];
    for (v, u) in (0..FREQUENCIES).flat_map(|v| (0..=v).map(move |u| (v, u))) {
        let (here, there) = (v * FREQUENCIES + u, u * FREQUENCIES + v);
        let even = v % 2 == 0 && u % 2 == 0;
        let (a, b) =
            if even { (low[here], low[there]) } else { (low[here].abs(), low[there].abs()) };
        (invariant[here], invariant[there]) = (a.max(b), a.min(b));
    }
    invariant
}

/// The coefficients of the image that `symmetry` makes, as of [`turned`](super::grid::turned).
pub fn turned_low(low: &Coefficients, symmetry: usize) -> Coefficients {
    std::array::from_fn(|at| {
        let (v, u) = (at / FREQUENCIES, at % FREQUENCIES);
        let value = if symmetry & 4 == 0 { low[at] } else { low[u * FREQUENCIES + v] };
        let odd = (symmetry & 1) * u + (symmetry >> 1 & 1) * v;
        if odd.is_multiple_of(2) { value } else { -value }
    })
}

/// Shifts and stretches in both directions, made orthonormal (Gram and Schmidt).
fn tangents(grid: &Levels<GRID>) -> [Coefficients; 4] {
    let [right, down] = slopes(grid);
    let wide = right.map(|row| std::array::from_fn(|x| row[x] * place::<GRID>(x)));
    let tall = std::array::from_fn(|y| down[y].map(|slope| slope * place::<GRID>(y)));
    let mut tangents = [right, wide, down, tall].map(|slope| transform(&slope));
    for index in 0..tangents.len() {
        let (before, from) = tangents.split_at_mut(index);
        before.iter().for_each(|other| take_out(&mut from[0], other));
        let length = dot(&from[0], &from[0]).sqrt();
        // A grid without slopes has no tangent: zeros take nothing away.
        let scale = if length > 1e-3 { 1.0 / length } else { 0.0 };
        from[0].iter_mut().for_each(|value| *value *= scale);
    }
    tangents
}

pub fn dot(a: &Coefficients, b: &Coefficients) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Takes from `vector` what lies along the unit vector `direction`.
pub fn take_out(vector: &mut Coefficients, direction: &Coefficients) {
    let along = dot(vector, direction);
    vector.iter_mut().zip(direction).for_each(|(value, direction)| *value -= along * direction);
}
