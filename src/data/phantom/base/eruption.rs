//! Rashes and infections.

use super::super::lesion::{self, Dome, Plates, Tone, blob, matter};
use super::super::numeric::{Draw, Point, point};
use super::super::scene::Scene;
use super::super::shape::{Band, Blob, Shape, along_ring, near_middle, scatter};
use super::words::{border_word, flush_word, number, size_word, with_article};

/// An inflammation and the word for it.
fn flush(scene: &Scene, draw: &Draw) -> (Tone, &'static str) {
    let (strength, venous) = (draw.span(0.3, 1.1), draw.span(0., 0.5));
    (Tone::flush(scene, strength, venous), flush_word(strength, venous))
}

/// Red papules, pustules and dark plugs, scattered.
pub fn acne(scene: &mut Scene, draw: &Draw) -> String {
    let (tone, colour) = flush(scene, draw);
    let (papules, pustules, plugs) = (draw.count(1, 6), draw.count(0, 5), draw.count(0, 5));
    for at in scatter(draw, point(0., 0.), 1., papules, 0.35) {
        let radius = draw.span(0.12, 0.24);
        let around = blob(draw, at, 1.4 * radius, 1.1, 0.1);
        lesion::tint(scene, draw, &around, tone.part(0.5), 0.2, 0.2);
        lesion::dome(
            scene,
            at,
            Dome { radius, height: 0.4 * radius, tone: tone.part(0.6), gloss: 0.3 },
        );
    }
    for at in scatter(draw, point(0., 0.), 1., pustules, 0.35) {
        let around = blob(draw, at, draw.span(0.16, 0.26), 1., 0.1);
        lesion::tint(scene, draw, &around, tone, 0.15, 0.2);
        lesion::blister(scene, at, draw.span(0.11, 0.18), matter::PUS, draw.span(0.5, 0.95));
    }
    for at in scatter(draw, point(0., 0.), 1., plugs, 0.3) {
        let plug = blob(draw, at, draw.span(0.06, 0.1), 1., 0.);
        lesion::lay(scene, &plug, matter::SCAB, 0.7);
    }
    let noun = if papules == 1 { "papule" } else { "papules" };
    let with = if pustules > 0 { "yellow pustules" } else { "no pustules" };
    format!("acne with {} scattered {colour} {noun} and {with}", number(papules))
}

/// Raised wheals, pale in the middle, in a flare.
pub fn urticaria(scene: &mut Scene, draw: &Draw) -> String {
    let (tone, colour) = flush(scene, draw);
    let (count, pale) = (draw.count(2, 7), draw.chance(0.6));
    let radius = draw.span(0.2, 0.42);
    let (height, waviness) = (draw.span(0.05, 0.12), draw.span(0.05, 0.35));
    for at in scatter(draw, point(0., 0.), 0.9, count, 1.6 * radius) {
        let wheal = Blob::new(draw, at, radius * draw.span(0.6, 1.2), draw.span(1., 1.8), waviness);
        lesion::tint(scene, draw, &Shape::Blob(wheal.scaled(1.2)), tone.part(0.7), 0.25, 0.2);
        let inner = Shape::Blob(wheal.scaled(0.7));
        if pale {
            lesion::tint(scene, draw, &inner, tone.part(-0.6), 0.2, 0.);
        }
        lesion::plateau(scene, &Shape::Blob(wheal), height, 0.2);
    }
    let middle = if pale { "pale centres" } else { "even colour" };
    format!(
        "urticaria with {} {} raised {colour} wheals of {middle}",
        number(count),
        size_word(radius)
    )
}

/// Raised lines where the skin was scratched.
pub fn dermatographism(scene: &mut Scene, draw: &Draw) -> String {
    let (tone, colour) = flush(scene, draw);
    let count = draw.count(1, 4);
    let (half_width, bend) = (draw.span(0.07, 0.15), draw.span(0., 0.4));
    let crossing = draw.chance(0.5);
    let heading = draw.angle();
    for _ in 0..count {
        let turn = Point::at(if crossing { draw.angle() } else { heading + draw.span(-0.2, 0.2) });
        let centre = point(draw.span(-0.6, 0.6), draw.span(-0.6, 0.6));
        let half_length = draw.span(0.4, 1.1);
        let line = |half_width| Shape::Band(Band { centre, turn, half_length, half_width, bend });
        lesion::tint(scene, draw, &line(1.6 * half_width), tone.part(0.6), 0.2, 0.2);
        lesion::plateau(scene, &line(half_width), draw.span(0.05, 0.12), 0.16);
    }
    let lines = match (count, crossing) {
        (1, _) => "line",
        (_, true) => "crossing lines",
        _ => "parallel lines",
    };
    format!("dermatographism with {} raised {colour} {lines} where it was scratched", number(count))
}

/// One to three scaly rings, clear within.
pub fn tinea_corporis(scene: &mut Scene, draw: &Draw) -> String {
    let (tone, colour) = flush(scene, draw);
    let count = draw.weighted(&[0.6, 0.25, 0.15]) + 1;
    let radius = draw.span(0.35, 0.8) / (count as f32).sqrt();
    let width = draw.span(0.16, 0.28).min(0.5 * radius);
    let scaly = draw.chance(0.6);
    let places = if count == 1 {
        vec![near_middle(draw)]
    } else {
        scatter(draw, point(0., 0.), 0.6, count, 1.9 * radius)
    };
    for at in places {
        let ring = Blob::new(draw, at, radius, draw.span(1., 1.4), draw.span(0.02, 0.25));
        let shape = Shape::Blob(ring.clone());
        lesion::rim(scene, &shape, tone, width);
        lesion::tint(scene, draw, &shape, tone.part(draw.span(0., 0.35)), 0.15, 0.3);
        lesion::wall(scene, &shape, draw.span(0., 0.07), width);
        if scaly {
            let scale = Plates {
                matter: matter::SCALE,
                size: draw.span(0.25, 0.4),
                cover: 0.5,
                opacity: 0.6,
                inset: -0.05,
                height: 0.02,
                cracks: draw.span(0.3, 1.),
            };
            let before: Vec<_> = scene.texels.clone();
            lesion::plates(scene, draw, &Shape::Blob(ring.scaled(1.05)), scale);
            clear_within(scene, &Shape::Blob(ring.scaled(1. - width / radius)), &before);
        }
    }
    let surface = if scaly { "scaly" } else { "smooth" };
    let rings = if count == 1 { "ring" } else { "rings" };
    format!(
        "{} {} {surface} {colour} {rings} of tinea corporis with clear centres",
        number(count),
        size_word(radius)
    )
}

/// Puts back what was inside `shape` before something was laid on it.
fn clear_within(scene: &mut Scene, shape: &Shape, before: &[super::super::scene::Texel]) {
    let mut old = before.iter();
    scene.everywhere(|at, texel| {
        let old = old.next().expect("a texel for every pixel");
        if shape.distance(at) < 0. {
            *texel = *old;
        }
    });
}

/// Honey-coloured crusts on red erosions.
pub fn impetigo(scene: &mut Scene, draw: &Draw) -> String {
    let (tone, colour) = flush(scene, draw);
    let count = draw.count(1, 5);
    let radius = draw.span(0.3, 0.65) / (count as f32).sqrt() + 0.08;
    let cover = draw.span(0.35, 0.9);
    for at in scatter(draw, point(0., 0.), 0.8, count, 1.5 * radius) {
        let shape = blob(draw, at, radius * draw.span(0.7, 1.3), draw.span(1., 1.4), 0.3);
        lesion::tint(scene, draw, &shape, tone, 0.15, 0.4);
        let honey = matter::mixed(matter::HONEY, matter::KERATIN, draw.unit());
        let crust = Plates {
            matter: honey,
            size: draw.span(0.2, 0.45),
            cover,
            opacity: 0.9,
            inset: 0.05,
            height: 0.07,
            cracks: draw.span(0.3, 1.),
        };
        lesion::plates(scene, draw, &shape, crust);
        lesion::polish(scene, &shape, 0.4);
    }
    let amount = if cover > 0.6 { "thick" } else { "patchy" };
    let patches = if count == 1 { "patch" } else { "patches" };
    format!(
        "impetigo with {amount} honey-yellow crusts over {} irregular {colour} {patches}",
        number(count)
    )
}

/// A cluster of clear blisters on one red base.
pub fn herpes_simplex(scene: &mut Scene, draw: &Draw) -> String {
    let (tone, colour) = flush(scene, draw);
    let (radius, count) = (draw.span(0.3, 0.55), draw.count(3, 8));
    let middle = near_middle(draw);
    let softness = draw.span(0.15, 0.4);
    let base = blob(draw, middle, radius, draw.span(1., 1.3), 0.15);
    lesion::tint(scene, draw, &base, tone, softness, 0.3);
    let fluid = matter::mixed(matter::PEARL, matter::PUS, draw.span(0., 0.6));
    for at in scatter(draw, middle, 0.8 * radius, count, 0.25) {
        lesion::blister(scene, at, draw.span(0.11, 0.17), fluid, draw.span(0.3, 0.7));
    }
    let amount = number(count);
    format!("herpes simplex with {amount} clear clustered blisters over a round {colour} base")
}

/// Dark or pale plates over the whole skin.
pub fn ichthyosis(scene: &mut Scene, draw: &Draw) -> String {
    let (size, cover) = (draw.span(0.28, 0.6), draw.span(0.6, 1.));
    let dark = draw.chance(0.5);
    let colour = if dark { [0.24, 0.15, 0.09] } else { matter::SCALE };
    let everything = Shape::Blob(Blob::round(point(0., 0.), 3.));
    let opacity = draw.span(0.3, 0.75);
    lesion::plates(
        scene,
        draw,
        &everything,
        Plates {
            matter: colour,
            size,
            cover,
            opacity,
            inset: 0.,
            height: 0.05,
            cracks: draw.span(0.3, 1.),
        },
    );
    let plates = if size > 0.42 { "large" } else { "small" };
    let hue = if dark { "dark brown" } else { "white" };
    format!("ichthyosis with {plates} {hue} polygonal plates of scale over the whole surface")
}

/// Pearly domes with a dimple.
pub fn molluscum_contagiosum(scene: &mut Scene, draw: &Draw) -> String {
    let count = draw.count(1, 8);
    let radius = draw.span(0.14, 0.3);
    let (strength, pearl) = (draw.span(0., 0.5), draw.span(0.1, 0.5));
    let tone = Tone::flush(scene, strength, 0.1);
    let in_ring = count > 4 && draw.chance(0.4);
    let places = if in_ring {
        along_ring(
            draw,
            &Blob::round(near_middle(draw), draw.span(0.45, 0.7)),
            count,
            draw.span(0.6, 1.),
        )
    } else {
        scatter(draw, point(0., 0.), 0.9, count, 2.2 * radius)
    };
    for at in places {
        let radius = radius * draw.span(0.7, 1.2);
        lesion::dome(scene, at, Dome { radius, height: 0.6 * radius, tone, gloss: 0.6 });
        let shape = blob(draw, at, radius, 1., 0.02);
        lesion::lay(scene, &shape, matter::PEARL, pearl);
        let dimple = blob(draw, at, 0.4 * radius, 1., 0.);
        lesion::plateau(scene, &dimple, -0.4 * radius, 0.3 * radius);
    }
    let colour = if strength > 0.3 { "pink" } else { "pearly" };
    let domes = match (count, in_ring) {
        (1, _) => "dome",
        (_, true) => "domes in a ring",
        _ => "domes",
    };
    format!(
        "{} {} {colour} {domes} of molluscum contagiosum with a dimple",
        number(count),
        size_word(radius)
    )
}

/// Oval, finely scaling patches, lighter or darker than the skin.
pub fn pityriasis_versicolor(scene: &mut Scene, draw: &Draw) -> String {
    let count = draw.count(4, 12);
    let (radius, light) = (draw.span(0.14, 0.3), draw.chance(0.5));
    let change = if light { -0.6 * scene.melanin } else { 0.25 + 0.25 * scene.melanin };
    let softness = draw.span(0.05, 0.18);
    for at in scatter(draw, point(0., 0.), 1.05, count, 1.6 * radius) {
        let shape = blob(draw, at, radius * draw.span(0.7, 1.3), draw.span(1., 1.8), 0.15);
        lesion::tint(scene, draw, &shape, Tone::pigment(change), softness, 0.15);
        lesion::lay(scene, &shape, matter::SCALE, draw.span(0., 0.2));
    }
    let colour = if light { "pale" } else { "brown" };
    let border = border_word(softness);
    format!(
        "pityriasis versicolor with {} {} oval {colour} patches of {border} border",
        number(count),
        size_word(radius)
    )
}

/// Rough keratotic domes.
pub fn viral_wart(scene: &mut Scene, draw: &Draw) -> String {
    let count = draw.weighted(&[0.35, 0.2, 0.15, 0.15, 0.15]) + 1;
    let radius = draw.span(0.3, 0.55) / (count as f32).sqrt() + 0.05;
    let pale = draw.unit();
    let horn = matter::mixed([0.36, 0.25, 0.17], matter::SCALE, pale);
    let places = if count == 1 {
        vec![near_middle(draw)]
    } else {
        scatter(draw, point(0., 0.), 0.85, count, 2.1 * radius)
    };
    for at in places {
        let shape = blob(draw, at, radius, draw.span(1., 1.25), 0.12);
        lesion::tint(scene, draw, &shape, Tone::pigment(0.15), 0.08, 0.2);
        lesion::dome(
            scene,
            at,
            Dome { radius, height: 0.4 * radius, tone: Tone::default(), gloss: 0.05 },
        );
        let rough = Plates {
            matter: horn,
            size: draw.span(0.18, 0.3),
            cover: 0.85,
            opacity: 0.7,
            inset: 0.06,
            height: 0.06,
            cracks: draw.span(0.3, 1.),
        };
        lesion::plates(scene, draw, &shape, rough);
    }
    let colour = if pale > 0.5 { "pale" } else { "grey-brown" };
    let warts = if count == 1 { "viral wart" } else { "viral warts" };
    let looks = format!("{} rough {colour} {warts}", size_word(radius));
    let many = if count == 1 { with_article(&looks) } else { format!("{} {looks}", number(count)) };
    format!("{many} with a cracked raised surface")
}
