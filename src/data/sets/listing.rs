//! The files below the folder of a set: pictures, and what else lies there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::data::catalogue::{CatalogueError, Record, value};

/// Ends of the names of the files that are pictures; those of the second line can't be read, and
/// are refused by name when they are decoded.
const EXTENSIONS: [&str; 16] = [
    "jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "dib", "jfif", //
    "tif", "tiff", "heic", "heif", "avif", "jp2", "jxl",
];

/// Names that a sentence lists before it only counts.
pub(super) const NAMED: usize = 3;

/// Folders below a set's that are looked into, at most.
const DEEPEST: usize = 12;

/// What lies in a set's folder. Hidden files are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files that are pictures by their names, and links that lead to none that is there; relative
    /// to the folder with `/`, sorted.
    pub pictures: Vec<String>,
    /// All other files, and links to folders that are not followed.
    pub others: Vec<String>,
}

/// What lies in the folder itself.
///
/// # Errors
/// If it can't be read.
pub fn flat(root: &Path) -> Result<Listing, CatalogueError> {
    let mut listing = Listing::default();
    for path in listed(root)?.into_iter().filter(|path| !path.is_dir()) {
        listing.add(&path, name(&path)?);
    }
    Ok(listing)
}

/// What lies in the folder and all folders below it. A link to a folder that it lies in, which would
/// lead round and round, is not followed.
///
/// # Errors
/// If a folder can't be read.
pub fn deep(root: &Path) -> Result<Listing, CatalogueError> {
    let failed = |cause| CatalogueError::Read { path: root.to_owned(), cause };
    let mut listing = Listing::default();
    let above = vec![root.canonicalize().map_err(failed)?];
    listing.descend(root, "", &above)?;
    listing.pictures.sort_unstable();
    listing.others.sort_unstable();
    Ok(listing)
}

impl Listing {
    fn add(&mut self, path: &Path, name: String) {
        let is_picture = path
            .extension()
            .is_some_and(|end| EXTENSIONS.iter().any(|known| end.eq_ignore_ascii_case(known)));
        if is_picture { self.pictures.push(name) } else { self.others.push(name) }
    }

    fn descend(
        &mut self,
        folder: &Path,
        prefix: &str,
        above: &[PathBuf],
    ) -> Result<(), CatalogueError> {
        for path in listed(folder)? {
            let name = format!("{prefix}{}", name(&path)?);
            if !path.is_dir() {
                self.add(&path, name);
                continue;
            }
            let failed = |cause| CatalogueError::Read { path: path.clone(), cause };
            let real = path.canonicalize().map_err(failed)?;
            if above.iter().any(|folder| folder.starts_with(&real)) || above.len() > DEEPEST {
                self.others.push(name);
                continue;
            }
            let above = [above, &[real]].concat();
            self.descend(&path, &format!("{name}/"), &above)?;
        }
        Ok(())
    }
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

/// "4 pictures in no row of the table are not used: a.png, b.png, c.png and 1 more"; none where there
/// are none.
pub fn count_unused(noun: &str, place: &str, files: &[&String]) -> Option<String> {
    let named = name_first(files);
    match files.len() {
        0 => None,
        1 => Some(format!("1 {noun} {place} is not used: {named}")),
        count => Some(format!("{count} {noun}s {place} are not used: {named}")),
    }
}

/// The first names of a list, and how many more there are.
pub(super) fn name_first(files: &[impl AsRef<str>]) -> String {
    let named = files.iter().take(NAMED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    let named = value::visible(&named);
    match files.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The pictures that no record names, as a sentence.
pub(super) fn count_unnamed(files: &[String], records: &[Record]) -> Option<String> {
    let named = records.iter().map(|record| record.file.as_str()).collect::<BTreeSet<_>>();
    let unnamed = files.iter().filter(|file| !named.contains(file.as_str())).collect::<Vec<_>>();
    count_unused("picture", "in no row of the table", &unnamed)
}
