//! One picture of a set, and all of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::CatalogueError;
use super::value::{self, Part};
use crate::wording::some_of;

/// One picture of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Unique within its set; no `.` or `/`.
    pub id: String,
    /// Its file, relative to the set's folder, with `/`.
    pub file: String,
    /// The class, as the set spells it; [`Catalogue::of`] gives it the study's spelling.
    pub label: String,
    /// As in [`crate::data::Item`]: 1 to 6, or 12, 34 or 56 where only the pair is known; 0 is
    /// unknown.
    pub fst: u8,
    /// Whether the condition is malignant, where the set says so.
    pub malignant: Option<bool>,
    /// All pictures of a patient are in one set of a study; empty: nobody else's.
    pub patient: String,
    /// Where the set itself has put it; None: a study draws.
    pub part: Option<Part>,
}

impl Record {
    /// A record of which nothing else is known.
    pub fn new(id: String, file: String, label: String) -> Self {
        let patient = String::new();
        Self { id, file, label, fst: 0, malignant: None, patient, part: None }
    }
}

/// Every picture of a set, in an order that does not depend on that of the set's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// By id.
    pub records: Vec<Record>,
    /// Where the set differs from what is known of it, a sentence each.
    pub notes: Vec<String>,
    /// How tables and files fit together, and which of them are not used, counted and named; a
    /// sentence each.
    pub listing: Vec<String>,
}

impl Catalogue {
    pub(in crate::data) fn new(mut records: Vec<Record>, notes: Vec<String>) -> Self {
        records.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Self { records, notes, listing: Vec::new() }
    }

    /// The same with a note on each class of which there are fewer or more pictures than published.
    pub(in crate::data) fn noting(
        mut self,
        published: impl IntoIterator<Item = (&'static str, usize)>,
    ) -> Self {
        let counts = self.counts();
        let notes = published.into_iter().filter_map(|(class, expected)| {
            let found = counts.get(class).copied().unwrap_or(0);
            (found != expected).then(|| {
                format!("{class}: {found} pictures, where the published set has {expected}")
            })
        });
        let notes = notes.collect::<Vec<_>>();
        self.notes.extend(notes);
        self
    }

    /// The records of `classes`, each labelled as it is spelt there.
    ///
    /// # Errors
    /// If a class has no record.
    pub fn of(mut self, classes: &[String]) -> Result<Self, CatalogueError> {
        let spelt =
            classes.iter().map(|class| (value::nfc(class), class)).collect::<HashMap<_, _>>();
        for record in &mut self.records {
            if let Some(class) = spelt.get(&value::nfc(&record.label)) {
                record.label.clone_from(class);
            }
        }
        let counts = self.counts();
        if let Some(class) = classes.iter().find(|class| !counts.contains_key(class.as_str())) {
            let near = counts.keys().map(|label| (strsim::jaro_winkler(class, label), label));
            let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|near| near.0 > 0.8);
            let nearest =
                near.map(|(_, label)| format!(" (the nearest is `{label}`)")).unwrap_or_default();
            let known = some_of(&counts.keys().collect::<Vec<_>>(), 12, ", ");
            return Err(CatalogueError::Class { class: class.clone(), nearest, known });
        }
        self.records.retain(|record| classes.contains(&record.label));
        Ok(self)
    }

    /// Refuses ids of `images.exclude` that no record has: a slip would let a picture in.
    ///
    /// # Errors
    /// If there is one; up to five are named.
    pub fn has_all(&self, exclude: &[String]) -> Result<(), CatalogueError> {
        let known = self.records.iter().map(|record| record.id.as_str()).collect::<HashSet<_>>();
        let absent = exclude.iter().filter(|id| !known.contains(id.as_str()));
        let absent = absent.map(|id| format!("`{}`", value::visible(id))).collect::<Vec<_>>();
        match absent.len() {
            0 => Ok(()),
            count => Err(CatalogueError::NoSuchId { count, ids: some_of(&absent, 5, ", ") }),
        }
    }

    /// The catalogue without the records of `images.exclude`, and a sentence in its listing that
    /// counts them.
    pub fn without(mut self, exclude: &[String]) -> Self {
        let exclude = exclude.iter().map(String::as_str).collect::<HashSet<_>>();
        let before = self.records.len();
        self.records.retain(|record| !exclude.contains(record.id.as_str()));
        let said = match before - self.records.len() {
            0 => return self,
            1 => "1 picture is excluded by images.exclude and not used".to_owned(),
            count => format!("{count} pictures are excluded by images.exclude and not used"),
        };
        self.listing.push(said);
        self
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
    pub(in crate::data) fn one_part_a_patient(&self) -> Result<(), CatalogueError> {
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
