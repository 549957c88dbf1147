//! Renderers: blocks to HTML and Markdown. They know no statistics; the templates beside them hold
//! all markup.

mod base64;
mod file;
mod html;
mod markdown;
mod template;

use super::block::Page;
pub use file::{File, ReportError};

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
    let assets = page.assets().into_iter();
    files.extend(assets.map(|asset| File { path: asset.path, bytes: asset.bytes.to_vec() }));
    Ok(files)
}

#[cfg(test)]
mod tests;
