//! Files that are replaced as a whole: a reader finds the file of before or the new one, never a part
//! of either.

use std::fs;
use std::io;
use std::path::Path;

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
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!(".{name}.new"));
    let written = write(&aside).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

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
