//! Accuracy by class and by skin type, a small table for each n and setting.

use super::columns::{arms, find, groups, of_design, percent};
use crate::report::block::{Block, Column, Drawing, Figure, Section, Table};
use crate::report::figure::confusion::{self, MOST_CLASSES};
use crate::report::inputs;
use crate::report::wording::interval_and_scope;
use crate::stats::analysis::{Accuracy, Analysis};
use crate::stats::scores::Estimate;
use crate::vocabulary::Design;

/// Held-out images that have something in common.
struct Part {
    label: String,
    images: usize,
    key: Key,
}

enum Key {
    /// The place of the class.
    Class(usize),
    SkinType(u8),
}

impl Part {
    /// A design's accuracy on these images.
    fn accuracy<'a>(&self, design: &'a Accuracy) -> Option<&'a Estimate> {
        match self.key {
            Key::Class(place) => design.per_class[place].as_ref(),
            Key::SkinType(fst) => design.per_fst.get(&fst),
        }
    }
}

pub fn section(part: inputs::Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let title = match analysis.images_per_fst.is_empty() {
        true => "By class",
        false => "By class and skin type",
    };
    let prose = format!(
        "Accuracy, means over replicates [{}]. No test was made of these: differences between rows \
         are descriptions, not findings.",
        interval_and_scope(analysis)
    );
    let parts = [
        (Some("by class".to_owned()), by_class(analysis)),
        (Some("by skin type".to_owned()), by_skin_type(analysis)),
    ];
    let arms = arms(analysis);
    let tables = groups(analysis).map(|rows| table(rows, &arms, &parts)).collect();
    let blocks = vec![Block::paragraph(prose), Block::Tables { tables }, confusions(part)];
    Some(Section { id: "breakdown".into(), title: title.into(), short: title.into(), blocks })
}

/// How often images of each class were called which, folded.
fn confusions(part: inputs::Part<'_>) -> Block {
    let analysis = part.analysis;
    let classes = analysis.classes.len();
    let blocks = match classes > MOST_CLASSES {
        true => vec![Block::paragraph(format!(
            "A matrix of {classes} classes can't be read here: data/metrics.json has the counts."
        ))],
        false => vec![Block::Figure(Figure {
            path: part.figure("confusion.svg"),
            drawing: Drawing::Panels {
                panels: confusion::apart(analysis),
                whole: confusion::together(analysis),
            },
            alt: "Confusion matrices",
            caption: "Held-out images by their class (rows) and the class that they were called \
                      (columns), summed over replicates. The darker, the larger the share of the \
                      row."
                .into(),
        })],
    };
    Block::Details { summary: "Which classes are taken for which".into(), blocks }
}

/// The table of one n and setting, whose designs are `designs`.
fn table(
    designs: &[Accuracy],
    arms: &[(Design, String)],
    parts: &[(Option<String>, Vec<Part>)],
) -> Table {
    let mut columns = vec![
        Column::text("part", |part: &Part| part.label.clone()).heading_rows(),
        Column::number("images", |part: &Part| part.images),
    ];
    for (arm, name) in arms {
        if let Some(design) = find(designs, arm) {
            let accuracy = |part: &Part| part.accuracy(design).map(percent);
            columns.push(Column::number(name, accuracy).tracing(|_| of_design(&design.design)));
        }
    }
    let name = format!("n = {}, {}", designs[0].design.n, designs[0].design.setting());
    let parts = parts.iter().map(|(heading, parts)| (heading.clone(), parts));
    Table::grouped(&name, columns, parts).captioned(&name)
}

fn by_class(analysis: &Analysis) -> Vec<Part> {
    let classes = analysis.classes.iter().zip(&analysis.images_per_class).enumerate();
    let part = |(place, (label, images)): (usize, (&String, &usize))| Part {
        label: label.clone(),
        images: *images,
        key: Key::Class(place),
    };
    classes.map(part).collect()
}

fn by_skin_type(analysis: &Analysis) -> Vec<Part> {
    let part = |(&fst, &images): (&u8, &usize)| Part {
        label: match fst {
            1..=9 => format!("FST {fst}"),
            pair => format!("FST {}-{}", pair / 10, pair % 10),
        },
        images,
        key: Key::SkinType(fst),
    };
    analysis.images_per_fst.iter().map(part).collect()
}
