//! Real beside synthetic images.

use crate::report::block::{Block, Gallery, Labels, Section};
use crate::report::inputs::{Inputs, Sheet};

/// None where the study has no synthetic images.
pub fn section(inputs: &Inputs) -> Option<Section> {
    let Sheet { png, rows, columns } = inputs.sheet.as_ref()?;
    let gallery = Gallery {
        path: "figures/contact-sheet.png".into(),
        png: png.clone(),
        label: "Contact sheet",
        alt: format!("Images of each class (rows): {} (columns)", columns.join(", ")),
        caption: "The images are the first of each, not chosen.".into(),
        labels: Some(Labels { rows: rows.clone(), columns: columns.clone() }),
        enlarged: true,
    };
    Some(Section {
        id: "images".into(),
        title: "Real beside synthetic images".into(),
        short: "Images".into(),
        blocks: vec![Block::Gallery(gallery)],
    })
}
