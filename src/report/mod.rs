//! The report: from stored results to HTML, Markdown and figures. It formats and places numbers and
//! computes none, reads no clock and no path, so that the same results give the same bytes. May
//! import `id`, `stats` and `vocabulary`.
//!
//! Stored results (`inputs`) become sections of blocks (`sections`, `audit`), and blocks become
//! files (`render`). Sections know no markup, renderers no statistics.

pub mod audit;
mod block;
mod figure;
mod format;
pub mod inputs;
mod render;
mod sections;
mod study;
mod wording;

pub use inputs::{AuditPage, Inputs};
pub use render::{File, ReportError};
pub use sections::power_sentence;

/// The report's files: `index.html`, complete in itself, `report.md` with the figures that it links
/// to, and for a set of pictures the audit's.
///
/// # Errors
/// If a sheet of images is no PNG file or has labels for no row or no column.
pub fn render(inputs: &Inputs) -> Result<Vec<File>, ReportError> {
    let mut files = render::files(&study::page(inputs))?;
    if let Some(AuditPage { audit, thumbnails }) = &inputs.audit {
        files.extend(audit::render(audit, thumbnails.as_deref())?);
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
