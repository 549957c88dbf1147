//! The audit's own page.

use serde::Serialize;

use super::{File, ReportError, base64, fill, format};
use crate::stats::audit::{Audit, ClassCount, DuplicatePair, SkinTypeCount};

/// Rows that a list shows before it only counts.
const ROWS: usize = 50;

#[derive(Serialize)]
struct View<'a> {
    version: &'static str,
    image_set: &'a str,
    lead: String,
    shortfalls: &'a [String],
    notes: &'a [String],
    sets: Vec<String>,
    classes: &'a [ClassCount],
    skin_types: &'a [SkinTypeCount],
    formats: String,
    unusable: &'a [String],
    unusable_more: usize,
    duplicates: String,
    dedupe: bool,
    across: Vec<PairRow<'a>>,
    across_more: usize,
    conflicts: Vec<PairRow<'a>>,
    conflicts_more: usize,
    thumbnails: Option<String>,
}

#[derive(Serialize)]
struct PairRow<'a> {
    files: &'a [String; 2],
    labels: &'a [String; 2],
    sets: [String; 2],
    likeness: &'static str,
}

/// The files of an audit: audit.html, complete in itself, and audit.md. `thumbnails` is a sheet of
/// the pairs in two sets.
pub fn render(audit: &Audit, thumbnails: Option<&[u8]>) -> Result<Vec<File>, ReportError> {
    let view = View {
        version: env!("CARGO_PKG_VERSION"),
        image_set: &audit.image_set,
        lead: lead(audit),
        shortfalls: &audit.shortfalls,
        notes: &audit.notes,
        sets: audit.sets.iter().map(|set| words(set)).collect(),
        classes: &audit.classes,
        skin_types: &audit.skin_types,
        formats: formats(audit),
        unusable: &audit.unusable[..audit.unusable.len().min(ROWS)],
        unusable_more: audit.unusable.len().saturating_sub(ROWS),
        duplicates: duplicates(audit),
        dedupe: audit.dedupe,
        across: rows(&audit.across),
        across_more: audit.across.len().saturating_sub(ROWS),
        conflicts: rows(&audit.conflicts),
        conflicts_more: audit.conflicts.len().saturating_sub(ROWS),
        thumbnails: thumbnails.map(|png| format!("data:image/png;base64,{}", base64::encode(png))),
    };
    Ok(vec![
        File {
            path: "audit.html",
            bytes: fill("audit.html", include_str!("templates/audit.html"), &view)?,
        },
        File {
            path: "audit.md",
            bytes: fill("audit.md", include_str!("templates/audit.md"), &view)?,
        },
    ])
}

fn lead(audit: &Audit) -> String {
    let usable = audit.pictures - audit.unusable.len();
    let state = if audit.passes() {
        "The study can run on them."
    } else {
        "The study can't run on them as it is."
    };
    format!(
        "{} of the study's {}, {:.1} MB, of which {usable} can be used. {state}",
        format::count(audit.pictures, "picture"),
        format::count(audit.classes.len(), "class"),
        audit.bytes as f64 / 1e6
    )
}

fn formats(audit: &Audit) -> String {
    let formats =
        audit.formats.iter().map(|(format, count)| format!("{count} {format}")).collect::<Vec<_>>();
    match audit.short_side {
        Some((least, median, most)) => {
            format!(
                "Formats: {}. Shorter sides: {least} to {most} pixels, median {median}.",
                format::list(&formats)
            )
        }
        None => "No picture could be read.".to_owned(),
    }
}

fn duplicates(audit: &Audit) -> String {
    let (exact, near) = (audit.duplicates.exact, audit.duplicates.near);
    if exact + near == 0 {
        return "There are none: neither with equal pixels, nor saved anew, mirrored, turned by right angles or cropped by up to 5%.".into();
    }
    let policy = match (audit.across.is_empty(), audit.dedupe) {
        (true, _) => "",
        (false, true) => {
            " The study keeps the pictures of such a pair in one set (images.dedupe); the sets named here are those without that."
        }
        (false, false) => {
            " The study keeps them there: images.dedupe = \"drop-from-train\" would not."
        }
    };
    let across = if audit.dedupe { "Pairs that would be in two sets" } else { "In two sets" };
    format!(
        "Pairs with equal pixels: {exact}. Pairs that differ by how they were saved, mirrored, turned or cropped: {near}. {across} of \
         the study: {}. Of different labels: {}.{policy}",
        audit.across.len(),
        audit.conflicts.len()
    )
}

fn rows<'a>(pairs: &'a [DuplicatePair]) -> Vec<PairRow<'a>> {
    let row = |pair: &'a DuplicatePair| {
        let DuplicatePair { files, labels, sets, exact } = pair;
        PairRow {
            files,
            labels,
            sets: [words(&sets[0]), words(&sets[1])],
            likeness: if *exact { "equal pixels" } else { "nearly" },
        }
    };
    pairs.iter().take(ROWS).map(row).collect()
}

/// `held_out` as a reader has it.
fn words(set: &str) -> String {
    set.replace("held_out", "held-out")
}
