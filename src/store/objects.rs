//! Object files: blobs named by digest. No index is needed here, so workers and the coordinator
//! share this part.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::id::{Digest, Digesting};
use crate::regular;

use super::artifact::{Artifact, Entry};
use super::error::{Result, StoreError, is_of_the_disk};
use super::files::{make_folder, names, sync_folder, write_synced};
use super::scratch::Scratch;

/// The blobs of a store. Cheap to clone; every clone writes its temporary files into the same
/// locked folder.
#[derive(Clone, Debug)]
pub struct Objects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    space: Space,
    folder: PathBuf,
    scratch: OnceLock<Scratch>,
}

/// Where blobs lie: what a step or a person made can never be taken for a receipt, whatever its
/// bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// Outputs, artifact lists and logs. Anyone may have made them.
    Objects,
    /// Receipts and records of divergences. The coordinator alone writes them.
    Receipts,
}

impl Space {
    /// The folder's name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Receipts => "receipts",
        }
    }
}

/// What the file system says of a file; a change of content changes at least one of these (times in
/// nanoseconds since the epoch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When the content last changed.
    pub mtime_ns: i64,
    /// When content or metadata last changed.
    pub ctime_ns: i64,
    /// The number of the file's inode.
    pub inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest);
        Self {
            size: metadata.len(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

impl Objects {
    /// The blobs of the store at `root`; makes the folders where absent.
    ///
    /// # Errors
    ///
    /// If there is no store at `root`.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        Self::open_space(root.as_ref(), Space::Objects)
    }

    pub(super) fn open_space(root: &Path, space: Space) -> Result<Self> {
        let folder = root.join(space.name());
        make_folder(&folder)?;
        let inner = Inner { root: root.to_owned(), space, folder, scratch: OnceLock::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(super) fn space(&self) -> Space {
        self.inner.space
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Where the blob lies, or would lie.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let mut path = PathBuf::with_capacity(self.inner.folder.as_os_str().len() + 2 + name.len());
        path.push(&self.inner.folder);
        path.push(&name[..2]);
        path.push(&name[2..]);
        path
    }

    /// The blob's stamp; `None` where there is no such blob. Reads no content.
    pub fn stat(&self, digest: &Digest) -> Result<Option<Stamp>> {
        let path = self.path(digest);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(Stamp::of(&metadata))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("look at", &path, error)),
        }
    }

    /// The blob's bytes, verified. Errors: [`StoreError::Missing`]; [`StoreError::Corrupt`], after
    /// moving the file aside.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.path(digest);
        let bytes = regular::read(&path).map_err(|error| self.unreadable(digest, error))?;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(self.corrupt(digest)?) }
    }

    /// Hands the blob to `take` as it comes from the disk, so that it need not fit into memory.
    /// All of it is verified, however much `take` reads.
    ///
    /// # Errors
    ///
    /// Those of [`Objects::read`], whatever `take` made of bytes that are not the blob's, and those
    /// of `take`.
    pub fn stream<T, E: From<StoreError>>(
        &self,
        digest: &Digest,
        take: impl FnOnce(&mut dyn io::Read) -> Result<T, E>,
    ) -> Result<T, E> {
        let file =
            regular::open(&self.path(digest)).map_err(|error| self.unreadable(digest, error))?;
        let mut bytes = io::BufReader::with_capacity(1 << 20, Digesting::new(file));
        let taken = take(&mut bytes);
        let found = bytes.into_inner().finish().map_err(|error| self.unreadable(digest, error))?;
        if found == *digest { taken } else { Err(self.corrupt(digest)?.into()) }
    }

    fn unreadable(&self, digest: &Digest, source: io::Error) -> StoreError {
        let (digest, path) = (*digest, self.path(digest));
        match source.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { digest, path },
            _ if is_of_the_disk(&source) => StoreError::Disk { path, source },
            _ => StoreError::Unreadable { digest, path, source },
        }
    }

    /// Moves aside a blob whose bytes do not match, and says so.
    fn corrupt(&self, digest: &Digest) -> Result<StoreError> {
        let (path, moved_to) = (self.path(digest), self.quarantine(digest)?);
        Ok(StoreError::Corrupt { digest: *digest, path, moved_to })
    }

    /// The artifact whose list has this digest, verified. Errors as [`Objects::read`], and a blob
    /// that is no list.
    pub fn read_artifact(&self, digest: &Digest) -> Result<Artifact> {
        Artifact::from_bytes(&self.read(digest)?, &self.path(digest).display().to_string())
    }

    /// Stores `bytes` durably and read-only. Nothing is written when the blob is there and its bytes
    /// match; whatever else lies in its place is replaced.
    ///
    /// Errors: [`StoreError::NoSpace`] on a full disk; no partial object stays behind.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        self.put_batch(&BTreeMap::from([(digest, bytes)]))?;
        Ok(digest)
    }

    /// Stores what `from` gives, durably and read-only, if it is the blob called `digest` of `size`
    /// bytes. Says whether it was; of other bytes nothing is kept. It need not fit into memory.
    ///
    /// # Errors
    ///
    /// If reading or writing fails; no partial object stays behind.
    pub fn receive(&self, digest: &Digest, size: u64, from: &mut dyn io::Read) -> Result<bool> {
        let (temporary, path) = (self.temporary()?, self.path(digest));
        let written = self.write_received(&temporary, &path, size, from);
        let placed = written.and_then(|found| {
            let same = found == Some(*digest);
            if same {
                self.place(&[(temporary.clone(), path)])?;
            }
            Ok(same)
        });
        if !matches!(placed, Ok(true)) {
            let _ = fs::remove_file(&temporary);
        }
        placed
    }

    /// Writes `size` bytes to `temporary` and returns their digest; none where there are fewer or
    /// more.
    fn write_received(
        &self,
        temporary: &Path,
        path: &Path,
        size: u64,
        from: &mut dyn io::Read,
    ) -> Result<Option<Digest>> {
        let full = |error| StoreError::write("write", path, size, error);
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o444).open(temporary).map_err(full)?;
        let mut source = Digesting::new(io::Read::take(from, size.saturating_add(1)));
        let (mut buffer, mut count) = (vec![0; 1 << 20], 0);
        loop {
            let read = io::Read::read(&mut source, &mut buffer)
                .map_err(|error| StoreError::io("receive", path, error))?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(full)?;
            count += read as u64;
        }
        file.sync_all().map_err(full)?;
        let found = source.finish().map_err(|error| StoreError::io("receive", path, error))?;
        Ok((count == size).then_some(found))
    }

    /// Stores named blobs and their list in one batch, so that each folder is synced once. Errors
    /// as [`Objects::put`].
    pub fn put_artifact(&self, files: Vec<(String, Vec<u8>)>) -> Result<Artifact> {
        let entry = |(name, bytes): &(String, Vec<u8>)| Entry {
            name: name.clone(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
        };
        let artifact = Artifact::new(files.iter().map(entry).collect())?;
        let list = artifact.to_bytes();
        let mut batch = BTreeMap::from([(artifact.digest(), list.as_slice())]);
        for (name, bytes) in &files {
            batch.insert(artifact.entry(name).expect("every file has its entry").digest, bytes);
        }
        self.put_batch(&batch)?;
        Ok(artifact)
    }

    /// Moves a blob aside, to `quarantine/` in the store, and says where. Errors: there is none.
    pub fn quarantine(&self, digest: &Digest) -> Result<PathBuf> {
        self.quarantine_path(&self.path(digest))
    }

    /// Moves whatever lies at `path` aside.
    fn quarantine_path(&self, path: &Path) -> Result<PathBuf> {
        let folder = self.root().join("quarantine");
        make_folder(&folder)?;
        let below = path.strip_prefix(&self.inner.folder).unwrap_or(path).to_string_lossy();
        let name = format!("{}-{}", self.inner.space.name(), below.replace('/', ""));
        let aside = folder.join(&name);
        if aside.is_dir() {
            fs::remove_dir_all(&aside).map_err(|error| StoreError::io("remove", &aside, error))?;
        }
        fs::rename(path, &aside).map_err(|error| StoreError::io("move aside", path, error))?;
        Ok(aside)
    }

    /// All blobs, sorted by digest. Files that no digest names are passed over.
    pub fn list(&self) -> Result<Vec<Digest>> {
        let mut digests = Vec::new();
        for folder in names(&self.inner.folder)?.into_iter().filter(|name| name.len() == 2) {
            let rest = names(&self.inner.folder.join(&folder))?;
            digests.extend(
                rest.iter().filter_map(|rest| format!("{folder}{rest}").parse::<Digest>().ok()),
            );
        }
        digests.sort();
        Ok(digests)
    }

    /// Removes a blob; nothing happens where there is none.
    pub(super) fn remove(&self, digest: &Digest) -> Result<()> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// A fresh path for a temporary file on the store's file system.
    pub(super) fn temporary(&self) -> Result<PathBuf> {
        if self.inner.scratch.get().is_none() {
            // Where two threads race, the loser's folder goes away with its drop.
            let _ = self.inner.scratch.set(Scratch::claim(self.root())?);
        }
        Ok(self.inner.scratch.get().expect("set above").fresh_path())
    }

    /// Whether the blob is there, in full and unharmed.
    fn holds(&self, digest: &Digest, size: u64) -> bool {
        let there = self.stat(digest).ok().flatten();
        let found = || regular::open(&self.path(digest)).and_then(Digest::of_reader).ok();
        there.is_some_and(|stamp| stamp.size == size) && found() == Some(*digest)
    }

    /// Write and sync all files, rename them all, sync each folder once: a crash leaves only whole
    /// objects.
    fn put_batch(&self, blobs: &BTreeMap<Digest, &[u8]>) -> Result<()> {
        let mut written = Vec::new();
        let outcome = self.write_batch(blobs, &mut written);
        if outcome.is_err() {
            for (temporary, _) in &written {
                let _ = fs::remove_file(temporary);
            }
        }
        outcome
    }

    fn write_batch(
        &self,
        blobs: &BTreeMap<Digest, &[u8]>,
        written: &mut Vec<(PathBuf, PathBuf)>,
    ) -> Result<()> {
        for (digest, bytes) in blobs {
            if !self.holds(digest, bytes.len() as u64) {
                let (temporary, path) = (self.temporary()?, self.path(digest));
                written.push((temporary.clone(), path.clone()));
                let wanted = bytes.len() as u64;
                write_synced(&temporary, bytes, 0o444)
                    .map_err(|error| StoreError::write("write", &path, wanted, error))?;
            }
        }
        self.place(written)
    }

    /// Renames synced files to the places of their blobs, and syncs each folder once.
    fn place(&self, written: &[(PathBuf, PathBuf)]) -> Result<()> {
        let mut folders = BTreeSet::new();
        for (temporary, path) in written {
            let folder = path.parent().expect("an object lies in a folder");
            if !folder.is_dir() {
                make_folder(folder)?;
                folders.insert(self.inner.folder.as_path());
            }
            if fs::symlink_metadata(path).is_ok_and(|there| there.is_dir()) {
                self.quarantine_path(path)?;
            }
            fs::rename(temporary, path)
                .map_err(|error| StoreError::io("rename a temporary file to", path, error))?;
            folders.insert(folder);
        }
        folders.into_iter().try_for_each(sync_folder)
    }
}
