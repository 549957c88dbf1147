//! Shards of pictures: tar files in which each picture has its record beside it. The records of all
//! shards are one table, whose columns mean what those of any table do.

use std::path::Path;

use super::listing::{self, Listing};
use super::set::{Contents, Packed, Pictures};
use crate::data::catalogue::{Catalogue, CatalogueError, Columns, Meaning, Record, Row, Table};

/// The set of study files that say `webdataset`.
pub struct Shards;

/// What records that titrate and the released synthetic set write have beside.
const OWN: [&str; 8] =
    ["id", "caption", "source", "name", "md5hash", "submethod", "generation_num", "tag"];

impl Pictures for Shards {
    fn title(&self) -> &'static str {
        "shards of pictures"
    }

    fn is_packed(&self) -> bool {
        true
    }

    fn files(&self, root: &Path) -> Result<Listing, CatalogueError> {
        listing::flat(root)
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        catalogue(contents.packed, contents.ignored)
    }
}

/// The pictures of shards.
///
/// # Errors
/// If a record has a field that is not read, lacks a label, or says what its field can't.
pub fn catalogue(packed: &[Packed], ignored: &[String]) -> Result<Catalogue, CatalogueError> {
    let records = packed.iter().map(|packed| (packed.file.clone(), packed.fields.clone()));
    let table = Table::of_records(records.collect(), "the shards' records");
    let reads = [
        Meaning::Label,
        Meaning::SkinType,
        Meaning::Malignant,
        Meaning::Patient,
        Meaning::Lesion,
        Meaning::Part,
    ];
    let columns = Columns::of(&table, &reads, &OWN, ignored)?;
    let label = columns.get(Meaning::Label);
    let record = |(packed, row): (&Packed, Row<'_>)| {
        let label = label.map_or("", |label| row.cell(label));
        if label.is_empty() {
            return Err(CatalogueError::NoLabel { place: row.place() });
        }
        let mut record = Record::new(packed.id.clone(), packed.file.clone(), label.to_owned());
        columns.annotate(&row, &mut record)?;
        Ok(record)
    };
    let records = packed.iter().zip(table.rows()).map(record).collect::<Result<_, _>>()?;
    let catalogue = Catalogue::new(records, Vec::new());
    catalogue.one_part_a_patient()?;
    Ok(catalogue)
}
