//! The study in full, and the stored results that the report was made from.

use crate::report::block::{Block, Column, Section, Table, Text};
use crate::report::inputs::{Inputs, Size, Source};

pub fn section(inputs: &Inputs) -> Option<Section> {
    let study = &inputs.study;
    let sizes = vec![
        Column::text("size", |size: &Size| size.what.clone()).heading_rows(),
        Column::number("count", |size: &Size| size.count),
    ];
    let sources = vec![
        Column::text("task", |source: &Source| source.task.clone()).heading_rows(),
        Column::text("digest", |source: &Source| Text::code(source.digest.short())),
    ];
    let sources = Table::new("Provenance", sources, &inputs.provenance).captioned(
        "Where the numbers come from: the digest of each input of the report, its first 12 digits.",
    );
    let resolved = Block::Code { language: "toml", text: study.resolved.trim_end().to_owned() };
    Some(Section {
        id: "study".into(),
        title: "Study and provenance".into(),
        short: "Study".into(),
        blocks: vec![
            Block::paragraph(format!("Classes: {}.", inputs.first().classes.join(", "))),
            Block::Table(Table::new("Sizes of the study", sizes, &study.sizes)),
            Block::Table(sources),
            Block::Details {
                summary: "The resolved study, every parameter written out".into(),
                blocks: vec![resolved],
            },
        ],
    })
}
