//! What figures are drawn on. A drawing comes out as SVG, where text is escaped, numbers have one
//! decimal and series are coloured through `currentColor`, and as PDF.

use std::fmt::Write;

pub use super::pdf::Anchor;
use super::pdf::{Fill, Ink, Paint, Weight};
use crate::report::block::Drawn;

/// Okabe and Ito's colours that stand out on white, distinct to colour-blind readers; the first
/// series is in ink.
const COLOURS: [&str; 6] = ["#1b1b1b", "#0072b2", "#d55e00", "#009e73", "#aa4499", "#8a6d00"];

const DASHES: [(&str, &[f32]); 4] =
    [("", &[]), ("6 3", &[6.0, 3.0]), ("2 3", &[2.0, 3.0]), ("8 3 2 3", &[8.0, 3.0, 2.0, 3.0])];

/// Points of letters.
const SIZE: f32 = 12.0;
const SMALL: f32 = 10.0;

/// Elements in the order in which they are painted.
#[derive(Default)]
pub struct Canvas {
    body: String,
    ink: Ink,
}

impl Canvas {
    /// A stroke of the ink at `opacity`.
    pub fn rule(&mut self, from: (f64, f64), to: (f64, f64), opacity: f64, dashed: bool) {
        let dashes = if dashed { r#" stroke-dasharray="4 3""# } else { "" };
        let ((x1, y1), (x2, y2)) = (from, to);
        let line = format!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="currentColor""#
        );
        self.put(&format!(r#"{line} stroke-opacity="{opacity}"{dashes}/>"#));
        let dashes: &[f32] = if dashed { &[4.0, 3.0] } else { &[] };
        let paint = Paint { stroke: Some((1.0, opacity)), dashes, ..Paint::default() };
        self.ink.lines(&[&[from, to]], paint);
    }

    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, text: &str) {
        self.lettering(at, anchor, text, "");
        self.ink.text(at, anchor, text, (Weight::Regular, SIZE), Fill::Ink(1.0));
    }

    pub fn bold(&mut self, at: (f64, f64), anchor: Anchor, text: &str) {
        self.lettering(at, anchor, text, r#" font-weight="600""#);
        self.ink.text(at, anchor, text, (Weight::Bold, SIZE), Fill::Ink(1.0));
    }

    pub fn faint(&mut self, at: (f64, f64), anchor: Anchor, text: &str) {
        self.lettering(at, anchor, text, r#" fill-opacity="0.72""#);
        self.ink.text(at, anchor, text, (Weight::Regular, SIZE), Fill::Ink(0.72));
    }

    fn lettering(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str, more: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.put(&format!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}"{more}>{}</text>"#,
            escape(text)
        ));
    }

    /// What `draw` paints, in the colour of the series.
    pub fn colour(&mut self, style: usize, draw: impl FnOnce(&mut Self)) {
        let style = style % COLOURS.len();
        self.put(&format!(r#"<g class="fig-s{style}" color="{}">"#, COLOURS[style]));
        self.ink.begin_colour(COLOURS[style]);
        draw(self);
        self.ink.end();
        self.put("</g>");
    }

    /// What `draw` paints, moved.
    pub fn moved(&mut self, x: f64, y: f64, draw: impl FnOnce(&mut Self)) {
        self.put(&format!(r#"<g transform="translate({x:.1} {y:.1})">"#));
        self.ink.begin_moved(x, y);
        draw(self);
        self.ink.end();
        self.put("</g>");
    }

    /// What `draw` paints, with what it says in words: pages show it to who points at it or goes
    /// there with the arrow keys, and other readers of SVG to who points at it.
    pub fn saying(&mut self, words: &str, draw: impl FnOnce(&mut Self)) {
        self.put(&format!(r#"<g class="says"><title>{}</title>"#, escape(words)));
        draw(self);
        self.put("</g>");
    }

    /// A line through the points, dashed by the series' variant.
    pub fn polyline(&mut self, points: &[(f64, f64)], variant: usize) {
        let (dashes, lengths) = DASHES[variant % DASHES.len()];
        let paint = Paint { stroke: Some((1.4, 0.75)), dashes: lengths, ..Paint::default() };
        self.ink.lines(&[points], paint);
        let points =
            points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
        let dashes = if dashes.is_empty() {
            String::new()
        } else {
            format!(r#" stroke-dasharray="{dashes}""#)
        };
        let stroke = r#"stroke="currentColor" stroke-width="1.4" stroke-opacity="0.75""#;
        self.put(&format!(r#"<polyline points="{points}" fill="none" {stroke}{dashes}/>"#));
    }

    /// Small round dots, all as opaque, also where they overlap.
    pub fn dots(&mut self, points: &[(f64, f64)], opacity: f64) {
        let path = points.iter().map(|(x, y)| format!("M{x:.1} {y:.1}h0")).collect::<String>();
        let stroke = r#"stroke="currentColor" stroke-width="3.6" stroke-linecap="round""#;
        self.put(&format!(r#"<path d="{path}" {stroke} stroke-opacity="{opacity}"/>"#));
        let fill = Some(Fill::Ink(opacity));
        points.iter().for_each(|at| self.ink.circle(*at, 1.8, Paint { fill, ..Paint::default() }));
    }

    /// Filled squares of one shade.
    pub fn squares(&mut self, corners: &[(f64, f64)], side: f64, opacity: f64) {
        let square =
            |(x, y): &(f64, f64)| format!("M{x:.1} {y:.1}h{side:.1}v{side:.1}h-{side:.1}z");
        let path = corners.iter().map(square).collect::<String>();
        if !path.is_empty() {
            self.put(&format!(r#"<path d="{path}" fill-opacity="{opacity:.2}"/>"#));
            let fill = Some(Fill::Ink(opacity));
            self.ink.squares(corners, side, Paint { fill, ..Paint::default() });
        }
    }

    /// The outline of a square.
    pub fn frame(&mut self, (x, y): (f64, f64), side: f64) {
        let stroke = r#"fill="none" stroke="currentColor" stroke-opacity="0.4""#;
        self.put(&format!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{side:.1}" height="{side:.1}" {stroke}/>"#
        ));
        let paint = Paint { stroke: Some((1.0, 0.4)), ..Paint::default() };
        self.ink.squares(&[(x, y)], side, paint);
    }

    /// A small number in the middle of a square, in the paper's colour where the square is dark.
    pub fn count(&mut self, (x, y): (f64, f64), count: usize, on_dark: bool) {
        let paint = if on_dark { r##" class="fig-paper" fill="#ffffff""## } else { "" };
        self.put(&format!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle" font-size="10"{paint}>{count}</text>"#
        ));
        let fill = if on_dark { Fill::Paper } else { Fill::Ink(1.0) };
        let letters = (Weight::Regular, SMALL);
        self.ink.text((x, y), Anchor::Middle, &count.to_string(), letters, fill);
    }

    /// An interval with caps, along one of the axes.
    pub fn whisker(&mut self, from: (f64, f64), to: (f64, f64)) {
        let (across, along) = if from.0 == to.0 { (3.0, 0.0) } else { (0.0, 3.0) };
        let mut path = format!("M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1);
        for (x, y) in [from, to] {
            write!(path, "M{:.1} {:.1}L{:.1} {:.1}", x - across, y - along, x + across, y + along)
                .expect("a string takes text");
        }
        self.put(&format!(
            r#"<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.5"/>"#
        ));
        let cap = |(x, y): (f64, f64)| [(x - across, y - along), (x + across, y + along)];
        let paint = Paint { stroke: Some((1.5, 1.0)), ..Paint::default() };
        self.ink.lines(&[&[from, to], &cap(from), &cap(to)], paint);
    }

    /// The series' marker, filled or hollow. Those of one colour differ in their shapes.
    pub fn marker(&mut self, (x, y): (f64, f64), style: usize, filled: bool) {
        let paint =
            if filled { r#"fill="currentColor""# } else { r##"class="fig-paper" fill="#ffffff""## };
        let paint = format!(r#"{paint} stroke="currentColor" stroke-width="1.5""#);
        let fill = Some(if filled { Fill::Ink(1.0) } else { Fill::Paper });
        let in_ink = Paint { stroke: Some((1.5, 1.0)), fill, ..Paint::default() };
        let polygon: &[(f64, f64)] = match (style + style / COLOURS.len()) % COLOURS.len() {
            0 => &[],
            1 => &[(-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)],
            2 => &[(0.0, -4.8), (4.6, 3.4), (-4.6, 3.4)],
            3 => &[(0.0, -5.2), (5.2, 0.0), (0.0, 5.2), (-5.2, 0.0)],
            4 => &[(0.0, 4.8), (4.6, -3.4), (-4.6, -3.4)],
            _ => &[(-4.6, -1.6), (0.0, -5.0), (4.6, -1.6), (2.8, 4.0), (-2.8, 4.0)],
        };
        if polygon.is_empty() {
            self.ink.circle((x, y), 4.0, in_ink);
            return self.put(&format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.0" {paint}/>"#));
        }
        let points = polygon.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>();
        self.ink.polygon(&points, in_ink);
        let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>();
        let points = points.join(" ");
        self.put(&format!(r#"<polygon points="{points}" {paint}/>"#));
    }

    fn put(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The drawing; `summary` is what is read out in place of the figure.
    pub fn document(self, width: f64, height: f64, summary: &str) -> Drawn {
        let pdf = self.ink.document(width, height, summary);
        let summary = escape(summary);
        let svg = format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" class="fig" "#,
                r#"viewBox="0 0 {w:.0} {h:.0}" width="{w:.0}" height="{h:.0}" "#,
                r#"role="img" aria-label="{summary}" "#,
                r##"color="#1b1b1b" fill="currentColor" font-size="12" "##,
                r#"font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif">"#,
                "\n",
                r##"<rect class="fig-paper" width="{w:.0}" height="{h:.0}" fill="#ffffff"/>"##,
                "\n{body}</svg>\n"
            ),
            w = width,
            h = height,
            summary = summary,
            body = self.body
        );
        Drawn { svg, pdf }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Round ticks from at or below `low` to at or above `high`, at most `most` (at least 2) of them.
pub fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let steps = (-3..=3).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    for step in steps {
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        if last - first < most as f64 {
            let last = if last == first { last + 1.0 } else { last };
            return (0..=(last - first) as usize)
                .map(|index| (first + index as f64) * step)
                .collect();
        }
    }
    vec![low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_thirty_six_series_look_alike() {
        let drawn = |style: usize| {
            let mut canvas = Canvas::default();
            canvas.colour(style, |canvas| canvas.marker((0.0, 0.0), style, true));
            canvas.body
        };
        let all = (0..COLOURS.len() * COLOURS.len())
            .map(drawn)
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(all.len(), COLOURS.len() * COLOURS.len());
    }

    #[test]
    fn ticks_are_round_and_cover_the_range() {
        assert_eq!(ticks(11.1, 58.0, 7), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(ticks(-3.2, 14.1, 7), [-5.0, 0.0, 5.0, 10.0, 15.0]);
        assert_eq!(ticks(0.0, 0.0, 7), [0.0, 0.001]);
    }
}
