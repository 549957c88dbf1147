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
    /// The share of a pixel's light that falls on each neighbour, at 32 px.
    defocus: f32,
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
            defocus: draw.span(0.06, 0.25),
            noise: draw.span(0.002, 0.011),
        }
    }
}

/// Photographs the scene. Exposure adapts partly to dark skin, as a camera's does.
pub fn develop(scene: &Scene, draw: &Draw) -> RgbImage {
    let light = Light::new(draw);
    let size = scene.size;
    let mut radiance = Vec::with_capacity(size * size);
    for row in 0..size {
        for column in 0..size {
            radiance.push(returned(scene, &light, column, row));
        }
    }
    // A blur's width grows with the size, its variance with the square.
    let passes = (size * size / (32 * 32)).max(1);
    for _ in 0..passes {
        radiance = blurred(&radiance, size, light.defocus);
    }
    let mut grain = vec![0; 3 * size * size];
    draw.bytes(&mut grain);
    let mut image = RgbImage::new(size, size);
    let levels = image.pixels.iter_mut().zip(radiance.as_flattened()).zip(grain);
    for ((level, &radiance), grain) in levels {
        let noise = (f32::from(grain) / 127.5 - 1.) * light.noise * 1.7;
        *level = ((srgb(radiance) + noise) * 255.).round().clamp(0., 255.) as u8;
    }
    image
}

/// The linear light that one pixel's column of skin sends to the camera.
fn returned(scene: &Scene, light: &Light, column: usize, row: usize) -> [f32; 3] {
    let texel = &scene.texels[row * scene.size + column];
    let at = scene.centre_of(column, row);
    let slope = slope(scene, column, row);
    let normal_up = 1. / (1. + slope.dot(slope)).sqrt();
    let facing = ((light.up - slope.dot(light.slant)) * normal_up).max(0.);
    let shade = mix(facing / light.up, 1., light.ambient);
    // Blinn's half vector between the lamp and the camera, which looks straight down.
    let half_up = ((1. + light.up) * 0.5).sqrt();
    let half = light.slant * (0.5 / half_up);
    let mirror = ((half_up - slope.dot(half)) * normal_up).clamp(0., 1.);
    let glint = texel.gloss * 0.5 * squared(mirror, 4);
    let lamp =
        (1. + light.falloff * at.dot(light.slant)) * (1. - light.vignette * 0.5 * at.dot(at));
    let level = light.exposure * exp(0.2 * scene.melanin) * lamp;
    let albedo = texel.albedo();
    std::array::from_fn(|band| (albedo[band] * shade + glint) * level * light.balance[band])
}

/// Gives `share` of every pixel's light to each of its two neighbours, along rows, then along
/// columns.
fn blurred(radiance: &[[f32; 3]], size: usize, share: f32) -> Vec<[f32; 3]> {
    let along = |from: &[[f32; 3]], place: usize, before: usize, after: usize| {
        std::array::from_fn(|band| {
            mix(from[place][band], 0.5 * (from[before][band] + from[after][band]), 2. * share)
        })
    };
    let last = size - 1;
    let places = || (0..size).flat_map(|row| (0..size).map(move |column| (row, column)));
    let rows: Vec<[f32; 3]> = places()
        .map(|(row, column)| {
            let (left, right) = (column.saturating_sub(1), (column + 1).min(last));
            along(radiance, row * size + column, row * size + left, row * size + right)
        })
        .collect();
    places()
        .map(|(row, column)| {
            let (above, below) = (row.saturating_sub(1), (row + 1).min(last));
            along(&rows, row * size + column, above * size + column, below * size + column)
        })
        .collect()
}

/// `x` squared `times` times over: its power of 2^times. (`powi` may round differently from one
/// target to the next.)
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
