//! The files of a report, and the reasons that one cannot be written.

use std::borrow::Cow;

/// A file of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the report's folder, with `/`.
    pub path: Cow<'static, str>,
    /// The file's content.
    pub bytes: Vec<u8>,
}

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The images of a gallery are no PNG file.
    #[error("{path} is no PNG file")]
    Gallery {
        /// The gallery's file in the report.
        path: String,
    },
    /// The labels of a gallery say that it has no images.
    #[error("{path} has labels for {rows} rows and {columns} columns")]
    EmptyGallery {
        /// The gallery's file in the report.
        path: String,
        /// Row labels.
        rows: usize,
        /// Column labels.
        columns: usize,
    },
    /// A table cannot be written as CSV.
    #[error("{table} as CSV")]
    Csv {
        /// The table's label.
        table: String,
        /// The reason.
        source: csv::Error,
    },
    /// Results cannot be written as JSON.
    #[error("metrics.json")]
    Json(#[from] serde_json::Error),
    /// A template asks for something that no block has.
    #[error("template {name}")]
    Template {
        /// The template's file.
        name: &'static str,
        /// The reason, with the place in the template.
        source: minijinja::Error,
    },
}
