//! The transforms of DreamBooth's training images in the study: torchvision's RandomResizedCrop,
//! ColorJitter and horizontal flip.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::seed::Seed;

/// Magnitudes, with the meaning of torchvision's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The crop's least and largest part of the image's area.
    pub scale: [f64; 2],
    /// The crop's least and largest width over height.
    pub ratio: [f64; 2],
    /// Brightness, contrast and saturation are scaled by U(1 - j, 1 + j), the hue is turned by
    /// U(-j, j) of a circle; j below 0.5.
    pub jitter: f64,
    /// Chance of a horizontal flip.
    pub flip_p: f64,
}

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Crop {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

/// Writes `image` (`height x width x 3`, values in [0, 1]) as transformed by what `seed` draws to
/// `output` of the same size.
///
/// # Panics If a slice is not of that size.
pub fn augment(
    image: &[f32],
    height: usize,
    width: usize,
    config: &Config,
    seed: &Seed,
    output: &mut [f32],
) {
    assert_eq!(
        (image.len(), output.len()),
        (height * width * 3, height * width * 3),
        "image and output are {height}x{width}x3"
    );
    let crop = draw_crop(height, width, config, &mut seed.child("crop").rng());
    let flip = seed.child("flip").rng().random::<f64>() < config.flip_p;
    resize(image, width, crop, flip, height, output);
    if config.jitter > 0.0 {
        jitter(output.as_chunks_mut().0, config.jitter, &mut seed.child("colour").rng());
    }
}

/// `RandomResizedCrop.get_params`: ten attempts at a crop that fits, else the largest centred one
/// of an allowed ratio.
fn draw_crop(height: usize, width: usize, config: &Config, rng: &mut impl Rng) -> Crop {
    let area = (height * width) as f64;
    let [least, largest] = config.ratio;
    for _ in 0..10 {
        let target = area * rng.random_range(config.scale[0]..=config.scale[1]);
        let ratio = rng.random_range(least.ln()..=largest.ln()).exp();
        let (w, h) = (
            (target * ratio).sqrt().round_ties_even() as usize,
            (target / ratio).sqrt().round_ties_even() as usize,
        );
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let (top, left) = (rng.random_range(0..=height - h), rng.random_range(0..=width - w));
            return Crop { top, left, height: h, width: w };
        }
    }
    let present = width as f64 / height as f64;
    let (w, h) = if present < least {
        (width, (width as f64 / least).round_ties_even() as usize)
    } else if present > largest {
        ((height as f64 * largest).round_ties_even() as usize, height)
    } else {
        (width, height)
    };
    let (w, h) = (w.clamp(1, width), h.clamp(1, height));
    Crop { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
}

/// Bilinear, pixel areas aligned (`align_corners=False`); `flip` mirrors the result. A crop is at
/// most as large as the image, so nothing is shrunk and no antialiasing takes place.
fn resize(image: &[f32], stride: usize, crop: Crop, flip: bool, height: usize, output: &mut [f32]) {
    let pixels: &[[f32; 3]] = image.as_chunks().0;
    let columns: Vec<_> = (0..stride)
        .map(|x| taps(if flip { stride - 1 - x } else { x }, stride, crop.width))
        .collect();
    for (y, row) in output.as_chunks_mut::<3>().0.chunks_exact_mut(stride).enumerate() {
        let (top, bottom, fy) = taps(y, height, crop.height);
        let line = |at: usize| &pixels[(crop.top + at) * stride + crop.left..][..crop.width];
        let (above, below) = (line(top), line(bottom));
        for (pixel, &(left, right, fx)) in row.iter_mut().zip(&columns) {
            for (k, value) in pixel.iter_mut().enumerate() {
                let upper = above[left][k] + fx * (above[right][k] - above[left][k]);
                let lower = below[left][k] + fx * (below[right][k] - below[left][k]);
                *value = (upper + fy * (lower - upper)).clamp(0.0, 1.0);
            }
        }
    }
}

/// The two source pixels of `inner` for pixel `at` of `outer`, and the weight of the second.
fn taps(at: usize, outer: usize, inner: usize) -> (usize, usize, f32) {
    let place =
        ((at as f64 + 0.5) * inner as f64 / outer as f64 - 0.5).clamp(0.0, (inner - 1) as f64);
    let before = place as usize;
    (before, (before + 1).min(inner - 1), (place - before as f64) as f32)
}

/// `ColorJitter` with one strength for all four, in random order.
fn jitter(pixels: &mut [[f32; 3]], strength: f64, rng: &mut impl Rng) {
    let mut order = [0, 1, 2, 3];
    order.shuffle(rng);
    let mut factor = || (1.0 + strength * rng.random_range(-1.0..=1.0)) as f32;
    let (brightness, contrast, saturation, hue) = (factor(), factor(), factor(), factor() - 1.0);
    for step in order {
        match step {
            0 => pixels.iter_mut().for_each(|pixel| blend(pixel, 0.0, brightness)),
            1 => {
                let mean = pixels.iter().map(|pixel| f64::from(grey(pixel))).sum::<f64>()
                    / pixels.len() as f64;
                pixels.iter_mut().for_each(|pixel| blend(pixel, mean as f32, contrast));
            }
            2 => pixels.iter_mut().for_each(|pixel| blend(pixel, grey(pixel), saturation)),
            _ => pixels.iter_mut().for_each(|pixel| turn_hue(pixel, hue)),
        }
    }
}

fn grey([r, g, b]: &[f32; 3]) -> f32 {
    0.2989 * r + 0.587 * g + 0.114 * b
}

fn blend(pixel: &mut [f32; 3], other: f32, factor: f32) {
    *pixel = pixel.map(|v| (factor * v + (1.0 - factor) * other).clamp(0.0, 1.0));
}

/// Adds `turn` (of a circle) to the hue, saturation and value kept.
fn turn_hue(pixel: &mut [f32; 3], turn: f32) {
    let [r, g, b] = *pixel;
    let (value, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = value - least;
    if chroma == 0.0 {
        return;
    }
    let sixth = if value == r {
        (g - b) / chroma
    } else if value == g {
        2.0 + (b - r) / chroma
    } else {
        4.0 + (r - g) / chroma
    };
    // `%` would call fmodf; a turn is less than half a circle.
    let wrap = |hue: f32| {
        if hue < 0.0 {
            hue + 6.0
        } else if hue >= 6.0 {
            hue - 6.0
        } else {
            hue
        }
    };
    let hue = wrap(sixth + 6.0 * turn);
    // Red, green and blue are the same trapezoid of the hue, a third of a circle apart.
    *pixel = [5.0, 3.0, 1.0].map(|offset| {
        let place = wrap(hue + offset);
        (value - chroma * place.min(4.0 - place).clamp(0.0, 1.0)).clamp(0.0, 1.0)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the study fine-tuned its generators.
    const DREAMBOOTH: Config =
        Config { scale: [0.9, 1.1], ratio: [0.9, 1.1], jitter: 0.05, flip_p: 0.5 };

    const SIZE: usize = 32;
    const NONE: Config = Config { scale: [1.0; 2], ratio: [1.0; 2], jitter: 0.0, flip_p: 0.0 };

    fn image() -> Vec<f32> {
        let mut rng = Seed::of_study(5).rng();
        (0..SIZE * SIZE * 3).map(|_| rng.random_range(0.0..=1.0f32)).collect()
    }

    fn augmented(config: &Config, item: u64) -> Vec<f32> {
        let mut output = vec![f32::NAN; SIZE * SIZE * 3];
        augment(&image(), SIZE, SIZE, config, &Seed::of_study(7).nth(item), &mut output);
        output
    }

    #[test]
    fn nothing_drawn_changes_nothing() {
        assert_eq!(augmented(&NONE, 0), image());
    }

    #[test]
    fn each_part_alone_is_seeded_and_keeps_the_range() {
        for config in [
            Config { scale: [0.7, 0.9], ..NONE },
            Config { jitter: 0.05, ..NONE },
            Config { flip_p: 1.0, ..NONE },
            DREAMBOOTH,
        ] {
            let output = augmented(&config, 3);
            assert_eq!(output, augmented(&config, 3));
            assert_ne!(output, image(), "{config:?}");
            assert!(output.iter().all(|v| (0.0..=1.0).contains(v)), "{config:?}");
        }
    }

    #[test]
    fn crops_fit_and_vary() {
        let mut rng = Seed::of_study(1).rng();
        let crops: Vec<Crop> = (0..200).map(|_| draw_crop(32, 32, &DREAMBOOTH, &mut rng)).collect();
        assert!(crops.iter().all(|c| c.top + c.height <= 32
            && c.left + c.width <= 32
            && c.height >= 28
            && c.width >= 28));
        assert!(crops.iter().any(|c| c.width < 31) && crops.iter().any(|c| c.top > 0));
        let wide = draw_crop(10, 100, &Config { scale: [1.0; 2], ..DREAMBOOTH }, &mut rng);
        assert_eq!(wide, Crop { top: 0, left: 44, height: 10, width: 11 });
    }

    /// Values of Python's colorsys: hue of (0.8, 0.4, 0.2) turned by a third and by 0.05.
    #[test]
    fn hue_turns() {
        for (turn, expected) in [
            (1.0 / 3.0, [0.2, 0.8, 0.4]),
            (0.05, [0.8, 0.58, 0.2]),
            (-0.1, [0.8, 0.2, 0.36]),
            (0.0, [0.8, 0.4, 0.2]),
        ] {
            let mut pixel = [0.8, 0.4, 0.2];
            turn_hue(&mut pixel, turn);
            assert!(
                pixel.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-5),
                "{turn}: {pixel:?}"
            );
        }
    }
}
