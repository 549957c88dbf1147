//! The study in its own words.

use crate::report::block::{Block, Section};
use crate::report::inputs::Inputs;

/// None where the study says nothing of itself.
pub fn section(inputs: &Inputs) -> Option<Section> {
    let about = &inputs.study.about;
    (!about.is_empty()).then(|| Section {
        id: "about".into(),
        title: "What the study asks".into(),
        short: "About".into(),
        blocks: vec![Block::paragraph(about)],
    })
}
