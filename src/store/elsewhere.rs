//! Results whose outputs lie elsewhere: the receipt is here and counts, the blobs are in a shared
//! store or an archive until something reads them.
//!
//! A note in `elsewhere/`, named by the output's digest, says where. It holds nothing that cannot
//! be lost: without it the result is damaged, and made again or fetched again.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use crate::id::Digest;
use crate::regular;
use crate::replace::replace;

use super::Store;
use super::artifact::Artifact;
use super::error::{Result, StoreError};
use super::files::{make_folder, names};
use super::integrity::{BlobState, Damage};
use super::published::Published;
use super::receipt::Receipt;

const FOLDER: &str = "elsewhere";
/// Bytes of a note, at most.
const LONGEST_PLACE: u64 = 4096;

impl Store {
    /// Publishes a receipt whose output need not be here; `place` says where it can be had. What is
    /// here already stands: another output of the same key is recorded as a divergence.
    ///
    /// The caller has made sure that the receipt can be trusted.
    ///
    /// # Errors
    ///
    /// A key that is not the BLAKE3 of the manifest; what reading and writing say.
    pub fn adopt(&self, receipt: &Receipt, place: &str) -> Result<Published> {
        receipt.check_key()?;
        if self.integrity(&receipt.output)?.is_intact() {
            return self.publish(receipt);
        }
        let _one_at_a_time =
            self.publishing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let earlier = self.index.result(&receipt.key)?;
        let standing = match &earlier {
            Some(indexed) => self.stands(&receipt.key, &indexed.receipt, &indexed.output)?,
            None => false,
        };
        let stands = |output: &Artifact| Ok(self.integrity(output)?.is_intact());
        let refused = match &earlier {
            Some(indexed) if standing && indexed.output != receipt.output => {
                stands(&indexed.output)?
            }
            _ => false,
        };
        if !refused {
            self.note(&receipt.output, place)?;
        }
        if standing && earlier.as_ref().is_some_and(|earlier| earlier.output == receipt.output) {
            return Ok(Published::Confirmed);
        }
        let digest = self.receipts.put(&receipt.to_bytes())?;
        self.enter_stored(digest, receipt, earlier, standing)
    }

    /// Whether an output with these damages is one that lies elsewhere: nothing of it is damaged
    /// here, and what is missing is noted.
    pub fn is_elsewhere(&self, output: &Artifact, damages: &[Damage]) -> bool {
        !damages.is_empty()
            && damages.iter().all(|damage| damage.state == BlobState::Missing)
            && self.elsewhere(output).is_some()
    }

    /// Whether any output is noted as lying elsewhere.
    ///
    /// # Errors
    ///
    /// If the notes can't be listed.
    pub fn has_notes(&self) -> Result<bool> {
        Ok(!names(&self.root().join(FOLDER))?.is_empty())
    }

    /// Where the rest of an output lies, by its note.
    pub fn elsewhere(&self, output: &Artifact) -> Option<String> {
        regular::read_text(&self.note_path(&output.digest()), LONGEST_PLACE).ok()
    }

    /// Removes an output's note: all of it is here now, or it can't be had from there.
    ///
    /// # Errors
    ///
    /// If the note can't be removed.
    pub fn forget_elsewhere(&self, output: &Artifact) -> Result<()> {
        let path = self.note_path(&output.digest());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the notes of outputs that are not among `kept`. Returns how many.
    pub(super) fn drop_notes(&self, kept: &HashSet<Digest>, dry_run: bool) -> Result<usize> {
        let folder = self.root().join(FOLDER);
        let mut removed = 0;
        for name in names(&folder)? {
            if name.parse().is_ok_and(|digest: Digest| kept.contains(&digest)) {
                continue;
            }
            removed += 1;
            let path = folder.join(name);
            if !dry_run {
                fs::remove_file(&path).map_err(|error| StoreError::io("remove", &path, error))?;
            }
        }
        Ok(removed)
    }

    fn note(&self, output: &Artifact, place: &str) -> Result<()> {
        make_folder(&self.root().join(FOLDER))?;
        let path = self.note_path(&output.digest());
        replace(&path, place.as_bytes())
            .map_err(|error| StoreError::write("write", &path, place.len() as u64, error))
    }

    fn note_path(&self, output: &Digest) -> PathBuf {
        self.root().join(FOLDER).join(output.to_string())
    }
}
