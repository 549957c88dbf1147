//! HAM10000 (Tschandl et al. 2018): dermatoscopic images of pigmented lesions, several of some. Its
//! table has no skin types.

use std::collections::BTreeMap;
use std::path::Path;

use super::listing::{self, Listing};
use super::set::{Contents, Pictures};
use crate::data::catalogue::{
    Catalogue, CatalogueError, Columns, Lines, Meaning, Record, Row, Table, id_of, value,
};

/// The table's file name.
const ANNOTATIONS: &str = "HAM10000_metadata.csv";
/// The published table's columns beside the lesion; its later versions have `dataset`.
const COLUMNS: [&str; 7] = ["image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"];
/// What the table calls a class, the class's name, whether it is malignant, and its pictures in the
/// published set. Among actinic keratoses are carcinomas in situ, so the class says neither.
const CLASSES: [(&str, &str, Option<bool>, usize); 7] = [
    ("akiec", "actinic keratosis", None, 327),
    ("bcc", "basal cell carcinoma", Some(true), 514),
    ("bkl", "benign keratosis", Some(false), 1099),
    ("df", "dermatofibroma", Some(false), 115),
    ("mel", "melanoma", Some(true), 1113),
    ("nv", "nevus", Some(false), 6705),
    ("vasc", "vascular lesion", Some(false), 142),
];

/// The set of study files that say `ham10000`.
pub struct Ham10000;

impl Pictures for Ham10000 {
    fn title(&self) -> &'static str {
        "HAM10000"
    }

    /// It is handed out as two folders of pictures.
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

/// The pictures of the table, each found among `files` by its name without the ending, in whichever
/// folder it is. Pictures of a lesion are one patient's.
pub fn catalogue(
    table: &Table,
    files: &[String],
    ignored: &[String],
) -> Result<Catalogue, CatalogueError> {
    let [image, class] = [table.column("image_id")?, table.column("dx")?];
    let columns = Columns::of(table, &[Meaning::Lesion], &COLUMNS, ignored)?;
    let stem = |path: &String| id_of(path.rsplit('/').next().unwrap_or(path));
    let places = files.iter().rev().map(|path| (stem(path), path)).collect::<BTreeMap<_, _>>();
    let mut lines = Lines::default();
    let record = |row: Row<'_>| {
        let name =
            row.value(image, "the name of a picture, without a folder,", value::file_name)?;
        let id = id_of(name);
        lines.add(&row, &id)?;
        let (label, malignant) =
            row.value(class, "akiec, bcc, bkl, df, mel, nv or vasc", |cell| {
                let known = CLASSES.iter().find(|(code, ..)| *code == cell);
                known.map(|(_, name, malignant, _)| (*name, *malignant))
            })?;
        let place = places.get(&id).map_or_else(|| format!("{name}.jpg"), |path| (*path).clone());
        let mut record = Record::new(id, place, label.to_owned());
        columns.annotate(&row, &mut record)?;
        Ok(Record { malignant, ..record })
    };
    let records = table.rows().map(record).collect::<Result<Vec<_>, CatalogueError>>()?;
    let published = CLASSES.iter().map(|(_, name, _, pictures)| (*name, *pictures));
    Ok(Catalogue::new(records, Vec::new()).noting(published))
}
