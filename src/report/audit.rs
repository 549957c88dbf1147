//! The page of an audit: the counts of a set of pictures, those that cannot be used, and those that
//! are there twice.

use super::block::{Block, Column, Gallery, Page, Section, Table};
use super::format;
use super::render::{File, ReportError, files};
use super::wording::DASH;
use crate::stats::audit::{Audit, ClassCount, Copy, CopyGroup, PatientCount, SkinTypeCount};

/// The audit's page as HTML.
pub const HTML: &str = "audit.html";
/// The audit's page as Markdown.
pub const MARKDOWN: &str = "audit.md";

/// Rows that a list shows before it only counts.
const ROWS: usize = 50;

/// The files of an audit: audit.html, complete in itself, and audit.md with the thumbnails that it
/// links to. `thumbnails` is a sheet of the groups in two sets.
///
/// # Errors
/// If the thumbnails are no PNG file.
pub fn render(audit: &Audit, thumbnails: Option<&[u8]>) -> Result<Vec<File>, ReportError> {
    let mut head = vec![Block::lead(conclude(audit))];
    head.extend(audit.shortfalls.iter().map(Block::notice));
    let sections =
        vec![count_pictures(audit), list_unusable(audit), list_duplicates(audit, thumbnails)];
    let title = format!("Audit of {}", audit.image_set);
    files(&Page::new((HTML, MARKDOWN), title, head, sections))
}

fn conclude(audit: &Audit) -> String {
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

fn count_pictures(audit: &Audit) -> Section {
    let mut classes = vec![
        Column::line("class", |class: &ClassCount| class.label.clone()).heading_rows(),
        Column::number("usable", |class: &ClassCount| class.usable),
        Column::number("not usable", |class: &ClassCount| class.unusable),
    ];
    let mut skin_types = vec![
        Column::line("skin types", |bin: &SkinTypeCount| bin.bin.clone()).heading_rows(),
        Column::number("usable", |bin: &SkinTypeCount| bin.usable),
    ];
    for (place, set) in audit.sets.iter().enumerate() {
        let head = spell(set);
        classes.push(Column::number(&head, move |class: &ClassCount| class.sets[place]));
        skin_types.push(Column::number(&head, move |bin: &SkinTypeCount| bin.sets[place]));
    }
    let classes = Table::new("Pictures by class", classes, &audit.classes)
        .captioned("Pictures by class, and how many each of the study's sets takes.");
    let skin_types = Table::new("Pictures by skin type", skin_types, &audit.skin_types)
        .captioned("Usable pictures by pair of Fitzpatrick skin types.");
    let mut blocks = Vec::from_iter(Block::list(false, &audit.notes));
    blocks.extend([
        Block::Table(classes),
        Block::Table(skin_types),
        Block::paragraph(count_patients(audit)),
        Block::paragraph(describe_formats(audit)),
    ]);
    Section { id: "counts".into(), title: "Counts".into(), short: "Counts".into(), blocks }
}

fn describe_formats(audit: &Audit) -> String {
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

fn list_unusable(audit: &Audit) -> Section {
    let complaints = Block::list(false, audit.unusable.iter().take(ROWS));
    let mut blocks = vec![complaints.unwrap_or_else(|| Block::paragraph("There are none."))];
    blocks.extend(count_rest(audit.unusable.len()));
    Section {
        id: "unusable".into(),
        title: "Pictures that can't be used".into(),
        short: "Not usable".into(),
        blocks,
    }
}

fn list_duplicates(audit: &Audit, thumbnails: Option<&[u8]>) -> Section {
    let mut blocks = vec![Block::paragraph(count_duplicates(audit))];
    if !audit.across.is_empty() {
        let heading = match audit.dedupe {
            true => "Kept out of a second set",
            false => "In two sets of the study",
        };
        blocks.push(Block::heading(heading));
        blocks.extend(thumbnails.map(|png| Block::Gallery(gallery(png))));
        blocks.extend(list_groups("Duplicates in two sets", &audit.across));
    }
    if !audit.conflicts.is_empty() {
        blocks.push(Block::heading("Of different labels"));
        blocks.extend(list_groups("Duplicates of different labels", &audit.conflicts));
    }
    Section {
        id: "duplicates".into(),
        title: "Pictures that are there twice".into(),
        short: "Duplicates".into(),
        blocks,
    }
}

fn count_duplicates(audit: &Audit) -> String {
    let (exact, near) = (audit.duplicates.exact, audit.duplicates.near);
    if exact + near == 0 {
        return "There are none: neither with equal pixels, nor saved anew, mirrored, turned by \
                right angles or cropped by up to 5%."
            .into();
    }
    let policy = match (audit.across.is_empty(), audit.dedupe) {
        (true, _) => "",
        (false, true) => {
            " The study keeps the pictures of such a group in one set (images.dedupe); the sets \
             named here are those without that."
        }
        (false, false) => {
            " The study keeps them there: images.dedupe = \"drop-from-train\" would not."
        }
    };
    let across = if audit.dedupe { "Groups that would be in two sets" } else { "In two sets" };
    format!(
        "{} {} copies of one another, in {}. Groups with equal pixels: {exact}. Groups that \
         differ by how they were saved, mirrored, turned or cropped: {near}. {across} of the study: \
         {}. Of different labels: {}.{policy}",
        format::count(audit.duplicates.pictures, "picture"),
        if audit.duplicates.pictures == 1 { "is" } else { "are" },
        format::count(exact + near, "group"),
        audit.across.len(),
        audit.conflicts.len()
    )
}

/// Whose the pictures are.
fn count_patients(audit: &Audit) -> String {
    let Some(PatientCount { patients, pictures, in_two_sets }) = audit.patients else {
        return "No picture names its patient: pictures of one patient may be in two sets.".into();
    };
    let usable = audit.classes.iter().map(|class| class.usable).sum::<usize>();
    format!(
        "{} of the {usable} usable pictures name {}. Patients with pictures in two sets of the \
         study: {in_two_sets}.",
        pictures,
        format::count(patients, "patient"),
    )
}

fn gallery(thumbnails: &[u8]) -> Gallery {
    Gallery {
        path: "figures/duplicates.png".into(),
        png: thumbnails.to_vec(),
        label: "Thumbnails of duplicates",
        alt: "Pictures that show the same, one group after the other".into(),
        caption: "The first of these groups, in the order of the table.".into(),
        labels: None,
        enlarged: false,
    }
}

/// A row of a table of groups.
struct Row<'a> {
    /// The group's number, from 1.
    group: usize,
    copy: &'a Copy,
    exact: bool,
}

fn list_groups(label: &str, groups: &[CopyGroup]) -> Vec<Block> {
    let columns = vec![
        Column::number("group", |row: &Row<'_>| row.group),
        Column::line("picture", |row: &Row<'_>| row.copy.file.clone()),
        Column::text("label", |row: &Row<'_>| row.copy.label.clone()),
        Column::text("set", |row: &Row<'_>| match row.copy.set.as_str() {
            "" => DASH.to_owned(),
            set => spell(set),
        }),
        Column::text("how alike", |row: &Row<'_>| match row.exact {
            true => "equal pixels",
            false => "nearly",
        }),
    ];
    let all = groups.iter().enumerate().flat_map(|(at, group)| {
        let row = move |copy| Row { group: at + 1, copy, exact: group.exact };
        group.pictures.iter().map(row)
    });
    let rows = all.collect::<Vec<_>>();
    let table = Table::new(label, columns, &rows[..rows.len().min(ROWS)]);
    [Block::Table(table)].into_iter().chain(count_rest(rows.len())).collect()
}

/// A sentence on the rows that a list of `all` leaves out.
fn count_rest(all: usize) -> Option<Block> {
    let rest = all.saturating_sub(ROWS);
    (rest > 0).then(|| Block::paragraph(format!("And {rest} more; audit.json has all.")))
}

/// The name of a set as a reader has it, e.g. "held-out" for `held_out`.
fn spell(set: &str) -> String {
    set.replace("held_out", "held-out")
}
