//! Files that are replaced as a whole: a reader finds the file of before or the new one, never a part
//! of either. And the folders that they lie in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` by way of a file beside it. Not synced: after a power cut the file may
/// be either, or empty.
///
/// # Errors
/// If the file cannot be written; `path` is then as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, |aside| fs::write(aside, bytes))
}

/// Puts the file that `write` makes in the place of `path`. Where that fails, nothing of it stays.
///
/// # Errors
/// If `write` fails or the file cannot be put in place; `path` is then as it was.
pub fn replace_with(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let aside = aside(path);
    let written = write(&aside).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Removes what a kill left of a file that was about to take the place of `path`.
pub fn tidy(path: &Path) {
    let _ = fs::remove_file(aside(path));
}

fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

/// Makes a folder and those above it. [`fs::create_dir_all`] says of a folder that it can't look at
/// that it exists.
///
/// # Errors
/// If one can't be made, or something else is there.
pub fn make_folders(path: &Path) -> io::Result<()> {
    match fs::create_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::metadata(path) {
            Ok(there) if there.is_dir() => Ok(()),
            Ok(_) => Err(error),
            Err(cause) => Err(cause),
        },
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_folders_place_is_said() {
        let folder = tempfile::tempdir().unwrap();
        make_folders(&folder.path().join("a/b")).unwrap();
        make_folders(&folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(make_folders(&folder.path().join("file")).is_err());
        tidy(&folder.path().join("file"));
        fs::write(folder.path().join(".file.new"), "").unwrap();
        tidy(&folder.path().join("file"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_write_that_fails_leaves_the_file_of_before_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note");
        replace(&path, b"before").unwrap();
        let half = |aside: &Path| fs::write(aside, b"ha").and(Err(io::ErrorKind::Other.into()));
        assert!(replace_with(&path, half).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"before");
        replace(&path, b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
