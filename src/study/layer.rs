//! One layer of a study: a file or a `--set`, of which those above have precedence.

use std::ops::Range;
use std::path::PathBuf;

use toml_edit::Document;

use super::error::{Place, Problem, StudyError};

/// One source of values: parsed text whose items still know their spans.
#[derive(Debug)]
pub(super) struct Layer {
    pub origin: Origin,
    pub document: Document<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Origin {
    File(PathBuf),
    Set(String),
}

impl Layer {
    /// Where the bytes `span` of this layer are.
    pub fn place(&self, span: Option<Range<usize>>) -> Place {
        match &self.origin {
            Origin::File(path) => {
                Place::in_text(path, self.document.raw(), span.map_or(0, |span| span.start))
            }
            Origin::Set(assignment) => Place::Set { assignment: assignment.clone() },
        }
    }

    pub fn problem(&self, span: Option<Range<usize>>, message: String) -> StudyError {
        StudyError::Invalid(vec![Problem { place: self.place(span), message }])
    }
}
