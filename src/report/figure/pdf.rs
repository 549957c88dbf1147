//! A small PDF writer for the drawings of a [`Canvas`](super::svg::Canvas): one page as large as the
//! drawing, in Helvetica, which every reader of PDF has and which is not embedded. Lengths are
//! points, as pixels of the SVG are.

use std::collections::BTreeSet;
use std::f32::consts::FRAC_1_SQRT_2;

use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};

/// The drawing so far.
pub struct Ink {
    content: Content,
    /// The opacities that are used, in percent.
    opacities: BTreeSet<u8>,
}

/// How a shape is painted.
#[derive(Clone, Copy, Default)]
pub struct Paint {
    /// Width and opacity of the outline.
    pub stroke: Option<(f32, f64)>,
    pub fill: Option<Fill>,
    /// Lengths of strokes and gaps; empty: a line without gaps.
    pub dashes: &'static [f32],
    pub round: bool,
}

/// What a shape is filled with.
#[derive(Clone, Copy)]
pub enum Fill {
    /// The colour of the group, this opaque.
    Ink(f64),
    Paper,
}

/// The weight of letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

/// Which part of a line of text is at its place.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

type Point = (f64, f64);

impl Default for Ink {
    fn default() -> Self {
        Self { content: Content::new(), opacities: BTreeSet::new() }
    }
}

impl Ink {
    /// Begins a group of a colour, written as `#rrggbb`.
    pub fn begin_colour(&mut self, colour: &str) {
        let part = |at: usize| {
            let digits = colour.get(at..at + 2).unwrap_or("00");
            f32::from(u8::from_str_radix(digits, 16).unwrap_or(0)) / 255.0
        };
        let [red, green, blue] = [part(1), part(3), part(5)];
        self.content.save_state();
        self.content.set_stroke_rgb(red, green, blue).set_fill_rgb(red, green, blue);
    }

    /// Begins a group that is moved.
    pub fn begin_moved(&mut self, x: f64, y: f64) {
        self.content.save_state();
        self.content.transform([1.0, 0.0, 0.0, 1.0, x as f32, y as f32]);
    }

    /// Ends the group that was begun last.
    pub fn end(&mut self) {
        self.content.restore_state();
    }

    /// Lines from point to point, each part for itself.
    pub fn lines(&mut self, parts: &[&[Point]], paint: Paint) {
        self.painted(paint, |content| {
            parts.iter().for_each(|part| trace(content, part));
        });
    }

    /// A closed shape.
    pub fn polygon(&mut self, points: &[Point], paint: Paint) {
        self.painted(paint, |content| {
            trace(content, points);
            content.close_path();
        });
    }

    /// Squares of one size by their upper left corners.
    pub fn squares(&mut self, corners: &[Point], side: f64, paint: Paint) {
        let side = side as f32;
        self.painted(paint, |content| {
            for (x, y) in corners {
                content.rect(*x as f32, *y as f32, side, side);
            }
        });
    }

    /// A circle, as four of Bezier's curves.
    pub fn circle(&mut self, (x, y): Point, radius: f32, paint: Paint) {
        // The distance of control points for which the middle of each arc lies on the circle.
        let pull = radius * (8.0 * FRAC_1_SQRT_2 - 4.0) / 3.0;
        let (x, y) = (x as f32, y as f32);
        self.painted(paint, |content| {
            content.move_to(x + radius, y);
            for (a, b) in [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)] {
                // From the point in direction (a, b) to that a quarter turn further.
                let (c, d) = (-b, a);
                content.cubic_to(
                    x + a * radius + c * pull,
                    y + b * radius + d * pull,
                    x + c * radius + a * pull,
                    y + d * radius + b * pull,
                    x + c * radius,
                    y + d * radius,
                );
            }
            content.close_path();
        });
    }

    /// A line of text by the start, middle or end of its baseline.
    pub fn text(
        &mut self,
        (x, y): Point,
        anchor: Anchor,
        text: &str,
        (weight, size): (Weight, f32),
        fill: Fill,
    ) {
        let letters = encode(text);
        let width = letters.iter().map(|letter| width(*letter, weight)).sum::<u32>();
        let width = width as f32 * size / 1000.0;
        let start = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let font = if weight == Weight::Bold { Name(b"Bold") } else { Name(b"Regular") };
        self.content.save_state();
        self.fill_with(fill);
        self.content.begin_text();
        self.content.set_font(font, size);
        // The page is turned upside down; letters are turned back.
        self.content.set_text_matrix([1.0, 0.0, 0.0, -1.0, x as f32 - start, y as f32]);
        self.content.show(Str(&letters));
        self.content.end_text();
        self.content.restore_state();
    }

    fn painted(&mut self, paint: Paint, draw: impl FnOnce(&mut Content)) {
        let Paint { stroke, fill, dashes, round } = paint;
        self.content.save_state();
        if let Some((width, opacity)) = stroke {
            self.content.set_line_width(width);
            self.set_opacity(opacity);
        }
        if round {
            self.content.set_line_cap(LineCapStyle::RoundCap);
            self.content.set_line_join(LineJoinStyle::RoundJoin);
        }
        if !dashes.is_empty() {
            self.content.set_dash_pattern(dashes.iter().copied(), 0.0);
        }
        if let Some(fill) = fill {
            self.fill_with(fill);
        }
        draw(&mut self.content);
        match (fill, stroke) {
            (Some(_), Some(_)) => self.content.fill_nonzero_and_stroke(),
            (Some(_), None) => self.content.fill_nonzero(),
            (None, Some(_)) => self.content.stroke(),
            (None, None) => self.content.end_path(),
        };
        self.content.restore_state();
    }

    fn fill_with(&mut self, fill: Fill) {
        match fill {
            Fill::Paper => drop(self.content.set_fill_rgb(1.0, 1.0, 1.0)),
            Fill::Ink(opacity) => self.set_opacity(opacity),
        }
    }

    fn set_opacity(&mut self, opacity: f64) {
        let percent = (opacity * 100.0).round().clamp(0.0, 100.0) as u8;
        if percent < 100 {
            self.opacities.insert(percent);
            self.content.set_parameters(Name(opacity_name(percent).as_bytes()));
        }
    }

    /// The document.
    pub fn document(self, width: f64, height: f64, title: &str) -> Vec<u8> {
        let [catalog, pages, page, content, regular, bold, info] =
            [1, 2, 3, 4, 5, 6, 7].map(Ref::new);
        let (width, height) = (width as f32, height as f32);
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(pages);
        pdf.document_info(info).title(pdf_writer::TextStr(title));
        pdf.pages(pages).kids([page]).count(1);
        let mut sheet = pdf.page(page);
        sheet.media_box(Rect::new(0.0, 0.0, width, height)).parent(pages).contents(content);
        let mut resources = sheet.resources();
        resources.fonts().pair(Name(b"Regular"), regular).pair(Name(b"Bold"), bold);
        let mut states = resources.ext_g_states();
        for percent in &self.opacities {
            let opacity = f32::from(*percent) / 100.0;
            let state = states.insert(Name(opacity_name(*percent).as_bytes()));
            let mut state = state.start::<pdf_writer::writers::ExtGraphicsState<'_>>();
            state.stroking_alpha(opacity).non_stroking_alpha(opacity);
        }
        states.finish();
        resources.finish();
        sheet.finish();
        for (font, name) in [(regular, &b"Helvetica"[..]), (bold, b"Helvetica-Bold")] {
            pdf.type1_font(font)
                .base_font(Name(name))
                .encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        let mut all = Content::new();
        // SVG's y goes down, PDF's up.
        all.transform([1.0, 0.0, 0.0, -1.0, 0.0, height]);
        let mut bytes = all.finish().to_vec();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.content.finish());
        pdf.stream(content, &bytes);
        pdf.finish()
    }
}

/// A path from point to point.
fn trace(content: &mut Content, points: &[Point]) {
    for (at, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if at == 0 {
            content.move_to(x, y)
        } else {
            content.line_to(x, y)
        };
    }
}

fn opacity_name(percent: u8) -> String {
    format!("O{percent}")
}

/// Text in Windows-1252, PDF's WinAnsiEncoding. Letters that it has not become `?`.
fn encode(text: &str) -> Vec<u8> {
    let letter = |letter: char| match letter {
        ' '..='~' | '\u{a0}'..='\u{ff}' => letter as u8,
        '\u{2212}' | '\u{2013}' => 0x96,
        '\u{2014}' => 0x97,
        '\u{2018}' => 0x91,
        '\u{2019}' => 0x92,
        '\u{201c}' => 0x93,
        '\u{201d}' => 0x94,
        '\u{2022}' => 0x95,
        '\u{2026}' => 0x85,
        '\u{2009}' | '\u{202f}' => b' ',
        _ => b'?',
    };
    text.chars().map(letter).collect()
}

/// The width of a letter in thousandths of the size, by Adobe's metrics of the standard fonts. Of
/// letters beyond ASCII, that of most.
fn width(letter: u8, weight: Weight) -> u32 {
    let widths = if weight == Weight::Bold { &BOLD } else { &REGULAR };
    let known = letter.checked_sub(b' ').and_then(|at| widths.get(usize::from(at)));
    known.copied().map_or(556, u32::from)
}

/// Widths from the space to the tilde, of Helvetica.
const REGULAR: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// The same of Helvetica-Bold.
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667,
    611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556,
    278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_as_wide_as_the_standard_fonts() {
        let sum = |text: &str, weight| {
            encode(text).iter().map(|letter| width(*letter, weight)).sum::<u32>()
        };
        // As reportlab 5.1 has it: stringWidth of the text with an en dash, at 1000 points.
        let text = "Accuracy [%], n = 32: \u{2212}6.5";
        assert_eq!((sum(text, Weight::Regular), sum(text, Weight::Bold)), (11_701, 12_311));
        assert_eq!(encode("a\u{2212}b\u{3b1}"), b"a\x96b?");
    }
}
