use std::collections::BTreeSet;

use super::*;
use crate::id::Digest;

const SEED: u64 = 20_260_101;

fn seed() -> Seed {
    Seed::of_study(SEED)
}

/// The same bytes everywhere: a change here changes every study on the phantom.
#[test]
fn renders_are_pinned() {
    let mut bytes = Vec::new();
    for condition in Condition::ALL {
        bytes.extend(render(condition, 3, 32, seed()).image.pixels);
    }
    assert_eq!(Digest::of(&bytes).short(), "32018fdf3061");
    let mut bytes = Vec::new();
    for index in 0..base::kinds().len() {
        let item = base::render(index, 32, seed());
        bytes.extend(item.image.pixels);
        bytes.extend(item.caption.into_bytes());
    }
    assert_eq!(Digest::of(&bytes).short(), "7e788fc4044a");
}

#[test]
fn an_image_depends_on_its_condition_index_and_seed_alone() {
    let psoriasis = render(Condition::Psoriasis, 5, 32, seed());
    assert_eq!(psoriasis, render(Condition::Psoriasis, 5, 32, seed()));
    assert_eq!(
        (psoriasis.id.as_str(), psoriasis.label.as_str(), psoriasis.malignant),
        ("psoriasis-00005", "psoriasis", Some(false))
    );
    assert_ne!(psoriasis.image, render(Condition::Psoriasis, 6, 32, seed()).image);
    assert_ne!(psoriasis.image, render(Condition::Sarcoidosis, 5, 32, seed()).image);
    assert_ne!(psoriasis.image, render(Condition::Psoriasis, 5, 32, Seed::of_study(2)).image);
}

#[test]
fn the_nine_conditions_are_those_of_the_study() {
    let names: Vec<&str> = Condition::ALL.iter().map(|condition| condition.name()).collect();
    assert!(names.is_sorted());
    assert!(
        names
            .iter()
            .all(|name| Condition::named(name).is_some_and(|condition| condition.name() == *name))
    );
    let malignant: Vec<&str> = Condition::ALL
        .into_iter()
        .filter(|condition| condition.malignant())
        .map(Condition::name)
        .collect();
    assert_eq!(malignant, ["basal cell carcinoma", "squamous cell carcinoma"]);
}

#[test]
fn all_six_skin_types_occur_and_darker_types_are_darker() {
    let items: Vec<Item> =
        (0..300).map(|index| render(Condition::Sarcoidosis, index, 16, seed())).collect();
    let types: BTreeSet<u8> = items.iter().map(|item| item.fst).collect();
    assert_eq!(types.into_iter().collect::<Vec<u8>>(), [1, 2, 3, 4, 5, 6]);
    let mean = |fst| {
        let levels = items
            .iter()
            .filter(|item| item.fst == fst)
            .flat_map(|item| item.image.pixels.iter().map(|&level| f64::from(level)));
        let (count, sum) = levels.fold((0., 0.), |(count, sum), level| (count + 1., sum + level));
        sum / count
    };
    assert!(mean(1) > mean(4) && mean(4) > mean(6));
}

/// The mean change of green between the lesion-free and the affected image on one type of skin.
fn erythema_contrast(fst: u8) -> f32 {
    let change = |index| {
        let green = |affected| {
            let draw = Draw::new(seed().nth(index).rng());
            let mut scene = Scene::skin(32, fst, incidental::pose(&draw, 0., 0.), &draw);
            if affected {
                let tone = lesion::Tone { oxygenated: 0.6, ..lesion::Tone::default() };
                let shape = lesion::blob(&draw, numeric::point(0., 0.), 0.5, 1., 0.);
                lesion::tint(&mut scene, &draw, &shape, tone, 0.1, 0.);
            }
            let middle = &scene.texels[32 * 16 + 16];
            optics::srgb(middle.albedo()[1])
        };
        green(false) - green(true)
    };
    (0..20).map(change).sum::<f32>() / 20.
}

#[test]
fn erythema_has_less_contrast_on_the_darkest_skin() {
    let (light, dark) = (erythema_contrast(1), erythema_contrast(6));
    assert!(dark > 0. && dark < 0.5 * light, "contrast {light} on type 1, {dark} on type 6");
}

/// A size-64 image is the size-32 scene seen more sharply, not another scene.
#[test]
fn an_image_at_twice_the_size_shows_the_same_scene() {
    for condition in Condition::ALL {
        let (small, large) =
            (render(condition, 1, 32, seed()).image, render(condition, 1, 64, seed()).image);
        let mut difference = 0.;
        for y in 0..32 {
            for x in 0..32 {
                let block = [(0, 0), (1, 0), (0, 1), (1, 1)]
                    .map(|(right, down)| large.pixel(2 * x + right, 2 * y + down)[1]);
                let mean = block.into_iter().map(f32::from).sum::<f32>() / 4.;
                difference += (mean - f32::from(small.pixel(x, y)[1])).abs() / 1024.;
            }
        }
        assert!(difference < 12., "{}: mean difference {difference} of 255", condition.name());
    }
}
