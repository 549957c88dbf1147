//! The report: from stored results to HTML, Markdown and figures. It formats and places numbers and
//! computes none, reads no clock and no path, so that the same results give the same bytes. May
//! import `id`, `stats` and `vocabulary`.
//!
//! Stored results (`inputs`) become sections of blocks (`sections`, `audit`), and blocks become
//! files (`render`). Sections know no markup, renderers no statistics.

use serde::Serialize;

pub mod audit;
mod block;
mod figure;
mod format;
pub mod inputs;
pub mod lineage;
mod metrics;
mod numbers;
mod render;
mod schemas;
mod sections;
mod study;
mod wording;

pub use inputs::{AuditPage, Inputs};
use metrics::Metrics;
pub use numbers::Number;
pub use render::environment as template_environment;
pub use render::{File, ReportError, plain};
#[cfg(test)]
pub use schemas::schema;
pub use sections::power_sentence;

/// The file with everything that was computed.
const METRICS: &str = "data/metrics.json";

/// The file with the tables' numbers, each with its id, its value and the tasks behind it.
pub const NUMBERS: &str = "data/numbers.json";

/// The file with all tasks that the report was made from.
pub const LINEAGE: &str = "data/lineage.json";

/// The file with the study's answer in plain words, which is the report's first sentence too, and
/// with what became of its claims.
pub const ANSWER: &str = "answer.txt";

/// The report's files: `index.html`, complete in itself, `report.md` with the figures that it links
/// to, `answer.txt`, `data/` with the numbers for other programs, and for a set of pictures the audit's.
///
/// # Errors
/// If a sheet of images is no PNG file or has labels for no row or no column.
pub fn render(inputs: &Inputs) -> Result<Vec<File>, ReportError> {
    let (page, numbers) = study::page(inputs);
    let mut files = render::files(&page)?;
    let mut answer = format!("{}\n", sections::answer(inputs).join(" "));
    answer.extend(sections::rulings(&inputs.claims).map(|rulings| format!("{rulings}\n")));
    files.push(File { path: ANSWER.into(), bytes: answer.into_bytes() });
    files.push(File { path: METRICS.into(), bytes: json(&Metrics::of(inputs))? });
    files.push(File { path: NUMBERS.into(), bytes: json(&numbers)? });
    files.push(File { path: LINEAGE.into(), bytes: json(&inputs.lineage)? });
    files.extend(schemas::files());
    if let Some(AuditPage { audit, thumbnails }) = &inputs.audit {
        files.extend(audit::render(audit, thumbnails.as_deref())?);
    }
    Ok(files)
}

fn json<T: Serialize>(content: &T) -> Result<Vec<u8>, ReportError> {
    let mut bytes = serde_json::to_vec_pretty(content)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
