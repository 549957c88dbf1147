//! Phantoms saved anew, mirrored, turned and cropped, and phantoms that are not the same.

use super::*;
use crate::data::{RgbImage, fit, phantom};
use crate::seed::Seed;

/// Phantoms of the study's nine conditions, in turns.
fn phantoms(count: usize, size: usize) -> Vec<RgbImage> {
    let all = phantom::Condition::ALL;
    let image = |at: usize| phantom::render(all[at % all.len()], at, size, Seed::of_study(7)).image;
    (0..count).into_par_iter().map(image).collect()
}

fn fingerprints(images: &[RgbImage]) -> Vec<Fingerprint> {
    images.par_iter().map(Fingerprint::of).collect()
}

/// What becomes of the pixel at (x, y) of a square of `side`: mirrored, or turned by 90 degrees.
fn moved(image: &RgbImage, from: impl Fn(usize, usize, usize) -> (usize, usize)) -> RgbImage {
    let mut moved = RgbImage::new(image.width, image.height);
    for (y, x) in (0..image.height).flat_map(|y| (0..image.width).map(move |x| (y, x))) {
        let (from_x, from_y) = from(x, y, image.width - 1);
        moved.set_pixel(x, y, image.pixel(from_x, from_y));
    }
    moved
}

/// Without 5% at each edge, and as large as before.
fn cropped(image: &RgbImage) -> RgbImage {
    let edge = image.width / 20;
    let side = image.width - 2 * edge;
    let mut inner = RgbImage::new(side, side);
    for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
        inner.set_pixel(x, y, image.pixel(x + edge, y + edge));
    }
    fit::fit(&inner, image.width, crate::vocabulary::Fit::Squish)
}

/// As JPEG makes it, about: brightness off by up to 3 levels here and there.
fn saved_anew(image: &RgbImage) -> RgbImage {
    let noise = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 13) % 7;
    let level =
        |(at, byte): (usize, &u8)| (i32::from(*byte) + noise(at) as i32 - 3).clamp(0, 255) as u8;
    RgbImage { pixels: image.pixels.iter().enumerate().map(level).collect(), ..*image }
}

#[test]
fn no_phantom_is_another() {
    let found = pairs(&fingerprints(&phantoms(2000, 32)));
    assert_eq!(found, []);
}

#[test]
fn what_is_there_twice_is_found_however_it_was_changed() {
    let mut images = phantoms(300, 64);
    let changed = [
        saved_anew(&images[10]),
        moved(&images[20], |x, y, last| (last - x, y)),
        moved(&images[30], |x, y, last| (y, last - x)),
        cropped(&images[40]),
        saved_anew(&cropped(&moved(&images[50], |x, y, last| (last - y, last - x)))),
        images[60].clone(),
    ];
    images.extend(changed);
    let found = pairs(&fingerprints(&images));
    let expected = (0..6).map(|at| (10 * (at + 1), 300 + at)).collect::<Vec<_>>();
    assert_eq!(
        found.iter().map(|pair| (pair.first, pair.second)).collect::<Vec<_>>(),
        expected,
        "{found:?}"
    );
    let exact = found
        .iter()
        .filter(|pair| pair.likeness == Likeness::Exact)
        .map(|pair| pair.first)
        .collect::<Vec<_>>();
    assert_eq!(exact, [60]);
}

#[test]
fn images_without_anything_on_them_are_no_pairs() {
    let flat = |level: u8| RgbImage { width: 16, height: 16, pixels: vec![level; 3 * 16 * 16] };
    let found = pairs(&fingerprints(&[flat(100), flat(101), flat(100)]));
    assert_eq!(found, [Pair { first: 0, second: 2, likeness: Likeness::Exact }]);
}

#[test]
fn a_fingerprint_survives_its_bytes() {
    let image = &phantoms(1, 48)[0];
    let (first, again) =
        (Fingerprint::of(image), Fingerprint::from_bytes(&Fingerprint::of(image).to_bytes()));
    assert_eq!(
        (first.digest, first.low, first.invariant),
        (again.digest, again.low, again.invariant)
    );
}
