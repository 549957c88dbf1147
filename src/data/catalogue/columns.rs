//! Which column of a table says what. All sets have these names and rules in common: a column that
//! is not read is refused unless the study says that it may be ignored, because a misspelt `patient`
//! would put one patient's pictures into two sets without a word.

use std::collections::BTreeMap;

use super::error::CatalogueError;
use super::record::Record;
use super::table::{Column, Row, Table};
use super::value;
use super::value::Part;

/// What a column says of its row's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// Its file.
    File,
    /// Its class.
    Label,
    /// The Fitzpatrick skin type.
    SkinType,
    /// Whether what it shows is malignant.
    Malignant,
    /// Whose picture it is.
    Patient,
    /// Which lesion it shows; a lesion has one patient.
    Lesion,
    /// The part of the set that it is in.
    Part,
}

/// Names of columns, as letters and digits only; each meaning's first is its name in messages.
const NAMES: [(Meaning, &[&str]); 7] = [
    (Meaning::File, &["file", "filename", "filepath", "path", "image", "imageid", "imagename"]),
    (Meaning::Label, &["label", "class", "diagnosis", "dx"]),
    (
        Meaning::SkinType,
        &["fst", "skintype", "skintone", "fitzpatrick", "fitzpatrickskintype", "fitzpatrickscale"],
    ),
    (Meaning::Malignant, &["malignant", "ismalignant", "malignancy", "benignmalignant"]),
    (
        Meaning::Patient,
        &[
            "patient",
            "patientid",
            "patientno",
            "patientnumber",
            "patientname",
            "patientkey",
            "subject",
            "subjectid",
            "person",
            "personid",
            "pid",
        ],
    ),
    (Meaning::Lesion, &["lesion", "lesionid"]),
    (Meaning::Part, &["part", "split", "partition", "subset"]),
];

/// How like a known name an unknown one is at least, to be taken for a slip of it.
const ALIKE: f64 = 0.87;

/// The columns of a table by what they say.
pub struct Columns(BTreeMap<Meaning, Column>);

impl Columns {
    /// The columns of `table` that say one of `reads`. `own` are the columns that the set itself
    /// has and that its reader knows; `ignored` are those of the study's images.ignored_columns.
    ///
    /// # Errors
    /// If two columns say the same, or one says nothing that is read.
    pub fn of(
        table: &Table,
        reads: &[Meaning],
        own: &[&str],
        ignored: &[String],
    ) -> Result<Self, CatalogueError> {
        let mut found = BTreeMap::<Meaning, Column>::new();
        let mut unknown = Vec::new();
        for (name, column) in table.named() {
            // An index that pandas wrote has no name.
            let skipped = name.is_empty()
                || name.starts_with("Unnamed:")
                || own.contains(&name)
                || ignored.iter().any(|other| plain(other) == plain(name));
            if skipped {
                continue;
            }
            let Some(meaning) = meaning(name).filter(|meaning| reads.contains(meaning)) else {
                unknown.push(name);
                continue;
            };
            if let Some(first) = found.insert(meaning, column) {
                return Err(CatalogueError::SameMeaning {
                    table: table.name().to_owned(),
                    first: table.name_of(first).to_owned(),
                    second: name.to_owned(),
                    meaning: canonical(meaning),
                });
            }
        }
        if unknown.is_empty() { Ok(Self(found)) } else { Err(unread(table, &unknown)) }
    }

    /// What the columns beside file and label say of the row's picture.
    ///
    /// # Errors
    /// If a cell says nothing that its column can.
    pub fn annotate(&self, row: &Row<'_>, record: &mut Record) -> Result<(), CatalogueError> {
        if let Some(column) = self.get(Meaning::SkinType) {
            record.fst = row.skin_type(column)?;
        }
        if let Some(column) = self.get(Meaning::Malignant) {
            let known = !value::is_unknown(row.cell(column));
            record.malignant = known.then(|| row.flag(column)).transpose()?;
        }
        if let Some(column) = self.get(Meaning::Part) {
            let cell = row.cell(column);
            let known = !value::is_unknown(cell);
            let part = known.then(|| row.value(column, "train, validation or test", Part::named));
            record.part = part.transpose()?;
        }
        let name = |meaning| {
            let Some(column) = self.get(meaning) else { return Ok(String::new()) };
            row.value(column, "a name or a number", |cell| {
                (!cell.starts_with(['[', '{'])).then(|| value::name(cell))
            })
        };
        let (patient, lesion) = (name(Meaning::Patient)?, name(Meaning::Lesion)?);
        record.patient = if patient.is_empty() { lesion } else { patient };
        Ok(())
    }

    /// The column that says this, if there is one.
    pub fn get(&self, meaning: Meaning) -> Option<Column> {
        self.0.get(&meaning).copied()
    }
}

fn unread(table: &Table, unknown: &[&str]) -> CatalogueError {
    let described = unknown.iter().map(|name| match nearest(name) {
        Some(known) => format!("`{name}` (the nearest that is read: `{known}`)"),
        None => format!("`{name}`"),
    });
    let list = unknown.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    CatalogueError::UnreadColumns {
        table: table.name().to_owned(),
        columns: described.collect::<Vec<_>>().join(", "),
        list,
    }
}

fn meaning(name: &str) -> Option<Meaning> {
    let name = plain(name);
    NAMES.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(meaning, _)| *meaning)
}

fn canonical(meaning: Meaning) -> &'static str {
    NAMES.iter().find(|(other, _)| *other == meaning).map_or("", |(_, names)| names[0])
}

/// The name of the meaning that a slip in `name` may have been meant for.
fn nearest(name: &str) -> Option<&'static str> {
    let name = plain(name);
    let alike = |&(_, names): &(Meaning, &'static [&str])| {
        let alike = names.iter().map(|known| strsim::jaro_winkler(&name, known));
        (alike.fold(0.0, f64::max), names[0])
    };
    let near = NAMES.iter().map(alike).max_by(|a, b| a.0.total_cmp(&b.0));
    near.filter(|near| near.0 > ALIKE).map(|(_, known)| known)
}

/// A name as small letters and digits: "Patient ID" is `patientid`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
