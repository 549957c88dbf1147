//! Files and folders of a store: made, listed, and written so that they outlast a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::replace::replace_with;

use super::error::{Result, StoreError, is_of_the_disk};

/// Makes a folder where there is none. Those above it have to be there: a store that was deleted is
/// not begun again by whoever still works for it.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    let made = match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::metadata(path) {
            Ok(there) if there.is_dir() => Ok(()),
            Err(cause) if is_of_the_disk(&cause) => Err(cause),
            _ => Err(error),
        },
        made => made,
    };
    made.map_err(|error| StoreError::io("create", path, error))
}

/// Creates `path` with `mode`, writes `bytes` and syncs them to the disk.
pub(super) fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts `bytes` in the place of `path`, durably but for its name: see [`sync_folder`].
pub(super) fn replace_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = replace_with(path, |aside| {
        let _ = fs::remove_file(aside);
        write_synced(aside, bytes, 0o644)
    });
    written.map_err(|error| StoreError::write("write", path, bytes.len() as u64, error))
}

/// Makes the renames and removals in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::io("sync", path, error))
}

/// The names in a folder, sorted; those that are not UTF-8 are left out, a folder that is not there
/// has none.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| StoreError::io("list", folder, error);
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for item in listing {
        names.extend(item.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
