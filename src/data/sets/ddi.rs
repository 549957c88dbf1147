//! Diverse Dermatology Images (Daneshjou et al. 2022): biopsied lesions, malignant or benign, of
//! three pairs of skin types.

use std::path::Path;

use super::listing::{self, Listing};
use super::set::{Contents, HELD_OUT, Pictures, VALIDATION};
use crate::data::catalogue::{
    Catalogue, CatalogueError, Columns, Lines, Meaning, Record, Row, Table, id_of, value,
};
use crate::data::split::Strata;

/// The table's file name.
pub const ANNOTATIONS: &str = "ddi_metadata.csv";
/// The published table's columns beside an index without a name.
const COLUMNS: [&str; 5] = ["DDI_ID", "DDI_file", "skin_tone", "malignant", "disease"];
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

    fn files(&self, root: &Path) -> Result<Listing, CatalogueError> {
        listing::flat(root)
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
        let mut catalogue = catalogue(contents.annotations()?, contents.ignored)?;
        catalogue.listing.extend(contents.count_unnamed(&catalogue.records));
        Ok(catalogue)
    }
}

/// The pictures of the table, by whether they are malignant. The published table names no patient;
/// a column that does is read.
pub fn catalogue(table: &Table, ignored: &[String]) -> Result<Catalogue, CatalogueError> {
    let [file, tone, malignant] =
        [table.column("DDI_file")?, table.column("skin_tone")?, table.column("malignant")?];
    let columns = Columns::of(table, &[Meaning::Patient, Meaning::Lesion], &COLUMNS, ignored)?;
    let mut lines = Lines::default();
    let record = |row: Row<'_>| {
        let file = row.value(file, "the name of a picture, without a folder,", value::file_name)?;
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
        let mut record = Record::new(id, file.to_owned(), label);
        columns.annotate(&row, &mut record)?;
        Ok(Record { fst, malignant: Some(malignant), ..record })
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
