//! A folder of pictures before there is a study of it: its classes, and the largest sets that it has
//! room for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::data::catalogue::{Record, Table};
use crate::data::sets::{self, Contents, Folder, ImageSet, TableRole};
use crate::data::sizes::largest;
use crate::regular;
use crate::vocabulary::{ImageSource, SkinTypeScale};

/// A class with fewer pictures is left out: no sets can be drawn from it.
pub const FEWEST: usize = 10;

/// The endings of tables.
const TABLES: [&str; 4] = ["csv", "tsv", "jsonl", "ndjson"];

/// What a folder of pictures has.
pub struct Survey {
    /// The table that says more of the pictures, if there is one.
    pub table: Option<PathBuf>,
    /// The classes that a study can have, with their pictures.
    pub classes: BTreeMap<String, usize>,
    /// Classes with too few pictures.
    pub small: BTreeMap<String, usize>,
    /// Pictures whose patient is known, and patients.
    pub patients: (usize, usize),
    /// Pictures whose skin type is known.
    pub with_skin_type: usize,
    /// How files and table fit together, and what is not used; a sentence each.
    pub listing: Vec<String>,
    /// Pictures of each class that held-out set, validation set, plentiful set and pool have room for.
    pub sizes: [usize; 4],
}

/// Looks at the pictures below `root` and at a table about them: the one that is named, or the only
/// one beside them. `ignored`: columns of the table that are not read.
///
/// # Errors
/// If the folder is not there, if it is in doubt what the classes are, or if fewer than two have
/// enough pictures.
pub fn survey(root: &Path, table: Option<&Path>, ignored: &[String], seed: u64) -> Result<Survey> {
    let ImageSet::Pictures(set) = sets::of(ImageSource::Folder) else {
        unreachable!("a folder has pictures")
    };
    if !root.is_dir() {
        bail!("{} is no folder", root.display());
    }
    let found = set.files(root)?;
    let table = match table {
        Some(table) => Some(table.to_owned()),
        None => only_table(root, &found.others)?,
    };
    let mut read = BTreeMap::new();
    if let Some(path) = &table {
        let bytes = regular::read(path).with_context(|| format!("read {}", path.display()))?;
        read.insert(TableRole::Annotations, Table::read(&bytes, &path.display().to_string())?);
    }
    let catalogue = set.catalogue(Contents {
        tables: &read,
        files: &found.pictures,
        folder: Some(Folder { root, others: &found.others }),
        packed: &[],
        classes: &[],
        ignored,
        skin_type: SkinTypeScale::Scale,
    })?;
    let there = |record: &Record| found.pictures.contains(&record.file);
    let mut records = catalogue.records;
    records.retain(there);
    let mut counts = BTreeMap::<String, usize>::new();
    for record in &records {
        *counts.entry(record.label.clone()).or_default() += 1;
    }
    let (classes, small): (BTreeMap<_, _>, BTreeMap<_, _>) =
        counts.into_iter().partition(|(_, count)| *count >= FEWEST);
    if classes.len() < 2 {
        bail!(
            "{}: a study compares classes, and {} of at least {FEWEST} pictures is there: a folder \
             for each class, or a table with a column `label`, says which picture is of which",
            root.display(),
            if classes.is_empty() { "none" } else { "one" }
        );
    }
    records.retain(|record| classes.contains_key(&record.label));
    let known = records.iter().filter(|record| !record.patient.is_empty());
    let patients = known.clone().map(|record| &record.patient);
    let patients = patients.collect::<std::collections::BTreeSet<_>>().len();
    Ok(Survey {
        patients: (known.count(), patients),
        with_skin_type: records.iter().filter(|record| record.fst > 0).count(),
        sizes: largest(&records, &classes, seed)
            .with_context(|| format!("{}: no sets can be drawn", root.display()))?,
        table,
        classes,
        small,
        listing: catalogue.listing,
    })
}

/// The only table beside the pictures.
fn only_table(root: &Path, others: &[String]) -> Result<Option<PathBuf>> {
    let is_table = |file: &&String| {
        let ending = Path::new(file).extension().map(|ending| ending.to_ascii_lowercase());
        ending.is_some_and(|ending| TABLES.iter().any(|table| ending == *table))
    };
    let tables = others.iter().filter(is_table).collect::<Vec<_>>();
    match tables[..] {
        [] => Ok(None),
        [table] => Ok(Some(root.join(table))),
        _ => {
            let names = tables.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            bail!(
                "{}: there are several tables ({names}): `--table FILE` says which is meant",
                root.display()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, usize)]) {
        for (class, count) in files {
            std::fs::create_dir_all(root.join(class)).unwrap();
            for at in 0..*count {
                std::fs::write(root.join(class).join(format!("{class}-{at}.png")), "x").unwrap();
            }
        }
    }

    #[test]
    fn sets_fit_the_smallest_class_and_patients_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, &[("acne", 50), ("eczema", 40), ("rare", 3)]);
        let found = survey(root, None, &[], 1).unwrap();
        assert_eq!(found.classes, BTreeMap::from([("acne".into(), 50), ("eczema".into(), 40)]));
        assert_eq!(found.small, BTreeMap::from([("rare".into(), 3)]));
        assert_eq!(found.sizes, [11, 3, 7, 14]);

        let rows = (0..50).map(|at| format!("acne-{at}.png,p{},3", at / 10));
        let table = "file,patient,fst\n".to_owned() + &rows.collect::<Vec<_>>().join("\n");
        std::fs::write(root.join("labels.csv"), table).unwrap();
        let found = survey(root, None, &[], 1).unwrap();
        assert_eq!((found.patients, found.with_skin_type), ((50, 5), 50));
        assert_eq!(found.table.unwrap(), root.join("labels.csv"));

        std::fs::write(root.join("more.csv"), "file\n").unwrap();
        let error = survey(root, None, &[], 1).err().unwrap().to_string();
        assert!(error.contains("several tables (labels.csv, more.csv)"), "{error}");
    }

    #[test]
    fn one_class_is_no_study() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("acne", 50)]);
        let error = survey(folder.path(), None, &[], 1).err().unwrap().to_string();
        assert!(error.contains("and one of at least 10 pictures is there"), "{error}");
    }
}
