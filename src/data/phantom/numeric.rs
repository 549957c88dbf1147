//! Arithmetic for rendering that uses only exactly rounded operations, so that an image has the
//! same bytes on every machine (the libraries' `exp` and `sin` differ in the last bits), and the
//! draws that the rendering makes.

use std::cell::RefCell;
use std::ops::{Add, Mul, Sub};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A point or a vector in the plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

pub const fn point(x: f32, y: f32) -> Point {
    Point { x, y }
}

impl Point {
    /// The unit vector at `angle` radians from the x axis.
    pub fn at(angle: f32) -> Self {
        let (sin, cos) = sin_cos(angle);
        point(cos, sin)
    }

    pub fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }

    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The product of complex numbers: turns by `unit` when that is a unit vector.
    pub fn turned(self, unit: Self) -> Self {
        point(self.x * unit.x - self.y * unit.y, self.x * unit.y + self.y * unit.x)
    }

    /// Turns back by `unit`.
    pub fn turned_back(self, unit: Self) -> Self {
        self.turned(point(unit.x, -unit.y))
    }
}

impl Add for Point {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        point(self.x + other.x, self.y + other.y)
    }
}

impl Sub for Point {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        point(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f32> for Point {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        point(self.x * factor, self.y * factor)
    }
}

/// e to the `x`, to about 2e-7 relative, for |x| < 80.
pub fn exp(x: f32) -> f32 {
    let scaled = x.clamp(-80., 80.) * std::f32::consts::LOG2_E;
    let whole = scaled.round();
    let rest = (scaled - whole) * std::f32::consts::LN_2;
    let series = 1.
        + rest
            * (1.
                + rest
                    * (0.5
                        + rest * (1. / 6. + rest * (1. / 24. + rest * (1. / 120. + rest / 720.)))));
    series * f32::from_bits(((whole as i32 + 127) as u32) << 23)
}

/// Sine and cosine of `angle` radians, to about 1e-6, for angles of a few turns.
pub fn sin_cos(angle: f32) -> (f32, f32) {
    let turns = angle * std::f32::consts::FRAC_2_PI;
    let quadrant = turns.round();
    let x = (turns - quadrant) * std::f32::consts::FRAC_PI_2;
    let square = x * x;
    let sin = x
        * (1.
            - square
                * (1. / 6. - square * (1. / 120. - square * (1. / 5040. - square / 362_880.))));
    let cos = 1. - square * (0.5 - square * (1. / 24. - square * (1. / 720. - square / 40_320.)));
    match (quadrant as i32).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// 0 below `low`, 1 above `high`, smooth between; `low > high` falls instead of rising.
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0., 1.);
    t * t * (3. - 2. * t)
}

pub fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

/// The draws of one image, in a fixed order from its own stream. Shared, so that draws can be
/// arguments of what draws on.
pub struct Draw(RefCell<ChaCha8Rng>);

impl Draw {
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self(RefCell::new(rng))
    }

    /// Uniform in [0, 1).
    pub fn unit(&self) -> f32 {
        (self.0.borrow_mut().random::<u32>() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in [low, high).
    pub fn span(&self, low: f32, high: f32) -> f32 {
        mix(low, high, self.unit())
    }

    pub fn chance(&self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Uniform in low..=high.
    pub fn count(&self, low: usize, high: usize) -> usize {
        low + ((high - low + 1) as f32 * self.unit()) as usize
    }

    /// An angle of any direction, in radians.
    pub fn angle(&self) -> f32 {
        self.span(-std::f32::consts::PI, std::f32::consts::PI)
    }

    /// Mean 0 and variance 1, within +-3: the scaled sum of three uniform draws (Irwin-Hall).
    pub fn bell(&self) -> f32 {
        let sum: f32 = (0..3).map(|_| self.unit()).sum();
        (sum - 1.5) * 2.
    }

    pub fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.count(0, choices.len() - 1)]
    }

    /// An index, drawn with these weights.
    pub fn weighted(&self, weights: &[f32]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f32>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0. {
                return index;
            }
        }
        weights.len() - 1
    }

    pub fn bytes(&self, buffer: &mut [u8]) {
        self.0.borrow_mut().fill(buffer);
    }
}

const LATTICE: usize = 16;

/// Smooth noise in [-1, 1] over the plane, one bump a unit, repeating every 16 units.
pub struct Noise([f32; LATTICE * LATTICE]);

impl Noise {
    pub fn new(draw: &Draw) -> Self {
        let mut bytes = [0; LATTICE * LATTICE];
        draw.bytes(&mut bytes);
        Self(bytes.map(|byte| f32::from(byte) / 127.5 - 1.))
    }

    /// Value noise: a lattice of random values under a cubic blend.
    pub fn value(&self, at: Point) -> f32 {
        let (column, row) = (at.x.floor(), at.y.floor());
        let (x, y) = (at.x - column, at.y - row);
        let (x, y) = (x * x * (3. - 2. * x), y * y * (3. - 2. * y));
        let wrap = |index: f32| (index as i32).rem_euclid(LATTICE as i32) as usize;
        let (left, top) = (wrap(column), wrap(row));
        let (right, bottom) = ((left + 1) % LATTICE, (top + 1) % LATTICE);
        let corner = |x: usize, y: usize| self.0[y * LATTICE + x];
        mix(
            mix(corner(left, top), corner(right, top), x),
            mix(corner(left, bottom), corner(right, bottom), x),
            y,
        )
    }

    /// Two octaves of [`Noise::value`], in [-1, 1].
    pub fn rough(&self, at: Point) -> f32 {
        (self.value(at) + 0.5 * self.value(point(at.x * 2. + 5.3, at.y * 2. + 9.1))) / 1.5
    }

    /// Irregular cells one unit across: the distance from the nearest cell border (0 at the border,
    /// about 0.5 within) and a random value of the cell in [0, 1].
    pub fn cells(&self, at: Point) -> (f32, f32) {
        let (column, row) = (at.x.floor(), at.y.floor());
        let (mut nearest, mut second, mut value) = (f32::MAX, f32::MAX, 0.);
        for step in 0..9 {
            let (cell_x, cell_y) = (column + (step % 3) as f32 - 1., row + (step / 3) as f32 - 1.);
            let wrap = |index: f32| (index as i32).rem_euclid(LATTICE as i32) as usize;
            let index = wrap(cell_y) * LATTICE + wrap(cell_x);
            let jitter =
                |salt: usize| 0.5 + 0.42 * self.0[(index * 7 + salt) % (LATTICE * LATTICE)];
            let distance = (point(cell_x + jitter(11), cell_y + jitter(83)) - at).length();
            if distance < nearest {
                (second, nearest, value) = (nearest, distance, 0.5 + 0.5 * self.0[index]);
            } else if distance < second {
                second = distance;
            }
        }
        (second - nearest, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_agree_with_the_standard_library() {
        for step in -200..200 {
            let x = step as f32 * 0.05;
            assert!((exp(x) / x.exp() - 1.).abs() < 1e-6, "exp({x})");
            let (sin, cos) = sin_cos(x);
            assert!((sin - x.sin()).abs() < 4e-6 && (cos - x.cos()).abs() < 3e-5, "sin_cos({x})");
        }
    }
}
