//! The picture of every transform in reports/transforms/: made from a phantom image by the code
//! that training runs.

use std::path::Path;

use crate::data::phantom::{Condition, render};
use crate::data::{RgbImage, sheet};
use crate::ml::classify::transforms::{Config, Parameters, Transform};
use crate::seed::Seed;

const SIZE: usize = 96;
const COLUMNS: usize = 4;
/// How far the committed picture may be from one that is made anew, of 255: floating-point numbers
/// of another machine.
const TOLERANCE: u8 = 2;

/// In the order of the legend in reports/transforms/README.md.
fn parameters() -> Vec<Parameters> {
    let neutral = Parameters::NEUTRAL;
    let drawn = |item| Parameters::draw(&Config::FASTAI, &Seed::of_study(1).nth(item));
    vec![
        neutral,
        Parameters { flip: true, ..neutral },
        Parameters { warp: [0.2, 0.0], ..neutral },
        Parameters { warp: [0.0, 0.2], ..neutral },
        Parameters { rotate: 10.0, ..neutral },
        Parameters { rotate: -10.0, ..neutral },
        Parameters { zoom: 1.1, ..neutral },
        Parameters { zoom: 1.1, centre: [0.0, 0.0], ..neutral },
        Parameters { brightness: 0.4, ..neutral },
        Parameters { brightness: 0.6, ..neutral },
        Parameters { contrast: 0.8, ..neutral },
        Parameters { contrast: 1.25, ..neutral },
        drawn(0),
        drawn(1),
        drawn(2),
        drawn(3),
    ]
}

fn picture() -> RgbImage {
    let original = render(Condition::Psoriasis, 3, SIZE, Seed::of_study(111_108)).image;
    let unit = original.pixels.iter().map(|byte| f32::from(*byte) / 255.0).collect::<Vec<_>>();
    let transformed = |parameters: &Parameters| {
        let mut output = vec![0.0; unit.len()];
        Transform::new(parameters).apply(&unit, SIZE, SIZE, &mut output);
        let pixels = output.iter().map(|value| (value * 255.0).round() as u8).collect();
        RgbImage { pixels, ..original.clone() }
    };
    let images = parameters().iter().map(transformed).collect::<Vec<_>>();
    sheet::contact_sheet(&images.iter().collect::<Vec<_>>(), COLUMNS, 2)
}

/// `UPDATE_EXPECT=1 cargo test --release --lib pictures` writes the picture.
#[test]
fn the_picture_in_the_documentation_shows_what_training_does() {
    let (made, name) = (picture(), "reports/transforms/transforms.png");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, made.to_png(name).unwrap()).unwrap();
    }
    let committed = RgbImage::from_png(&std::fs::read(&path).unwrap(), name).unwrap();
    assert_eq!((made.width, made.height), (committed.width, committed.height));
    let furthest =
        made.pixels.iter().zip(&committed.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(furthest <= TOLERANCE, "{name} is off by {furthest}: UPDATE_EXPECT=1 writes it anew");
}
