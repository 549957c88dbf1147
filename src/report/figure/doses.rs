//! Accuracy over doses, a panel for each arm at each n, with the fitted curve.

use super::points::{REPLICATE, ends, say_accuracy};
use super::svg::{Anchor, Canvas, ticks};
use crate::report::block::Drawn;
use crate::report::wording::name_arm;
use crate::stats::analysis::{Accuracy, Analysis, Doses};
use crate::stats::dose_curve::{DoseCurve, Fit, Shape};

const WIDTH: f64 = 440.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 34.0;
const PLOT: f64 = 210.0;
const BELOW: f64 = 44.0;
const HEIGHT: f64 = TOP + PLOT + BELOW;
/// From a marker to the dots of its replicates.
const ASIDE: f64 = 8.0;
/// Points of a drawn curve.
const FINE: usize = 60;

/// The dose curves of an analysis.
pub struct Curves {
    /// A panel each, as SVG.
    pub apart: Vec<String>,
    /// The panels in a row.
    pub together: Drawn,
}

/// A panel for each of the analysis's dose curves.
pub fn draw(analysis: &Analysis) -> Curves {
    let rows = |doses| analysis.accuracies(doses);
    let all = || analysis.doses.iter().flat_map(rows);
    let replicates = || all().flat_map(|row| row.replicates.iter().copied());
    let low = all().map(|row| ends(row).low).chain(replicates()).fold(f64::INFINITY, f64::min);
    let high = all().map(|row| ends(row).high).chain(replicates()).fold(0.0, f64::max);
    let ticks = ticks(low * 100.0, high * 100.0, 8);
    let panels = analysis.doses.iter();
    let panels = panels.map(|doses| Panel { doses, rows: rows(doses), ticks: &ticks });
    let panels = panels.collect::<Vec<_>>();
    let mut canvas = Canvas::default();
    for (place, panel) in panels.iter().enumerate() {
        canvas.moved(place as f64 * WIDTH, 0.0, |canvas| panel.draw(canvas));
    }
    let titles = panels.iter().map(Panel::title).collect::<Vec<_>>().join("; ");
    let summary = |of: &str| format!("Accuracy over doses: {of}.");
    let alone = |panel: &Panel<'_>| {
        let mut canvas = Canvas::default();
        panel.draw(&mut canvas);
        canvas.document(WIDTH, HEIGHT, &summary(&panel.title())).svg
    };
    Curves {
        apart: panels.iter().map(alone).collect(),
        together: canvas.document(WIDTH * panels.len() as f64, HEIGHT, &summary(&titles)),
    }
}

struct Panel<'a> {
    doses: &'a Doses,
    rows: Vec<&'a Accuracy>,
    /// Percent.
    ticks: &'a [f64],
}

impl Panel<'_> {
    fn title(&self) -> String {
        let design = &self.doses.design;
        format!("{}, n = {}, {}", design.arm, design.n, design.setting())
    }

    fn draw(&self, canvas: &mut Canvas) {
        canvas.bold((LEFT, 20.0), Anchor::Start, &self.title());
        self.axes(canvas);
        canvas.colour(1, |canvas| {
            if let Some(fit) = self.best() {
                let most = self.most();
                let at = |step: usize| most * step as f64 / FINE as f64;
                let curve = (0..=FINE).map(|step| (self.x(at(step)), self.y(fit.at(at(step)))));
                canvas.polyline(&curve.collect::<Vec<_>>(), 0);
            }
            for row in &self.rows {
                let x = self.x(row.design.dose as f64);
                canvas.saying(&say_accuracy(&name_arm(&row.design, true), row), |canvas| {
                    canvas.whisker((x, self.y(ends(row).low)), (x, self.y(ends(row).high)));
                    let dot = |rate: &f64| (x + ASIDE, self.y(*rate));
                    let dots = row.replicates.iter().map(dot).collect::<Vec<_>>();
                    canvas.dots(&dots, REPLICATE);
                    canvas.marker((x, self.y(row.accuracy.mean)), 1, row.design.dose > 0);
                });
            }
        });
    }

    /// The shape that fits best.
    fn best(&self) -> Option<&Fit> {
        let DoseCurve::Fitted { fits, best, .. } = &self.doses.curve else { return None };
        let shape: &Shape = best;
        fits.iter().find(|fit| fit.shape == *shape)
    }

    fn axes(&self, canvas: &mut Canvas) {
        for tick in self.ticks {
            let y = self.y(tick / 100.0);
            canvas.rule((LEFT, y), (WIDTH - RIGHT, y), 0.14, false);
            canvas.faint((LEFT - 7.0, y + 4.0), Anchor::End, &format!("{tick:.0}%"));
        }
        let bottom = TOP + PLOT;
        canvas.rule((LEFT, bottom), (WIDTH - RIGHT, bottom), 0.6, false);
        for dose in &self.doses.doses {
            let x = self.x(*dose as f64);
            canvas.rule((x, bottom), (x, bottom + 4.0), 0.6, false);
            canvas.faint((x, bottom + 17.0), Anchor::Middle, &dose.to_string());
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        canvas.faint((middle, bottom + 35.0), Anchor::Middle, "synthetic images per real image");
    }

    fn most(&self) -> f64 {
        self.doses.doses.last().copied().unwrap_or(1).max(1) as f64
    }

    fn x(&self, dose: f64) -> f64 {
        let (left, right) = (LEFT + 14.0, WIDTH - RIGHT - 14.0);
        left + (right - left) * dose / self.most()
    }

    fn y(&self, rate: f64) -> f64 {
        let (first, last) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        TOP + PLOT * (1.0 - (rate * 100.0 - first) / (last - first))
    }
}
