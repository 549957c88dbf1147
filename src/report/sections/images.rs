//! Real beside synthetic images.

use crate::report::block::{Block, Gallery, Labels, Section, Together};
use crate::report::inputs::{Inputs, Sheet};

/// None where the study has no synthetic images.
pub fn section(inputs: &Inputs) -> Option<Section> {
    let sheet = inputs.sheet.as_ref()?;
    let gallery = Gallery {
        path: "figures/contact-sheet.png".into(),
        png: sheet.png.clone(),
        label: "Contact sheet",
        alt: format!("Images of each class (rows): {} (columns)", sheet.columns.join(", ")),
        caption: "The images are the first of each, not chosen. A synthetic image stands at the \
                  place of the real one that it was made for."
            .into(),
        labels: Some(label(sheet, Together::Row)),
        enlarged: true,
    };
    Some(Section {
        id: "images".into(),
        title: "Real beside synthetic images".into(),
        short: "Images".into(),
        blocks: vec![Block::Gallery(gallery)],
    })
}

/// The labels of a sheet.
pub fn label(sheet: &Sheet, together: Together) -> Labels {
    let Sheet { rows, columns, across, .. } = sheet;
    Labels { rows: rows.clone(), columns: columns.clone(), across: *across, together }
}
