//! Figures that are drawn, and galleries of images.

use std::borrow::Cow;

use serde::Serialize;

use super::text::Text;

/// A drawing in SVG.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The file that pages link to which cannot hold the drawing, e.g. "figures/accuracy.svg".
    pub path: Cow<'static, str>,
    pub drawing: Drawing,
    /// Stands for the figure where it cannot be seen.
    pub alt: &'static str,
    pub caption: Text,
}

/// A drawing in the formats of its files.
#[derive(Clone, Debug, Serialize)]
pub struct Drawn {
    pub svg: String,
    #[serde(skip)]
    pub pdf: Vec<u8>,
}

/// The drawing of a figure, and how a page makes room for it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Drawing {
    /// Panels, as SVG, that a page sets side by side as far as it has room; `whole` has them in a
    /// row.
    Panels {
        panels: Vec<String>,
        #[serde(skip)]
        whole: Drawn,
    },
    /// One drawing that narrow pages scroll, as its text would become too small.
    Wide { whole: Drawn },
}

impl Drawing {
    /// The drawing in one piece.
    pub fn whole(&self) -> &Drawn {
        match self {
            Self::Panels { whole, .. } | Self::Wide { whole } => whole,
        }
    }
}

/// Images in a grid, as one PNG.
#[derive(Clone, Debug, Serialize)]
pub struct Gallery {
    /// The file that pages link to which cannot hold the images.
    pub path: Cow<'static, str>,
    #[serde(skip)]
    pub png: Vec<u8>,
    /// Names the gallery, e.g. "Contact sheet".
    pub label: &'static str,
    pub alt: String,
    pub caption: Text,
    /// None where images come in no grid.
    pub labels: Option<Labels>,
    /// Whether a page enlarges the images to its width.
    pub enlarged: bool,
}

/// Labels of a gallery's rows from the top and columns from the left.
#[derive(Clone, Debug, Serialize)]
pub struct Labels {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// Images of a row under each column label, at least 1.
    pub across: usize,
    /// The images that belong together, and that a page shows side by side when it enlarges one.
    pub together: Together,
}

/// A line of a gallery's grid.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Together {
    /// Images of a row, of each column label the one at the same place.
    Row,
    /// Images of a column.
    Column,
}
