//! A repository's folder in the cache, in the layout of Python's huggingface_hub:
//!
//! ```text
//! models--owner--name/refs/<revision>          the commit that it was at
//! models--owner--name/snapshots/<commit>/...   links to blobs
//! models--owner--name/blobs/<checksum>         files
//! models--owner--name/titrate/<commit>.json    the listing of a commit
//! models--owner--name/titrate/<checksum>       the stamp of a blob whose bytes were checked
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::checksum::Checksum;
use super::error::HubError;
use super::listing::{Listing, is_commit};
use super::location::Location;
use crate::regular;
use crate::replace::replace;

/// Bytes that a file of titrate's own in the cache may have.
const LARGEST_NOTE: u64 = 256 << 20;
/// Folders within folders that are looked into.
const DEEPEST: usize = 32;

/// A repository's folder.
pub(super) struct Folder {
    path: PathBuf,
}

/// What lies in a file's place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing, or nothing that can be read.
    Absent,
    /// The bytes of its checksum.
    Checked,
    /// A file whose checksum is known to nobody.
    Unannounced,
    /// Other bytes than those of its checksum.
    Wrong,
}

impl Folder {
    /// The folder of a location's repository.
    pub fn of(cache: &Path, location: &Location) -> Self {
        let kind = if location.dataset { "datasets" } else { "models" };
        Self { path: cache.join(format!("{kind}--{}", location.id.replace('/', "--"))) }
    }

    /// The commit that a revision is, or was when it was downloaded.
    pub fn commit(&self, location: &Location) -> Option<String> {
        if location.is_pinned() {
            return Some(location.revision.clone());
        }
        let kept = regular::read_text(&self.reference(&location.revision), 256).ok()?;
        Some(kept.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.path.join("refs").join(revision)
    }

    /// The folder of a commit's files.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.path.join("snapshots").join(commit)
    }

    /// The place of a blob, or of a file beside the blobs.
    pub fn blob(&self, name: &str) -> PathBuf {
        self.path.join("blobs").join(name)
    }

    /// Notes the commit of a revision; of a commit there is nothing to be noted.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep_commit(&self, location: &Location, commit: &str) -> Result<(), HubError> {
        if location.is_pinned() {
            return Ok(());
        }
        self.keep(&self.reference(&location.revision), commit.as_bytes())
    }

    fn note(&self, name: &str) -> PathBuf {
        self.path.join("titrate").join(name)
    }

    /// The listing of a commit, if one was kept.
    pub fn listing(&self, commit: &str) -> Option<Listing> {
        let text = regular::read_text(&self.note(&format!("{commit}.json")), LARGEST_NOTE).ok()?;
        Listing::from_cache(&text, commit)
    }

    /// Keeps a listing, so that planning needs no network.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep_listing(&self, listing: &Listing) -> Result<(), HubError> {
        let bytes = serde_json::to_vec(listing).expect("a listing is plain JSON");
        self.keep(&self.note(&format!("{}.json", listing.commit)), &bytes)
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), HubError> {
        make_parent(path)?;
        replace(path, bytes).map_err(|cause| HubError::io(path, cause))
    }

    /// Whether a file has the bytes of its checksum: the one `announced`, or the one that its blob is
    /// called by. A file is hashed once, as long as it stays what it was.
    pub fn state(&self, file: &Path, announced: Option<&Checksum>) -> State {
        let Ok(blob) = file.canonicalize() else { return State::Absent };
        let Ok(stamp) = stamp(&blob) else { return State::Absent };
        let named = blob.file_name().and_then(|name| name.to_str()).and_then(Checksum::parse);
        let Some(expected) = announced.cloned().or(named) else { return State::Unannounced };
        let note = self.note(expected.as_str());
        if regular::read_text(&note, 256).is_ok_and(|kept| kept == stamp) {
            return State::Checked;
        }
        match expected.of_same_form(&blob) {
            Ok(found) if found == expected => {
                self.mark(&expected, &blob);
                State::Checked
            }
            _ => State::Wrong,
        }
    }

    /// Notes that a blob has the bytes of its checksum. A cache that can't be written to is hashed
    /// each time.
    pub fn mark(&self, checksum: &Checksum, blob: &Path) {
        if let Ok(stamp) = stamp(blob) {
            let _ = self.keep(&self.note(checksum.as_str()), stamp.as_bytes());
        }
    }

    /// Puts a blob that was checked into a snapshot, by a link where links are to be had.
    ///
    /// # Errors
    /// If it can't be put there.
    pub fn link(&self, commit: &str, file: &str, checksum: &Checksum) -> Result<(), HubError> {
        let path = self.snapshot(commit).join(file);
        make_parent(&path)?;
        let up = "../".repeat(2 + file.matches('/').count());
        let blob = self.blob(checksum.as_str());
        let aside = self.blob(&format!("{}.{}.link", checksum.as_str(), std::process::id()));
        let _ = fs::remove_file(&aside);
        let linked = match symlink(format!("{up}blobs/{}", checksum.as_str()), &aside) {
            Ok(()) => fs::rename(&aside, &path),
            Err(error) if is_without_links(&error) => fs::rename(&blob, &path),
            Err(error) => Err(error),
        };
        linked.map_err(|cause| HubError::io(&path, cause))
    }

    /// The names of the files in a commit's snapshot, sorted.
    pub fn present(&self, commit: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.snapshot(commit), "", DEEPEST, &mut found);
        found.sort_unstable();
        found
    }
}

/// Whether an error says that a file system has no links.
fn is_without_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}

/// What changes where a file's bytes do.
fn stamp(path: &Path) -> io::Result<String> {
    let file = fs::metadata(path)?;
    if !file.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(format!(
        "{} {}.{:09} {}.{:09} {}",
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
        file.ino()
    ))
}

/// Makes the folder that a file is to lie in.
///
/// # Errors
/// If it can't be made.
pub(super) fn make_parent(path: &Path) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|cause| HubError::io(folder, cause))
}

fn walk(folder: &Path, below: &str, depth: usize, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
            continue;
        };
        let name = if below.is_empty() { name } else { format!("{below}/{name}") };
        if !kind.is_dir() {
            found.push(name);
        } else if depth > 0 {
            walk(&entry.path(), &name, depth - 1, found);
        }
    }
}
