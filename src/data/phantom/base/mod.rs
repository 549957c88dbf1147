//! The base corpus: other kinds of skin and lesion, for pretraining.
//!
//! It is built from the same materials as the study's conditions over wide ranges of shape, border,
//! colour, surface, number and arrangement, but shares no class and no image with them. Every image
//! has a caption that names its kind and what is visible.

mod eruption;
mod growth;
mod words;
mod wound;

use super::super::Item;
use super::numeric::Draw;
use super::scene::Scene;
use super::{incidental, photograph};
use crate::seed::Seed;

/// The `source` of the base corpus's items.
pub const SOURCE: &str = "phantom-base";

/// Draws the lesions and says what can be seen: a noun phrase with its article.
type Painter = fn(&mut Scene, &Draw) -> String;

/// A kind's label, its painter, and whether a caption may call it a skin disease.
const KINDS: [(&str, Painter, bool); 27] = [
    ("acne", eruption::acne, true),
    ("burn", wound::burn, false),
    ("cafe-au-lait macule", growth::cafe_au_lait_macule, true),
    ("cherry angioma", growth::cherry_angioma, true),
    ("dermatographism", eruption::dermatographism, true),
    ("ecchymosis", wound::ecchymosis, false),
    ("epidermoid cyst", growth::epidermoid_cyst, true),
    ("herpes simplex", eruption::herpes_simplex, true),
    ("ichthyosis", eruption::ichthyosis, true),
    ("impetigo", eruption::impetigo, true),
    ("keloid", wound::keloid, true),
    ("melanocytic nevus", growth::melanocytic_nevus, true),
    ("melasma", growth::melasma, true),
    ("molluscum contagiosum", eruption::molluscum_contagiosum, true),
    ("normal skin", growth::normal_skin, false),
    ("pityriasis versicolor", eruption::pityriasis_versicolor, true),
    ("port-wine stain", growth::port_wine_stain, true),
    ("seborrheic keratosis", growth::seborrheic_keratosis, true),
    ("solar lentigo", growth::solar_lentigo, true),
    ("spider telangiectasia", growth::spider_telangiectasia, true),
    ("stretch marks", wound::stretch_marks, false),
    ("tattoo", wound::tattoo, false),
    ("tinea corporis", eruption::tinea_corporis, true),
    ("urticaria", eruption::urticaria, true),
    ("venous ulcer", wound::venous_ulcer, true),
    ("viral wart", eruption::viral_wart, true),
    ("vitiligo", growth::vitiligo, true),
];

/// The labels of the base corpus, in alphabetical order.
pub fn kinds() -> impl ExactSizeIterator<Item = &'static str> {
    KINDS.iter().map(|&(kind, ..)| kind)
}

/// Image `index` of the base corpus, `size` pixels square, on skin of a random type; kinds take
/// turns.
pub fn render(index: usize, size: usize, seed: Seed) -> Item {
    let (kind, paint, disease) = KINDS[index % KINDS.len()];
    let draw = Draw::new(seed.child(SOURCE).nth(index as u64).rng());
    let fst = incidental::skin_type(&draw);
    let tilt = if kind == "melasma" { 0.6 } else { std::f32::consts::PI };
    let mut scene =
        Scene::skin(size, fst, incidental::pose(&draw, tilt, super::POSE_OFFSET), &draw);
    incidental::marks(&mut scene, &draw);
    let seen = paint(&mut scene, &draw);
    incidental::over(&mut scene, &draw);
    let image = photograph::develop(&scene, &draw);
    let caption = caption(kind, disease, &seen, fst, &draw);
    let source = SOURCE.to_owned();
    Item {
        id: format!("base-{index:06}"),
        label: kind.to_owned(),
        fst,
        malignant: Some(false),
        patient: String::new(),
        caption,
        source,
        image,
        synthetic: None,
    }
}

fn caption(kind: &str, disease: bool, seen: &str, fst: u8, draw: &Draw) -> String {
    let skin = match fst {
        1 => draw.pick(&["very pale", "fair"]),
        2 => draw.pick(&["pale", "light"]),
        3 => draw.pick(&["light", "light brown"]),
        4 => draw.pick(&["olive", "tan"]),
        5 => draw.pick(&["brown", "dark"]),
        _ => draw.pick(&["dark brown", "very dark"]),
    };
    if disease && draw.chance(0.3) {
        return format!("An image of {kind}, a skin disease, on {skin} skin");
    }
    let opener = draw.pick(&[
        "A photo of",
        "An image of",
        "A photograph of",
        "A clinical photo of",
        "A close-up image of",
    ]);
    format!("{opener} {seen} on {skin} skin")
}

#[cfg(test)]
mod tests {
    use super::super::Condition;
    use super::*;

    #[test]
    fn kinds_are_apart_from_the_study() {
        assert!(kinds().is_sorted());
        assert!(kinds().all(|kind| Condition::named(kind).is_none()));
    }

    #[test]
    fn captions_name_the_kind_in_a_sentence_of_fair_length() {
        for index in 0..20 * KINDS.len() {
            let item = render(index, 16, Seed::of_study(3));
            let words = item.caption.split_whitespace().count();
            assert!((6..=21).contains(&words), "{words} words: {}", item.caption);
            let stem = &item.label[..item.label.len() - 1];
            assert!(item.caption.contains(stem), "`{}` in `{}`", item.label, item.caption);
            assert!(!item.caption.contains("  ") && (1..=6).contains(&item.fst));
        }
    }
}
