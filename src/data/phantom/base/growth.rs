//! Pigment, vessels and growths.

use super::super::lesion::{self, Dome, Plates, Tone, blob, matter};
use super::super::numeric::{Draw, Noise, Point, point};
use super::super::scene::{Scene, coverage};
use super::super::shape::{Blob, Shape, near_middle, scatter};
use super::words::{border_word, number, outline_word, size_word, with_article};

pub fn normal_skin(_: &mut Scene, draw: &Draw) -> String {
    draw.pick(&[
        "normal skin without any lesion",
        "healthy normal skin with nothing to see",
        "plain normal skin of even colour",
    ])
    .to_owned()
}

/// One to three brown to black spots, flat or raised.
pub fn melanocytic_nevus(scene: &mut Scene, draw: &Draw) -> String {
    let count = draw.weighted(&[0.7, 0.2, 0.1]) + 1;
    let (radius, pigment) = (draw.span(0.14, 0.7 - 0.12 * count as f32), draw.span(0.6, 2.2));
    let (aspect, waviness, softness) =
        (draw.span(1., 1.6), draw.span(0., 0.3), draw.span(0.04, 0.25));
    let height = if draw.chance(0.5) { draw.span(0.04, 0.15) } else { 0. };
    let places = if count == 1 {
        vec![near_middle(draw)]
    } else {
        scatter(draw, point(0., 0.), 0.7, count, 2. * radius)
    };
    for at in places {
        let shape = blob(draw, at, radius, aspect, waviness);
        lesion::tint(scene, draw, &shape, Tone::pigment(pigment), softness, draw.span(0., 0.5));
        lesion::plateau(scene, &shape, height, 0.7 * radius);
    }
    let colour = if pigment > 1.6 {
        "black"
    } else if pigment > 1. {
        "dark brown"
    } else {
        "brown"
    };
    let relief = if height > 0. { "raised" } else { "flat" };
    let outline = outline_word(aspect, waviness);
    if count == 1 {
        let looks = with_article(&format!("{} {relief} {outline} {colour}", size_word(radius)));
        format!("{looks} melanocytic nevus with a {} border", border_word(softness))
    } else {
        format!("{} {relief} {outline} {colour} melanocytic nevus spots", number(count))
    }
}

/// A brown, waxy, stuck-on plaque with a rough surface.
pub fn seborrheic_keratosis(scene: &mut Scene, draw: &Draw) -> String {
    let (radius, pigment) = (draw.span(0.25, 0.65), draw.span(0.4, 1.5));
    let (aspect, waviness) = (draw.span(1., 1.5), draw.span(0.05, 0.25));
    let shape = blob(draw, near_middle(draw), radius, aspect, waviness);
    lesion::tint(scene, draw, &shape, Tone::pigment(pigment), 0.06, 0.3);
    lesion::plateau(scene, &shape, draw.span(0.06, 0.14), 0.12);
    let cover = draw.span(0.3, 0.9);
    let wax = matter::mixed([0.22, 0.12, 0.06], matter::KERATIN, draw.span(0., 0.6));
    let rough = Plates {
        matter: wax,
        size: draw.span(0.22, 0.5),
        cover,
        opacity: draw.span(0.3, 0.7),
        inset: 0.05,
        height: 0.05,
        cracks: draw.span(0.3, 1.),
    };
    lesion::plates(scene, draw, &shape, rough);
    let surface = if cover > 0.6 { "rough cracked" } else { "waxy" };
    let looks =
        with_article(&format!("{} {} brown", size_word(radius), outline_word(aspect, waviness)));
    format!("{looks} seborrheic keratosis with a {surface} surface")
}

/// Sharply bordered patches without pigment.
pub fn vitiligo(scene: &mut Scene, draw: &Draw) -> String {
    let count = draw.count(1, 5);
    let (radius, waviness) = (draw.span(0.25, 0.8 - 0.1 * count as f32), draw.span(0.1, 0.4));
    let loss = -draw.span(0.75, 1.) * scene.melanin;
    let places = scatter(draw, point(0., 0.), 0.8, count, 1.6 * radius);
    for at in places {
        let shape = blob(draw, at, radius * draw.span(0.7, 1.2), draw.span(1., 1.6), waviness);
        lesion::tint(scene, draw, &shape, Tone::pigment(loss), draw.span(0.04, 0.12), 0.1);
        lesion::tint(scene, draw, &shape, Tone { oxygenated: -0.08, ..Tone::default() }, 0.1, 0.);
    }
    let patches = if count == 1 { "patch" } else { "patches" };
    format!(
        "{} {} white {patches} of vitiligo with sharp borders",
        number(count),
        size_word(radius)
    )
}

/// One large flat patch of even light brown.
pub fn cafe_au_lait_macule(scene: &mut Scene, draw: &Draw) -> String {
    let (radius, aspect, waviness) =
        (draw.span(0.35, 0.8), draw.span(1., 1.8), draw.span(0.02, 0.4));
    let pigment = draw.span(0.25, 0.6) + 0.25 * scene.melanin;
    let softness = draw.span(0.04, 0.2);
    let shape = blob(draw, near_middle(draw), radius, aspect, waviness);
    lesion::tint(scene, draw, &shape, Tone::pigment(pigment), softness, 0.1);
    let looks = with_article(&format!(
        "{} flat {} light brown",
        size_word(radius),
        outline_word(aspect, waviness)
    ));
    format!("{looks} cafe-au-lait macule with a {} border", border_word(softness))
}

/// Flat brown spots of many sizes.
pub fn solar_lentigo(scene: &mut Scene, draw: &Draw) -> String {
    let count = draw.count(3, 12);
    let (radius, pigment) = (draw.span(0.1, 0.26), draw.span(0.35, 0.9) + 0.25 * scene.melanin);
    let softness = draw.span(0.04, 0.15);
    let places = scatter(draw, point(0., 0.), 1., count, 1.9 * radius);
    for at in places {
        let shape =
            blob(draw, at, radius * draw.span(0.6, 1.3), draw.span(1., 1.7), draw.span(0.05, 0.35));
        lesion::tint(scene, draw, &shape, Tone::pigment(pigment), softness, 0.15);
    }
    format!(
        "{} {} flat brown solar lentigo spots with {} borders",
        number(count),
        size_word(radius),
        border_word(softness)
    )
}

/// Symmetric brown patches on both cheeks.
pub fn melasma(scene: &mut Scene, draw: &Draw) -> String {
    let (apart, height, width) = (draw.span(0.45, 0.7), draw.span(0.2, 0.4), draw.span(0.22, 0.38));
    let (lift, softness) = (draw.span(-0.3, 0.3), draw.span(0.1, 0.35));
    let pigment = draw.span(0.3, 0.8) + 0.25 * scene.melanin;
    let forehead = draw.chance(0.4);
    let border = Noise::new(draw);
    scene.everywhere(|at, texel| {
        let folded = point((at.x.abs() - apart) / width, (at.y - lift) / height);
        let brow = point(at.x / 0.5, (at.y - lift + 0.75) / 0.16);
        let cheek = (folded.length() - 1.) * height;
        let distance = if forehead { cheek.min((brow.length() - 1.) * 0.16) } else { cheek };
        let share = coverage(distance + 0.12 * border.rough(at * 3. + point(5., 5.)), softness);
        texel.pigments.melanin += share * pigment;
        texel.height +=
            0.12 * coverage(at.x.abs() - 0.12, 0.3) * coverage((at.y - 0.1).abs() - 0.55, 0.3);
    });
    let also = if forehead { "cheeks and forehead" } else { "both cheeks" };
    format!("symmetric brown patches of melasma, {}-edged, on {also}", border_word(softness))
}

/// Bright red smooth domes, scattered.
pub fn cherry_angioma(scene: &mut Scene, draw: &Draw) -> String {
    let count = draw.weighted(&[0.25, 0.15, 0.15, 0.15, 0.1, 0.1, 0.1]) + 1;
    let radius = if count == 1 { draw.span(0.2, 0.5) } else { draw.span(0.11, 0.22) };
    let venous = draw.span(0., 0.5);
    let tone = Tone { oxygenated: 1.9 * (1. - venous), deoxygenated: 1.9 * venous, melanin: 0. };
    let (height, gloss) = (draw.span(0.2, 0.8), draw.span(0.1, 0.8));
    let places = if count == 1 {
        vec![near_middle(draw)]
    } else {
        scatter(draw, point(0., 0.), 0.95, count, 2.2 * radius)
    };
    for at in places {
        let radius = radius * draw.span(0.7, 1.2);
        lesion::dome(scene, at, Dome { radius, height: height * radius, tone, gloss });
    }
    let colour = if venous > 0.3 { "dark purple" } else { "bright red" };
    let surface = if gloss > 0.45 { "shiny" } else { "smooth" };
    let noun = if count == 1 { "cherry angioma" } else { "cherry angioma domes" };
    format!("{} {} {surface} round {colour} {noun}", number(count), size_word(radius))
}

/// Vessels that branch from a red point.
pub fn spider_telangiectasia(scene: &mut Scene, draw: &Draw) -> String {
    let (legs, width) = (draw.count(3, 6), draw.span(0.1, 0.16));
    let middle = near_middle(draw);
    let venous = draw.span(0., 0.6);
    let tone = Tone { oxygenated: 1. * (1. - venous), deoxygenated: 1. * venous, melanin: 0.05 };
    let (start, length) = (draw.angle(), draw.span(0.4, 0.8));
    for leg in 0..legs {
        let heading =
            start + std::f32::consts::TAU * (leg as f32 + draw.span(-0.2, 0.2)) / legs as f32;
        lesion::vessel(scene, draw, middle, heading, length * draw.span(0.7, 1.2), width, tone);
    }
    if draw.chance(0.7) {
        lesion::dome(
            scene,
            middle,
            Dome { radius: draw.span(0.1, 0.18), height: 0.06, tone, gloss: 0.3 },
        );
    }
    let colour = if venous > 0.35 { "purple" } else { "red" };
    let extent = if length > 0.6 { "long" } else { "short" };
    format!("a spider telangiectasia with {} {extent} branching {colour} vessels", number(legs))
}

/// A large flat stain of purple-red, its border a map's or straight.
pub fn port_wine_stain(scene: &mut Scene, draw: &Draw) -> String {
    let (strength, venous) = (draw.span(0.4, 1.1), draw.span(0.15, 0.6));
    let tone = Tone::flush(scene, strength, venous);
    let (waviness, softness) = (draw.span(0.1, 0.45), draw.span(0.04, 0.2));
    let radius = draw.span(0.5, 1.3);
    let away = Point::at(draw.angle()) * (0.6 * radius);
    let shape = Shape::Blob(Blob::new(draw, away, radius, draw.span(1., 1.5), waviness));
    lesion::tint(scene, draw, &shape, tone, softness, draw.span(0., 0.6));
    let colour = if venous > 0.4 { "purple" } else { "dark red" };
    format!(
        "a large flat {colour} port-wine stain with {} border",
        with_article(&format!("{} irregular", border_word(softness)))
    )
}

/// One smooth skin-coloured dome, with a dark pore.
pub fn epidermoid_cyst(scene: &mut Scene, draw: &Draw) -> String {
    let radius = draw.span(0.3, 0.65);
    let middle = near_middle(draw);
    let strength = draw.span(0., 0.7);
    let tone = Tone::flush(scene, strength, 0.2);
    lesion::dome(
        scene,
        middle,
        Dome { radius, height: draw.span(0.25, 0.6) * radius, tone, gloss: draw.span(0.1, 0.6) },
    );
    let pore = draw.chance(0.7);
    if pore {
        let place = middle + Point::at(draw.angle()) * (0.3 * radius);
        let shape = blob(draw, place, draw.span(0.08, 0.13), 1.1, 0.1);
        lesion::lay(scene, &shape, matter::SCAB, 0.8);
        lesion::plateau(scene, &shape, -0.05, 0.1);
    }
    let colour = if strength > 0.4 { "red" } else { "skin-coloured" };
    let opening = if pore { "with a dark central pore" } else { "without a pore" };
    format!("a {} {colour} epidermoid cyst {opening}", size_word(radius))
}
