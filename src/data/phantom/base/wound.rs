//! Injuries, scars and ink.

use super::super::lesion::{self, Tone, Ulcer, blob, matter};
use super::super::numeric::{Draw, Point, point};
use super::super::scene::Scene;
use super::super::shape::{Band, Blob, Polygon, Shape, near_middle, scatter};
use super::words::{border_word, number, size_word, with_article};

/// An irregular red area with large blisters and raw skin.
pub fn burn(scene: &mut Scene, draw: &Draw) -> String {
    let strength = draw.span(0.5, 1.2);
    let tone = Tone::flush(scene, strength, draw.span(0., 0.3));
    let radius = draw.span(0.5, 0.95);
    let middle = near_middle(draw);
    let softness = draw.span(0.05, 0.3);
    let area = Blob::new(draw, middle, radius, draw.span(1., 1.6), 0.4);
    lesion::tint(scene, draw, &Shape::Blob(area.clone()), tone, softness, 0.5);
    let raw = draw.chance(0.5);
    if raw {
        let wet = Shape::Blob(area.scaled(draw.span(0.4, 0.65)));
        lesion::lay(
            scene,
            &wet,
            matter::mixed(matter::FLESH, matter::PEARL, draw.span(0., 0.6)),
            0.85,
        );
        lesion::polish(scene, &wet, 0.6);
    }
    let blisters = if raw { draw.count(0, 2) } else { draw.count(1, 3) };
    for at in scatter(draw, middle, 0.6 * radius, blisters, 0.4) {
        let opacity = draw.span(0.2, 0.5);
        lesion::blister(
            scene,
            at,
            draw.span(0.2, 0.32),
            matter::mixed(matter::PEARL, matter::PUS, 0.3),
            opacity,
        );
    }
    let surface = match (raw, blisters > 0) {
        (true, true) => "raw wet skin and large blisters",
        (true, false) => "raw wet skin",
        _ => "large clear blisters",
    };
    format!("a {} irregular red burn with {surface}", size_word(0.6 * radius))
}

/// A soft-edged bruise from purple to green and yellow.
pub fn ecchymosis(scene: &mut Scene, draw: &Draw) -> String {
    let age = draw.unit();
    let radius = draw.span(0.4, 0.9);
    let area = Blob::new(draw, near_middle(draw), radius, draw.span(1., 1.6), draw.span(0.1, 0.35));
    let softness = draw.span(0.15, 0.45);
    let blood = Tone { oxygenated: 0.25, deoxygenated: 1.1 - 0.8 * age, melanin: 0.15 };
    lesion::tint(scene, draw, &Shape::Blob(area.scaled(0.85)), blood, softness, 0.5);
    // Bilirubin and biliverdin absorb blue light as melanin does, but leave red.
    lesion::lay(scene, &Shape::Blob(area.scaled(1.1)), [0.42, 0.40, 0.12], 0.35 * age);
    let colour = if age < 0.35 {
        "dark purple"
    } else if age < 0.7 {
        "blue and yellow"
    } else {
        "green and yellow"
    };
    format!(
        "a {} flat {colour} bruise, an ecchymosis with blurred borders",
        size_word(0.7 * radius)
    )
}

/// A smooth raised scar, a band or a lump.
pub fn keloid(scene: &mut Scene, draw: &Draw) -> String {
    let tone = Tone::flush(scene, draw.span(0.1, 0.8), draw.span(0., 0.5));
    let (height, gloss) = (draw.span(0.1, 0.25), draw.span(0.3, 0.9));
    let linear = draw.chance(0.55);
    let half_width = draw.span(0.14, 0.28);
    let shape = if linear {
        let bend = draw.span(-0.3, 0.3);
        Shape::Band(Band {
            centre: near_middle(draw),
            turn: Point::at(draw.angle()),
            half_length: draw.span(0.4, 0.9),
            half_width,
            bend,
        })
    } else {
        blob(draw, near_middle(draw), 2. * half_width, draw.span(1., 1.6), 0.35)
    };
    lesion::tint(scene, draw, &shape, tone, 0.08, 0.2);
    lesion::plateau(scene, &shape, height, 1.2 * half_width);
    lesion::polish(scene, &shape, gloss);
    let form = if linear { "linear" } else { "irregular" };
    let surface = if gloss > 0.6 { "shiny" } else { "smooth" };
    format!(
        "{} {surface} pink keloid scar, strongly raised, with a sharp border",
        with_article(form)
    )
}

/// Parallel sunken bands.
pub fn stretch_marks(scene: &mut Scene, draw: &Draw) -> String {
    let count = draw.count(3, 6);
    let fresh = draw.chance(0.5);
    let tone = if fresh {
        Tone::flush(scene, draw.span(0.4, 0.9), draw.span(0.2, 0.6))
    } else {
        Tone { melanin: -0.5 * scene.melanin, oxygenated: -0.1, deoxygenated: 0. }
    };
    let (heading, bend) = (draw.angle(), draw.span(-0.3, 0.3));
    let turn = Point::at(heading);
    let half_width = draw.span(0.06, 0.11);
    for stripe in 0..count {
        let across = (stripe as f32 - 0.5 * (count as f32 - 1.)) * draw.span(0.3, 0.42);
        let centre = point(draw.span(-0.4, 0.4), across).turned(turn);
        let stripe = Band {
            centre,
            turn: Point::at(heading + draw.span(-0.12, 0.12)),
            half_length: draw.span(0.5, 1.1),
            half_width,
            bend,
        };
        let shape = Shape::Band(stripe);
        lesion::tint(scene, draw, &shape, tone, 0.1, 0.2);
        lesion::plateau(scene, &shape, -0.03, 0.12);
    }
    let colour = if fresh { "purple" } else { "pale" };
    format!("{} parallel sunken {colour} stretch marks with blurred borders", number(count))
}

/// Geometric ink: polygons, rings and lines.
pub fn tattoo(scene: &mut Scene, draw: &Draw) -> String {
    let ink = draw.pick(&[
        ("black", matter::INK),
        ("blue", [0.03, 0.08, 0.22]),
        ("green", [0.03, 0.14, 0.07]),
        ("red", [0.35, 0.03, 0.03]),
    ]);
    let opacity = draw.span(0.45, 0.85);
    let form = draw.pick(&["polygons", "rings", "lines"]);
    let count = draw.count(1, 6);
    let size = draw.span(0.3, 0.6) / (count as f32).sqrt() + 0.1;
    let heading = draw.angle();
    for at in scatter(draw, point(0., 0.), 0.8, count, 1.7 * size) {
        match form {
            "polygons" => {
                let sides = draw.count(3, 6);
                lesion::lay(
                    scene,
                    &Shape::Polygon(Polygon::new(draw, at, size, sides)),
                    ink.1,
                    opacity,
                );
            }
            "rings" => ring_of_ink(scene, at, size, ink.1, opacity),
            _ => {
                let turn = Point::at(heading + draw.span(-0.3, 0.3));
                let line = Band {
                    centre: at,
                    turn,
                    half_length: 1.5 * size,
                    half_width: 0.1,
                    bend: draw.span(-0.4, 0.4),
                };
                lesion::lay(scene, &Shape::Band(line), ink.1, opacity);
            }
        }
    }
    let drawing = if count == 1 {
        format!("one geometric {}", &form[..form.len() - 1])
    } else {
        format!("{} geometric {form}", number(count))
    };
    format!("a {} ink tattoo of {drawing} with sharp edges", ink.0)
}

fn ring_of_ink(scene: &mut Scene, centre: Point, radius: f32, ink: [f32; 3], opacity: f32) {
    let pixel = scene.pixel;
    scene.within(centre, 1.5 * radius, |at, texel| {
        let distance = ((at - centre).length() - radius).abs() - 0.09;
        texel.lay(ink, opacity * super::super::scene::coverage(distance, 1.5 * pixel));
    });
}

/// A shallow ulcer in brown, hardened skin.
pub fn venous_ulcer(scene: &mut Scene, draw: &Draw) -> String {
    let radius = draw.span(0.3, 0.6);
    let outline =
        Blob::new(draw, near_middle(draw), radius, draw.span(1., 1.6), draw.span(0.15, 0.4));
    let brown =
        Tone { melanin: draw.span(0.3, 0.8), oxygenated: draw.span(0., 0.4), deoxygenated: 0.1 };
    let softness = draw.span(0.3, 0.5);
    lesion::tint(scene, draw, &Shape::Blob(outline.scaled(1.6)), brown, softness, 0.6);
    let slough = draw.unit();
    let shallow = Ulcer { depth: draw.span(0.02, 0.06), overhang: draw.span(0.04, 0.08), slough };
    lesion::ulcer(scene, draw, &Shape::Blob(outline), shallow);
    let floor = if slough > 0.6 {
        "yellow"
    } else if slough > 0.35 {
        "mottled"
    } else {
        "red"
    };
    let border = border_word(softness);
    format!(
        "a {} shallow venous ulcer with a {floor} floor and {border} brown edge",
        size_word(radius)
    )
}
