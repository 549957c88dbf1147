//! Confusion matrices: how often images of a class were called which, a panel for each design.

use std::cmp::Reverse;

use super::svg::{Anchor, Canvas};
use crate::report::block::Drawn;
use crate::report::wording::{have_several_doses, name_arm};
use crate::stats::analysis::{Accuracy, Analysis};

/// Classes whose counts can still be read in a panel.
pub const MOST_CLASSES: usize = 24;

const WIDTH: f64 = 440.0;
const LEFT: f64 = 192.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 62.0;
const BELOW: f64 = 8.0;
const TALLEST: f64 = 26.0;
/// Letters of a class that fit beside its row.
const LETTERS: usize = 23;
/// Shares of a row are painted in this many steps.
const STEPS: usize = 5;
/// Steps on which counts are in the paper's colour.
const DARK: usize = 4;

/// A panel for each design, as SVG.
pub fn apart(analysis: &Analysis) -> Vec<String> {
    let draw = |row: &Accuracy| {
        let panel = Panel::of(analysis, row);
        let mut canvas = Canvas::default();
        panel.draw(&mut canvas);
        let summary = format!("{}: {}", panel.title, panel.summarise());
        canvas.document(WIDTH, panel.height(), &summary).svg
    };
    analysis.accuracy.iter().map(draw).collect()
}

/// All panels in one drawing, two in a row.
pub fn together(analysis: &Analysis) -> Drawn {
    let mut canvas = Canvas::default();
    let mut height = 0.0;
    for (place, row) in analysis.accuracy.iter().enumerate() {
        let panel = Panel::of(analysis, row);
        let (across, down) = ((place % 2) as f64, (place / 2) as f64);
        canvas.moved(across * WIDTH, down * panel.height(), |canvas| panel.draw(canvas));
        height = (down + 1.0) * panel.height();
    }
    let panels = analysis.accuracy.len();
    canvas.document(WIDTH * panels.min(2) as f64, height, "Confusion matrices, one a design.")
}

struct Panel<'a> {
    classes: &'a [String],
    counts: &'a [Vec<usize>],
    title: String,
    /// The side of a cell.
    side: f64,
}

impl<'a> Panel<'a> {
    fn of(analysis: &'a Analysis, row: &'a Accuracy) -> Self {
        let design = &row.design;
        let arm = name_arm(design, have_several_doses(&analysis.accuracy));
        let classes = analysis.classes.as_slice();
        Self {
            classes,
            counts: &row.confusion,
            title: format!("{arm}, n = {}, {}", design.n, design.setting()),
            side: ((WIDTH - LEFT - RIGHT) / classes.len().max(1) as f64).min(TALLEST),
        }
    }

    fn height(&self) -> f64 {
        TOP + self.side * self.classes.len() as f64 + BELOW
    }

    /// The mistake that was made most often.
    fn summarise(&self) -> String {
        let mistakes = self.counts.iter().enumerate().flat_map(|(truth, row)| {
            let wrong = row.iter().enumerate().filter(move |(called, _)| *called != truth);
            wrong.map(move |(called, count)| (count, truth, called))
        });
        // Of equals the first.
        let most =
            mistakes.max_by_key(|(count, truth, called)| (**count, Reverse((*truth, *called))));
        match most {
            Some((count, truth, called)) if *count > 0 => format!(
                "{} most often taken for {}, {count} of {} times.",
                self.classes[truth],
                self.classes[called],
                self.counts[truth].iter().sum::<usize>()
            ),
            _ => "no image was taken for another class.".to_owned(),
        }
    }

    fn draw(&self, canvas: &mut Canvas) {
        canvas.bold((8.0, 20.0), Anchor::Start, &self.title);
        canvas.faint((LEFT, 40.0), Anchor::Start, "called, by the number of the class");
        let middle = |place: usize| (place as f64 + 0.5) * self.side;
        for (place, class) in self.classes.iter().enumerate() {
            let number = (place + 1).to_string();
            canvas.faint((LEFT + middle(place), TOP - 7.0), Anchor::Middle, &number);
            let name = format!("{} {number}", shorten(class));
            canvas.text((LEFT - 8.0, TOP + middle(place) + 4.0), Anchor::End, &name);
        }
        self.paint(canvas);
        for (truth, row) in self.counts.iter().enumerate() {
            let of = row.iter().sum::<usize>();
            for (called, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                let at = (LEFT + middle(called), TOP + middle(truth) + 4.0);
                canvas.count(at, count, step(count, of) >= DARK);
            }
        }
    }

    /// The cells' shades: how large a share of the row each is.
    fn paint(&self, canvas: &mut Canvas) {
        for shade in 1..=STEPS {
            let mut corners = Vec::new();
            for (truth, row) in self.counts.iter().enumerate() {
                let of = row.iter().sum::<usize>();
                let own = row.iter().enumerate().filter(|(_, count)| step(**count, of) == shade);
                corners.extend(own.map(|(called, _)| {
                    (LEFT + called as f64 * self.side, TOP + truth as f64 * self.side)
                }));
            }
            canvas.squares(&corners, self.side, shade as f64 / (STEPS as f64 + 1.0));
        }
        let side = self.side * self.classes.len() as f64;
        canvas.frame((LEFT, TOP), side);
    }
}

/// The step of a share: 0 only for none of the row.
fn step(count: usize, of: usize) -> usize {
    (count * STEPS).div_ceil(of.max(1))
}

/// The name of a class, cut where its row has no room for more.
fn shorten(class: &str) -> String {
    match class.chars().count() > LETTERS {
        true => class.chars().take(LETTERS - 1).chain(['\u{2026}']).collect(),
        false => class.to_owned(),
    }
}
