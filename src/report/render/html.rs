//! Blocks to a page of HTML that needs no other file and no network.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, context};
use serde::Serialize;

use super::base64;
use super::file::ReportError;
use super::template::{environment, fill};
use crate::report::block::{Gallery, Page};

/// The page's scripts, each by itself and in this order.
const SCRIPTS: [&str; 4] = [
    include_str!("templates/tables.js"),
    include_str!("templates/proofs.js"),
    include_str!("templates/figures.js"),
    include_str!("templates/images.js"),
];

/// The page as HTML.
pub fn render(page: &Page) -> Result<String, ReportError> {
    let pictures = page
        .galleries()
        .into_iter()
        .map(|gallery| Ok((gallery.path.as_ref(), Picture::of(gallery)?)))
        .collect::<Result<BTreeMap<_, _>, ReportError>>()?;
    let context = context! {
        page => Value::from(Serde(page)),
        pictures => Value::from(Serde(&pictures)),
        version => env!("CARGO_PKG_VERSION"),
        css => include_str!("templates/style.css"),
        scripts => SCRIPTS,
    };
    let template = include_str!("templates/page.html");
    fill(&environment(AutoEscape::Html), "page.html", template, context)
}

/// The images of a gallery, embedded.
#[derive(Serialize)]
struct Picture {
    /// A data URL.
    source: String,
    width: u32,
    height: u32,
}

impl Picture {
    fn of(gallery: &Gallery) -> Result<Self, ReportError> {
        let Gallery { path, png, .. } = gallery;
        if let Some(labels) = &gallery.labels
            && (labels.rows.is_empty() || labels.columns.is_empty())
        {
            let (rows, columns) = (labels.rows.len(), labels.columns.len());
            return Err(ReportError::EmptyGallery { path: path.to_string(), rows, columns });
        }
        let (width, height) =
            read_size(png).ok_or(ReportError::Gallery { path: path.to_string() })?;
        let source = format!("data:image/png;base64,{}", base64::encode(png));
        Ok(Self { source, width, height })
    }
}

/// Width and height in pixels, from a PNG file's header (PNG, section 11.2.2).
fn read_size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?.strip_prefix(b"IHDR")?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_be_bytes);
    Some((number(&header[..4])?, number(&header[4..])?))
}
