//! The contrasts as a forest plot: a row each, grouped by n and setting; filled where the null
//! hypothesis is rejected.

use super::svg::{Anchor, Canvas, ticks};
use super::{series, several_doses};
use crate::report::format;
use crate::report::view::interval;
use crate::stats::Interval;
use crate::stats::analysis::{Analysis, Contrast};

const WIDTH: f64 = 700.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 470.0;
const ROW: f64 = 20.0;
const HEADING: f64 = 26.0;
const TOP: f64 = 30.0;
const BELOW: f64 = 46.0;

pub fn draw(analysis: &Analysis) -> String {
    let contrasts = &analysis.contrasts;
    let low = contrasts.iter().map(|contrast| ends(contrast).low).fold(0.0, f64::min);
    let high = contrasts.iter().map(|contrast| ends(contrast).high).fold(0.0, f64::max);
    let ticks = ticks(low * 100.0, high * 100.0, 7);
    let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
    let x = |difference: f64| LEFT + (RIGHT - LEFT) * (difference * 100.0 - first) / (last - first);
    let same = |a: &Contrast, b: &Contrast| {
        (a.design.setting(), a.design.n) == (b.design.setting(), b.design.n)
    };
    let groups = contrasts.chunk_by(same).collect::<Vec<_>>();
    let bottom = TOP + HEADING * groups.len() as f64 + ROW * contrasts.len() as f64;

    let mut canvas = Canvas::default();
    for tick in &ticks {
        let zero = *tick == 0.0;
        canvas.rule(
            (x(tick / 100.0), TOP),
            (x(tick / 100.0), bottom),
            if zero { 0.7 } else { 0.14 },
            false,
        );
        canvas.faint(
            (x(tick / 100.0), bottom + 17.0),
            Anchor::Middle,
            format::points(tick / 100.0).trim_end_matches(".0"),
        );
    }
    let middle = (LEFT + RIGHT) / 2.0;
    canvas.faint(
        (middle, bottom + 36.0),
        Anchor::Middle,
        "difference from real only, percentage points",
    );
    let level = format!("{} interval", format::level(analysis.config.confidence));
    canvas.faint((RIGHT + 20.0, TOP - 10.0), Anchor::Start, &format!("points [{level}]"));
    canvas.faint((WIDTH - 8.0, TOP - 10.0), Anchor::End, "adj. p");

    let series = series(&analysis.accuracy);
    let doses = several_doses(&analysis.accuracy);
    let mut y = TOP;
    for contrasts in groups {
        let design = &contrasts[0].design;
        canvas.bold(
            (8.0, y + 18.0),
            Anchor::Start,
            &format!("n = {}, {}", design.n, design.setting()),
        );
        y += HEADING;
        for contrast in contrasts {
            let style = series
                .iter()
                .find(|series| series.holds(&contrast.design))
                .map_or(0, |series| series.style);
            let centre = y + ROW / 2.0;
            canvas.text(
                (20.0, centre + 4.0),
                Anchor::Start,
                &super::arm_name(&contrast.design, doses),
            );
            canvas.coloured(style, |canvas| {
                canvas.whisker((x(ends(contrast).low), centre), (x(ends(contrast).high), centre));
                canvas.marker(
                    (x(contrast.answer.difference), centre),
                    style,
                    contrast.answer.rejected,
                );
            });
            let points = format!(
                "{} {}",
                format::points(contrast.answer.difference),
                interval(&contrast.answer)
            );
            canvas.text((RIGHT + 20.0, centre + 4.0), Anchor::Start, &points);
            canvas.text(
                (WIDTH - 8.0, centre + 4.0),
                Anchor::End,
                &contrast.answer.p_adjusted.map(format::p).unwrap_or_default(),
            );
            y += ROW;
        }
    }
    let summary = "Difference in accuracy between each synthetic arm and real only, with intervals. The table has the numbers.";
    canvas.document(WIDTH, bottom + BELOW, summary)
}

/// The interval, or where nothing varies the difference itself.
fn ends(contrast: &Contrast) -> Interval {
    let difference = contrast.answer.difference;
    contrast.answer.interval.unwrap_or(Interval { low: difference, high: difference })
}
