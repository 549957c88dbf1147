//! Pictures of any shape to squares of one size, or to frames of one shorter side: what of them is
//! kept, and the resampling.
//!
//! The resampling is Pillow's `resize` with BILINEAR, to the bit: a triangle filter that widens
//! with the reduction, so that nothing is skipped (torchvision calls it antialiased), over columns
//! first and rows then, in fixed point, rounded to bytes after each.

use super::RgbImage;
use crate::vocabulary::Fit;

/// Bits behind the point of a weight: Pillow's `PRECISION_BITS`.
const PRECISION: u32 = 32 - 8 - 2;

/// The picture as a square of `size` pixels. Panics where the picture or the square has no pixel.
pub fn fit(image: &RgbImage, size: usize, fit: Fit) -> RgbImage {
    let RgbImage { width, height, .. } = *image;
    assert!(width > 0 && height > 0 && size > 0, "{width} x {height} pixels to {size}");
    match fit {
        Fit::Squish => resize(image, Area { left: 0, top: 0, width, height }, size, size),
        Fit::Crop => {
            let side = width.min(height);
            resize(
                image,
                Area {
                    left: (width - side) / 2,
                    top: (height - side) / 2,
                    width: side,
                    height: side,
                },
                size,
                size,
            )
        }
        Fit::Pad => {
            let longest = width.max(height);
            let scaled = |side: usize| ((2 * side * size + longest) / (2 * longest)).max(1);
            let inner = resize(
                image,
                Area { left: 0, top: 0, width, height },
                scaled(width),
                scaled(height),
            );
            let mut square = RgbImage::new(size, size);
            let (left, top) = ((size - inner.width) / 2, (size - inner.height) / 2);
            for row in 0..inner.height {
                let at = 3 * ((top + row) * size + left);
                square.pixels[at..at + 3 * inner.width]
                    .copy_from_slice(&inner.pixels[3 * row * inner.width..][..3 * inner.width]);
            }
            square
        }
    }
}

/// How many times as long as the shorter side a frame's longer one is at most.
const LONGEST: usize = 4;

/// The picture with a shorter side of `side` pixels, from which squares may be taken anywhere along
/// the longer side. That is at most four times as long: what lies further out is cut off. Panics
/// where picture or side has no pixel.
pub fn frame(image: &RgbImage, side: usize) -> RgbImage {
    let RgbImage { width, height, .. } = *image;
    assert!(width > 0 && height > 0 && side > 0, "{width} x {height} pixels to {side}");
    let shorter = width.min(height);
    let [kept_width, kept_height] = [width, height].map(|length| length.min(LONGEST * shorter));
    let area = Area {
        left: (width - kept_width) / 2,
        top: (height - kept_height) / 2,
        width: kept_width,
        height: kept_height,
    };
    let scaled = |length: usize| (2 * length * side + shorter) / (2 * shorter);
    resize(image, area, scaled(kept_width), scaled(kept_height))
}

/// A rectangle of a picture.
#[derive(Clone, Copy)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

fn resize(image: &RgbImage, area: Area, width: usize, height: usize) -> RgbImage {
    let row = |y: usize| {
        &image.pixels[3 * ((area.top + y) * image.width + area.left)..][..3 * area.width]
    };
    let columns = taps(area.width, width);
    let mut narrow = vec![0; 3 * width * area.height];
    for (y, line) in narrow.chunks_exact_mut(3 * width).enumerate() {
        let source = row(y);
        if area.width == width {
            line.copy_from_slice(source);
            continue;
        }
        for (pixel, tap) in line.as_chunks_mut::<3>().0.iter_mut().zip(&columns) {
            let mut sums = [1 << (PRECISION - 1); 3];
            let texels = source[3 * tap.first..].as_chunks::<3>().0;
            for (texel, weight) in texels.iter().zip(&tap.weights) {
                (0..3).for_each(|channel| sums[channel] += i32::from(texel[channel]) * weight);
            }
            *pixel = sums.map(to_byte);
        }
    }
    if area.height == height {
        return RgbImage { width, height, pixels: narrow };
    }
    let mut pixels = Vec::with_capacity(3 * width * height);
    for tap in taps(area.height, height) {
        let mut sums = vec![1 << (PRECISION - 1); 3 * width];
        for (line, weight) in narrow.chunks_exact(3 * width).skip(tap.first).zip(&tap.weights) {
            sums.iter_mut().zip(line).for_each(|(sum, byte)| *sum += i32::from(*byte) * weight);
        }
        pixels.extend(sums.into_iter().map(to_byte));
    }
    RgbImage { width, height, pixels }
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The sources of one pixel along an axis: the first, and the fixed-point weight of it and each
/// that follows.
struct Tap {
    first: usize,
    weights: Vec<i32>,
}

/// Pillow's `precompute_coeffs` for the triangle filter.
fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let tap = |index: usize| {
        let centre = (index as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let weight = |at: usize| (1.0 - ((at as f64 - centre + 0.5) / reach).abs()).max(0.0);
        let weights = (first..end).map(weight).collect::<Vec<_>>();
        let sum = weights.iter().sum::<f64>();
        let fixed = |weight: &f64| (weight / sum * f64::from(1 << PRECISION) + 0.5) as i32;
        Tap { first, weights: weights.iter().map(fixed).collect() }
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: usize, height: usize) -> RgbImage {
        let value = |at: usize| {
            [at % width * 255 / width, at / width * 255 / height, (at * 7) % 256]
                .map(|value| value as u8)
        };
        RgbImage { width, height, pixels: (0..width * height).flat_map(value).collect() }
    }

    #[test]
    fn what_is_kept_is_as_the_study_says() {
        let wide = gradient(40, 20);
        let (cropped, padded, squished) =
            (fit(&wide, 20, Fit::Crop), fit(&wide, 20, Fit::Pad), fit(&wide, 20, Fit::Squish));
        assert_eq!(
            cropped.pixel(0, 7),
            wide.pixel(10, 7),
            "as many pixels as before are the same pixels"
        );
        assert_eq!(cropped.pixel(19, 19), wide.pixel(29, 19));
        assert_eq!([padded.pixel(9, 4), padded.pixel(9, 15)], [[0; 3]; 2]);
        assert_eq!(padded.pixel(9, 5)[0], squished.pixel(9, 0)[0]);
        assert!(padded.pixel(0, 5) != [0; 3] && padded.pixel(0, 14) != [0; 3]);
        let sliver = fit(&gradient(1000, 1), 16, Fit::Pad);
        assert_eq!((sliver.width, sliver.height), (16, 16));
    }

    #[test]
    fn a_frame_keeps_what_the_square_cuts_off() {
        for (width, height, side, expected) in [
            (40, 20, 20, (40, 20)),
            (30, 61, 10, (10, 20)),
            (7, 7, 32, (32, 32)),
            (900, 3, 8, (32, 8)),
        ] {
            let framed = frame(&gradient(width, height), side);
            assert_eq!((framed.width, framed.height), expected, "{width} x {height}");
            assert!(frame(&framed, side) == framed, "{width} x {height}: a frame is its own frame");
        }
        let wide = gradient(40, 20);
        assert!(fit(&frame(&wide, 20), 20, Fit::Crop) == fit(&wide, 20, Fit::Crop));
        let [from_frame, at_once] = [
            fit(&frame(&gradient(640, 480), 96), 96, Fit::Crop),
            fit(&gradient(640, 480), 96, Fit::Crop),
        ];
        let inside = |image: &RgbImage| {
            (0..96 * 94).map(|at| image.pixel(1 + at % 94, at / 94)).collect::<Vec<_>>()
        };
        assert!(
            inside(&from_frame) == inside(&at_once),
            "cut at whole pixels, only the filter's reach over the edges differs"
        );
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        for (width, height, size) in [(1, 1, 8), (5, 9, 32), (997, 301, 32)] {
            let flat = RgbImage { width, height, pixels: [200, 3, 255].repeat(width * height) };
            assert_eq!(
                fit(&flat, size, Fit::Squish).pixels,
                [200, 3, 255].repeat(size * size),
                "{width} x {height}"
            );
        }
    }

    /// tests/fixtures/pictures/pictures.py: what Pillow makes of one picture.
    #[test]
    fn resampling_is_pillows() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
        let read = |name: &str| {
            RgbImage::from_png(&std::fs::read(folder.join(name)).unwrap(), name).unwrap()
        };
        let source = read("source.png");
        for (name, size, fitted) in [
            ("crop-32.png", 32, Fit::Crop),
            ("crop-150.png", 150, Fit::Crop),
            ("pad-48.png", 48, Fit::Pad),
            ("squish-31.png", 31, Fit::Squish),
        ] {
            assert!(fit(&source, size, fitted) == read(name), "{name}");
        }
    }
}
