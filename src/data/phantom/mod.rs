//! The phantom: procedurally rendered photographs of skin, for studies without patients' images.
//!
//! A phantom is a test object with known properties, not dermatology: nothing measured on it says
//! anything about real skin. An image is a function of its condition, index, size and seed, with
//! the same bytes on every machine.

pub mod base;
mod condition;
mod incidental;
mod lesion;
mod numeric;
pub mod optics;
mod photograph;
mod scene;
mod shape;

use super::{Item, RgbImage};
use crate::seed::Seed;

pub use condition::Condition;
use numeric::Draw;
use scene::Scene;

/// How far a lesion may lie from the middle of the picture, of half its width.
const POSE_OFFSET: f32 = 0.36;

/// The `source` of the study's items.
pub const SOURCE: &str = "phantom";

/// Image `index` of a condition, `size` pixels square (32 and 64 are meant), on skin of a random
/// type.
pub fn render(condition: Condition, index: usize, size: usize, seed: Seed) -> Item {
    let draw = Draw::new(stream(condition, index, seed).rng());
    let fst = incidental::skin_type(&draw);
    let image = photograph(condition, fst, size, &draw);
    let slug = condition.name().replace(' ', "-");
    Item {
        id: format!("{slug}-{index:05}"),
        label: condition.name().to_owned(),
        fst,
        malignant: Some(condition.malignant()),
        patient: String::new(),
        caption: format!("An image of {}, a skin disease", condition.name()),
        source: SOURCE.to_owned(),
        image,
        synthetic: None,
    }
}

fn stream(condition: Condition, index: usize, seed: Seed) -> Seed {
    seed.child(SOURCE).child(condition.name()).nth(index as u64)
}

fn photograph(condition: Condition, fst: u8, size: usize, draw: &Draw) -> RgbImage {
    let pose = incidental::pose(draw, condition.tilt(), POSE_OFFSET);
    let mut scene = Scene::skin(size, fst, pose, draw);
    incidental::marks(&mut scene, draw);
    condition.affect(&mut scene, draw);
    incidental::over(&mut scene, draw);
    photograph::develop(&scene, draw)
}

#[cfg(test)]
mod tests;
