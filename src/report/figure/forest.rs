//! The contrasts as a forest plot: a row each, grouped by n and setting; filled where the null
//! hypothesis is rejected.

use super::points::REPLICATE;
use super::series::{Series, list_series};
use super::svg::{Anchor, Canvas, ticks};
use crate::report::block::Drawn;
use crate::report::format;
use crate::report::wording::{have_several_doses, interval, interval_name, name_arm};
use crate::stats::Interval;
use crate::stats::analysis::{Analysis, Contrast};

const WIDTH: f64 = 700.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 470.0;
const ROW: f64 = 20.0;
const HEADING: f64 = 26.0;
const TOP: f64 = 30.0;
const BELOW: f64 = 46.0;
/// From the middle of a row down to the dots of replicates.
const BESIDE: f64 = 6.0;

/// The forest plot of the analysis's contrasts.
pub fn draw(analysis: &Analysis) -> Drawn {
    let same = |a: &Contrast, b: &Contrast| {
        (a.design.setting(), a.design.n) == (b.design.setting(), b.design.n)
    };
    let groups = analysis.contrasts.chunk_by(same).collect::<Vec<_>>();
    let rows = ROW * analysis.contrasts.len() as f64;
    let bottom = TOP + HEADING * groups.len() as f64 + rows;
    let plot = Plot::of(analysis);
    let mut canvas = Canvas::default();
    plot.draw_axis(&mut canvas, bottom);
    plot.draw_heads(&mut canvas, analysis);
    let mut y = TOP;
    for contrasts in groups {
        let design = &contrasts[0].design;
        let heading = format!("n = {}, {}", design.n, design.setting());
        canvas.bold((8.0, y + 18.0), Anchor::Start, &heading);
        y += HEADING;
        for contrast in contrasts {
            plot.draw_row(&mut canvas, contrast, y + ROW / 2.0);
            y += ROW;
        }
    }
    let summary = "Difference in accuracy between each synthetic arm and real only, with \
                   intervals. The table has the numbers.";
    canvas.document(WIDTH, bottom + BELOW, summary)
}

/// The parts that all rows share.
struct Plot {
    /// Percentage points.
    ticks: Vec<f64>,
    series: Vec<Series>,
    several_doses: bool,
}

impl Plot {
    fn of(analysis: &Analysis) -> Self {
        let ends = analysis.contrasts.iter().map(ends);
        let replicates = || analysis.contrasts.iter().flat_map(|it| it.replicates.iter().copied());
        let low = ends.clone().map(|ends| ends.low).chain(replicates()).fold(0.0, f64::min);
        let high = ends.map(|ends| ends.high).chain(replicates()).fold(0.0, f64::max);
        Self {
            ticks: ticks(low * 100.0, high * 100.0, 7),
            series: list_series(&analysis.accuracy),
            several_doses: have_several_doses(&analysis.accuracy),
        }
    }

    /// The place of a difference, 0 to 1, on the axis.
    fn x(&self, difference: f64) -> f64 {
        let (first, last) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        LEFT + (RIGHT - LEFT) * (difference * 100.0 - first) / (last - first)
    }

    fn draw_axis(&self, canvas: &mut Canvas, bottom: f64) {
        for tick in &self.ticks {
            let x = self.x(tick / 100.0);
            let opacity = if *tick == 0.0 { 0.7 } else { 0.14 };
            canvas.rule((x, TOP), (x, bottom), opacity, false);
            let points = format::points(tick / 100.0);
            canvas.faint((x, bottom + 17.0), Anchor::Middle, points.trim_end_matches(".0"));
        }
        let middle = ((LEFT + RIGHT) / 2.0, bottom + 36.0);
        canvas.faint(middle, Anchor::Middle, "difference from real only, percentage points");
    }

    /// The heads of the numbers beside the plot.
    fn draw_heads(&self, canvas: &mut Canvas, analysis: &Analysis) {
        let points = format!("points [{}]", interval_name(analysis));
        canvas.faint((RIGHT + 20.0, TOP - 10.0), Anchor::Start, &points);
        canvas.faint((WIDTH - 8.0, TOP - 10.0), Anchor::End, "adj. p");
    }

    /// "inpaint less real only, n = 4, with transforms: +1.5 [-2.4, +5.3], adjusted p = 0.45".
    fn say(&self, contrast: &Contrast, points: &str) -> String {
        let design = &contrast.design;
        let adjusted = contrast.answer.p_adjusted.map(|p| format::p_phrase("adjusted p", p));
        format!(
            "{} less real only, n = {}, {}: {points} points{}",
            name_arm(design, self.several_doses),
            design.n,
            design.setting(),
            adjusted.map_or(String::new(), |adjusted| format!(", {adjusted}")),
        )
    }

    fn draw_row(&self, canvas: &mut Canvas, contrast: &Contrast, centre: f64) {
        let answer = &contrast.answer;
        let known = self.series.iter().find(|series| series.holds(&contrast.design));
        let style = known.map_or(0, |series| series.style);
        let baseline = centre + 4.0;
        let arm = name_arm(&contrast.design, self.several_doses);
        canvas.text((20.0, baseline), Anchor::Start, &arm);
        let Interval { low, high } = ends(contrast);
        let points = format!("{} {}", format::points(answer.difference), interval(answer));
        canvas.saying(&self.say(contrast, &points), |canvas| {
            canvas.colour(style, |canvas| {
                canvas.whisker((self.x(low), centre), (self.x(high), centre));
                let dot = |difference: &f64| (self.x(*difference), centre + BESIDE);
                let dots = contrast.replicates.iter().map(dot).collect::<Vec<_>>();
                canvas.dots(&dots, REPLICATE);
                canvas.marker((self.x(answer.difference), centre), style, answer.rejected);
            });
        });
        canvas.text((RIGHT + 20.0, baseline), Anchor::Start, &points);
        let adjusted = answer.p_adjusted.map(format::p).unwrap_or_default();
        canvas.text((WIDTH - 8.0, baseline), Anchor::End, &adjusted);
    }
}

/// The interval, or where nothing varies the difference itself.
fn ends(contrast: &Contrast) -> Interval {
    let difference = contrast.answer.difference;
    contrast.answer.interval.unwrap_or(Interval { low: difference, high: difference })
}
