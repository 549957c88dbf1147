//! Blocks: the data that a page is made of, each defined once. Blocks know neither statistics nor
//! markup; sections fill them, and `render` turns them into HTML and Markdown.

mod figure;
mod table;
mod text;

use std::borrow::Cow;

use serde::Serialize;

pub use figure::{Drawing, Figure, Gallery, Labels};
pub use table::{Cell, Column, Table};
pub use text::{Span, Text};

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
    /// Blocks that few readers need; a page shows the summary and opens the rest on demand.
    Details {
        summary: String,
        blocks: Vec<Block>,
    },
    Code {
        /// The name that Markdown gives it, e.g. "toml".
        language: &'static str,
        text: String,
    },
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
#[derive(Clone, Copy, Debug)]
pub struct Asset<'a> {
    /// Relative to the page's folder.
    pub path: &'a str,
    pub bytes: &'a [u8],
}

impl Page {
    /// The files of the page's figures and galleries, in their order.
    pub fn assets(&self) -> Vec<Asset<'_>> {
        let blocks = self.blocks().into_iter();
        let assets = blocks.filter_map(|block| match block {
            Block::Figure(figure) => {
                Some(Asset { path: &figure.path, bytes: figure.drawing.whole().as_bytes() })
            }
            Block::Gallery(gallery) => Some(Asset { path: &gallery.path, bytes: &gallery.png }),
            _ => None,
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

    /// All blocks of the page, those inside others as well.
    fn blocks(&self) -> Vec<&Block> {
        let mut found = Vec::new();
        let mut next = vec![self.head.as_slice()];
        next.extend(self.sections.iter().map(|section| section.blocks.as_slice()));
        next.reverse();
        while let Some(blocks) = next.pop() {
            found.extend(blocks);
            next.extend(blocks.iter().filter_map(|block| match block {
                Block::Details { blocks, .. } => Some(blocks.as_slice()),
                _ => None,
            }));
        }
        found
    }
}
