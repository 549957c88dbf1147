//! The training of the tuned models: their losses, and an image of each at stages of it.

use super::images::label;
use crate::report::block::{Block, Drawing, Figure, Gallery, Section, Together};
use crate::report::figure::training::{self, Curves};
use crate::report::inputs::{Inputs, Sheet};

/// None where no model was tuned.
pub fn section(inputs: &Inputs) -> Option<Section> {
    let Curves { apart, together } = training::draw(&inputs.trainings)?;
    let losses = Figure {
        path: "figures/training.svg".into(),
        drawing: Drawing::Panels { panels: apart, whole: together },
        alt: "Losses of the tuned models",
        caption: "The denoising loss of each tuned model, means over stretches of its steps. It \
                  says that a training went on, not how good its images are: that is the \
                  generator check's to say."
            .into(),
    };
    let mut blocks = vec![Block::Figure(losses)];
    blocks.extend(inputs.previews.as_ref().map(|sheet| Block::Gallery(previews(sheet))));
    Some(Section {
        id: "training".into(),
        title: "Training".into(),
        short: "Training".into(),
        blocks,
    })
}

fn previews(sheet: &Sheet) -> Gallery {
    Gallery {
        path: "figures/previews.png".into(),
        png: sheet.png.clone(),
        label: "Samples at stages of the training",
        alt: "An image of each model (rows) at stages of its training (columns)".into(),
        caption: "One image of each model, always from the same noise, after so many of its steps."
            .into(),
        labels: Some(label(sheet, Together::Row)),
        enlarged: false,
    }
}
