//! Inpainting masks: 1 where the model paints, 0 where the image is kept.

use candle_core::{Device, Result, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::seed::Seed;

/// Distribution of training masks: one rectangle or ellipse an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Share of rectangles; the others are ellipses.
    pub rectangles: f64,
    /// The least and the largest side, in sides of the image; uniform between them.
    pub sides: [f64; 2],
}

impl Distribution {
    /// As the authors tuned their inpainting models.
    pub const AUTHORS: Self = Self { rectangles: 0.5, sides: [0.0, 1.0] };
}

/// A mask over a square image, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    size: usize,
    painted: Vec<bool>,
}

impl Mask {
    fn from_fn(size: usize, painted: impl Fn(usize, usize) -> bool) -> Self {
        let painted = (0..size * size).map(|at| painted(at / size, at % size)).collect();
        Self { size, painted }
    }

    /// The first pass: the centre square, [128, 384) of 512 pixels.
    pub fn centre(size: usize) -> Self {
        let inside = size / 4..size - size / 4;
        Self::from_fn(size, |row, column| inside.contains(&row) && inside.contains(&column))
    }

    /// The second pass: the surroundings, [16, 496) of 512 pixels without the centre; a thin border
    /// is kept.
    pub fn surroundings(size: usize) -> Self {
        let border = (size * 16).div_ceil(512);
        let inside = border..size - border;
        let centre = Self::centre(size);
        Self::from_fn(size, |row, column| {
            inside.contains(&row)
                && inside.contains(&column)
                && !centre.painted[row * size + column]
        })
    }

    /// Training's mask, anywhere it fits.
    pub fn random(size: usize, distribution: &Distribution, seed: &Seed) -> Self {
        let mut rng = seed.rng();
        let [least, most] = distribution.sides.map(|side| (side * size as f64).round() as usize);
        let (height, width) = (rng.random_range(least..=most), rng.random_range(least..=most));
        let (top, left) = (rng.random_range(0..=size - height), rng.random_range(0..=size - width));
        if rng.random_bool(distribution.rectangles) {
            return Self::from_fn(size, |row, column| {
                (top..top + height).contains(&row) && (left..left + width).contains(&column)
            });
        }
        let distance = |at: usize, start: usize, length: usize| {
            (2.0 * (at as f64 + 0.5 - start as f64) / length.max(1) as f64 - 1.0).powi(2)
        };
        Self::from_fn(size, |row, column| {
            distance(row, top, height) + distance(column, left, width) <= 1.0
        })
    }

    /// Whether the model paints the pixel at `row` and `column`.
    pub fn is_painted(&self, row: usize, column: usize) -> bool {
        self.painted[row * self.size + column]
    }

    /// The share of the image that is painted.
    pub fn share(&self) -> f64 {
        self.painted.iter().filter(|&&painted| painted).count() as f64 / self.painted.len() as f64
    }

    /// Nearest-neighbour reduction to the latents' side, as [side, side, 1] values of 0 and 1.
    fn latent_values(&self, side: usize) -> impl Iterator<Item = f32> + '_ {
        let scale = self.size / side;
        (0..side * side).map(move |at| {
            f32::from(u8::from(self.is_painted(at / side * scale, at % side * scale)))
        })
    }
}

/// `masks` as [B, side, side, 1] for the UNet's input.
pub fn latent_masks(masks: &[Mask], side: usize) -> Result<Tensor> {
    let values = masks.iter().flat_map(|mask| mask.latent_values(side)).collect::<Vec<_>>();
    Tensor::from_vec(values, (masks.len(), side, side, 1), &Device::Cpu)
}

/// `images` [B, H, W, 3] in [-1, 1] with the painted part set to 0, as diffusers masks them.
pub fn masked_images(images: &Tensor, masks: &[Mask]) -> Result<Tensor> {
    let (count, height, width, _) = images.dims4()?;
    let keep = masks
        .iter()
        .flat_map(|mask| mask.painted.iter().map(|&painted| if painted { 0f32 } else { 1.0 }));
    images.broadcast_mul(&Tensor::from_vec(
        keep.collect::<Vec<_>>(),
        (count, height, width, 1),
        &Device::Cpu,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_passes_meet_without_overlap_and_keep_the_border() {
        for size in [32, 64, 512] {
            let (centre, around) = (Mask::centre(size), Mask::surroundings(size));
            assert_eq!(centre.share(), 0.25);
            let border = size / 32;
            let kept = (2 * border * size + 2 * border * (size - 2 * border)) as f64
                / (size * size) as f64;
            assert!((centre.share() + around.share() + kept - 1.0).abs() < 1e-12, "{size}");
            assert!(
                !around.is_painted(size / 2, size / 2)
                    && !around.is_painted(0, 0)
                    && around.is_painted(border, border)
            );
        }
    }

    #[test]
    fn random_masks_cover_a_quarter_on_average_or_less() {
        let root = Seed::of_study(7);
        let shares = (0..400)
            .map(|index| Mask::random(32, &Distribution::AUTHORS, &root.nth(index)).share())
            .collect::<Vec<_>>();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        assert!((0.15..0.3).contains(&mean), "{mean}");
        assert!(
            shares.iter().any(|&share| share > 0.7) && shares.iter().any(|&share| share < 0.02)
        );
        let squares = Distribution { rectangles: 1.0, sides: [0.5, 0.5] };
        assert!((0..20).all(|index| Mask::random(32, &squares, &root.nth(index)).share() == 0.25));
    }
}
