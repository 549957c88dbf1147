//! Renderers: blocks to HTML and Markdown. They know no statistics; the templates beside them hold
//! all markup.

mod base64;
mod data;
mod file;
mod html;
mod markdown;
mod template;

use super::block::Page;
pub use file::{File, ReportError};
pub use markdown::plain;
pub use template::environment;

/// The files of a page: itself as HTML, complete in one file, as Markdown with the figures that it
/// links to, and its tables for other programs.
///
/// # Errors
/// If a gallery is no PNG file, or its grid has labels for no row or no column.
pub fn files(page: &Page) -> Result<Vec<File>, ReportError> {
    let mut files = vec![
        File { path: page.html.into(), bytes: html::render(page)?.into_bytes() },
        File { path: page.markdown.into(), bytes: markdown::render(page)?.into_bytes() },
    ];
    files.extend(data::files(page)?);
    let assets = page.assets().into_iter();
    files.extend(
        assets.map(|asset| File {
            path: asset.path.into_owned().into(),
            bytes: asset.bytes.to_vec(),
        }),
    );
    Ok(files)
}

#[cfg(test)]
mod tests;
