//! Diverse Dermatology Images (Daneshjou et al. 2022): biopsied lesions, malignant or benign, of
//! three pairs of skin types.

use super::set::{Contents, HELD_OUT, Pictures, VALIDATION};
use crate::data::catalogue::{Catalogue, CatalogueError, Lines, Record, Row, Table, id_of};
use crate::data::split::Strata;

/// The table's file name.
pub const ANNOTATIONS: &str = "ddi_metadata.csv";
/// The two classes.
pub const CLASSES: [&str; 2] = ["benign", "malignant"];
/// Pictures of each pair of skin types in the published set, 171 of them malignant.
pub const COUNTS: [(u8, usize); 3] = [(12, 208), (34, 241), (56, 207)];

/// The set of study files that say `ddi`.
pub struct Ddi;

impl Pictures for Ddi {
    fn title(&self) -> &'static str {
        "Diverse Dermatology Images"
    }

    fn own_table(&self) -> Option<&'static str> {
        Some(ANNOTATIONS)
    }

    /// As in the paper, what accuracies are measured on has as many pictures of each pair of skin
    /// types.
    fn strata(&self, set: &str) -> Strata {
        match set {
            HELD_OUT | VALIDATION => Strata::SkinTypes,
            _ => Strata::Classes,
        }
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        catalogue(contents.annotations()?)
    }
}

/// The pictures of the table, by whether they are malignant.
pub fn catalogue(table: &Table) -> Result<Catalogue, CatalogueError> {
    let [file, tone, malignant] =
        [table.column("DDI_file")?, table.column("skin_tone")?, table.column("malignant")?];
    let mut lines = Lines::default();
    let record = |row: Row<'_>| {
        let file = row.value(file, "the name of a picture, without a folder,", plain_name)?;
        let id = id_of(file);
        lines.add(&row, &id)?;
        let fst = row.value(tone, "12, 34 or 56", |cell| match cell {
            "12" => Some(12),
            "34" => Some(34),
            "56" => Some(56),
            _ => None,
        })?;
        let malignant = row.flag(malignant)?;
        let label = CLASSES[usize::from(malignant)].to_owned();
        Ok(Record {
            id,
            file: file.to_owned(),
            label,
            fst,
            malignant: Some(malignant),
            patient: String::new(),
            part: None,
        })
    };
    let records = table.rows().map(record).collect::<Result<Vec<_>, CatalogueError>>()?;
    let mut notes = Vec::new();
    for (pair, expected) in COUNTS {
        let found = records.iter().filter(|record| record.fst == pair).count();
        if found != expected {
            notes.push(format!(
                "skin types {pair}: {found} pictures, where the published set has {expected}"
            ));
        }
    }
    Ok(Catalogue::new(records, notes))
}

/// A file's name that leads nowhere else.
fn plain_name(cell: &str) -> Option<&str> {
    let plain = !cell.is_empty() && !cell.starts_with('.') && !cell.contains(['/', '\\', '\0']);
    plain.then_some(cell)
}
