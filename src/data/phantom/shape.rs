//! Outlines on the body, as signed distances.

use super::numeric::{Draw, Point, mix, point};

/// An outline: [`Shape::distance`] is negative inside, and its size is about the distance from the
/// outline.
#[derive(Clone, Debug)]
pub enum Shape {
    Blob(Blob),
    Polygon(Polygon),
    Band(Band),
}

impl Shape {
    pub fn distance(&self, at: Point) -> f32 {
        match self {
            Self::Blob(blob) => blob.distance(at),
            Self::Polygon(polygon) => polygon.distance(at),
            Self::Band(band) => band.distance(at),
        }
    }

    /// A circle that holds the shape.
    pub fn bounds(&self) -> (Point, f32) {
        match self {
            Self::Blob(blob) => (blob.centre, 1.5 * blob.radius * blob.aspect.max(1.)),
            Self::Polygon(polygon) => (polygon.centre, 1.6 * polygon.radius),
            Self::Band(band) => (
                band.centre,
                band.half_length + band.half_width + band.bend.abs() * band.half_length,
            ),
        }
    }

    /// A point inside, away from the outline where there is room.
    pub fn interior(&self, draw: &Draw) -> Point {
        match self {
            Self::Band(band) => {
                let along = draw.span(-0.9, 0.9) * band.half_length;
                let across = draw.span(-0.4, 0.4) * band.half_width + band.offset(along);
                band.centre + point(along, across).turned(band.turn)
            }
            _ => {
                let (centre, reach) = self.bounds();
                for _ in 0..12 {
                    let at = centre + point(draw.span(-reach, reach), draw.span(-reach, reach));
                    if self.distance(at) < -0.12 * reach {
                        return at;
                    }
                }
                centre
            }
        }
    }
}

/// An ellipse with a wavy outline.
#[derive(Clone, Debug)]
pub struct Blob {
    pub centre: Point,
    pub radius: f32,
    /// Length over width.
    pub aspect: f32,
    pub turn: Point,
    /// For two to six waves around the outline: their depth and phase, as a complex amplitude.
    pub waves: [Point; 5],
}

impl Blob {
    /// `waviness` 0 gives an ellipse, 0.1 a natural border, 0.3 a map.
    pub fn new(draw: &Draw, centre: Point, radius: f32, aspect: f32, waviness: f32) -> Self {
        let turn = Point::at(draw.angle());
        let waves = std::array::from_fn(|order| {
            Point::at(draw.angle()) * (waviness * draw.span(0.3, 1.) / (order as f32 + 1.5))
        });
        Self { centre, radius, aspect, turn, waves }
    }

    pub fn round(centre: Point, radius: f32) -> Self {
        Self { centre, radius, aspect: 1., turn: point(1., 0.), waves: [Point::default(); 5] }
    }

    /// The same outline, `factor` times as large.
    pub fn scaled(&self, factor: f32) -> Self {
        Self { radius: self.radius * factor, ..self.clone() }
    }

    fn distance(&self, at: Point) -> f32 {
        let local = (at - self.centre).turned_back(self.turn);
        let local = point(local.x / self.aspect, local.y);
        let length = local.length();
        if length < 1e-6 {
            return -self.radius;
        }
        let direction = local * (1. / length);
        let mut power = direction;
        let mut outline = 1.;
        for wave in self.waves {
            power = power.turned(direction);
            outline += power.dot(wave);
        }
        length - self.radius * outline
    }
}

/// A convex polygon: the intersection of half-planes.
#[derive(Clone, Debug)]
pub struct Polygon {
    pub centre: Point,
    pub radius: f32,
    sides: [(Point, f32); 6],
    count: usize,
}

impl Polygon {
    /// Three to six sides of uneven lengths.
    pub fn new(draw: &Draw, centre: Point, radius: f32, count: usize) -> Self {
        assert!((3..=6).contains(&count), "a polygon of {count} sides");
        let start = draw.angle();
        let step = std::f32::consts::TAU / count as f32;
        let sides = std::array::from_fn(|side| {
            let angle = start + step * (side as f32 + draw.span(-0.17, 0.17));
            (Point::at(angle), radius * draw.span(0.72, 1.))
        });
        Self { centre, radius, sides, count }
    }

    /// A rectangle with slightly skewed sides, `half_width` across along x before it is turned.
    pub fn patch(draw: &Draw, centre: Point, half_width: f32, half_height: f32) -> Self {
        let start = draw.angle();
        let sides = std::array::from_fn(|side| {
            let angle = start + std::f32::consts::FRAC_PI_2 * side as f32 + draw.span(-0.12, 0.12);
            (Point::at(angle), if side % 2 == 0 { half_width } else { half_height })
        });
        Self { centre, radius: half_width.max(half_height), sides, count: 4 }
    }

    fn distance(&self, at: Point) -> f32 {
        let local = at - self.centre;
        self.sides[..self.count]
            .iter()
            .map(|(normal, offset)| normal.dot(local) - offset)
            .fold(f32::MIN, f32::max)
    }
}

/// A bent strip with square ends.
#[derive(Clone, Debug)]
pub struct Band {
    pub centre: Point,
    pub turn: Point,
    pub half_length: f32,
    pub half_width: f32,
    /// How far the ends lie to the side, over the half length.
    pub bend: f32,
}

impl Band {
    /// How far the middle line lies to the side, `along` from the centre.
    pub fn offset(&self, along: f32) -> f32 {
        self.bend * along * along / self.half_length
    }

    fn distance(&self, at: Point) -> f32 {
        let local = (at - self.centre).turned_back(self.turn);
        let across = (local.y - self.offset(local.x)).abs() - self.half_width;
        across.max(local.x.abs() - self.half_length)
    }
}

/// Up to `count` places within `reach` of `centre`, at least `apart` from each other.
pub fn scatter(draw: &Draw, centre: Point, reach: f32, count: usize, apart: f32) -> Vec<Point> {
    let mut places: Vec<Point> = Vec::with_capacity(count);
    for _ in 0..14 * count {
        if places.len() == count {
            break;
        }
        let at = centre + Point::at(draw.angle()) * (reach * draw.unit().sqrt());
        if places.iter().all(|&other| (other - at).length() >= apart) {
            places.push(at);
        }
    }
    places
}

/// A place near the middle of the picture.
pub fn near_middle(draw: &Draw) -> Point {
    Point::at(draw.angle()) * draw.span(0., 0.2)
}

/// `count` places along a closed ring or an open arc, jittered; `share` of the full turn is used.
pub fn along_ring(draw: &Draw, ring: &Blob, count: usize, share: f32) -> Vec<Point> {
    let start = draw.angle();
    (0..count)
        .map(|index| {
            let angle = start
                + std::f32::consts::TAU * share * (index as f32 + draw.span(-0.15, 0.15))
                    / count as f32;
            let unit = Point::at(angle) * (ring.radius * mix(0.93, 1.07, draw.unit()));
            ring.centre + point(unit.x * ring.aspect, unit.y).turned(ring.turn)
        })
        .collect()
}
