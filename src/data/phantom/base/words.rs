//! The words of captions for what is measured: numbers, sizes, borders, outlines and inflammations.

/// "a" or "an" before `phrase`.
pub(super) fn with_article(phrase: &str) -> String {
    let article = if phrase.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {phrase}")
}

/// The word for a number of lesions.
pub(super) fn number(count: usize) -> &'static str {
    match count {
        0 | 1 => "a single",
        2 => "two",
        3 => "three",
        4..=6 => "several",
        _ => "many",
    }
}

pub(super) fn size_word(radius: f32) -> &'static str {
    match radius {
        ..0.24 => "small",
        ..0.45 => "medium-sized",
        _ => "large",
    }
}

pub(super) fn border_word(softness: f32) -> &'static str {
    if softness < 0.12 { "sharp" } else { "blurred" }
}

pub(super) fn outline_word(aspect: f32, waviness: f32) -> &'static str {
    match (aspect, waviness) {
        (_, 0.2..) => "irregular",
        (1.25.., _) => "oval",
        _ => "round",
    }
}

/// The word for an inflammation, by its share of venous blood.
pub(super) fn flush_word(strength: f32, venous: f32) -> &'static str {
    match (strength, venous) {
        (_, 0.4..) => "purple",
        (..0.5, _) => "pink",
        (0.8.., _) => "bright red",
        _ => "red",
    }
}
