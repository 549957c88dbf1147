//! Opening a store: lock, format, index, and what crashed processes and workers left to be taken
//! in.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

use crate::replace::make_folders;

use super::error::{Result, StoreError, is_of_the_disk};
use super::inbox::Inbox;
use super::index::Index;
use super::lock::Lock;
use super::objects::{Objects, Space};
use super::opening::{Collected, IndexState, Opening};
use super::receipt::Refusal;
use super::scratch::Scratch;
use super::{Aside, Store, format, scratch, work};

impl Store {
    /// Opens the store at `root`, making it where the folder is absent or empty, and takes in what
    /// lies in the inbox.
    ///
    /// Errors: [`StoreError::Busy`] with the holder; [`StoreError::NewerFormat`];
    /// [`StoreError::NotAStore`]. A lost or damaged index is no error: see [`Store::opening`].
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        make_folders(root).map_err(|error| StoreError::io("create", root, error))?;
        let state = format::state(root)?;
        let lock = Lock::take(root)?
            .map_err(|holder| StoreError::Busy { root: root.to_owned(), holder })?;
        if state != format::State::Whole {
            format::write(root)?;
        }
        let leftovers = scratch::clean(root)? + work::sweep(root)?;
        let objects = Objects::open(root)?;
        let receipts = Objects::open_space(root, Space::Receipts)?;
        format::copy_beside_receipts(root)?;
        let path = root.join("index");
        let fresh = state == format::State::New;
        let (index, damage) = Index::open(&path)?;
        let opening = Opening {
            holder: None,
            index: IndexState::Opened,
            collected: Collected::default(),
            leftovers,
        };
        let inbox = Inbox::at(root);
        let identity = identity(root).map_err(|error| StoreError::io("look at", root, error))?;
        let publishing = Mutex::new(());
        let mut store = Self {
            objects,
            receipts,
            inbox,
            index,
            opening,
            publishing,
            identity,
            _lock: lock,
            _aside: None,
        };
        if let Some(cause) = damage {
            let refusals = store.rebuild_index()?;
            store.opening.index =
                if fresh { IndexState::Created } else { IndexState::Rebuilt { cause, refusals } };
        }
        store.opening.collected = store.collect()?;
        // Their workers were on their own, or killed before they could do it.
        for (key, _) in &store.opening.collected.receipts {
            work::Attempt::discard(store.root(), key);
        }
        Ok(store)
    }

    /// Opens the store at `root` for commands that change nothing. Where there is none, an empty one
    /// takes its place for as long as the command lasts, and no folder is made; of one that can't be
    /// written to, or that another process has open, objects and receipts are read in their place.
    ///
    /// # Errors
    /// As [`Store::open`]; if there is no room for temporary files.
    pub fn open_to_read(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        match fs::read_dir(root).map(|mut entries| entries.next().is_none()) {
            Ok(true) => return Self::open_aside(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::open_aside(None),
            _ => {}
        }
        match Self::open(root) {
            Err(error) if error.is_read_only() => Self::open_aside(Some(root)),
            Err(StoreError::Busy { holder, .. }) => {
                let mut store = Self::open_aside(Some(root))?;
                store.opening.holder = Some(holder);
                Ok(store)
            }
            opened => opened,
        }
    }

    /// A store in a temporary folder, with the objects and receipts of the one at `root` and a copy of
    /// its index, whose stamps say which objects need not be hashed again.
    pub(super) fn open_aside(root: Option<&Path>) -> Result<Self> {
        let temporary = std::env::temp_dir();
        let aside = tempfile::tempdir()
            .map_err(|error| StoreError::io("make a folder in", &temporary, error))?;
        for space in root.iter().flat_map(|_| [Space::Objects, Space::Receipts]) {
            let whole = root.unwrap_or(aside.path()).join(space.name());
            let linked = whole.canonicalize().and_then(|whole| {
                std::os::unix::fs::symlink(whole, aside.path().join(space.name()))
            });
            linked.map_err(|error| StoreError::io("read", &whole, error))?;
        }
        if let Some(root) = root {
            let index = root.join("index");
            copy_files(&index, &aside.path().join("index"))
                .map_err(|error| StoreError::io("copy", &index, error))?;
        }
        let mut store = Self::open(aside.path())?;
        // What another process is writing is not whole, and is derived from the receipts anew.
        // Nothing was lost: such an index is made for each command.
        store.opening.index = IndexState::Opened;
        store._aside = Some(Aside::Temporary { _folder: aside });
        Ok(store)
    }

    /// A store in which tasks of this one can run again: it has this one's objects and none of its
    /// results, and is gone when it is dropped.
    ///
    /// # Errors
    /// If there is no room for temporary files.
    pub fn for_reruns(&self) -> Result<Self> {
        let folder = Scratch::claim(self.root())?;
        let mut store = Self::open(folder.folder())?;
        let (own, objects) = (folder.folder().join(Space::Objects.name()), self.root());
        let linked = objects.join(Space::Objects.name()).canonicalize().and_then(|objects| {
            fs::remove_dir(&own)?;
            std::os::unix::fs::symlink(objects, &own)
        });
        linked.map_err(|error| StoreError::io("link", &own, error))?;
        store._aside = Some(Aside::Within { _folder: folder });
        Ok(store)
    }

    /// Whether the folder that was opened is still where it was.
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`].
    pub fn check_present(&self) -> Result<()> {
        match identity(self.root()) {
            Ok(found) if found == self.identity => Ok(()),
            // A disk that fails says nothing of what is there.
            Err(error) if is_of_the_disk(&error) => Ok(()),
            _ => Err(StoreError::Gone { root: self.root().to_owned() }),
        }
    }

    /// What opening found and mended, to be reported.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The blobs, to be read and written.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        self.objects.root()
    }

    /// Takes in what workers have published since. A file leaves the inbox only when its receipt is
    /// durably among the receipts.
    pub fn collect(&self) -> Result<Collected> {
        self.check_present()?;
        let delivered = self.inbox.delivered()?;
        let mut collected = Collected::default();
        for file in delivered {
            match file.receipt.and_then(|receipt| Ok((receipt.key, self.publish(&receipt)?))) {
                Ok(published) => {
                    collected.receipts.push(published);
                    self.inbox.remove(&file.path)?;
                }
                Err(error @ (StoreError::Malformed { .. } | StoreError::Receipt { .. })) => {
                    let path = self.inbox.refuse(&self.objects, &file.path)?;
                    collected.refusals.push(Refusal { path, cause: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(collected)
    }
}

/// Copies a folder's files and those of its folders. What goes away meanwhile is left out.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    fs::create_dir_all(to)?;
    for entry in entries {
        let entry = entry?;
        let to = to.join(entry.file_name());
        let copied = match entry.file_type()? {
            kind if kind.is_dir() => copy_files(&entry.path(), &to),
            kind if kind.is_file() => fs::copy(entry.path(), &to).map(drop),
            _ => Ok(()),
        };
        match copied {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A folder's device and inode.
fn identity(folder: &Path) -> std::io::Result<(u64, u64)> {
    fs::metadata(folder).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for Store {
    fn drop(&mut self) {
        // Where this fails the index is rebuilt at the next opening.
        let _ = self.index.complete();
    }
}
