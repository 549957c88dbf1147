//! Whether synthetic images mix with real ones: each one's nearest, and all in one plane by t-SNE.

use crate::report::block::{Block, Column, Drawing, Figure, Section, Table};
use crate::report::figure::quality::Scatter;
use crate::report::format;
use crate::report::inputs::Inputs;
use crate::stats::quality::{Embedded, EmbeddedArm, NEAREST};

/// None where the study compares no images, or too few to have neighbours.
pub fn section(inputs: &Inputs) -> Option<Section> {
    let embedded = inputs.neighbours.as_ref()?;
    Some(Section {
        id: "tsne".into(),
        title: "Do synthetic images mix with real ones?".into(),
        short: "Neighbours".into(),
        blocks: vec![
            Block::paragraph(describe(embedded)),
            Block::Figure(figure(embedded, inputs)),
            Block::Table(table(embedded)),
        ],
    })
}

fn describe(embedded: &Embedded) -> String {
    format!(
        "For each synthetic image, its {NEAREST} nearest neighbours are looked up among held-out \
         real images and the other images of its arm, {} of each set and equally many of each \
         class, in the features of the backbone. The table gives the share of real images among \
         them. It would be {} if synthetic images could not be told from real ones. A lower share \
         means that the images of an arm resemble each other more than they resemble real images. \
         Several of them were made for the same real image, which lowers the share too. It does \
         not say whether they help a classifier.",
        embedded.each,
        format::percent(embedded.mixed()),
    )
}

fn figure(embedded: &Embedded, inputs: &Inputs) -> Figure {
    let scatter = Scatter::of_neighbours(embedded, inputs);
    Figure {
        path: "figures/neighbours.svg".into(),
        drawing: Drawing::Panels { panels: scatter.apart(), whole: scatter.together() },
        alt: "Held-out real and synthetic images in a plane by t-SNE",
        caption: format!(
            "All sets in one plane by t-SNE (van der Maaten and Hinton 2008; perplexity {}), which \
             keeps near what is near. Distances between groups, and how wide a group is, mean \
             nothing. It begins with two principal components and draws nothing at random.",
            format::significant(embedded.perplexity),
        )
        .into(),
    }
}

fn table(embedded: &Embedded) -> Table {
    let columns = vec![
        Column::line("set", |row: &EmbeddedArm| row.arm.clone()).heading_rows(),
        Column::number("images", |row: &EmbeddedArm| row.points.len()),
        Column::number("real among the nearest", |row: &EmbeddedArm| format::percent(row.real)),
    ];
    Table::new("Neighbours table", columns, &embedded.arms).captioned(format!(
        "The share of held-out real images among the {NEAREST} nearest, mean over a set's images."
    ))
}
