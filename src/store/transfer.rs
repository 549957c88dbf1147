//! Results that travel with a repository: exported as plain files beside their receipts; their
//! outputs are imported by digest.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::id::{Digest, Key};
use crate::regular;
use crate::replace::replace;

use super::Store;
use super::error::{Result, StoreError};
use super::files::names;
use super::receipt::Receipt;

const RECEIPT_NAME: &str = "receipt.json";

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files written, receipts among them.
    pub files: usize,
    /// Bytes.
    pub size: u64,
}

impl Store {
    /// Writes each key's output under `to/<folder>/<entry name>` and its receipt to
    /// `to/<folder>/receipt.json`.
    ///
    /// Errors: a key that is not finished; what [`super::Objects::read`] says.
    pub fn export(&self, folders: &[(Key, &str)], to: impl AsRef<Path>) -> Result<Exported> {
        let mut exported = Exported::default();
        let mut write = |path: PathBuf, bytes: &[u8]| {
            let folder = path.parent().expect("a file below the target");
            fs::create_dir_all(folder).map_err(|error| StoreError::io("create", folder, error))?;
            replace(&path, bytes)
                .map_err(|error| StoreError::write("write", &path, bytes.len() as u64, error))?;
            exported.files += 1;
            exported.size += bytes.len() as u64;
            Ok(())
        };
        for (key, folder) in folders {
            let folder = to.as_ref().join(folder);
            let Some(finished) = self.finished(key)? else {
                return Err(StoreError::Malformed {
                    place: format!("key {key}"),
                    expected: "a finished task",
                    cause: "it has no receipt in this store".to_owned(),
                });
            };
            for entry in finished.output.entries() {
                write(folder.join(&entry.name), &self.objects.read(&entry.digest)?)?;
            }
            write(folder.join(RECEIPT_NAME), &self.receipts.read(&finished.receipt)?)?;
        }
        Ok(exported)
    }

    /// Takes in the outputs that the receipts `from/<folder>/receipt.json` name, from the files below
    /// that folder that have their digests, whatever they are called. Returns the receipts, in the
    /// order of `folders`. Costs little when all is in already.
    ///
    /// The receipts say what the files are and no more: whoever wrote them could have written any
    /// key, so no task of this store counts as done by them.
    ///
    /// # Errors
    ///
    /// A folder without a receipt; a receipt that is not valid; an output that is neither below its
    /// folder nor in the store.
    pub fn import(&self, from: impl AsRef<Path>, folders: &[&str]) -> Result<Vec<Receipt>> {
        folders.iter().map(|folder| self.import_one(&from.as_ref().join(folder))).collect()
    }

    fn import_one(&self, folder: &Path) -> Result<Receipt> {
        let mut files = Vec::new();
        walk(folder, &mut files)?;
        let path = folder.join(RECEIPT_NAME);
        let bytes = regular::read(&path).map_err(|error| StoreError::io("read", &path, error))?;
        let receipt = Receipt::from_bytes(&bytes, &path.display().to_string())?;
        let by_digest: HashMap<Digest, PathBuf> = files
            .into_iter()
            .filter(|file| *file != path)
            .map(|path| Ok((self.file_digest(&path)?, path)))
            .collect::<Result<_>>()?;
        self.import_output(&receipt, folder, &by_digest)?;
        Ok(receipt)
    }

    fn import_output(
        &self,
        receipt: &Receipt,
        from: &Path,
        by_digest: &HashMap<Digest, PathBuf>,
    ) -> Result<()> {
        for damage in self.integrity(&receipt.output)?.damages {
            let Some(path) = by_digest.get(&damage.digest) else {
                return Err(receipt.refused(format!(
                    "its output {damage}: no file below {} has this digest",
                    from.display()
                )));
            };
            let bytes = regular::read(path).map_err(|error| StoreError::io("read", path, error))?;
            if self.objects.put(&bytes)? != damage.digest {
                return Err(
                    receipt.refused(format!("{} changed while it was read", path.display()))
                );
            }
        }
        self.objects.put(&receipt.output.to_bytes())?;
        Ok(())
    }
}

/// All files below `folder`, in order of name.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for name in names(folder)? {
        let path = folder.join(name);
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
