//! From a scene to a photograph: light, shade, hair, lens, white balance and sensor.

use super::super::RgbImage;
use super::numeric::{Draw, Point, exp, mix, point};
use super::optics::srgb;
use super::scene::Scene;

struct Light {
    /// Towards the lamp, of unit length: in the picture, and out of it.
    slant: Point,
    up: f32,
    exposure: f32,
    /// How much brighter the side towards the lamp is.
    falloff: f32,
    vignette: f32,
    balance: [f32; 3],
    ambient: f32,
    noise: f32,
}

impl Light {
    fn new(draw: &Draw) -> Self {
        let low = draw.span(0.3, 0.8);
        let warmth = draw.bell() * 0.055;
        let tint = draw.bell() * 0.03;
        Self {
            slant: Point::at(draw.angle()) * low,
            up: (1. - low * low).sqrt(),
            exposure: exp(draw.bell() * 0.15),
            falloff: draw.span(0., 0.22),
            vignette: if draw.chance(0.6) { draw.span(0., 0.3) } else { 0. },
            balance: [1. + warmth, 1. + tint, 1. - warmth],
            ambient: draw.span(0.35, 0.65),
            noise: draw.span(0.004, 0.018),
        }
    }
}

/// Photographs the scene. Exposure adapts partly to dark skin, as a camera's does.
pub fn develop(scene: &Scene, draw: &Draw) -> RgbImage {
    let light = Light::new(draw);
    let adaptation = exp(0.2 * scene.melanin);
    let size = scene.size;
    let mut image = RgbImage::new(size, size);
    let mut grain = vec![0; 3 * size * size];
    draw.bytes(&mut grain);
    for row in 0..size {
        for column in 0..size {
            let texel = &scene.texels[row * size + column];
            let at = scene.centre_of(column, row);
            let slope = slope(scene, column, row);
            let normal_up = 1. / (1. + slope.dot(slope)).sqrt();
            let facing = ((light.up - slope.dot(light.slant)) * normal_up).max(0.);
            let shade = mix(facing / light.up, 1., light.ambient);
            // The lamp's mirror image, seen from straight above: Blinn's half vector.
            let half_up = ((1. + light.up) * 0.5).sqrt();
            let half = light.slant * (0.5 / half_up);
            let mirror = ((half_up - slope.dot(half)) * normal_up).clamp(0., 1.);
            let glint = texel.gloss * 0.55 * squared(mirror, 5);
            let distance = at.dot(at);
            let lamp = (1. + light.falloff * at.dot(light.slant)) * (1. - light.vignette * 0.5 * distance);
            let level = light.exposure * adaptation * lamp;
            let albedo = texel.albedo();
            for band in 0..3 {
                let radiance = (albedo[band] * shade + glint) * level * light.balance[band];
                let place = 3 * (row * size + column) + band;
                let noise = (f32::from(grain[place]) / 127.5 - 1.) * light.noise * 1.7;
                image.pixels[place] = ((srgb(radiance) + noise) * 255.).round().clamp(0., 255.) as u8;
            }
        }
    }
    image
}

/// `x` squared `times` times over: its power of 2^times. (`powi` may round differently from one target to the next.)
fn squared(x: f32, times: usize) -> f32 {
    (0..times).fold(x, |power, _| power * power)
}

/// The slope of the surface at a pixel, by central differences, in the picture's axes.
fn slope(scene: &Scene, column: usize, row: usize) -> Point {
    let size = scene.size;
    let height = |column: usize, row: usize| scene.texels[row * size + column].height;
    let (left, right) = (column.saturating_sub(1), (column + 1).min(size - 1));
    let (above, below) = (row.saturating_sub(1), (row + 1).min(size - 1));
    let step = |from: usize, to: usize| 1. / ((to - from) as f32 * scene.pixel);
    point(
        (height(right, row) - height(left, row)) * step(left, right),
        (height(column, below) - height(column, above)) * step(above, below),
    )
}
