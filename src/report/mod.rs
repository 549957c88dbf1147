//! The report: from stored results to HTML, Markdown and figures. It formats and places numbers and
//! computes none, reads no clock and no path, so that the same results give the same bytes. Imports
//! `id`, `stats`; the templates lie beside the code.

pub mod audit;
mod base64;
pub mod figure;
pub mod format;
pub mod inputs;
mod view;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, context};

pub use inputs::{AuditPage, Inputs};
use view::View;
pub use view::power_sentence;

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
    #[error("contact sheet is no PNG file")]
    Sheet,
    #[error("contact sheet of {columns} columns has no row, or rows of no column")]
    EmptySheet { columns: usize },
    #[error("template {name}")]
    Template { name: &'static str, source: minijinja::Error },
}

/// The report's files: `index.html`, complete in itself, `report.md` with the figures that it links
/// to, and of a set of pictures the audit.
pub fn render(inputs: &Inputs) -> Result<Vec<File>, ReportError> {
    let chance = inputs.check.as_ref().map(|check| check.chance);
    let figures = figure::Figures::of(&inputs.analysis, chance, &inputs.trainings);
    let view = View::of(inputs, &figures)?;
    let mut files = vec![
        File {
            path: "index.html",
            bytes: fill("index.html", include_str!("templates/index.html"), &view)?,
        },
        File {
            path: "report.md",
            bytes: fill("report.md", include_str!("templates/report.md"), &view)?,
        },
        File { path: "figures/accuracy.svg", bytes: figures.accuracy.into_bytes() },
    ];
    if let Some(contrasts) = figures.contrasts {
        files.push(File { path: "figures/contrasts.svg", bytes: contrasts.into_bytes() });
    }
    if let Some(training) = figures.training {
        files.push(File { path: "figures/training.svg", bytes: training.into_bytes() });
    }
    if let Some(sheet) = &inputs.sheet {
        files.push(File { path: "figures/contact-sheet.png", bytes: sheet.png.clone() });
    }
    if let Some(previews) = &inputs.previews {
        files.push(File { path: "figures/previews.png", bytes: previews.png.clone() });
    }
    if let Some(AuditPage { audit, thumbnails }) = &inputs.audit {
        files.extend(audit::render(audit, thumbnails.as_deref())?);
    }
    Ok(files)
}

fn fill(
    name: &'static str,
    template: &'static str,
    view: &impl serde::Serialize,
) -> Result<Vec<u8>, ReportError> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_filter("md", |text: String| format::markdown(&text));
    let filled = environment.add_template(name, template).and_then(|()| environment.get_template(name)).and_then(|template| {
        template.render(context! { view => Value::from(Serde(view)), css => include_str!("templates/style.css") })
    });
    filled.map(String::into_bytes).map_err(|source| ReportError::Template { name, source })
}

#[cfg(test)]
mod tests;
