//! Blocks: the data that a page is made of, each defined once. Blocks know neither statistics nor
//! markup; sections fill them, and `render` turns them into HTML and Markdown.

mod cell;
mod figure;
mod slug;
mod table;
mod text;

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

pub use cell::{Cell, Parts};
pub use figure::{Drawing, Drawn, Figure, Gallery, Labels, Together};
pub use slug::{slug, unused};
pub use table::{Anchor, Column, Origin, Table};
pub use text::{Span, Text, Tint};

/// A page and the names of its files.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// The page as HTML, e.g. "index.html".
    pub html: &'static str,
    /// The page as Markdown, e.g. "report.md".
    pub markdown: &'static str,
    pub title: String,
    /// Between the title and the first section.
    pub head: Vec<Block>,
    pub sections: Vec<Section>,
    /// The ids of the sections that are each about an experiment, where there are several.
    pub experiments: Vec<String>,
}

/// A part of a page that its table of contents lists.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// The anchor of links to the section; unique on its page.
    pub id: Cow<'static, str>,
    pub title: Cow<'static, str>,
    /// The title in the table of contents.
    pub short: Cow<'static, str>,
    pub blocks: Vec<Block>,
}

/// The smallest unit that a renderer knows.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Block {
    /// A heading below the section's own.
    Heading {
        id: Option<&'static str>,
        text: String,
    },
    Paragraph {
        text: Text,
        tone: Tone,
    },
    /// Something that a reader must not miss.
    Notice {
        text: Text,
    },
    List {
        ordered: bool,
        items: Vec<Item>,
    },
    Table(Table),
    /// Small tables that a wide page sets side by side.
    Tables {
        tables: Vec<Table>,
    },
    Figure(Figure),
    Gallery(Gallery),
    /// Blocks that a wide page sets side by side.
    Columns {
        columns: Vec<Vec<Block>>,
    },
    /// Blocks that few readers need; a page shows the summary and opens the rest on demand.
    Details {
        summary: String,
        blocks: Vec<Block>,
    },
    Proofs(Proofs),
    Code {
        /// The name that Markdown gives it, e.g. "toml".
        language: &'static str,
        text: String,
    },
}

/// How each number of a page came about: proofs, and the tasks that they lead to.
#[derive(Clone, Debug, Serialize)]
pub struct Proofs {
    /// The study's name, for commands.
    pub study: String,
    /// A proof for all numbers that were computed from the same results.
    pub proofs: Vec<Proof>,
    /// The tasks, in the order of the plan.
    pub tasks: Vec<ProvedTask>,
}

/// The results that numbers were computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The place of the task that computed them.
    pub task: Option<usize>,
    /// What else says where they are from, if no task of the list computed them.
    pub label: String,
    /// Designs with the classifiers of their replicates; none: all inputs of the task.
    pub cells: Vec<ProvedCell>,
}

/// The classifiers of a design.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProvedCell {
    /// The design in words.
    pub name: String,
    /// The tasks that trained them.
    pub tasks: Vec<Range>,
}

/// A task as a proof shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ProvedTask {
    pub label: String,
    /// What one of its kind is called.
    pub kind: String,
    /// The first digits of its output's digest.
    pub digest: String,
    /// The first digits of its seed; empty: it draws nothing.
    pub seed: String,
    /// The tasks that it was made from.
    pub from: Vec<Range>,
    /// What it read from outside the plan, in words.
    pub outside: Vec<String>,
}

/// Places of tasks that follow each other, the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    pub first: usize,
    pub last: usize,
}

/// The weight of a paragraph.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    Plain,
    /// Opens a page.
    Lead,
    /// An aside.
    Soft,
}

/// An item of a list, with a list of its own if `items` is not empty.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    pub text: Text,
    pub items: Vec<Item>,
}

impl Block {
    /// A heading without an anchor.
    pub fn heading(text: impl Into<String>) -> Self {
        Self::Heading { id: None, text: text.into() }
    }

    pub fn paragraph(text: impl Into<Text>) -> Self {
        Self::Paragraph { text: text.into(), tone: Tone::Plain }
    }

    pub fn lead(text: impl Into<Text>) -> Self {
        Self::Paragraph { text: text.into(), tone: Tone::Lead }
    }

    pub fn soft(text: impl Into<Text>) -> Self {
        Self::Paragraph { text: text.into(), tone: Tone::Soft }
    }

    pub fn notice(text: impl Into<Text>) -> Self {
        Self::Notice { text: text.into() }
    }

    /// The blocks inside this one, in the lists that it has them in.
    fn inner(&self) -> Vec<&[Self]> {
        match self {
            Self::Details { blocks, .. } => vec![blocks.as_slice()],
            Self::Columns { columns } => columns.iter().map(Vec::as_slice).collect(),
            _ => Vec::new(),
        }
    }

    /// A flat list; none without items.
    pub fn list<T: Into<Text>>(ordered: bool, items: impl IntoIterator<Item = T>) -> Option<Self> {
        let items = items.into_iter().map(Item::from).collect::<Vec<_>>();
        (!items.is_empty()).then_some(Self::List { ordered, items })
    }
}

impl<T: Into<Text>> From<T> for Item {
    fn from(text: T) -> Self {
        Self { text: text.into(), items: Vec::new() }
    }
}

/// A file that figures and galleries of a page refer to.
#[derive(Clone, Debug)]
pub struct Asset<'a> {
    /// Relative to the page's folder.
    pub path: Cow<'a, str>,
    pub bytes: &'a [u8],
}

impl Page {
    /// A page whose tables have names: their section's id and their label, and a number from the
    /// second of that name on.
    pub fn new(
        (html, markdown): (&'static str, &'static str),
        title: String,
        head: Vec<Block>,
        sections: Vec<Section>,
    ) -> Self {
        let experiments = Vec::new();
        let mut page = Self { html, markdown, title, head, sections, experiments };
        let mut names = BTreeSet::new();
        for (section, table) in page.tables_mut() {
            table.name = unused(&mut names, &format!("{section}-{}", slug(&table.label)));
            table.say_subjects();
        }
        page
    }

    /// The page's tables in their order, those inside other blocks as well.
    pub fn tables(&self) -> Vec<&Table> {
        let tables = self.blocks().into_iter().flat_map(|block| match block {
            Block::Table(table) => std::slice::from_ref(table),
            Block::Tables { tables } => tables,
            _ => &[],
        });
        tables.collect()
    }

    /// The files of the page's figures and galleries, in their order. PDFs of figures are for other
    /// programs and lie in `data/`.
    pub fn assets(&self) -> Vec<Asset<'_>> {
        let blocks = self.blocks().into_iter();
        let assets = blocks.flat_map(|block| match block {
            Block::Figure(figure) => {
                let Drawn { svg, pdf } = figure.drawing.whole();
                // Figures of several experiments lie in a folder each.
                let name = figure.path.trim_start_matches("figures/").replace('/', "-");
                let beside = format!("data/{}.pdf", name.trim_end_matches(".svg"));
                vec![
                    Asset { path: figure.path.as_ref().into(), bytes: svg.as_bytes() },
                    Asset { path: beside.into(), bytes: pdf },
                ]
            }
            Block::Gallery(gallery) => {
                vec![Asset { path: gallery.path.as_ref().into(), bytes: &gallery.png }]
            }
            _ => Vec::new(),
        });
        assets.collect()
    }

    /// The page's galleries.
    pub fn galleries(&self) -> Vec<&Gallery> {
        let blocks = self.blocks().into_iter();
        let galleries = blocks.filter_map(|block| match block {
            Block::Gallery(gallery) => Some(gallery),
            _ => None,
        });
        galleries.collect()
    }

    /// The page's tables, each with its section's id, those inside other blocks as well.
    pub fn tables_mut(&mut self) -> Vec<(&str, &mut Table)> {
        let sections = self.sections.iter_mut();
        let tables = sections.flat_map(|section| {
            let id: &str = &section.id;
            tables_of(&mut section.blocks).into_iter().map(move |table| (id, table))
        });
        tables.collect()
    }

    /// All blocks of the page, those inside others as well.
    fn blocks(&self) -> Vec<&Block> {
        let mut found = Vec::new();
        let mut next = vec![self.head.as_slice()];
        next.extend(self.sections.iter().map(|section| section.blocks.as_slice()));
        next.reverse();
        while let Some(blocks) = next.pop() {
            found.extend(blocks);
            next.extend(blocks.iter().flat_map(Block::inner));
        }
        found
    }
}

/// The tables among blocks, those inside others as well, in their order.
pub fn tables_of(blocks: &mut [Block]) -> Vec<&mut Table> {
    let mut found = Vec::new();
    for block in blocks {
        match block {
            Block::Table(table) => found.push(table),
            Block::Tables { tables } => found.extend(tables),
            Block::Details { blocks, .. } => found.extend(tables_of(blocks)),
            Block::Columns { columns } => {
                columns.iter_mut().for_each(|blocks| found.extend(tables_of(blocks)));
            }
            _ => {}
        }
    }
    found
}
