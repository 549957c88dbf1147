//! A folder of pictures. Its classes are its folders (`class/x.png`, or with parts
//! `train/class/x.png`), or what a table says of each file.
//!
//! A table has a column `file` (the path from the folder, or the file's name with or without its
//! ending, if that is unique) and any of `label`, `fst`, `malignant`, `patient`, `lesion` and `part`.
//! With a column `label` its rows are the set, wherever their files lie; without one the folders are,
//! and the table says more of their pictures. What it does not say is unknown.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path};

use super::listing::{self, Listing, NAMED, count_unused};
use super::set::{Contents, Folder as Whole, Pictures, TableRole};
use crate::data::catalogue::{
    Catalogue, CatalogueError, Column, Columns, Lines, Meaning, Part, Record, Row, Table, id_of,
    value,
};

/// The set of study files that say `folder`.
pub struct Folder;

impl Pictures for Folder {
    fn title(&self) -> &'static str {
        "folder of pictures"
    }

    fn files(&self, root: &Path) -> Result<Listing, CatalogueError> {
        listing::deep(root)
    }

    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError> {
        let table = contents.tables.get(&TableRole::Annotations);
        let Contents { files, folder, classes, ignored, .. } = contents;
        catalogue(files, folder, table, classes, ignored)
    }
}

/// The pictures among `files`, and what a table says of them. Without `whole`, `files` are those of
/// the study's classes only.
///
/// # Errors
/// If the table has no usable column, contradicts itself or the files, or if it is in doubt which
/// pictures belong to which class.
pub fn catalogue(
    files: &[String],
    whole: Option<Whole<'_>>,
    table: Option<&Table>,
    classes: &[String],
    ignored: &[String],
) -> Result<Catalogue, CatalogueError> {
    let meanings = [
        Meaning::File,
        Meaning::Label,
        Meaning::SkinType,
        Meaning::Malignant,
        Meaning::Patient,
        Meaning::Lesion,
        Meaning::Part,
    ];
    let columns = table.map(|table| Columns::of(table, &meanings, &[], ignored)).transpose()?;
    let label = columns.as_ref().and_then(|columns| columns.get(Meaning::Label));
    let mut sentences = Vec::new();
    let mut records = match label {
        Some(_) => Vec::new(),
        None => by_folder(files, whole, classes, &mut sentences)?,
    };
    if let (Some(table), Some(columns)) = (table, &columns) {
        let file = columns.get(Meaning::File).map_or_else(|| table.column("file"), Ok)?;
        let annotator = Annotator { table, columns, file, whole: whole.is_some() };
        let sentence = match label {
            Some(label) => annotator.label(files, label, &mut records)?,
            None => annotator.annotate(&mut records)?,
        };
        sentences.extend(sentence.filter(|_| whole.is_some()));
    }
    let mut ids = HashMap::new();
    for record in &records {
        if let Some(first) = ids.insert(&record.id, &record.file) {
            let (first, second) = (first.clone(), record.file.clone());
            return Err(CatalogueError::OneId { first, second, id: record.id.clone() });
        }
    }
    if let Some(whole) = whole {
        if label.is_some() {
            sentences.extend(listing::count_unnamed(files, &records));
        }
        let read = |other: &&String| {
            table.is_some_and(|table| Path::new(table.name()) == whole.root.join(other))
        };
        let others = whole.others.iter().filter(|other| !read(other)).collect::<Vec<_>>();
        sentences.extend(count_unused("file", "beside the pictures", &others));
    }
    let catalogue = Catalogue { listing: sentences, ..Catalogue::new(records, Vec::new()) };
    catalogue.one_part_a_patient()?;
    Ok(catalogue)
}

/// The record of a file by the folders that it lies in: a class, or a part and a class.
fn place(file: &str) -> Option<Record> {
    let folders = file.split('/').collect::<Vec<_>>();
    let (part, label) = match folders[..] {
        [label, _] => (None, label),
        [part, label, _] => (Some(Part::named(part)?), label),
        _ => return None,
    };
    let record = Record::new(id_of(file), file.to_owned(), label.to_owned());
    Some(Record { part, ..record })
}

/// The records of files by their folders. Of the whole set also what is left out of it, or the error
/// that it is in doubt.
fn by_folder(
    files: &[String],
    whole: Option<Whole<'_>>,
    classes: &[String],
    listing: &mut Vec<String>,
) -> Result<Vec<Record>, CatalogueError> {
    let Some(whole) = whole else {
        return Ok(files.iter().filter_map(|file| place(file)).collect());
    };
    let top = |file: &str| file.split_once('/').map(|(top, _)| top.to_owned());
    let parts = files
        .iter()
        .filter_map(|file| top(file))
        .filter(|top| Part::named(top).is_some())
        .collect::<BTreeSet<_>>();
    let depth = if parts.is_empty() { 2 } else { 3 };
    let (mut records, mut shallow, mut deeper) = (Vec::new(), Vec::new(), Vec::new());
    let mut beside = BTreeMap::<String, usize>::new();
    for file in files {
        let top = top(file);
        match file.split('/').count() {
            found
                if found > 1
                    && !parts.is_empty()
                    && top.as_ref().is_none_or(|top| !parts.contains(top)) =>
            {
                *beside.entry(top.unwrap_or_default()).or_default() += 1;
            }
            found if found == depth => records.extend(place(file)),
            found if found < depth => shallow.push(file),
            _ => deeper.push(file),
        }
    }
    if !beside.is_empty() {
        let beside = beside.iter().map(|(folder, count)| format!("{folder} ({count})"));
        return Err(CatalogueError::BesideParts {
            path: whole.root.to_owned(),
            parts: parts.into_iter().collect::<Vec<_>>().join(", "),
            beside: beside.collect::<Vec<_>>().join(", "),
        });
    }
    let wanted = |file: &&&String| {
        let label = file.split('/').nth(depth - 2).unwrap_or_default();
        classes.iter().any(|class| value::nfc(class) == value::nfc(label))
    };
    let lost = deeper.iter().filter(wanted).collect::<Vec<_>>();
    if let Some(first) = lost.first() {
        return Err(CatalogueError::Deeper { count: lost.len(), file: (**first).clone() });
    }
    if records.is_empty() {
        return Err(CatalogueError::NoClasses {
            path: whole.root.to_owned(),
            hint: table_hint(whole.others),
        });
    }
    listing.extend(count_unused("picture", "in no folder of a class", &shallow));
    listing.extend(count_unused("picture", "deeper than in a folder for each class", &deeper));
    Ok(records)
}

/// A table among the files, which the study does not name.
fn table_hint(others: &[String]) -> String {
    let is_table = |file: &&String| {
        [".csv", ".tsv", ".jsonl", ".ndjson"].iter().any(|end| file.to_lowercase().ends_with(end))
    };
    let table = others.iter().find(is_table);
    table.map_or(String::new(), |table| format!(" (`{table}` is there)"))
}

/// Reads a table about files.
struct Annotator<'a> {
    table: &'a Table,
    columns: &'a Columns,
    file: Column,
    /// Whether all files of the folder are known.
    whole: bool,
}

impl Annotator<'_> {
    /// Makes a record of each row, and a sentence about them. A row whose file is not there is the
    /// record of a picture that is missing.
    fn label(
        &self,
        files: &[String],
        label: Column,
        records: &mut Vec<Record>,
    ) -> Result<Option<String>, CatalogueError> {
        let names = Names::of(files.iter().map(String::as_str));
        let mut lines = Lines::default();
        let mut absent = Vec::new();
        for row in self.table.rows() {
            let cell = self.path(&row)?;
            let file = match names.find(&cell, &row)? {
                Some(at) => files[at].clone(),
                None => {
                    absent.push(cell.clone());
                    cell
                }
            };
            lines.add(&row, &file)?;
            let label = row.value(label, "a class", |cell| (!cell.is_empty()).then_some(cell))?;
            let mut record = Record::new(id_of(&file), file.clone(), label.to_owned());
            self.columns.annotate(&row, &mut record)?;
            let top = file.split_once('/').and_then(|(top, _)| Part::named(top));
            record.part = record.part.or(top);
            records.push(record);
        }
        Ok(Some(self.count_rows(&absent)))
    }

    /// Adds to the records what the rows say of them, and a record for each row whose file is not
    /// there; a sentence about them.
    fn annotate(&self, records: &mut Vec<Record>) -> Result<Option<String>, CatalogueError> {
        let files = records.iter().map(|record| record.file.clone()).collect::<Vec<_>>();
        let names = Names::of(files.iter().map(String::as_str));
        let mut lines = Lines::default();
        let mut absent = Vec::new();
        for row in self.table.rows() {
            let cell = self.path(&row)?;
            let at = names.find(&cell, &row)?;
            lines.add(&row, at.map_or(&cell, |at| &files[at]))?;
            let record = match (at, place(&cell)) {
                (Some(at), _) => &mut records[at],
                (None, Some(missing)) => {
                    absent.push(cell);
                    records.push(missing);
                    records.last_mut().expect("one was pushed")
                }
                (None, None) if self.whole => {
                    return Err(CatalogueError::NoFile { place: row.place(), file: cell });
                }
                // A picture of a class that the study does not have.
                (None, None) => continue,
            };
            let part = record.part;
            self.columns.annotate(&row, record)?;
            record.part = record.part.or(part);
        }
        Ok(Some(self.count_rows(&absent)))
    }

    /// The path in a row, within the set's folder.
    fn path(&self, row: &Row<'_>) -> Result<String, CatalogueError> {
        row.value(self.file, "a path within the set's folder", |cell| {
            let path = value::nfc(&cell.replace('\\', "/"));
            let path = path.trim_start_matches("./").to_owned();
            let mut parts = Path::new(&path).components();
            let within = parts.all(|part| matches!(part, Component::Normal(_)));
            (within && !path.is_empty() && !path.contains('\0')).then_some(path)
        })
    }

    /// How many rows name a picture that is there, and the first that do not.
    fn count_rows(&self, absent: &[String]) -> String {
        let name = Path::new(self.table.name()).file_name().unwrap_or_default();
        let name = value::visible(&name.display().to_string());
        let rows = self.table.rows().count();
        let found = rows - absent.len();
        let sentence =
            format!("`{name}`: rows that name a picture that is there: {found} of {rows}");
        match listing::name_first(absent) {
            named if named.is_empty() => sentence,
            named => format!("{sentence}; not there: {named}"),
        }
    }
}

/// Files by the ways in which a table may name them.
struct Names {
    paths: HashMap<String, usize>,
    /// By the name without folders, with its ending and without.
    names: HashMap<String, Vec<usize>>,
    files: Vec<String>,
}

impl Names {
    fn of<'a>(files: impl Iterator<Item = &'a str>) -> Self {
        let files = files.map(str::to_owned).collect::<Vec<_>>();
        let (mut paths, mut names) = (HashMap::new(), HashMap::<String, Vec<usize>>::new());
        for (at, file) in files.iter().enumerate() {
            let path = value::nfc(file);
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
            paths.insert(path, at);
            if stem != name {
                names.entry(stem).or_default().push(at);
            }
            names.entry(name).or_default().push(at);
        }
        Self { paths, names, files }
    }

    fn find(&self, path: &str, row: &Row<'_>) -> Result<Option<usize>, CatalogueError> {
        if let Some(&at) = self.paths.get(path) {
            return Ok(Some(at));
        }
        match self.names.get(path).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([at]) => Ok(Some(*at)),
            Some(several) => {
                let found = several.iter().take(NAMED).map(|&at| format!("`{}`", self.files[at]));
                Err(CatalogueError::ManyFiles {
                    place: row.place(),
                    file: path.to_owned(),
                    found: found.collect::<Vec<_>>().join(", "),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_folders_of_any_usual_name() {
        for (folder, part) in [
            ("training", Part::Train),
            ("Train", Part::Train),
            ("dev", Part::Validation),
            ("VALID", Part::Validation),
            ("testing", Part::Test),
            ("eval", Part::Test),
        ] {
            assert_eq!(place(&format!("{folder}/a/1.png")).unwrap().part, Some(part), "{folder}");
        }
    }
}
