//! Fitzpatrick17k (Groh et al. 2021): a public table of annotations, and pictures called after
//! their MD5 that everyone fetches alone.

use std::collections::{BTreeMap, HashMap};

use super::set::{Contents, Pictures, TableRole};
use crate::data::catalogue::{Catalogue, CatalogueError, Column, Lines, Part, Record, Row, Table};
use crate::vocabulary::SkinTypeScale;

/// The public table's file name.
pub const ANNOTATIONS: &str = "fitzpatrick17k.csv";

/// Pictures of the ten classes of Sagers et al. (arXiv 2308.12453): in the public table, and in
/// their clean training and held-out tables together.
pub const COUNTS: [(&str, usize, usize); 10] = [
    ("allergic contact dermatitis", 430, 398),
    ("basal cell carcinoma", 468, 446),
    ("folliculitis", 342, 231),
    ("lichen planus", 491, 452),
    ("lupus erythematosus", 410, 337),
    ("neutrophilic dermatoses", 361, 324),
    ("photodermatoses", 348, 312),
    ("psoriasis", 653, 624),
    ("sarcoidosis", 349, 326),
    ("squamous cell carcinoma", 581, 480),
];
/// Held-out pictures of each class.
pub const HELD_OUT: usize = 40;

/// The set of study files that say `fitzpatrick17k`.
pub struct Fitzpatrick17k;

impl Pictures for Fitzpatrick17k {
    fn title(&self) -> &'static str {
        "Fitzpatrick17k"
    }

    fn own_table(&self) -> Option<&'static str> {
        Some(ANNOTATIONS)
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        catalogue(
            contents.annotations()?,
            contents.tables.get(&TableRole::HeldOutList),
            contents.tables.get(&TableRole::TrainingList),
            contents.skin_type,
        )
    }
}

/// The pictures of `annotations`. With a held-out table its rows are the test part and all others
/// the training part; with a training table as well, what is in neither is left out.
pub fn catalogue(
    annotations: &Table,
    held_out: Option<&Table>,
    training: Option<&Table>,
    skin_type: SkinTypeScale,
) -> Result<Catalogue, CatalogueError> {
    let mut records = rows(annotations, skin_type)?;
    let held_out_lines = held_out.map(|list| list_of(list, annotations, &records)).transpose()?;
    let training_lines = training.map(|list| list_of(list, annotations, &records)).transpose()?;
    if let (Some(test), Some(list), Some(training), Some(held_out)) =
        (&held_out_lines, &training_lines, training, held_out)
        && let Some((id, line)) =
            list.iter().filter(|(id, _)| test.contains_key(*id)).min_by_key(|(_, line)| **line)
    {
        let (table, held_out) = (training.name().to_owned(), held_out.name().to_owned());
        return Err(CatalogueError::InBoth { table, line: *line, id: id.clone(), held_out });
    }
    if held_out_lines.is_some() || training_lines.is_some() {
        records.retain_mut(|record| {
            let test = held_out_lines.as_ref().is_some_and(|list| list.contains_key(&record.id));
            record.part = Some(if test { Part::Test } else { Part::Train });
            test || training_lines.as_ref().is_none_or(|list| list.contains_key(&record.id))
        });
    }
    let mut catalogue = Catalogue::new(records, Vec::new());
    catalogue.notes = notes(&catalogue, training.is_some(), held_out.is_some());
    Ok(catalogue)
}

fn rows(annotations: &Table, skin_type: SkinTypeScale) -> Result<Vec<Record>, CatalogueError> {
    let column = match skin_type {
        SkinTypeScale::Scale => "fitzpatrick_scale",
        SkinTypeScale::Centaur => "fitzpatrick_centaur",
    };
    let [hash, fst, label] =
        [annotations.column("md5hash")?, annotations.column(column)?, annotations.column("label")?];
    let kind = annotations.column("three_partition_label")?;
    let mut lines = Lines::default();
    let record = |row: Row<'_>| {
        let id = md5(&row, hash)?;
        lines.add(&row, &id)?;
        let malignant =
            row.value(kind, "malignant, benign or non-neoplastic", |cell| match cell {
                "malignant" => Some(true),
                "benign" | "non-neoplastic" => Some(false),
                _ => None,
            })?;
        let label =
            row.value(label, "a label", |cell| (!cell.is_empty()).then(|| cell.to_owned()))?;
        let (file, fst) = (format!("{id}.jpg"), row.skin_type(fst)?);
        Ok(Record {
            id,
            file,
            label,
            fst,
            malignant: Some(malignant),
            patient: String::new(),
            part: None,
        })
    };
    annotations.rows().map(record).collect()
}

/// An MD5 in hexadecimal digits, and so no path to anywhere.
fn md5(row: &Row<'_>, column: Column) -> Result<String, CatalogueError> {
    row.value(column, "an MD5 of 32 hexadecimal digits", |cell| {
        (cell.len() == 32 && cell.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| cell.to_ascii_lowercase())
    })
}

/// The ids of a list and their lines; each is annotated, and of the same label.
fn list_of(
    list: &Table,
    annotations: &Table,
    records: &[Record],
) -> Result<HashMap<String, u64>, CatalogueError> {
    let (hash, label) = (list.column("md5hash")?, list.find("label"));
    let known = records
        .iter()
        .map(|record| (record.id.as_str(), record.label.as_str()))
        .collect::<HashMap<_, _>>();
    let mut lines = Lines::default();
    for row in list.rows() {
        let id = md5(&row, hash)?;
        lines.add(&row, &id)?;
        let (table, line, annotations) =
            (list.name().to_owned(), row.line(), annotations.name().to_owned());
        let Some(annotated) = known.get(id.as_str()) else {
            return Err(CatalogueError::NotAnnotated { table, line, id, annotations });
        };
        let label = label.map_or(*annotated, |label| row.cell(label));
        if label != *annotated {
            let labels = Box::new([label.to_owned(), (*annotated).to_owned()]);
            return Err(CatalogueError::OtherLabel { table, line, id, labels, annotations });
        }
    }
    Ok(lines.0)
}

/// Where the counts are not the paper's.
fn notes(catalogue: &Catalogue, clean: bool, held_out: bool) -> Vec<String> {
    let counts = catalogue.counts();
    let mut test = BTreeMap::<&str, usize>::new();
    for record in catalogue.records.iter().filter(|record| record.part == Some(Part::Test)) {
        *test.entry(&record.label).or_default() += 1;
    }
    let mut notes = Vec::new();
    for (label, original, cleaned) in COUNTS {
        let (found, expected) =
            (counts.get(label).copied().unwrap_or(0), if clean { cleaned } else { original });
        if found != expected {
            notes.push(format!("{label}: {found} pictures, where Sagers et al. had {expected}"));
        }
        let found = test.get(label).copied().unwrap_or(0);
        if held_out && found != HELD_OUT {
            notes.push(format!(
                "{label}: {found} held-out pictures, where Sagers et al. had {HELD_OUT}"
            ));
        }
    }
    notes
}
