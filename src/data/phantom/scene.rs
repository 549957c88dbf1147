//! A patch of skin as fields of pigment, height and covering matter, before it is photographed.
//!
//! Lengths are in units of half the image's width at zoom 1, the origin in the middle, x to the
//! right and y down. At 32 px a pixel is 1/16 unit, so what has to survive an autoencoder is drawn
//! at 0.2 units or wider.

use super::numeric::{Draw, Noise, Point, mix, point};
use super::optics::{self, Pigments};

/// Where the body lies in the picture.
#[derive(Clone, Copy)]
pub struct Pose {
    pub offset: Point,
    /// The unit vector that the body's x axis points along.
    pub turn: Point,
    pub zoom: f32,
    /// 1, or -1 for a mirrored body.
    pub chirality: f32,
}

impl Pose {
    fn to_body(self, picture: Point) -> Point {
        let body = (picture - self.offset).turned_back(self.turn) * (1. / self.zoom);
        point(body.x * self.chirality, body.y)
    }

    fn to_picture(self, body: Point) -> Point {
        (point(body.x * self.chirality, body.y) * self.zoom).turned(self.turn) + self.offset
    }
}

/// One pixel's column of skin.
#[derive(Clone, Copy, Default)]
pub struct Texel {
    pub pigments: Pigments,
    /// Above the surrounding skin.
    pub height: f32,
    /// 0 matt to 1 wet.
    pub gloss: f32,
    /// Reflectance of the matter on the skin (scale, crust, pus, cloth), times its opacity.
    pub cover: [f32; 3],
    pub opacity: f32,
}

impl Texel {
    /// Lays matter of linear reflectance `colour` over what is there.
    pub fn lay(&mut self, colour: [f32; 3], opacity: f32) {
        for (cover, colour) in self.cover.iter_mut().zip(colour) {
            *cover = mix(*cover, colour, opacity);
        }
        self.opacity = mix(self.opacity, 1., opacity);
    }

    /// Linear reflectance of the column.
    pub fn albedo(&self) -> [f32; 3] {
        let skin = optics::reflectance(self.pigments);
        std::array::from_fn(|band| self.cover[band] + (1. - self.opacity) * skin[band])
    }
}

pub struct Scene {
    pub size: usize,
    pub fst: u8,
    pub texels: Vec<Texel>,
    /// The melanin of the unaffected skin.
    pub melanin: f32,
    /// The width of a pixel on the body.
    pub pixel: f32,
    pose: Pose,
}

impl Scene {
    /// Unaffected skin of this type: its own melanin and blood, mottled, with creases.
    pub fn skin(size: usize, fst: u8, pose: Pose, draw: &Draw) -> Self {
        let melanin = optics::melanin_of(fst) * draw.span(0.82, 1.2) + draw.span(0., 0.05);
        let blood = draw.span(0.12, 0.3);
        let pixel = 2. / (size as f32 * pose.zoom);
        let mut scene =
            Self { size, fst, texels: vec![Texel::default(); size * size], melanin, pixel, pose };
        let (mottling, relief) = (Noise::new(draw), Noise::new(draw));
        let (blotch, patchiness) = (draw.span(0.8, 3.), draw.span(0.02, 0.22));
        let (crease, depth) = (draw.span(3., 6.5), draw.span(0.001, 0.009));
        let grain = draw.span(0.4, 1.);
        let gloss = draw.span(0.02, 0.22);
        scene.everywhere(|at, texel| {
            let tint = mottling.rough(at * blotch + point(3., 3.));
            texel.pigments.melanin = melanin * (1. + 0.5 * patchiness * tint);
            texel.pigments.oxygenated =
                blood * (1. + patchiness * 2. * mottling.value(at * 1.7 + point(7.5, 1.5)));
            texel.pigments.deoxygenated = 0.25 * blood;
            texel.height =
                depth * relief.rough(point(at.x * crease * grain, at.y * crease) + point(8., 8.));
            texel.gloss = gloss;
        });
        scene
    }

    /// Paints every pixel, given its place on the body.
    pub fn everywhere(&mut self, mut paint: impl FnMut(Point, &mut Texel)) {
        let size = self.size;
        for row in 0..size {
            for column in 0..size {
                let at = self.pose.to_body(self.centre_of(column, row));
                paint(at, &mut self.texels[row * size + column]);
            }
        }
    }

    /// Paints the pixels within `reach` of `centre` on the body.
    pub fn within(&mut self, centre: Point, reach: f32, mut paint: impl FnMut(Point, &mut Texel)) {
        let middle = self.pose.to_picture(centre);
        let reach = (reach + 2. * self.pixel) * self.pose.zoom;
        let size = self.size as f32;
        let range = |middle: f32| {
            let first = ((middle - reach + 1.) * 0.5 * size).floor().clamp(0., size);
            let end = ((middle + reach + 1.) * 0.5 * size).ceil().clamp(0., size);
            first as usize..end as usize
        };
        for row in range(middle.y) {
            for column in range(middle.x) {
                let at = self.pose.to_body(self.centre_of(column, row));
                paint(at, &mut self.texels[row * self.size + column]);
            }
        }
    }

    /// Where a pixel's centre lies in the picture, from -1 to 1.
    pub fn centre_of(&self, column: usize, row: usize) -> Point {
        let scale = 2. / self.size as f32;
        point((column as f32 + 0.5) * scale - 1., (row as f32 + 0.5) * scale - 1.)
    }

    /// How strongly added pigment of inflammation shows for its skin: darker skin answers with
    /// melanin too.
    pub fn answering_melanin(&self) -> f32 {
        0.08 + 0.22 * self.melanin
    }
}

/// 1 well inside, 0 well outside an edge that is `softness` wide.
pub fn coverage(distance: f32, softness: f32) -> f32 {
    let share = (0.5 - distance / softness).clamp(0., 1.);
    share * share * (3. - 2. * share)
}
