//! Accuracy against the number of real images per class, a panel for each regime and use of
//! transforms.

use super::points::{REPLICATE, ends, say_accuracy};
use super::series::{Series, list_series};
use super::svg::{Anchor, Canvas, ticks};
use crate::report::block::Drawn;
use crate::stats::analysis::{Accuracy, Analysis};
use crate::vocabulary::Setting;

const LEFT: f64 = 48.0;
const RIGHT: f64 = 14.0;
const BELOW: f64 = 44.0;
const LEGEND_ROW: f64 = 18.0;
const LEGEND_COLUMNS: usize = 2;
/// Between the points of neighbouring series at the same n, at most.
const DODGE: f64 = 14.0;
/// From the outermost n to the ends of the plot.
const MARGIN: f64 = 34.0;
/// From a marker to the dots of its replicates.
const ASIDE: f64 = 6.0;

/// The size of a panel and of the plot in it.
#[derive(Clone, Copy)]
pub struct Room {
    width: f64,
    plot: f64,
}

impl Room {
    /// A figure of a section.
    pub const WIDE: Self = Self { width: 440.0, plot: 230.0 };
    /// A figure beside the report's first table.
    pub const NARROW: Self = Self { width: 300.0, plot: 170.0 };
}

/// What the panels share: series, axes and sizes.
pub struct Plot<'a> {
    rows: &'a [Accuracy],
    series: Vec<Series>,
    panels: Vec<Setting>,
    /// The n of the study, ascending.
    counts: Vec<usize>,
    /// Percent.
    ticks: Vec<f64>,
    chance: Option<f64>,
    room: Room,
    /// From a panel's top edge to its plot.
    top: f64,
    summary: String,
}

impl<'a> Plot<'a> {
    pub fn of(analysis: &'a Analysis, chance: Option<f64>, room: Room) -> Self {
        let rows = analysis.accuracy.as_slice();
        let series = list_series(rows);
        let mut panels = rows.iter().map(|row| row.design.setting()).collect::<Vec<_>>();
        panels.sort();
        panels.dedup();
        let mut counts = rows.iter().map(|row| row.design.n).collect::<Vec<_>>();
        counts.sort();
        counts.dedup();
        let replicates = || rows.iter().flat_map(|row| row.replicates.iter().copied());
        let low = rows.iter().map(|row| ends(row).low).chain(chance).chain(replicates());
        let high = rows.iter().map(|row| ends(row).high).chain(chance).chain(replicates());
        let (low, high) = (low.fold(f64::INFINITY, f64::min), high.fold(0.0, f64::max));
        let top = 44.0 + LEGEND_ROW * series.len().div_ceil(LEGEND_COLUMNS) as f64;
        let names = series.iter().map(|series| series.name.clone()).collect::<Vec<_>>();
        let summary = format!(
            "Top-1 accuracy against real images per class, by arm: {}. The table has the numbers.",
            names.join(", ")
        );
        Self {
            rows,
            series,
            panels,
            counts,
            ticks: ticks(low * 100.0, high * 100.0, 8),
            chance,
            room,
            top,
            summary,
        }
    }

    /// All panels side by side.
    pub fn together(&self) -> Drawn {
        let mut canvas = Canvas::default();
        for (place, setting) in self.panels.iter().enumerate() {
            canvas
                .moved(place as f64 * self.room.width, 0.0, |canvas| self.panel(canvas, *setting));
        }
        canvas.document(self.room.width * self.panels.len() as f64, self.height(), &self.summary)
    }

    /// Each panel by itself, as SVG.
    pub fn apart(&self) -> Vec<String> {
        let draw = |setting: &Setting| {
            let mut canvas = Canvas::default();
            self.panel(&mut canvas, *setting);
            let summary = format!("{} ({setting})", self.summary);
            canvas.document(self.room.width, self.height(), &summary).svg
        };
        self.panels.iter().map(draw).collect()
    }

    fn height(&self) -> f64 {
        self.top + self.room.plot + BELOW
    }

    fn panel(&self, canvas: &mut Canvas, setting: Setting) {
        canvas.bold((LEFT, 20.0), Anchor::Start, &setting.to_string());
        self.legend(canvas);
        self.axes(canvas);
        for (place, series) in self.series.iter().enumerate() {
            let offset = (place as f64 - (self.series.len() - 1) as f64 / 2.0) * self.dodge();
            let held =
                |row: &&Accuracy| row.design.setting() == setting && series.holds(&row.design);
            let rows = self.rows.iter().filter(held).collect::<Vec<_>>();
            let at = |row: &Accuracy| self.x(row.design.n) + offset;
            let points =
                rows.iter().map(|row| (at(row), self.y(row.accuracy.mean))).collect::<Vec<_>>();
            canvas.colour(series.style, |canvas| {
                canvas.polyline(&points, series.variant);
                for (row, (x, y)) in rows.iter().zip(&points) {
                    let words = say_accuracy(&series.name, row);
                    canvas.saying(&words, |canvas| {
                        canvas.whisker((*x, self.y(ends(row).low)), (*x, self.y(ends(row).high)));
                        let dot = |rate: &f64| (x + self.aside(), self.y(*rate));
                        let dots = row.replicates.iter().map(dot).collect::<Vec<_>>();
                        canvas.dots(&dots, REPLICATE);
                        canvas.marker((*x, *y), series.style, series.variant == 0);
                    });
                }
            });
        }
    }

    fn legend(&self, canvas: &mut Canvas) {
        let column = (self.room.width - LEFT - RIGHT) / LEGEND_COLUMNS as f64;
        for (place, series) in self.series.iter().enumerate() {
            let x = LEFT + column * (place % LEGEND_COLUMNS) as f64;
            let y = 38.0 + LEGEND_ROW * (place / LEGEND_COLUMNS) as f64;
            canvas.colour(series.style, |canvas| {
                canvas.polyline(&[(x, y), (x + 24.0, y)], series.variant);
                canvas.marker((x + 12.0, y), series.style, series.variant == 0);
            });
            canvas.text((x + 30.0, y + 4.0), Anchor::Start, &series.name);
        }
    }

    fn axes(&self, canvas: &mut Canvas) {
        for tick in &self.ticks {
            let y = self.y(tick / 100.0);
            canvas.rule((LEFT, y), (self.right(), y), 0.14, false);
            canvas.faint((LEFT - 7.0, y + 4.0), Anchor::End, &format!("{tick:.0}%"));
        }
        if let Some(chance) = self.chance {
            let y = self.y(chance);
            canvas.rule((LEFT, y), (self.right(), y), 0.6, true);
            canvas.faint((self.right(), y - 4.0), Anchor::End, "chance");
        }
        let bottom = self.top + self.room.plot;
        canvas.rule((LEFT, bottom), (self.right(), bottom), 0.6, false);
        for count in &self.counts {
            canvas.rule((self.x(*count), bottom), (self.x(*count), bottom + 4.0), 0.6, false);
            canvas.faint((self.x(*count), bottom + 17.0), Anchor::Middle, &count.to_string());
        }
        let middle = (LEFT + self.right()) / 2.0;
        canvas.faint(
            (middle, bottom + 35.0),
            Anchor::Middle,
            "real images per class, n (log scale)",
        );
    }

    /// The right end of the plot.
    fn right(&self) -> f64 {
        self.room.width - RIGHT
    }

    /// From a marker to the dots of its replicates, which stay nearer to it than the next marker.
    fn aside(&self) -> f64 {
        (self.dodge() / 2.0).min(ASIDE)
    }

    /// Points of one n stay nearer to each other than to those of the next, and within the plot.
    fn dodge(&self) -> f64 {
        let gaps = self.counts.windows(2).map(|pair| self.x(pair[1]) - self.x(pair[0]));
        let series = self.series.len() as f64;
        let between = gaps.fold(f64::INFINITY, f64::min) / (2.0 * series);
        let within = 2.0 * (MARGIN - ASIDE) / (series - 1.0).max(1.0);
        DODGE.min(between).min(within)
    }

    fn x(&self, count: usize) -> f64 {
        let log = |count: usize| (count.max(1) as f64).log2();
        let (first, last) = (log(self.counts[0]), log(self.counts[self.counts.len() - 1]));
        let (left, right) = (LEFT + MARGIN, self.right() - MARGIN);
        if last == first {
            (left + right) / 2.0
        } else {
            left + (right - left) * (log(count) - first) / (last - first)
        }
    }

    fn y(&self, rate: f64) -> f64 {
        let (first, last) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        self.top + self.room.plot * (1.0 - (rate * 100.0 - first) / (last - first))
    }
}
