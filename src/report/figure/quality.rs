//! Synthetic beside held-out real images in a plane, a panel for each arm: that of the pool's first
//! two principal components, or t-SNE's.

use super::series::list_series;
use super::svg::{Anchor, Canvas, ticks};
use crate::report::block::Drawn;
use crate::report::format;
use crate::report::inputs::Inputs;
use crate::stats::quality::{Embedded, Quality};

const WIDTH: f64 = 352.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 66.0;
/// The plot is square, and both axes have one scale, so that distances are seen as they are.
const PLOT: f64 = WIDTH - LEFT - RIGHT;
const BELOW: f64 = 46.0;
const HEIGHT: f64 = TOP + PLOT + BELOW;
/// Panels in a row of the file that has them all.
const ACROSS: usize = 3;
/// Held-out real images are pale ink, so that synthetic ones stand out.
const REAL: f64 = 0.3;
const SYNTHETIC: f64 = 0.8;

/// What the panels share.
pub struct Scatter<'a> {
    real: &'a [[f64; 2]],
    arms: Vec<Dots<'a>>,
    /// Shares of variance along the axes; none where the axes mean nothing.
    variance: Option<[f64; 2]>,
    /// What is seen, as a sentence.
    summary: &'static str,
    /// The values at the plot's lower left corner.
    low: [f64; 2],
    /// The values across the plot, either way.
    span: f64,
}

/// The images of an arm.
struct Dots<'a> {
    arm: &'a str,
    /// Its colour.
    style: usize,
    points: &'a [[f64; 2]],
}

impl<'a> Scatter<'a> {
    /// In the plane of principal components.
    pub fn of(quality: &'a Quality, inputs: &Inputs) -> Self {
        let arms = quality.arms.iter().map(|arm| (arm.arm.as_str(), arm.set.points.as_slice()));
        Self {
            variance: Some(quality.variance),
            summary: "Held-out real and synthetic images in the plane of the pool's first two \
                      principal components. The table has the numbers.",
            ..Self::laid_out(&quality.held_out.points, arms, inputs)
        }
    }

    /// In t-SNE's plane.
    pub fn of_neighbours(embedded: &'a Embedded, inputs: &Inputs) -> Self {
        let arms = embedded.arms.iter().map(|arm| (arm.arm.as_str(), arm.points.as_slice()));
        Self {
            variance: None,
            summary: "Held-out real and synthetic images in a plane by t-SNE. The table has the \
                      numbers.",
            ..Self::laid_out(&embedded.held_out, arms, inputs)
        }
    }

    /// The arms in the colours that they have in the first experiment with them.
    fn laid_out(
        real: &'a [[f64; 2]],
        arms: impl Iterator<Item = (&'a str, &'a [[f64; 2]])>,
        inputs: &Inputs,
    ) -> Self {
        let series = inputs.experiments.iter().flat_map(|it| list_series(&it.analysis.accuracy));
        let series = series.collect::<Vec<_>>();
        let dots = |(place, (arm, points)): (usize, (&'a str, &'a [[f64; 2]]))| {
            let known = series.iter().find(|series| series.arm.to_string() == arm);
            Dots { arm, style: known.map_or(1 + place, |series| series.style), points }
        };
        let arms = arms.enumerate().map(dots).collect::<Vec<_>>();
        let points = arms.iter().flat_map(|arm| arm.points).chain(real);
        let ends = |axis: usize| {
            let values = points.clone().map(move |point| point[axis]);
            let low = values.clone().fold(f64::INFINITY, f64::min);
            (low, values.fold(f64::NEG_INFINITY, f64::max))
        };
        let (across, along) = (ends(0), ends(1));
        let widest = (across.1 - across.0).max(along.1 - along.0);
        // Points keep off the edges, and a single one is in the middle.
        let span = if widest > 0.0 { widest * 1.06 } else { 1.0 };
        let low = [across, along].map(|(low, high)| (low + high - span) / 2.0);
        Self { real, arms, variance: None, summary: "", low, span }
    }

    /// All panels in one drawing.
    pub fn together(&self) -> Drawn {
        let mut canvas = Canvas::default();
        let count = self.arms.len();
        for place in 0..count {
            let (column, row) = (place % ACROSS, place / ACROSS);
            canvas.moved(column as f64 * WIDTH, row as f64 * HEIGHT, |canvas| {
                self.panel(canvas, place);
            });
        }
        let (columns, rows) = (count.min(ACROSS), count.div_ceil(ACROSS));
        canvas.document(WIDTH * columns as f64, HEIGHT * rows as f64, self.summary)
    }

    /// Each panel by itself, as SVG.
    pub fn apart(&self) -> Vec<String> {
        let draw = |place: usize| {
            let mut canvas = Canvas::default();
            self.panel(&mut canvas, place);
            let arm = self.arms[place].arm;
            canvas.document(WIDTH, HEIGHT, &format!("{} ({arm})", self.summary)).svg
        };
        (0..self.arms.len()).map(draw).collect()
    }

    fn panel(&self, canvas: &mut Canvas, place: usize) {
        let arm = &self.arms[place];
        canvas.bold((LEFT, 20.0), Anchor::Start, arm.arm);
        self.axes(canvas);
        let pixels = |points: &[[f64; 2]]| {
            points.iter().map(|[x, y]| (self.x(*x), self.y(*y))).collect::<Vec<_>>()
        };
        canvas.dots(&[(LEFT + 4.0, 36.0)], REAL);
        canvas.text((LEFT + 12.0, 40.0), Anchor::Start, "held-out real");
        canvas.dots(&pixels(self.real), REAL);
        canvas.colour(arm.style, |canvas| {
            canvas.dots(&[(LEFT + 114.0, 36.0)], SYNTHETIC);
            canvas.dots(&pixels(arm.points), SYNTHETIC);
        });
        canvas.text((LEFT + 122.0, 40.0), Anchor::Start, "synthetic");
    }

    fn axes(&self, canvas: &mut Canvas) {
        let (right, bottom) = (WIDTH - RIGHT, TOP + PLOT);
        canvas.rule((LEFT, bottom), (right, bottom), 0.6, false);
        canvas.rule((LEFT, TOP), (LEFT, bottom), 0.6, false);
        let Some(variance) = self.variance else { return };
        for tick in self.ticks(0) {
            let x = self.x(tick);
            canvas.rule((x, TOP), (x, bottom), 0.14, false);
            canvas.faint((x, bottom + 17.0), Anchor::Middle, &format::tick(tick));
        }
        for tick in self.ticks(1) {
            let y = self.y(tick);
            canvas.rule((LEFT, y), (right, y), 0.14, false);
            canvas.faint((LEFT - 7.0, y + 4.0), Anchor::End, &format::tick(tick));
        }
        let [first, second] = variance.map(format::percent);
        let along = format!("second principal component ({second} of variance)");
        canvas.faint((LEFT, TOP - 8.0), Anchor::Start, &along);
        let across = format!("first principal component ({first} of variance)");
        canvas.faint(((LEFT + right) / 2.0, bottom + 36.0), Anchor::Middle, &across);
    }

    /// Round values inside the plot.
    fn ticks(&self, axis: usize) -> Vec<f64> {
        let (low, high) = (self.low[axis], self.low[axis] + self.span);
        let ticks = ticks(low, high, 7).into_iter();
        ticks.filter(|tick| (low..=high).contains(tick)).collect()
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + PLOT * (value - self.low[0]) / self.span
    }

    fn y(&self, value: f64) -> f64 {
        TOP + PLOT * (1.0 - (value - self.low[1]) / self.span)
    }
}
