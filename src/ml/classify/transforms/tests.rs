//! Transforms against fastai's (tests/fixtures/transforms/, whose script says which version), and
//! drawn ones.

use std::path::Path;

use super::*;
use crate::ml::params::StateDict;

const SIZE: usize = 32;
const NONE: Config = Config {
    flip_p: 0.0,
    affine_p: 0.0,
    lighting_p: 0.0,
    max_warp: 0.0,
    max_rotate: 0.0,
    max_zoom: 1.0,
    max_lighting: 0.0,
};

fn image() -> Vec<f32> {
    let mut rng = Seed::of_study(5).rng();
    (0..SIZE * SIZE * 3).map(|_| rng.random_range(0.0..=1.0f32)).collect()
}

fn transformed(config: &Config, item: u64) -> Vec<f32> {
    let mut output = vec![f32::NAN; SIZE * SIZE * 3];
    Transform::draw(config, &Seed::of_study(7).nth(item)).apply(&image(), SIZE, SIZE, &mut output);
    output
}

#[test]
fn nothing_drawn_changes_nothing() {
    assert_eq!(transformed(&NONE, 0), image());
    let nearly = Parameters {
        rotate: 1e-7,
        brightness: 0.5 + 1e-7,
        contrast: 1.000001,
        ..Parameters::NEUTRAL
    };
    let mut output = image();
    Transform::new(&nearly).apply(&image(), SIZE, SIZE, &mut output);
    assert!(output.iter().zip(image()).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
fn each_part_alone_is_seeded_and_keeps_the_range() {
    let parts = [
        Config { flip_p: 1.0, ..NONE },
        Config { affine_p: 1.0, max_warp: 0.2, ..NONE },
        Config { affine_p: 1.0, max_rotate: 10.0, ..NONE },
        Config { affine_p: 1.0, max_zoom: 1.1, ..NONE },
        Config { lighting_p: 1.0, max_lighting: 0.2, ..NONE },
        Config::FASTAI,
    ];
    for config in parts {
        let output = transformed(&config, 1);
        assert_eq!(output, transformed(&config, 1));
        assert_ne!(output, image(), "{config:?}");
        if config.flip_p != 1.0 {
            assert_ne!(output, transformed(&config, 2), "{config:?}");
        }
        assert!(output.iter().all(|v| (0.0..=1.0).contains(v)), "{config:?}");
    }
}

#[test]
fn flip_mirrors_columns() {
    let (flipped, image) = (transformed(&Config { flip_p: 1.0, ..NONE }, 0), image());
    for at in 0..SIZE * SIZE {
        let mirror = at / SIZE * SIZE + SIZE - 1 - at % SIZE;
        assert!((0..3).all(|k| (flipped[3 * at + k] - image[3 * mirror + k]).abs() < 1e-4));
    }
}

/// A trapezium's corners land on the image's, and a place outside is reflected.
#[test]
fn geometry() {
    let map = perspective(0.1, -0.2);
    for ([x, y], corner) in
        [([-0.8, -1.1], [-1.0, -1.0]), ([-1.2, 1.1], [-1.0, 1.0]), ([1.2, 0.9], [1.0, 1.0])]
    {
        let [u, v, w] = map.map(|row| row[0] * x + row[1] * y + row[2]);
        assert!((u / w - corner[0]).abs() < 1e-9 && (v / w - corner[1]).abs() < 1e-9, "{x} {y}");
    }
    for (place, expected) in [
        (-1.25, (1, 2, 0.25)),
        (3.0, (3, 3, 0.0)),
        (4.5, (1, 2, 0.5)),
        (7.5, (1, 2, 0.5)),
        (f32::NAN, (0, 1, 0.0)),
    ] {
        let (before, after, weight) = neighbours(place, 4);
        assert_eq!((before, after), (expected.0, expected.1), "{place}");
        assert!((weight - expected.2).abs() < 1e-6 || place.is_nan());
    }
}

#[test]
fn lighting_moves_the_logit() {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let mut values = [0.2f32, 0.9];
    relight(logit(0.6) as f32, 0.8, &mut values);
    for (value, before) in values.into_iter().zip([0.2, 0.9]) {
        assert!((logit(f64::from(value)) - 0.8 * (logit(before) + logit(0.6))).abs() < 1e-5);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    parameters: Parameters,
}

/// A pixel is off by less than a hundredth of the step between two 8-bit values.
#[test]
fn reference_values_of_fastai() {
    const TOLERANCE: f32 = 0.01 / 255.0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/transforms");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&read("transforms.json")).unwrap();
    let tensors = StateDict::read(&read("transforms.safetensors")).unwrap();
    let get = |name: &str| tensors.get(name).unwrap_or_else(|| panic!("no {name}")).clone();
    let mut beyond = Vec::new();
    println!("{:<28} {:>9} {:>9}   largest difference, in 255ths", "", "square", "wide");
    for Case { name, parameters } in cases {
        let difference = |shape: &str| {
            let image = get(shape);
            let (height, width, _) = image.dims3().unwrap();
            let values =
                |image: candle_core::Tensor| image.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let mut output = vec![f32::NAN; height * width * 3];
            Transform::new(&parameters).apply(&values(image), height, width, &mut output);
            let expected = values(get(&format!("{shape}: {name}")));
            output.iter().zip(expected).map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp).unwrap()
        };
        let differences = ["square", "wide"].map(difference);
        println!("{name:<28} {:>9.6} {:>9.6}", 255.0 * differences[0], 255.0 * differences[1]);
        beyond.extend(
            differences
                .into_iter()
                .filter(|difference| difference.is_nan() || *difference >= TOLERANCE)
                .map(|by| (name.clone(), by)),
        );
    }
    assert!(beyond.is_empty(), "{beyond:?}");
}

/// fastai's `aug_transforms`: each with its probability, uniform over its range; contrast in its
/// logarithm.
#[test]
fn parameters_are_drawn_as_fastai_draws_them() {
    const DRAWS: u64 = 4000;
    let seed = Seed::of_study(9);
    let drawn =
        (0..DRAWS).map(|at| Parameters::draw(&Config::FASTAI, &seed.nth(at))).collect::<Vec<_>>();
    let flips = drawn.iter().filter(|one| one.flip).count() as f64 / DRAWS as f64;
    assert!((flips - 0.5).abs() < 0.03, "{flips}");
    type Value = fn(&Parameters) -> f64;
    let most = 1.25f64.log2();
    let cases: [(&str, f64, f64, [f64; 2], Value); 8] = [
        ("warp x", 0.75, 0.0, [-0.2, 0.2], |one| one.warp[0]),
        ("warp y", 0.75, 0.0, [-0.2, 0.2], |one| one.warp[1]),
        ("rotate", 0.75, 0.0, [-10.0, 10.0], |one| one.rotate),
        ("zoom", 0.75, 1.0, [1.0, 1.1], |one| one.zoom),
        ("centre x", 1.0, f64::NAN, [0.0, 1.0], |one| one.centre[0]),
        ("centre y", 1.0, f64::NAN, [0.0, 1.0], |one| one.centre[1]),
        ("brightness", 0.75, 0.5, [0.4, 0.6], |one| one.brightness),
        ("contrast", 0.75, 0.0, [-most, most], |one| one.contrast.log2()),
    ];
    for (name, probability, neutral, [low, high], value) in cases {
        let mut changed =
            drawn.iter().map(value).filter(|value| *value != neutral).collect::<Vec<_>>();
        let share = changed.len() as f64 / DRAWS as f64;
        assert!((share - probability).abs() < 0.03, "{name}: {share}");
        changed.sort_unstable_by(f64::total_cmp);
        // A uniform sample's quartiles.
        for quarter in 0..=4 {
            let found = changed[quarter * (changed.len() - 1) / 4];
            let expected = low + (high - low) * quarter as f64 / 4.0;
            assert!(
                (found - expected).abs() < 0.05 * (high - low),
                "{name}, quartile {quarter}: {found} for {expected}"
            );
        }
        assert!(low - 1e-9 <= changed[0] && changed[changed.len() - 1] <= high + 1e-9, "{name}");
    }
}
