//! What lesions are made of: inflammation, relief, scale, crust, fluid, ulcers and vessels. The
//! study's conditions and the base corpus are put together from these.

use super::numeric::{Draw, Noise, Point, mix, point, smoothstep};
use super::scene::{Scene, coverage};
use super::shape::{Band, Blob, Shape};

/// Added pigment; negative takes away.
#[derive(Clone, Copy, Default)]
pub struct Tone {
    pub oxygenated: f32,
    pub deoxygenated: f32,
    pub melanin: f32,
}

impl Tone {
    /// A flush of this strength (0.2 faint, 0.9 fiery), of which `venous` (0 to 1) is deoxygenated,
    /// with the melanin that skin of this scene answers with.
    pub fn flush(scene: &Scene, strength: f32, venous: f32) -> Self {
        Self {
            oxygenated: strength * (1. - venous),
            deoxygenated: strength * venous,
            melanin: scene.answering_melanin() * strength,
        }
    }

    /// An inflammation of any strength and hue, so that neither tells what the lesion is.
    pub fn any_flush(scene: &Scene, draw: &Draw) -> Self {
        let flush = Self::flush(scene, draw.span(0.28, 1.05), draw.span(0., 0.55));
        Self { melanin: flush.melanin + draw.span(0., 0.2), ..flush }
    }

    pub fn pigment(melanin: f32) -> Self {
        Self { melanin, ..Self::default() }
    }

    /// The same hue at `share` of its strength.
    pub fn part(self, share: f32) -> Self {
        let Self { oxygenated, deoxygenated, melanin } = self;
        Self {
            oxygenated: oxygenated * share,
            deoxygenated: deoxygenated * share,
            melanin: melanin * share,
        }
    }
}

/// Linear reflectances of what may lie on skin.
pub mod matter {
    pub const SCALE: [f32; 3] = [0.76, 0.73, 0.69];
    pub const KERATIN: [f32; 3] = [0.56, 0.40, 0.20];
    pub const HONEY: [f32; 3] = [0.60, 0.33, 0.07];
    pub const SCAB: [f32; 3] = [0.10, 0.035, 0.025];
    pub const PUS: [f32; 3] = [0.80, 0.72, 0.40];
    pub const SLOUGH: [f32; 3] = [0.62, 0.52, 0.24];
    pub const FLESH: [f32; 3] = [0.42, 0.055, 0.05];
    pub const PEARL: [f32; 3] = [0.72, 0.60, 0.54];
    pub const INK: [f32; 3] = [0.03, 0.045, 0.06];

    pub fn mixed(from: [f32; 3], to: [f32; 3], share: f32) -> [f32; 3] {
        std::array::from_fn(|band| super::mix(from[band], to[band], share))
    }
}

/// Colours the inside of `shape`, unevenly by `mottling` (0 to 1), with an edge `softness` wide.
pub fn tint(
    scene: &mut Scene,
    draw: &Draw,
    shape: &Shape,
    tone: Tone,
    softness: f32,
    mottling: f32,
) {
    let noise = Noise::new(draw);
    let (centre, reach) = shape.bounds();
    let pixel = scene.pixel;
    scene.within(centre, reach + softness, |at, texel| {
        let inside = coverage(shape.distance(at), softness.max(pixel));
        if inside > 0. {
            let share = inside * (1. + mottling * noise.rough(at * 3.3 + point(4., 4.)));
            texel.pigments.oxygenated += share * tone.oxygenated;
            texel.pigments.deoxygenated += share * tone.deoxygenated;
            texel.pigments.melanin += share * tone.melanin;
        }
    });
}

/// Colours a strip of `width` around the outline of `shape`.
pub fn rim(scene: &mut Scene, shape: &Shape, tone: Tone, width: f32) {
    let (centre, reach) = shape.bounds();
    let pixel = scene.pixel;
    scene.within(centre, reach + width, |at, texel| {
        let share = coverage(shape.distance(at).abs() - 0.5 * width, (0.6 * width).max(pixel));
        texel.pigments.oxygenated += share * tone.oxygenated;
        texel.pigments.deoxygenated += share * tone.deoxygenated;
        texel.pigments.melanin += share * tone.melanin;
    });
}

/// Lifts the inside of `shape` to a plateau whose slope is `slope` wide; a negative height sinks
/// it.
pub fn plateau(scene: &mut Scene, shape: &Shape, height: f32, slope: f32) {
    let (centre, reach) = shape.bounds();
    let pixel = scene.pixel;
    scene.within(centre, reach + slope, |at, texel| {
        texel.height += height * coverage(shape.distance(at), slope.max(pixel))
    });
}

/// Lifts a wall along the outline of `shape`.
pub fn wall(scene: &mut Scene, shape: &Shape, height: f32, width: f32) {
    let (centre, reach) = shape.bounds();
    let pixel = scene.pixel;
    scene.within(centre, reach + width, |at, texel| {
        texel.height +=
            height * coverage(shape.distance(at).abs() - 0.25 * width, width.max(pixel));
    });
}

/// A round papule or nodule.
#[derive(Clone, Copy)]
pub struct Dome {
    pub radius: f32,
    pub height: f32,
    pub tone: Tone,
    pub gloss: f32,
}

pub fn dome(scene: &mut Scene, centre: Point, dome: Dome) {
    let Dome { radius, height, tone, gloss } = dome;
    let pixel = scene.pixel;
    scene.within(centre, radius, |at, texel| {
        let from_centre = (at - centre).length();
        let share = coverage(from_centre - radius, (0.3 * radius).max(pixel));
        let rise = (1. - (from_centre / radius) * (from_centre / radius)).max(0.);
        texel.height += height * rise.sqrt() * share;
        texel.gloss = mix(texel.gloss, gloss, share);
        texel.pigments.oxygenated += share * tone.oxygenated;
        texel.pigments.deoxygenated += share * tone.deoxygenated;
        texel.pigments.melanin += share * tone.melanin;
    });
}

/// A dome filled with fluid: `matter` shows through its roof with `opacity`.
pub fn blister(scene: &mut Scene, centre: Point, radius: f32, matter: [f32; 3], opacity: f32) {
    let roof = Dome { radius, height: 0.75 * radius, tone: Tone::default(), gloss: 0.9 };
    dome(scene, centre, roof);
    let pixel = scene.pixel;
    scene.within(centre, radius, |at, texel| {
        let share = coverage((at - centre).length() - 0.9 * radius, (0.35 * radius).max(pixel));
        texel.lay(matter, opacity * share);
    });
}

/// How plates of scale or crust lie on a lesion.
#[derive(Clone, Copy)]
pub struct Plates {
    pub matter: [f32; 3],
    /// The width of a plate.
    pub size: f32,
    /// The share of plates that are there.
    pub cover: f32,
    pub opacity: f32,
    /// How far inside the outline the plates begin.
    pub inset: f32,
    pub height: f32,
    /// How deeply the joints between plates show, 0 to 1.
    pub cracks: f32,
}

/// Covers the inside of `shape` with irregular plates.
pub fn plates(scene: &mut Scene, draw: &Draw, shape: &Shape, plates: Plates) {
    let noise = Noise::new(draw);
    let shift = point(draw.span(0., 16.), draw.span(0., 16.));
    let (centre, reach) = shape.bounds();
    let pixel = scene.pixel;
    scene.within(centre, reach, |at, texel| {
        let inside = coverage(shape.distance(at) + plates.inset, 1.5 * pixel);
        if inside == 0. {
            return;
        }
        let (border, value) = noise.cells(at * (1. / plates.size) + shift);
        let there = smoothstep(1. - plates.cover - 0.06, 1. - plates.cover + 0.06, value);
        let share = inside * there * mix(1., smoothstep(0., 0.25, border), plates.cracks);
        let shade = mix(0.78, 1.08, noise.value(at * (2. / plates.size)) * 0.5 + 0.5);
        texel.lay(plates.matter.map(|band| band * shade), plates.opacity * share);
        texel.height += plates.height * share;
        texel.gloss *= 1. - share;
    });
}

/// A defect through the epidermis: a floor of flesh and slough below a wall that overhangs by
/// `overhang`.
#[derive(Clone, Copy)]
pub struct Ulcer {
    pub depth: f32,
    /// The width of the violaceous, undermined border around the floor.
    pub overhang: f32,
    /// The share of the floor covered by slough instead of flesh.
    pub slough: f32,
}

pub fn ulcer(scene: &mut Scene, draw: &Draw, outline: &Shape, ulcer: Ulcer) {
    let noise = Noise::new(draw);
    let (centre, reach) = outline.bounds();
    let pixel = scene.pixel;
    scene.within(centre, reach + 2. * ulcer.overhang, |at, texel| {
        let distance = outline.distance(at);
        let floor = coverage(distance, 1.5 * pixel);
        let border = coverage(
            (distance - 0.5 * ulcer.overhang).abs() - 0.5 * ulcer.overhang,
            0.5 * ulcer.overhang,
        );
        texel.pigments.deoxygenated += 0.75 * border;
        texel.pigments.oxygenated += 0.2 * border;
        texel.pigments.melanin += 0.3 * border;
        texel.height += 0.6 * ulcer.depth * border - ulcer.depth * floor;
        let sloughy = smoothstep(
            -0.25,
            0.25,
            noise.rough(at * 2.6 + point(5., 5.)) + 1.6 * (ulcer.slough - 0.5),
        );
        let shaded = 1. - 0.45 * smoothstep(-2.5 * ulcer.overhang, 0., distance);
        let colour = std::array::from_fn(|band| {
            mix(matter::FLESH[band], matter::SLOUGH[band], sloughy) * shaded
        });
        texel.lay(colour, 0.95 * floor);
        texel.gloss = mix(texel.gloss, 0.6, floor);
    });
}

/// A branching vessel of `width` from `from` in the direction of `heading`, seen through the skin.
pub fn vessel(
    scene: &mut Scene,
    draw: &Draw,
    from: Point,
    heading: f32,
    length: f32,
    width: f32,
    tone: Tone,
) {
    let mut strokes = vec![(from, heading, length, width)];
    let mut next = 0;
    while next < strokes.len() {
        let (from, heading, length, width) = strokes[next];
        next += 1;
        let unit = Point::at(heading);
        let bend = draw.span(-0.3, 0.3);
        let band = Band {
            centre: from + unit * (0.5 * length),
            turn: unit,
            half_length: 0.5 * length,
            half_width: 0.5 * width,
            bend,
        };
        tint(scene, draw, &Shape::Band(band), tone, 0.5 * width, 0.);
        if strokes.len() < 4 {
            let fork = from + unit * (length * draw.span(0.45, 0.8));
            let side = if draw.chance(0.5) { 1. } else { -1. };
            strokes.push((fork, heading + side * draw.span(0.5, 1.), 0.6 * length, 0.8 * width));
        }
    }
}

/// Lays matter over the inside of `shape`.
pub fn lay(scene: &mut Scene, shape: &Shape, matter: [f32; 3], opacity: f32) {
    let (centre, reach) = shape.bounds();
    let pixel = scene.pixel;
    scene.within(centre, reach, |at, texel| {
        texel.lay(matter, opacity * coverage(shape.distance(at), 1.5 * pixel))
    });
}

/// Gives the inside of `shape` this gloss.
pub fn polish(scene: &mut Scene, shape: &Shape, gloss: f32) {
    let (centre, reach) = shape.bounds();
    let pixel = scene.pixel;
    scene.within(centre, reach, |at, texel| {
        texel.gloss = mix(texel.gloss, gloss, coverage(shape.distance(at), 1.5 * pixel))
    });
}

/// A blob's outline as a shape.
pub fn blob(draw: &Draw, centre: Point, radius: f32, aspect: f32, waviness: f32) -> Shape {
    Shape::Blob(Blob::new(draw, centre, radius, aspect, waviness))
}
