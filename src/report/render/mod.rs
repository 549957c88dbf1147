//! Renderers: blocks to HTML and Markdown. They know no statistics; the templates beside them hold
//! all markup.

mod base64;
mod html;
mod markdown;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Value};

use super::block::Page;

/// A file of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the report's folder, with `/`.
    pub path: &'static str,
    pub bytes: Vec<u8>,
}

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("{path} is no PNG file")]
    Gallery { path: &'static str },
    #[error("{path} has labels for {rows} rows and {columns} columns")]
    EmptyGallery { path: &'static str, rows: usize, columns: usize },
    #[error("template {name}")]
    Template { name: &'static str, source: minijinja::Error },
}

/// The files of a page: itself as HTML, complete in one file, and as Markdown with the figures that
/// it links to.
///
/// # Errors
/// If a gallery is no PNG file, or its grid has labels for no row or no column.
pub fn files(page: &Page) -> Result<Vec<File>, ReportError> {
    let mut files = vec![
        File { path: page.html, bytes: html::render(page)?.into_bytes() },
        File { path: page.markdown, bytes: markdown::render(page)?.into_bytes() },
    ];
    let assets = page.assets();
    files.extend(assets.map(|asset| File { path: asset.path, bytes: asset.bytes.to_vec() }));
    Ok(files)
}

/// The settings that the templates of all formats share: a line with nothing but a tag leaves no
/// trace, and a name that does not exist is an error.
fn environment(escape: AutoEscape) -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment
}

fn fill(
    environment: &Environment<'_>,
    name: &'static str,
    template: &str,
    context: Value,
) -> Result<String, ReportError> {
    environment
        .render_named_str(name, template, context)
        .map_err(|source| ReportError::Template { name, source })
}
