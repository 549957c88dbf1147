//! The nine conditions of the study, told apart by the shape, arrangement and surface of their
//! lesions, not by their colour: the strength and hue of inflammation, pigment, size and number
//! vary widely within each.

use super::lesion::{self, Dome, Plates, Tone, Ulcer, blob, matter};
use super::numeric::{Draw, Noise, Point, mix, point};
use super::scene::{Scene, coverage};
use super::shape::{Band, Blob, Polygon, Shape, along_ring, scatter};

/// A condition of the study (the nine most frequent labels of the paper's Fitzpatrick17k subset).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Straight-edged patches with vesicles, where something touched the skin.
    AllergicContactDermatitis,
    /// A pearly nodule with a rolled border. Malignant.
    BasalCellCarcinoma,
    /// Flat-topped polygonal papules with white streaks.
    LichenPlanus,
    /// A butterfly over the cheeks, or coin-shaped plaques with scarred centres.
    LupusErythematosus,
    /// A large ulcer with a violaceous border, or a plaque with pustules.
    NeutrophilicDermatoses,
    /// Redness of exposed skin that ends where clothing shaded it.
    Photodermatoses,
    /// Sharply bordered plaques under silvery plates.
    Psoriasis,
    /// Smooth brown-red domes in rings, arcs or groups.
    Sarcoidosis,
    /// A hard, ill-defined mass under keratin and crust. Malignant.
    SquamousCellCarcinoma,
}

impl Condition {
    /// In alphabetical order of their names.
    pub const ALL: [Self; 9] = [
        Self::AllergicContactDermatitis,
        Self::BasalCellCarcinoma,
        Self::LichenPlanus,
        Self::LupusErythematosus,
        Self::NeutrophilicDermatoses,
        Self::Photodermatoses,
        Self::Psoriasis,
        Self::Sarcoidosis,
        Self::SquamousCellCarcinoma,
    ];

    /// The label, as in Fitzpatrick17k.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllergicContactDermatitis => "allergic contact dermatitis",
            Self::BasalCellCarcinoma => "basal cell carcinoma",
            Self::LichenPlanus => "lichen planus",
            Self::LupusErythematosus => "lupus erythematosus",
            Self::NeutrophilicDermatoses => "neutrophilic dermatoses",
            Self::Photodermatoses => "photodermatoses",
            Self::Psoriasis => "psoriasis",
            Self::Sarcoidosis => "sarcoidosis",
            Self::SquamousCellCarcinoma => "squamous cell carcinoma",
        }
    }

    /// The condition of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.name() == name)
    }

    /// Whether it is a cancer.
    pub fn malignant(self) -> bool {
        matches!(self, Self::BasalCellCarcinoma | Self::SquamousCellCarcinoma)
    }

    /// How far the camera may be turned: a face is photographed upright, other skin from anywhere.
    pub(super) fn tilt(self) -> f32 {
        if self == Self::LupusErythematosus { 0.6 } else { std::f32::consts::PI }
    }

    /// Draws the lesions on unaffected skin.
    pub(super) fn affect(self, scene: &mut Scene, draw: &Draw) {
        match self {
            Self::AllergicContactDermatitis => allergic_contact_dermatitis(scene, draw),
            Self::BasalCellCarcinoma => basal_cell_carcinoma(scene, draw),
            Self::LichenPlanus => lichen_planus(scene, draw),
            Self::LupusErythematosus => lupus_erythematosus(scene, draw),
            Self::NeutrophilicDermatoses => neutrophilic_dermatoses(scene, draw),
            Self::Photodermatoses => photodermatoses(scene, draw),
            Self::Psoriasis => psoriasis(scene, draw),
            Self::Sarcoidosis => sarcoidosis(scene, draw),
            Self::SquamousCellCarcinoma => squamous_cell_carcinoma(scene, draw),
        }
    }
}

/// Straight-edged patches and streaks where something touched the skin, with vesicles.
fn allergic_contact_dermatitis(scene: &mut Scene, draw: &Draw) {
    let tone = Tone::any_flush(scene, draw);
    let softness = draw.span(0.04, 0.2);
    let mut touched = Vec::new();
    if draw.chance(0.55) {
        let turn = Point::at(draw.angle());
        let (count, apart) = (draw.count(2, 3), draw.span(0.5, 0.7));
        for streak in 0..count {
            let across = (streak as f32 - 0.5 * (count as f32 - 1.)) * apart;
            let turn = turn.turned(Point::at(draw.span(-0.22, 0.22)));
            let centre = point(draw.span(-0.3, 0.3), across).turned(turn);
            let (half_length, half_width) = (draw.span(0.5, 1.0), draw.span(0.13, 0.2));
            touched.push(Shape::Band(Band {
                centre,
                turn,
                half_length,
                half_width,
                bend: draw.span(-0.12, 0.12),
            }));
        }
    } else {
        let (half_width, half_height) = (draw.span(0.5, 0.8), draw.span(0.3, 0.55));
        let centre = point(draw.span(-0.15, 0.15), draw.span(-0.15, 0.15));
        touched.push(Shape::Polygon(Polygon::patch(draw, centre, half_width, half_height)));
    }
    let clear = matter::mixed(matter::PEARL, matter::PUS, draw.span(0., 0.4));
    let opacity = draw.span(0.3, 0.6);
    let vesicles = if touched.len() == 1 { draw.count(3, 7) } else { draw.count(1, 3) };
    for shape in &touched {
        lesion::tint(scene, draw, shape, tone, softness, 0.5);
        lesion::plateau(scene, shape, draw.span(0.015, 0.05), 0.15);
        for _ in 0..vesicles {
            let at = shape.interior(draw);
            lesion::blister(scene, at, draw.span(0.13, 0.19), clear, opacity);
        }
    }
}

/// One smooth pearly nodule with a rolled border, a central pit and branching vessels.
fn basal_cell_carcinoma(scene: &mut Scene, draw: &Draw) {
    let radius = draw.span(0.44, 0.72);
    let outline = Blob::new(draw, point(0., 0.), radius, draw_aspect(draw), 0.1);
    let shape = Shape::Blob(outline.clone());
    let halo = Tone::any_flush(scene, draw);
    lesion::tint(
        scene,
        draw,
        &Shape::Blob(outline.scaled(1.25)),
        halo.part(draw_share(draw)),
        0.35,
        0.3,
    );
    let (pearl, shine) = (draw.span(0.2, 0.6), draw.span(0.15, 0.5));
    let pixel = scene.pixel;
    let melanin = scene.melanin;
    scene.within(point(0., 0.), 1.5 * radius, |at, texel| {
        let share = coverage(shape.distance(at), 2. * pixel);
        texel.pigments.melanin -= 0.4 * melanin * share;
        texel.lay(matter::PEARL, 0.5 * pearl * share);
        texel.gloss = mix(texel.gloss, shine, share);
    });
    let roll = draw.span(0.24, 0.34);
    let rolled = Shape::Blob(outline.scaled(1. - 0.5 * roll / radius));
    lesion::wall(scene, &rolled, draw.span(0.12, 0.2), roll);
    let vessels = draw.count(2, 4);
    for _ in 0..vessels {
        let heading = draw.angle();
        let from = Point::at(heading) * (radius * 0.95);
        let tone = Tone { oxygenated: 0.7, deoxygenated: 0.5, melanin: 0. };
        lesion::vessel(scene, draw, from, heading + std::f32::consts::PI, radius * 0.8, 0.12, tone);
    }
    let pit = radius * draw.span(0.28, 0.5);
    let floor = Shape::Blob(Blob::new(draw, point(0., 0.), pit, 1., 0.15));
    lesion::plateau(scene, &floor, -0.1, 0.15);
    if draw.chance(0.6) {
        let scab = matter::mixed(matter::SCAB, matter::FLESH, draw.unit());
        lesion::lay(scene, &floor, scab, draw.span(0.6, 0.95));
    }
    if draw.chance(0.3) {
        let nests = draw.count(2, 4);
        for _ in 0..nests {
            let at = Point::at(draw.angle()) * (radius * 0.75);
            let nest = blob(draw, at, 0.16, 1.3, 0.1);
            lesion::tint(
                scene,
                draw,
                &nest,
                Tone { melanin: 0.9, deoxygenated: 0.5, oxygenated: 0. },
                0.1,
                0.,
            );
        }
    }
}

/// Several flat-topped polygonal papules, with white streaks across.
fn lichen_planus(scene: &mut Scene, draw: &Draw) {
    let base = Tone::any_flush(scene, draw);
    let tone = Tone { deoxygenated: base.deoxygenated + draw.span(0., 0.25), ..base };
    let (count, size) = (draw.count(2, 6), draw.span(0.3, 0.44));
    let (height, streaked) = (draw.span(0.05, 0.1), draw.chance(0.75));
    let places = if draw.chance(0.7) {
        scatter(draw, point(0., 0.), 0.85, count, 1.75 * size)
    } else {
        in_line(draw, count, 1.9 * size)
    };
    for at in places {
        let sides = draw.count(4, 6);
        let radius = size * draw.span(0.8, 1.2);
        let papule = Polygon::new(draw, at, radius, sides);
        let shape = Shape::Polygon(papule);
        lesion::tint(scene, draw, &shape, tone, 0.04, 0.15);
        lesion::plateau(scene, &shape, height, 0.12);
        lesion::polish(scene, &shape, 0.45);
        if streaked {
            let band = Band {
                centre: at,
                turn: Point::at(draw.angle()),
                half_length: 0.75 * radius,
                half_width: 0.07,
                bend: 0.1,
            };
            lesion::lay(scene, &Shape::Band(band), matter::SCALE, draw.span(0.25, 0.5));
        }
    }
}

/// Places along a scratch, where lichen planus and psoriasis follow (Koebner's phenomenon).
fn in_line(draw: &Draw, count: usize, apart: f32) -> Vec<Point> {
    let turn = Point::at(draw.angle());
    let first = -0.5 * (count as f32 - 1.);
    (0..count)
        .map(|place| point((first + place as f32) * apart, draw.span(-0.14, 0.14)).turned(turn))
        .collect()
}

/// A butterfly over the cheeks and the bridge of the nose, or coin-shaped plaques with scarred pale
/// centres.
fn lupus_erythematosus(scene: &mut Scene, draw: &Draw) {
    let tone = Tone::any_flush(scene, draw);
    if draw.chance(0.75) {
        butterfly(scene, draw, tone);
        return;
    }
    let (count, size) = (draw.count(1, 3), draw.span(0.38, 0.5));
    let places = scatter(draw, point(0., 0.), 0.6, count, 1.9 * size);
    for at in places {
        let coin = Blob::new(draw, at, size * draw.span(0.85, 1.15), 1.1, 0.06);
        let shape = Shape::Blob(coin.clone());
        lesion::tint(scene, draw, &shape, tone.part(0.6), 0.08, 0.3);
        lesion::rim(
            scene,
            &Shape::Blob(coin.scaled(0.9)),
            Tone { melanin: 0.55, oxygenated: 0.2, deoxygenated: 0.1 },
            0.2,
        );
        let scar = Shape::Blob(coin.scaled(0.6));
        let melanin = scene.melanin;
        lesion::tint(
            scene,
            draw,
            &scar,
            Tone { melanin: -0.75 * melanin - tone.melanin, oxygenated: -0.3, deoxygenated: -0.1 },
            0.15,
            0.,
        );
        lesion::plateau(scene, &scar, -0.05, 0.2);
    }
}

fn butterfly(scene: &mut Scene, draw: &Draw, tone: Tone) {
    let (reach, lift) = (draw.span(0.42, 0.6), draw.span(-0.1, 0.15));
    let (wing_length, wing_height) = (draw.span(0.34, 0.46), draw.span(0.24, 0.36));
    let droop = Point::at(draw.span(0.15, 0.6));
    let (bridge, softness) = (draw.span(0.1, 0.16), draw.span(0.08, 0.2));
    let uneven = draw.span(0.85, 1.15);
    let (border, mottle) = (Noise::new(draw), Noise::new(draw));
    let scale = if draw.chance(0.35) { draw.span(0.15, 0.4) } else { 0. };
    scene.everywhere(|at, texel| {
        let side = if at.x < 0. { uneven } else { 1. / uneven };
        let folded = point(at.x.abs(), at.y - lift);
        let local = (folded - point(reach, 0.08)).turned_back(droop);
        let scaled = point(local.x / (wing_length * side), local.y / (wing_height * side));
        let wing = (scaled.length() - 1.) * wing_height;
        let nose = (folded.x - reach).max((folded.y + 0.05).abs() - bridge);
        let distance = wing.min(nose) + 0.05 * border.rough(at * 2.5 + point(6., 6.));
        let share =
            coverage(distance, softness) * (1. + 0.35 * mottle.rough(at * 3. + point(3., 9.)));
        texel.pigments.oxygenated += share * tone.oxygenated;
        texel.pigments.deoxygenated += share * tone.deoxygenated;
        texel.pigments.melanin += share * tone.melanin;
        texel.lay(matter::SCALE, scale * share * coverage(-mottle.value(at * 4.), 0.6));
        // The ridge of the nose.
        let ridge = coverage(at.x.abs() - 0.12, 0.4) * coverage((at.y - 0.1).abs() - 0.55, 0.4);
        texel.height += 0.11 * ridge;
    });
}

/// A large ulcer with a violaceous undermined border, or a juicy plaque studded with pustules.
fn neutrophilic_dermatoses(scene: &mut Scene, draw: &Draw) {
    let tone = Tone::any_flush(scene, draw);
    if draw.chance(0.6) {
        let outline =
            Blob::new(draw, point(0., 0.), draw.span(0.36, 0.6), draw.span(1., 1.4), 0.25);
        lesion::tint(scene, draw, &Shape::Blob(outline.scaled(1.45)), tone.part(0.6), 0.3, 0.3);
        let defect = Ulcer {
            depth: draw.span(0.06, 0.12),
            overhang: draw.span(0.18, 0.28),
            slough: draw.span(0.25, 0.85),
        };
        lesion::ulcer(scene, draw, &Shape::Blob(outline), defect);
        return;
    }
    let count = draw.count(1, 2);
    let size = if count == 1 { draw.span(0.5, 0.72) } else { draw.span(0.36, 0.46) };
    let places = scatter(draw, point(0., 0.), 0.5 * (count as f32 - 1.), count, 1.8 * size);
    for at in places {
        let plaque = blob(draw, at, size, draw_aspect(draw), 0.2);
        lesion::tint(scene, draw, &plaque, tone, 0.1, 0.2);
        lesion::plateau(scene, &plaque, draw.span(0.08, 0.14), 0.25);
        let pustules = draw.count(2, 6);
        let spread = scatter(draw, at, 0.85 * size, pustules, 0.36);
        for pustule in spread {
            lesion::blister(
                scene,
                pustule,
                draw.span(0.14, 0.19),
                matter::PUS,
                draw.span(0.65, 0.95),
            );
        }
    }
}

/// Redness of the exposed skin, ending sharply where clothing shaded it.
fn photodermatoses(scene: &mut Scene, draw: &Draw) {
    let tone = Tone::any_flush(scene, draw);
    let turn = Point::at(draw.angle());
    let (style, bend) = (draw.weighted(&[0.4, 0.3, 0.3]), draw.span(-0.25, 0.25));
    let (shift, opening) = (draw.span(-0.3, 0.3), Point::at(draw.span(0.45, 0.8)));
    let (strap, softness) = (draw.span(0.16, 0.3), draw.span(0.03, 0.1));
    let (tan, mottle) = (draw.span(0., 0.3) * (0.3 + scene.melanin), Noise::new(draw));
    let mottling = draw.span(0.2, 0.7);
    let pixel = scene.pixel;
    let exposed = move |at: Point| {
        let local = at.turned_back(turn);
        match style {
            0 => local.x - shift + bend * local.y * local.y,
            1 => {
                let edge = point(local.x, local.y.abs());
                edge.dot(point(opening.x, opening.y)) - shift.abs() - 0.1
            }
            _ => strap - (local.x - shift + bend * local.y * local.y).abs(),
        }
    };
    scene.everywhere(|at, texel| {
        let share = coverage(exposed(at), softness.max(pixel));
        let uneven = share * (1. + mottling * mottle.rough(at * 3. + point(2., 2.)));
        texel.pigments.oxygenated += uneven * tone.oxygenated;
        texel.pigments.deoxygenated += uneven * tone.deoxygenated;
        texel.pigments.melanin += uneven * tone.melanin + share * tan;
    });
    if draw.chance(0.5) {
        let papules = draw.count(4, 10);
        for _ in 0..papules {
            let at = point(draw.span(-1.1, 1.1), draw.span(-1.1, 1.1));
            if exposed(at) < -0.1 {
                let papule = Dome {
                    radius: draw.span(0.13, 0.2),
                    height: 0.06,
                    tone: tone.part(0.5),
                    gloss: 0.2,
                };
                lesion::dome(scene, at, papule);
            }
        }
    }
}

/// Sharply bordered plaques under thick silvery plates that leave a red rim.
fn psoriasis(scene: &mut Scene, draw: &Draw) {
    let tone = Tone::any_flush(scene, draw);
    let (count, size) = match draw.weighted(&[0.4, 0.35, 0.25]) {
        0 => (1, draw.span(0.5, 0.8)),
        1 => (draw.count(2, 3), draw.span(0.36, 0.48)),
        _ => (draw.count(3, 5), draw.span(0.3, 0.38)),
    };
    let (cover, cracks) = (draw.span(0.62, 0.95), draw.span(0., 0.7));
    let (opacity, plate) = (draw.span(0.65, 0.95), draw.span(0.34, 0.55));
    let places =
        scatter(draw, point(0., 0.), if count == 1 { 0.2 } else { 0.75 }, count, 1.9 * size);
    for at in places {
        let plaque = blob(draw, at, size * draw.span(0.85, 1.15), draw_aspect(draw), 0.2);
        lesion::tint(scene, draw, &plaque, tone, 0.05, 0.2);
        lesion::plateau(scene, &plaque, draw.span(0.03, 0.07), 0.12);
        let inset = draw.span(0.09, 0.17);
        let scale = Plates {
            matter: matter::SCALE,
            size: plate,
            cover,
            opacity,
            inset,
            height: 0.04,
            cracks,
        };
        lesion::plates(scene, draw, &plaque, scale);
    }
}

/// Smooth domes of brown-red, in rings and arcs or in loose groups.
fn sarcoidosis(scene: &mut Scene, draw: &Draw) {
    let base = Tone::any_flush(scene, draw);
    let tone = Tone { melanin: base.melanin + draw.span(0., 0.2), ..base };
    let radius = draw.span(0.17, 0.24);
    let places = if draw.chance(0.7) {
        let ring = Blob {
            aspect: draw.span(1., 1.3),
            turn: Point::at(draw.angle()),
            ..Blob::round(point(0., 0.), draw.span(0.5, 0.72))
        };
        let share = draw.span(0.65, 1.);
        let count =
            (std::f32::consts::TAU * share * ring.radius / (draw.span(1.7, 2.2) * radius)) as usize;
        along_ring(draw, &ring, count, share)
    } else {
        let count = draw.count(3, 6);
        scatter(draw, point(0., 0.), 0.7, count, 2.1 * radius)
    };
    let (height, shine) = (draw.span(0.5, 0.8), draw.span(0.2, 0.6));
    for at in places {
        let radius = radius * draw.span(0.85, 1.2);
        lesion::dome(scene, at, Dome { radius, height: height * radius, tone, gloss: shine });
    }
}

/// One hard, ill-defined red mass under a thick heap of yellow-brown keratin and crust.
fn squamous_cell_carcinoma(scene: &mut Scene, draw: &Draw) {
    let tone = Tone::any_flush(scene, draw);
    let radius = draw.span(0.44, 0.72);
    let mass = Blob::new(draw, point(0., 0.), radius, draw_aspect(draw), 0.3);
    lesion::tint(scene, draw, &Shape::Blob(mass.scaled(1.15)), tone, 0.35, 0.4);
    lesion::plateau(scene, &Shape::Blob(mass.clone()), draw.span(0.12, 0.2), 0.4);
    let heap = Shape::Blob(Blob::new(
        draw,
        point(0., 0.),
        radius * draw.span(0.6, 0.85),
        draw_aspect(draw),
        0.35,
    ));
    let keratin = matter::mixed(matter::KERATIN, matter::SCALE, draw.span(0., 0.4));
    let under = matter::mixed(keratin, matter::SCAB, draw.span(0.3, 0.7));
    lesion::lay(scene, &heap, under, 0.9);
    lesion::plateau(scene, &heap, 0.06, 0.12);
    let plates = Plates {
        matter: keratin,
        size: draw.span(0.32, 0.5),
        cover: draw.span(0.55, 0.85),
        opacity: 0.95,
        inset: 0.,
        height: draw.span(0.08, 0.14),
        cracks: draw.span(0.2, 0.9),
    };
    lesion::plates(scene, draw, &heap, plates);
    if draw.chance(0.35) {
        let bleeding = blob(draw, point(0., 0.), 0.4 * radius, 1.2, 0.3);
        lesion::lay(scene, &bleeding, matter::mixed(matter::SCAB, matter::FLESH, draw.unit()), 0.9);
        lesion::plateau(scene, &bleeding, -0.12, 0.15);
    }
}

fn draw_aspect(draw: &Draw) -> f32 {
    draw.span(1., 1.35)
}

fn draw_share(draw: &Draw) -> f32 {
    draw.span(0.2, 0.7)
}
