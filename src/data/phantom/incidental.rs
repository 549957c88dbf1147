//! What is in a photograph of skin besides the lesion: hair, freckles, moles, the edge of the body
//! with cloth behind it.

use super::numeric::{Draw, Point, point};
use super::optics::Pigments;
use super::scene::{Pose, Scene, coverage};

/// Natural light-to-dark hair, in linear reflectance.
const HAIR: [[f32; 3]; 3] = [[0.30, 0.20, 0.10], [0.10, 0.055, 0.03], [0.02, 0.017, 0.015]];
const CLOTH: [[f32; 3]; 5] = [
    [0.05, 0.12, 0.30],
    [0.06, 0.25, 0.20],
    [0.02, 0.02, 0.025],
    [0.55, 0.56, 0.58],
    [0.30, 0.33, 0.36],
];

/// A Fitzpatrick type with the frequencies of Fitzpatrick17k's pool (types 1 to 6: 673, 1234, 815,
/// 643, 360, 154).
pub fn skin_type(draw: &Draw) -> u8 {
    1 + draw.weighted(&[673., 1234., 815., 643., 360., 154.]) as u8
}

/// A camera's view of the body: turned by at most `tilt` radians.
pub fn pose(draw: &Draw, tilt: f32, offset: f32) -> Pose {
    Pose {
        offset: point(draw.span(-offset, offset), draw.span(-offset, offset)),
        turn: Point::at(draw.span(-tilt, tilt)),
        zoom: draw.span(0.74, 1.28),
        chirality: if draw.chance(0.5) { 1. } else { -1. },
    }
}

/// Marks that lie under a lesion: freckles, moles, a large faint patch of uneven colour.
pub fn marks(scene: &mut Scene, draw: &Draw) {
    if draw.chance(0.3) {
        let count = draw.count(3, 14);
        for _ in 0..count {
            let strength = draw.span(0.06, 0.22);
            spot(scene, draw, 0.045, 0.09, Pigments { melanin: strength, ..Pigments::default() });
        }
    }
    if draw.chance(0.3) {
        spot(scene, draw, 0.07, 0.16, Pigments { melanin: 0.9, ..Pigments::default() });
    }
    if draw.chance(0.25) {
        let strength = draw.span(0.05, 0.25);
        spot(scene, draw, 0.3, 0.8, Pigments { oxygenated: strength, ..Pigments::default() });
    }
}

fn spot(scene: &mut Scene, draw: &Draw, smallest: f32, largest: f32, added: Pigments) {
    let centre = point(draw.span(-1.2, 1.2), draw.span(-1.2, 1.2));
    let radius = draw.span(smallest, largest);
    let softness = (0.8 * radius).max(scene.pixel);
    scene.within(centre, 1.5 * radius, |at, texel| {
        let share = coverage((at - centre).length() - radius, softness);
        texel.pigments.melanin += share * added.melanin;
        texel.pigments.oxygenated += share * added.oxygenated;
    });
}

/// What lies over a lesion: hair, and cloth beyond the edge of the body.
pub fn over(scene: &mut Scene, draw: &Draw) {
    if draw.chance(0.3) {
        hair(scene, draw);
    }
    if draw.chance(0.16) {
        backdrop(scene, draw);
    }
}

fn hair(scene: &mut Scene, draw: &Draw) {
    let fairest = usize::from(scene.fst > 3);
    let colour = HAIR[draw.count(fairest, HAIR.len() - 1)];
    let direction = draw.angle();
    let (count, opacity) = (draw.count(3, 18), draw.span(0.25, 0.6));
    let half_width = draw.span(0.01, 0.024);
    for _ in 0..count {
        let centre = point(draw.span(-1.2, 1.2), draw.span(-1.2, 1.2));
        let turn = Point::at(direction + 0.35 * draw.bell());
        let (half_length, bend) = (draw.span(0.2, 0.6), draw.span(-0.35, 0.35));
        // A hair narrower than a pixel darkens it in proportion to its width.
        let share_of_pixel = (2. * half_width / scene.pixel).min(1.);
        let width = (2. * half_width).max(scene.pixel);
        scene.within(centre, half_length, |at, texel| {
            let local = (at - centre).turned_back(turn);
            let across = (local.y - bend * local.x * local.x / half_length).abs() - 0.5 * width;
            let share = coverage(across.max(local.x.abs() - half_length), width);
            texel.lay(colour, opacity * share_of_pixel * share);
        });
    }
}

fn backdrop(scene: &mut Scene, draw: &Draw) {
    let colour = CLOTH[draw.count(0, CLOTH.len() - 1)];
    let normal = Point::at(draw.angle());
    let (edge, bend) = (draw.span(0.62, 1.05), draw.span(-0.1, 0.3));
    let softness = scene.pixel;
    scene.everywhere(|at, texel| {
        let local = at.turned_back(normal);
        let beyond = local.x - edge + bend * local.y * local.y;
        // The body turns away from the light towards its edge.
        texel.height -= 0.5 * (beyond + 0.35).max(0.) * (beyond + 0.35).max(0.);
        let share = coverage(-beyond, softness);
        texel.lay(colour, share);
        texel.gloss *= 1. - share;
        texel.height *= 1. - share;
    });
}
