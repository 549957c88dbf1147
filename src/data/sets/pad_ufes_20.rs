//! PAD-UFES-20 (Pacheco et al. 2020): lesions photographed with phones, of patients with known skin
//! types.

use std::collections::BTreeMap;
use std::path::Path;

use super::listing::{self, Listing};
use super::set::{Contents, Pictures};
use crate::data::catalogue::{
    Catalogue, CatalogueError, Columns, Lines, Meaning, Record, Row, Table, id_of, value,
};

/// The table's file name.
const ANNOTATIONS: &str = "metadata.csv";
/// The published table's columns beside patient and lesion.
const COLUMNS: [&str; 24] = [
    "fitspatrick",
    "diagnostic",
    "img_id",
    "smoke",
    "drink",
    "background_father",
    "background_mother",
    "age",
    "pesticide",
    "gender",
    "skin_cancer_history",
    "cancer_history",
    "has_piped_water",
    "has_sewage_system",
    "region",
    "diameter_1",
    "diameter_2",
    "itch",
    "grew",
    "hurt",
    "changed",
    "bleed",
    "elevation",
    "biopsed",
];
/// What the table calls a class, the class's name, whether it is malignant, and its pictures in the
/// published set.
const CLASSES: [(&str, &str, bool, usize); 6] = [
    ("ACK", "actinic keratosis", false, 730),
    ("BCC", "basal cell carcinoma", true, 845),
    ("MEL", "melanoma", true, 52),
    ("NEV", "nevus", false, 244),
    ("SCC", "squamous cell carcinoma", true, 192),
    ("SEK", "seborrheic keratosis", false, 235),
];

/// The set of study files that say `pad-ufes-20`.
pub struct PadUfes20;

impl Pictures for PadUfes20 {
    fn title(&self) -> &'static str {
        "PAD-UFES-20"
    }

    /// It is handed out as three folders of pictures.
    fn files(&self, root: &Path) -> Result<Listing, CatalogueError> {
        listing::deep(root)
    }

    fn own_table(&self) -> Option<&'static str> {
        Some(ANNOTATIONS)
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        let mut catalogue = catalogue(contents.annotations()?, contents.files, contents.ignored)?;
        catalogue.listing.extend(contents.count_unnamed(&catalogue.records));
        Ok(catalogue)
    }
}

/// The pictures of the table, each found among `files` by its name, in whichever folder it is.
pub fn catalogue(
    table: &Table,
    files: &[String],
    ignored: &[String],
) -> Result<Catalogue, CatalogueError> {
    let [file, class, fst] =
        [table.column("img_id")?, table.column("diagnostic")?, table.column("fitspatrick")?];
    let columns = Columns::of(table, &[Meaning::Patient, Meaning::Lesion], &COLUMNS, ignored)?;
    let places = files.iter().rev().map(|path| (path.rsplit('/').next().unwrap_or(path), path));
    let places = places.collect::<BTreeMap<_, _>>();
    let mut lines = Lines::default();
    let record = |row: Row<'_>| {
        let name = row.value(file, "the name of a picture, without a folder,", value::file_name)?;
        let id = id_of(name);
        lines.add(&row, &id)?;
        let (label, malignant) = row.value(class, "ACK, BCC, MEL, NEV, SCC or SEK", |cell| {
            let known = CLASSES.iter().find(|(code, ..)| *code == cell);
            known.map(|(_, name, malignant, _)| (*name, *malignant))
        })?;
        let place = places.get(name).map_or(name, |path| path.as_str());
        let mut record = Record::new(id, place.to_owned(), label.to_owned());
        columns.annotate(&row, &mut record)?;
        Ok(Record { fst: row.skin_type(fst)?, malignant: Some(malignant), ..record })
    };
    let records = table.rows().map(record).collect::<Result<Vec<_>, CatalogueError>>()?;
    let published = CLASSES.iter().map(|(_, name, _, pictures)| (*name, *pictures));
    Ok(Catalogue::new(records, Vec::new()).noting(published))
}
