//! What the annotations of an image set say: one record a picture, before any picture is opened.
//!
//! An adapter turns a set's own files into a [`Catalogue`]: [`fitzpatrick17k`], [`ddi`],
//! [`folder`]. What is wrong with a table is an error that names file, line and value; what is
//! merely worth knowing is a note.

pub mod ddi;
pub mod fitzpatrick17k;
pub mod folder;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

pub use table::Table;

/// One picture of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Unique within its set; no `.` or `/`.
    pub id: String,
    /// Its file, relative to the set's folder, with `/`.
    pub file: String,
    pub label: String,
    /// As [`Item::fst`](super::Item): 1 to 6, or 12, 34 or 56 where only the pair is known; 0 is
    /// unknown.
    pub fst: u8,
    pub malignant: Option<bool>,
    /// All pictures of a patient are in one set of a study; empty: nobody else's.
    pub patient: String,
    /// Where the set itself has put it; None: a study draws.
    pub part: Option<Part>,
}

/// The parts that sets come divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Train,
    Validation,
    Test,
}

/// Every picture of a set, in an order that does not depend on that of the set's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// By id.
    pub records: Vec<Record>,
    /// Where the set differs from what is known of it, a sentence each.
    pub notes: Vec<String>,
}

/// Which of Fitzpatrick17k's annotations of the skin type counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkinType {
    /// `fitzpatrick_scale`, by the annotators of Scale AI.
    Scale,
    /// `fitzpatrick_centaur`, by those of Centaur Labs.
    Centaur,
}

/// What is wrong with a set's annotations.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("`{table}` is not a CSV file: {cause}")]
    Csv { table: String, cause: csv::Error },
    #[error("`{table}` has no column `{column}`; it has {columns}")]
    Column { table: String, column: String, columns: String },
    #[error("`{table}` has a header and no row")]
    NoRows { table: String },
    #[error("`{table}`, line {line}: `{column}` is {value:?}; {expected} expected")]
    Value { table: String, line: u64, column: String, value: String, expected: &'static str },
    #[error("`{table}`, line {line}: `{id}` is there already, on line {first}")]
    Twice { table: String, line: u64, id: String, first: u64 },
    #[error("`{table}`, line {line}: `{id}` is not in `{annotations}`")]
    NotAnnotated { table: String, line: u64, id: String, annotations: String },
    #[error("`{table}`, line {line}: `{id}` is a {} here and a {} in `{annotations}`", .labels[0], .labels[1])]
    OtherLabel {
        table: String,
        line: u64,
        id: String,
        labels: Box<[String; 2]>,
        annotations: String,
    },
    #[error("`{table}`, line {line}: `{id}` is in the held-out list `{held_out}` too")]
    InBoth { table: String, line: u64, id: String, held_out: String },
    #[error("`{}` can't be read: {cause}", .path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("`{}`: the name is not UTF-8", .path.display())]
    Name { path: PathBuf },
    #[error("`{}` has no folder of pictures: one for each class expected, or train, val and test with those", .path.display())]
    NoClasses { path: PathBuf },
    #[error("`{first}` and `{second}` would have the one id `{id}`: rename one")]
    OneId { first: String, second: String, id: String },
    #[error("`{table}`, line {line}: there is no picture `{file}` in the folder")]
    NoFile { table: String, line: u64, file: String },
    #[error(
        "patient `{patient}` has pictures in more than one part, such as `{first}` and `{second}`: a patient may be in one only"
    )]
    Patient { patient: String, first: String, second: String },
    #[error(
        "images.classes has `{class}`, and no picture is of that class{nearest}; the set has {known}"
    )]
    Class { class: String, nearest: String, known: String },
}

impl Catalogue {
    fn new(mut records: Vec<Record>, notes: Vec<String>) -> Self {
        records.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Self { records, notes }
    }

    /// The records of `classes`. An error if a class has none.
    pub fn of(mut self, classes: &[String]) -> Result<Self, CatalogueError> {
        let mut counts = BTreeMap::<String, usize>::new();
        self.records
            .iter()
            .for_each(|record| *counts.entry(record.label.clone()).or_default() += 1);
        if let Some(class) = classes.iter().find(|class| !counts.contains_key(*class)) {
            let near = counts.keys().map(|label| (strsim::jaro_winkler(class, label), label));
            let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|near| near.0 > 0.8);
            let nearest =
                near.map(|(_, label)| format!(" (the nearest is `{label}`)")).unwrap_or_default();
            let mut known =
                counts.keys().take(12).map(String::as_str).collect::<Vec<_>>().join(", ");
            if counts.len() > 12 {
                known.push_str(&format!(" and {} more", counts.len() - 12));
            }
            return Err(CatalogueError::Class { class: class.clone(), nearest, known });
        }
        self.records.retain(|record| classes.contains(&record.label));
        Ok(self)
    }

    /// Pictures of each class.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        self.records
            .iter()
            .for_each(|record| *counts.entry(record.label.as_str()).or_default() += 1);
        counts
    }

    /// A patient whose pictures the set itself has put into more than one part.
    fn one_part_a_patient(&self) -> Result<(), CatalogueError> {
        let mut parts = HashMap::<&str, &Record>::new();
        for record in self.records.iter().filter(|record| !record.patient.is_empty()) {
            let first = parts.entry(&record.patient).or_insert(record);
            if first.part != record.part {
                let (first, second) = (first.file.clone(), record.file.clone());
                return Err(CatalogueError::Patient {
                    patient: record.patient.clone(),
                    first,
                    second,
                });
            }
        }
        Ok(())
    }
}

/// The id of a picture by its file, relative to the set's folder: its path without the ending, as
/// one word.
pub fn id_of(file: &str) -> String {
    let stem = match file.rfind('.') {
        Some(dot) if !file[dot..].contains('/') => &file[..dot],
        _ => file,
    };
    stem.replace(['/', '.'], "-")
}

/// Refuses an id that a table has twice.
#[derive(Default)]
struct Lines(HashMap<String, u64>);

impl Lines {
    fn add(&mut self, row: &table::Row<'_>, id: &str) -> Result<(), CatalogueError> {
        match self.0.insert(id.to_owned(), row.line()) {
            None => Ok(()),
            Some(first) => Err(CatalogueError::Twice {
                table: row.table().to_owned(),
                line: row.line(),
                id: id.to_owned(),
                first,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
