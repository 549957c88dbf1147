//! What stands beside the first section's words, so that a page opens with the answer, the claims
//! and a picture of both: the figure of the experiment that answers, and images of every arm.

use super::answer::leading;
use super::images::label;
use crate::report::block::{Block, Drawing, Figure, Gallery, Section, Together};
use crate::report::figure::accuracy::{Plot, Room};
use crate::report::inputs::{Inputs, Sheet};
use crate::report::wording::interval_name;

/// The section with its opening words beside the figure; what is folded comes after both.
pub fn lay_out(section: Section, inputs: &Inputs) -> Section {
    let is_open = |block: &Block| !matches!(block, Block::Details { .. });
    let (open, folded) = section.blocks.into_iter().partition::<Vec<_>, _>(is_open);
    let mut beside = vec![Block::Figure(figure(inputs))];
    beside.extend(inputs.strip.as_ref().map(|sheet| Block::Gallery(strip(sheet))));
    let mut blocks = vec![Block::Columns { columns: vec![open, beside] }];
    blocks.extend(folded);
    Section { blocks, ..section }
}

fn figure(inputs: &Inputs) -> Figure {
    let part = leading(inputs);
    // The line of chance would leave the arms no room.
    let plot = Plot::of(part.analysis, None, Room::NARROW);
    let of = match part.is_only() {
        true => String::new(),
        false => format!(" in {}", part.experiment.name),
    };
    Figure {
        path: "figures/answer.svg".into(),
        drawing: Drawing::Panels { panels: plot.apart(), whole: plot.together() },
        alt: "Top-1 accuracy against real images per class, by arm",
        caption: format!(
            "Accuracy{of}. Markers: means; bars: {}s; dots: replicates.",
            interval_name(part.analysis)
        )
        .into(),
    }
}

fn strip(sheet: &Sheet) -> Gallery {
    Gallery {
        path: "figures/first-images.png".into(),
        png: sheet.png.clone(),
        label: "The first image of each class and arm",
        alt: format!("An image of each class (columns): {} (rows)", sheet.rows.join(", ")),
        caption: "The first image of each class, not chosen, and those made for it.".into(),
        labels: Some(label(sheet, Together::Column)),
        enlarged: true,
    }
}
