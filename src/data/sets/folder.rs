//! A folder with a folder for each class, or with train, val and test and a folder for each class
//! in each of them.
//!
//! A table may say more of its pictures: `file` (relative to the folder), and any of `fst`,
//! `malignant` and `patient`; what it does not say is unknown.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::set::{Contents, Pictures, TableRole};
use crate::data::catalogue::{Catalogue, CatalogueError, Lines, Part, Record, Table, id_of};

/// Ends of the names of the files that are pictures; those of the second line can't be read, and
/// are refused by name when they are decoded.
const EXTENSIONS: [&str; 14] = [
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "jfif", //
    "tif", "tiff", "heic", "heif", "avif", "jp2", "jxl",
];

/// The folders of the parts.
const PARTS: [(&str, Part); 6] = [
    ("train", Part::Train),
    ("training", Part::Train),
    ("val", Part::Validation),
    ("valid", Part::Validation),
    ("validation", Part::Validation),
    ("test", Part::Test),
];

/// The set of study files that say `folder`.
pub struct Folder;

impl Pictures for Folder {
    fn title(&self) -> &'static str {
        "a folder of pictures"
    }

    fn files(&self, root: &Path) -> Result<Vec<String>, CatalogueError> {
        files(root)
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        catalogue(
            contents.files.iter().map(String::as_str),
            contents.tables.get(&TableRole::Annotations),
        )
    }
}

/// The pictures' files, relative to `root` with `/`: two folders deep, or three with parts. What
/// lies deeper is not looked at, so that no link can lead round and round; neither are hidden
/// files, and those whose names do not end as pictures' do.
pub fn files(root: &Path) -> Result<Vec<String>, CatalogueError> {
    let mut files = Vec::new();
    let mut class = |folder: &Path, prefix: &str| -> Result<(), CatalogueError> {
        let label = name(folder)?;
        for path in listed(folder)?.into_iter().filter(|path| path.is_file()) {
            if path
                .extension()
                .is_some_and(|end| EXTENSIONS.iter().any(|known| end.eq_ignore_ascii_case(known)))
            {
                files.push(format!("{prefix}{label}/{}", name(&path)?));
            }
        }
        Ok(())
    };
    let folders = |path: &Path| {
        Ok(listed(path)?.into_iter().filter(|path| path.is_dir()).collect::<Vec<_>>())
    };
    let top = folders(root)?;
    let parts = top
        .iter()
        .filter(|folder| name(folder).is_ok_and(|name| part_of(&name).is_some()))
        .collect::<Vec<_>>();
    if parts.is_empty() {
        top.iter().try_for_each(|folder| class(folder, ""))?;
    }
    for part in parts {
        let prefix = format!("{}/", name(part)?);
        folders(part)?.iter().try_for_each(|folder| class(folder, &prefix))?;
    }
    match files.is_empty() {
        true => Err(CatalogueError::NoClasses { path: root.to_owned() }),
        false => Ok(files),
    }
}

/// The pictures of [`files`], and what a table says of them.
pub fn catalogue<'a>(
    files: impl IntoIterator<Item = &'a str>,
    table: Option<&Table>,
) -> Result<Catalogue, CatalogueError> {
    let (mut records, mut ids) = (Vec::new(), HashMap::new());
    for file in files {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let (part, label) =
            folder.split_once('/').map_or((None, folder), |(part, label)| (part_of(part), label));
        let id = id_of(file);
        if let Some(first) = ids.insert(id.clone(), file.to_owned()) {
            return Err(CatalogueError::OneId { first, second: file.to_owned(), id });
        }
        let (file, label, patient) = (file.to_owned(), label.to_owned(), String::new());
        records.push(Record { id, file, label, fst: 0, malignant: None, patient, part });
    }
    if let Some(table) = table {
        annotate(&mut records, table)?;
    }
    let catalogue = Catalogue::new(records, Vec::new());
    catalogue.one_part_a_patient()?;
    Ok(catalogue)
}

fn annotate(records: &mut [Record], table: &Table) -> Result<(), CatalogueError> {
    let (file, fst) = (table.column("file")?, table.find("fst"));
    let (malignant, patient) = (table.find("malignant"), table.find("patient"));
    let mut places = HashMap::new();
    for (at, record) in records.iter().enumerate() {
        places.insert(record.file.clone(), at);
    }
    let mut lines = Lines::default();
    for row in table.rows() {
        let name = row.cell(file);
        lines.add(&row, name)?;
        let Some(&at) = places.get(name) else {
            return Err(CatalogueError::NoFile {
                table: table.name().to_owned(),
                line: row.line(),
                file: name.to_owned(),
            });
        };
        let record = &mut records[at];
        record.fst = fst.map_or(Ok(0), |fst| row.skin_type(fst))?;
        let said = malignant.filter(|malignant| !row.cell(*malignant).is_empty());
        record.malignant = said.map(|malignant| row.flag(malignant)).transpose()?;
        record.patient = patient.map_or("", |patient| row.cell(patient)).to_owned();
    }
    Ok(())
}

fn part_of(name: &str) -> Option<Part> {
    PARTS.iter().find(|(part, _)| *part == name).map(|(_, part)| *part)
}

/// What lies in a folder, by name, but for hidden files.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, CatalogueError> {
    let failed = |cause| CatalogueError::Read { path: folder.to_owned(), cause };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn name(path: &Path) -> Result<String, CatalogueError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| CatalogueError::Name { path: path.to_owned() })
}
