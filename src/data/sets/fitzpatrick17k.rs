//! Fitzpatrick17k (Groh et al. 2021): a public table of annotations, and pictures called after
//! their MD5 that everyone fetches alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::listing::{self, Listing};
use super::set::{Contents, Pictures, TableRole};
use crate::data::catalogue::{
    Catalogue, CatalogueError, Column, Columns, Lines, Meaning, Part, Record, Row, Table,
};
use crate::vocabulary::SkinTypeScale;

/// The public table's file name.
pub const ANNOTATIONS: &str = "fitzpatrick17k.csv";

/// The public table's columns; lists have some of them.
const COLUMNS: [&str; 9] = [
    "md5hash",
    "fitzpatrick_scale",
    "fitzpatrick_centaur",
    "label",
    "nine_partition_label",
    "three_partition_label",
    "qc",
    "url",
    "url_alphanum",
];

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

    fn files(&self, root: &Path) -> Result<Listing, CatalogueError> {
        listing::flat(root)
    }

    fn own_table(&self) -> Option<&'static str> {
        Some(ANNOTATIONS)
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        let mut catalogue = catalogue(
            contents.annotations()?,
            contents.tables.get(&TableRole::HeldOutList),
            contents.tables.get(&TableRole::TrainingList),
            contents.skin_type,
            contents.ignored,
        )?;
        catalogue.listing.extend(contents.count_unnamed(&catalogue.records));
        Ok(catalogue)
    }
}

/// The pictures of `annotations`. With a held-out table its rows are the test part and all others
/// the training part; with a training table as well, what is in neither is left out.
pub fn catalogue(
    annotations: &Table,
    held_out: Option<&Table>,
    training: Option<&Table>,
    skin_type: SkinTypeScale,
    ignored: &[String],
) -> Result<Catalogue, CatalogueError> {
    let mut records = rows(annotations, skin_type, ignored)?;
    let read = |list| list_of(list, annotations, &records, ignored);
    let test = held_out.map(read).transpose()?;
    let train = training.map(read).transpose()?;
    if let (Some(test), Some(train), Some(held_out)) = (&test, &train, held_out)
        && let Some((id, place)) = train.iter().find(|(id, _)| is_in(test, id))
    {
        let (id, held_out) = (id.clone(), held_out.name().to_owned());
        return Err(CatalogueError::InBoth { place: place.clone(), id, held_out });
    }
    let all = records.len();
    if test.is_some() || train.is_some() {
        let ids = |list: &Option<List>| {
            list.as_ref().map(|list| list.iter().map(|(id, _)| id.clone()).collect::<HashSet<_>>())
        };
        let (test, train) = (ids(&test), ids(&train));
        records.retain_mut(|record| {
            let test = test.as_ref().is_some_and(|list| list.contains(&record.id));
            record.part = Some(if test { Part::Test } else { Part::Train });
            test || train.as_ref().is_none_or(|list| list.contains(&record.id))
        });
    }
    let left_out = all - records.len();
    let mut catalogue = Catalogue::new(records, Vec::new());
    catalogue.one_part_a_patient()?;
    catalogue.notes = notes(&catalogue, training.is_some(), held_out.is_some());
    if left_out > 0 {
        let name = annotations.name();
        catalogue.listing.push(format!(
            "{left_out} of the {all} pictures of `{name}` are in neither list and are left out"
        ));
    }
    Ok(catalogue)
}

fn rows(
    annotations: &Table,
    skin_type: SkinTypeScale,
    ignored: &[String],
) -> Result<Vec<Record>, CatalogueError> {
    let column = match skin_type {
        SkinTypeScale::Scale => "fitzpatrick_scale",
        SkinTypeScale::Centaur => "fitzpatrick_centaur",
    };
    let [hash, fst, label] =
        [annotations.column("md5hash")?, annotations.column(column)?, annotations.column("label")?];
    let kind = annotations.column("three_partition_label")?;
    let reads = [Meaning::Patient, Meaning::Lesion];
    let columns = Columns::of(annotations, &reads, &COLUMNS, ignored)?;
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
        let mut record = Record::new(id, file, label);
        columns.annotate(&row, &mut record)?;
        Ok(Record { fst, malignant: Some(malignant), ..record })
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

/// The ids of a list, each with the place of its row.
type List = Vec<(String, String)>;

fn is_in(list: &List, id: &str) -> bool {
    list.iter().any(|(other, _)| other == id)
}

/// A list's rows; each is annotated, and of the same label.
fn list_of(
    list: &Table,
    annotations: &Table,
    records: &[Record],
    ignored: &[String],
) -> Result<List, CatalogueError> {
    let (hash, label) = (list.column("md5hash")?, list.find("label"));
    Columns::of(list, &[], &COLUMNS, ignored)?;
    let known = records
        .iter()
        .map(|record| (record.id.as_str(), record.label.as_str()))
        .collect::<HashMap<_, _>>();
    let mut lines = Lines::default();
    let mut rows = Vec::new();
    for row in list.rows() {
        let id = md5(&row, hash)?;
        lines.add(&row, &id)?;
        let (place, annotations) = (row.place(), annotations.name().to_owned());
        let Some(annotated) = known.get(id.as_str()) else {
            return Err(CatalogueError::NotAnnotated { place, id, annotations });
        };
        let label = label.map_or(*annotated, |label| row.cell(label));
        if label != *annotated {
            let labels = Box::new([label.to_owned(), (*annotated).to_owned()]);
            return Err(CatalogueError::OtherLabel { place, id, labels, annotations });
        }
        rows.push((id, place));
    }
    Ok(rows)
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
