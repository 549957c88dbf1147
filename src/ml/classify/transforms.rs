//! fastai's `aug_transforms`: flip, warp, rotation and zoom as one projective map and one bilinear
//! resample with reflection padding, then brightness and contrast in logit space.
//!
//! The resample is `grid_sample` with `align_corners`. fastai shrinks its input first where the
//! output is less than half its size; here both are of one size.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::seed::Seed;

/// Chances (0 to 1) and magnitudes, with the meaning of `aug_transforms`' arguments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Chance of a horizontal flip.
    pub flip_p: f64,
    /// Chance of each of warp (along x and along y apart), rotation and zoom.
    pub affine_p: f64,
    /// Chance of each of brightness and contrast.
    pub lighting_p: f64,
    /// Perspective: corners move by up to this part of half the image, below 1.
    pub max_warp: f64,
    /// Largest rotation either way, in degrees.
    pub max_rotate: f64,
    /// Largest magnification, at least 1, about a random centre.
    pub max_zoom: f64,
    /// Brightness: the logit of U(0.5 (1 - m), 0.5 (1 + m)) is added; contrast: a factor from 1 - m
    /// to 1 / (1 - m); m below 1.
    pub max_lighting: f64,
}

impl Config {
    /// `aug_transforms()` with its default arguments, as the study used it.
    pub const FASTAI: Self = Self {
        flip_p: 0.5,
        affine_p: 0.75,
        lighting_p: 0.75,
        max_warp: 0.2,
        max_rotate: 10.0,
        max_zoom: 1.1,
        max_lighting: 0.2,
    };
}

/// The transform of one image as numbers, with the meaning of the `draw` arguments of fastai's
/// transforms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Whether left and right change places.
    pub flip: bool,
    /// Perspective along x and y: how far the corners move, in halves of the image, between -1 and
    /// 1.
    pub warp: [f64; 2],
    /// Degrees.
    pub rotate: f64,
    /// Magnification, above 0.
    pub zoom: f64,
    /// The place that zooming leaves where it is, from the image's left (top) edge, 0, to its right
    /// (bottom) one, 1.
    pub centre: [f64; 2],
    /// The new value of mid-grey, between 0 and 1: its logit is added to each value's.
    pub brightness: f64,
    /// Factor on each value's logit after that.
    pub contrast: f64,
}

impl Parameters {
    /// Leaves an image as it is.
    pub const NEUTRAL: Self = Self {
        flip: false,
        warp: [0.0; 2],
        rotate: 0.0,
        zoom: 1.0,
        centre: [0.5; 2],
        brightness: 0.5,
        contrast: 1.0,
    };

    /// The parameters that `seed` stands for. Each draws from a stream of its own.
    pub fn draw(config: &Config, seed: &Seed) -> Self {
        let unless = |name: &str, p: f64, neutral: f64, draw: &dyn Fn(f64) -> f64| {
            let mut rng = seed.child(name).rng();
            if rng.random::<f64>() < p { draw(rng.random()) } else { neutral }
        };
        let symmetric = |magnitude: f64| move |u: f64| magnitude * (2.0 * u - 1.0);
        let warp = |name| unless(name, config.affine_p, 0.0, &symmetric(config.max_warp));
        let centre = |name| unless(name, 1.0, 0.5, &|u| u);
        let log_contrast = unless("contrast", config.lighting_p, 0.0, &|u| {
            symmetric(-(1.0 - config.max_lighting).log2())(u)
        });
        Self {
            flip: unless("flip", config.flip_p, 0.0, &|_| 1.0) == 1.0,
            warp: ["warp x", "warp y"].map(warp),
            rotate: unless("rotate", config.affine_p, 0.0, &symmetric(config.max_rotate)),
            zoom: unless("zoom", config.affine_p, 1.0, &|u| 1.0 + (config.max_zoom - 1.0) * u),
            centre: ["zoom x", "zoom y"].map(centre),
            brightness: unless("brightness", config.lighting_p, 0.5, &|u| {
                0.5 * (1.0 + symmetric(config.max_lighting)(u))
            }),
            contrast: log_contrast.exp2(),
        }
    }
}

/// Rows of a projective map of the plane.
type Homography = [[f64; 3]; 3];

const IDENTITY: Homography = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// The transform of one image, ready to be applied. Places are in [-1, 1] between the centres of
/// the outermost pixels, as `grid_sample` has them with `align_corners`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    /// From places in the output towards places in the input; lengths along x and y are those of a
    /// square image.
    affine: Homography,
    /// Applied after that.
    warp: Homography,
    /// Added to the logit of a value.
    brightness: f64,
    /// Factor on the logit after that.
    contrast: f64,
}

impl Transform {
    /// The transform of given parameters.
    pub fn new(parameters: &Parameters) -> Self {
        let Parameters { flip, warp: [warp_x, warp_y], rotate, zoom, centre, brightness, contrast } =
            *parameters;
        let (sin, cos) = rotate.to_radians().sin_cos();
        let rotation = [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]];
        let scale = 1.0 / zoom;
        let [x, y] = centre.map(|share| (1.0 - scale) * (2.0 * share - 1.0));
        let mut affine = product(&rotation, &[[scale, 0.0, x], [0.0, scale, y], [0.0, 0.0, 1.0]]);
        if flip {
            affine[0] = affine[0].map(|v| -v);
        }
        let warp =
            if (warp_x, warp_y) == (0.0, 0.0) { IDENTITY } else { perspective(warp_x, warp_y) };
        Self { affine, warp, brightness: (brightness / (1.0 - brightness)).ln(), contrast }
    }

    /// The transform that `seed` stands for.
    pub fn draw(config: &Config, seed: &Seed) -> Self {
        Self::new(&Parameters::draw(config, seed))
    }

    /// From places in the output to places in an input of this size. As in fastai, a rotation keeps
    /// angles by the pixel.
    fn map(&self, height: usize, width: usize) -> Homography {
        let mut map = self.affine;
        map[0][1] *= height as f64 / width as f64;
        map[1][0] *= width as f64 / height as f64;
        if self.warp == IDENTITY { map } else { product(&self.warp, &map) }
    }

    /// Writes the transformed `image` (`height x width x 3`, values in [0, 1]) to `output` of the
    /// same size.
    ///
    /// # Panics If a slice is not of that size.
    pub fn apply(&self, image: &[f32], height: usize, width: usize, output: &mut [f32]) {
        assert_eq!(
            (image.len(), output.len()),
            (height * width * 3, height * width * 3),
            "image and output are {height}x{width}x3"
        );
        let map = self.map(height, width);
        if map == IDENTITY {
            output.copy_from_slice(image);
        } else {
            resample(image, height, width, &map, output);
        }
        if (self.brightness, self.contrast) != (0.0, 1.0) {
            relight(self.brightness as f32, self.contrast as f32, output);
        }
    }
}

/// The map that fastai's `Warp` with these magnitudes samples through: it takes the corners of a
/// trapezium to the image's corners.
fn perspective(x: f64, y: f64) -> Homography {
    let corners = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]];
    let moved =
        [[-1.0 - y, -1.0 - x], [-1.0 + y, 1.0 + x], [1.0 + y, -1.0 + x], [1.0 - y, 1.0 - x]];
    let mut system = [[0.0; 9]; 8];
    for (i, ([tx, ty], [sx, sy])) in corners.into_iter().zip(moved).enumerate() {
        system[2 * i] = [sx, sy, 1.0, 0.0, 0.0, 0.0, -tx * sx, -tx * sy, tx];
        system[2 * i + 1] = [0.0, 0.0, 0.0, sx, sy, 1.0, -ty * sx, -ty * sy, ty];
    }
    let [a, b, c, d, e, f, g, h] = solve(system);
    [[a, b, c], [d, e, f], [g, h, 1.0]]
}

/// Gauss-Jordan elimination with partial pivoting of eight equations, the right-hand side last.
fn solve(mut rows: [[f64; 9]; 8]) -> [f64; 8] {
    for column in 0..8 {
        let pivot = (column..8)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))
            .unwrap_or(column);
        rows.swap(column, pivot);
        let lead = rows[column].map(|v| v / rows[column][column]);
        for (at, row) in rows.iter_mut().enumerate() {
            let factor = if at == column { 0.0 } else { row[column] };
            row.iter_mut().zip(lead).for_each(|(v, l)| *v -= factor * l);
        }
        rows[column] = lead;
    }
    rows.map(|row| row[8])
}

fn product(a: &Homography, b: &Homography) -> Homography {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

fn resample(image: &[f32], height: usize, width: usize, map: &Homography, output: &mut [f32]) {
    let half = |size: usize| (size.max(2) - 1) as f64 / 2.0;
    let (half_h, half_w) = (half(height), half(width));
    let to_unit = [[1.0 / half_w, 0.0, -1.0], [0.0, 1.0 / half_h, -1.0], [0.0, 0.0, 1.0]];
    let to_pixel = [[half_w, 0.0, half_w], [0.0, half_h, half_h], [0.0, 0.0, 1.0]];
    let map = product(&to_pixel, &product(map, &to_unit)).map(|row| row.map(|v| v as f32));
    let pixels: &[[f32; 3]] = image.as_chunks().0;
    for (y, row) in output.as_chunks_mut::<3>().0.chunks_exact_mut(width).enumerate() {
        let [at_x, at_y, at_z] = map.map(|[_, per_y, constant]| per_y * y as f32 + constant);
        for (x, pixel) in row.iter_mut().enumerate() {
            let depth = 1.0 / (map[2][0] * x as f32 + at_z);
            let (left, right, fx) = neighbours((map[0][0] * x as f32 + at_x) * depth, width);
            let (top, bottom, fy) = neighbours((map[1][0] * x as f32 + at_y) * depth, height);
            let corner = |y: usize, x: usize| &pixels[y * width + x];
            let (a, b, c, d) = (
                corner(top, left),
                corner(top, right),
                corner(bottom, left),
                corner(bottom, right),
            );
            for k in 0..3 {
                let (above, below) = (a[k] + fx * (b[k] - a[k]), c[k] + fx * (d[k] - c[k]));
                pixel[k] = (above + fy * (below - above)).clamp(0.0, 1.0);
            }
        }
    }
}

/// The two pixels around `place` and the weight of the second, after reflection about the centres
/// of the first and last pixel.
fn neighbours(place: f32, size: usize) -> (usize, usize, f32) {
    let last = (size - 1) as f32;
    let mut place = place.abs();
    if place > last {
        let period = (2.0 * last).max(1.0);
        place %= period;
        place = place.min(period - place).min(last);
    }
    // A NaN, from a vanishing depth, becomes 0 here.
    let before = (place as usize).min(size - 1);
    (before, (before + 1).min(size - 1), place - before as f32)
}

/// `sigmoid(contrast (logit(v) + brightness))` of each value, values being kept 1e-7 away from 0
/// and 1 as in fastai.
fn relight(brightness: f32, contrast: f32, values: &mut [f32]) {
    const MARGIN: f32 = 1e-7;
    let factor = (-contrast * brightness).exp();
    for value in values {
        let v = value.clamp(MARGIN, 1.0 - MARGIN);
        let odds = (1.0 - v) / v;
        *value = 1.0
            / (1.0 + factor * if contrast == 1.0 { odds } else { (contrast * odds.ln()).exp() });
    }
}

#[cfg(test)]
mod tests;
