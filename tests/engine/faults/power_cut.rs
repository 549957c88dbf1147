//! What a power cut leaves of a folder: the log of `faults/preload.c` says what was written, renamed and
//! removed there, and what was synced. The rest is taken back.

use std::collections::HashMap;
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A name that was given or taken, and that no sync of its folder has made durable yet.
struct Name {
    path: PathBuf,
    /// Where the file came from, if it was renamed.
    from: Option<PathBuf>,
    /// The file that had the name before, in the folder of states.
    before: Option<PathBuf>,
    /// No sync makes it durable.
    lost: bool,
}

/// Inode -> length of all files below folders.
pub fn lengths(folders: &[PathBuf]) -> HashMap<u64, u64> {
    let files = folders.iter().flat_map(|folder| below(folder));
    files.map(|(_, metadata)| (metadata.ino(), metadata.len())).collect()
}

/// The files below a folder; none where there is no such folder.
fn below(folder: &Path) -> Vec<(PathBuf, Metadata)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        match metadata.is_dir() {
            true => found.extend(below(&entry.path())),
            false => found.push((entry.path(), metadata)),
        }
    }
    found
}

/// Takes back what was not durable when the log ended. `before`: the files of then.
///
/// A file that was made stays, without what was written to it since its last sync: cut where that made it
/// longer, and zero where it was written over.
pub fn cut(folders: &[PathBuf], state: &Path, before: &HashMap<u64, u64>) {
    let log = fs::read_to_string(state.join("log")).unwrap();
    let (mut names, mut durable) = (Vec::<Name>::new(), before.clone());
    let mut written = HashMap::<u64, Vec<(u64, u64)>>::new();
    for line in log.lines() {
        let parts = line.split('\t').collect::<Vec<_>>();
        let number = |at: usize| parts[at].parse::<u64>().unwrap();
        let kept = |at| (number(at) > 0).then(|| state.join(parts[at]));
        match parts[0] {
            "write" => written.entry(number(1)).or_default().push((number(2), number(3))),
            "sync" => {
                written.remove(&number(1));
                durable.insert(number(1), number(2));
            }
            "folder" => {
                names.retain(|name| name.lost || name.path.parent() != Some(parts[1].as_ref()))
            }
            "rename" | "lost" => {
                let (from, path) = (Some(parts[2].into()), PathBuf::from(parts[3]));
                // What was lost is so until the name is given again.
                names.retain(|name| !name.lost || name.path != path);
                names.push(Name { path, from, before: kept(1), lost: parts[0] == "lost" });
            }
            "unlink" => {
                let path = parts[2].into();
                names.push(Name { path, from: None, before: kept(1), lost: false });
            }
            _ => {}
        }
    }
    for name in names.iter().rev() {
        name.take_back();
    }
    for (path, metadata) in folders.iter().flat_map(|folder| below(folder)) {
        if let Some(writes) = written.get(&metadata.ino()) {
            let length = durable.get(&metadata.ino()).copied().unwrap_or(0).min(metadata.len());
            shorten(&path, length, writes);
            fs::set_permissions(&path, metadata.permissions()).unwrap();
        }
    }
}

impl Name {
    fn take_back(&self) {
        if let Some(from) = &self.from {
            // Where the folder that it came from has gone, it is gone with it.
            let _ = fs::rename(&self.path, from).or_else(|_| fs::remove_file(&self.path));
        }
        if let (Some(before), false) = (&self.before, self.path.exists()) {
            fs::create_dir_all(self.path.parent().unwrap()).unwrap();
            fs::hard_link(before, &self.path).unwrap();
        }
    }
}

/// Drops what was written and not synced.
fn shorten(path: &Path, length: u64, writes: &[(u64, u64)]) {
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
    for (from, count) in writes {
        let count = (from + count).min(length).saturating_sub(*from);
        file.write_all_at(&vec![0; count as usize], *from).unwrap();
    }
}
