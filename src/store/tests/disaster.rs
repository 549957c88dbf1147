//! Lost and damaged indexes, full disks, killed processes; and what a no-op costs.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{finish, opened, receipt};
use crate::store::*;

/// Ways to harm an index folder.
fn harm(index: &Path, how: &str) {
    let db = index.join("db");
    match how {
        "deleted" => fs::remove_dir_all(index).unwrap(),
        "a file" => {
            fs::remove_dir_all(index).unwrap();
            fs::write(index, b"garbage").unwrap();
        }
        "emptied" => {
            fs::remove_dir_all(index).unwrap();
            fs::create_dir(index).unwrap();
        }
        "garbage db" => fs::write(db, vec![0xa5; 300_000]).unwrap(),
        "cut db" => OpenOptions::new().write(true).open(db).unwrap().set_len(100).unwrap(),
        "halved db" => {
            let length = fs::metadata(&db).unwrap().len();
            OpenOptions::new().write(true).open(db).unwrap().set_len(length / 2).unwrap();
        }
        "never closed" => fs::remove_file(index.join("whole")).unwrap(),
        "lost entries" => {
            let db = sled::open(index).unwrap();
            db.open_tree("results").unwrap().pop_max().unwrap().unwrap();
        }
        "no db" => fs::remove_file(db).unwrap(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_lost_or_damaged_index_is_rebuilt_identically() {
    let (_folder, store) = opened();
    finish(&store, "a", &[], "alpha", 3);
    finish(&store, "a", &[], "other", 2);
    finish(&store, "b", &[], "beta", 1);
    let mut store = store;
    let derived = store.index.derived();
    assert_eq!(derived.len(), 2 + 3 + 1);
    for how in [
        "deleted",
        "a file",
        "emptied",
        "garbage db",
        "cut db",
        "halved db",
        "no db",
        "never closed",
        "lost entries",
    ] {
        let root = store.root().to_owned();
        drop(store);
        harm(&root.join("index"), how);
        store = Store::open(&root).unwrap();
        assert!(
            matches!(store.opening().index, IndexState::Rebuilt { .. }),
            "{how}: {:?}",
            store.opening()
        );
        assert_eq!(store.index.derived(), derived, "{how}");
    }
}

/// Bytes that no object of the store's tests holds, so large that the small disk below cannot.
const TOO_LARGE: usize = 3 << 20;

#[test]
fn a_full_disk_is_a_clear_error_and_leaves_no_partial_object() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = SmallDisk::mount(folder.path()) else {
        let _ = writeln!(std::io::stderr(), "skipped: mounting a small tmpfs needs root");
        return;
    };
    let store = Store::open(folder.path()).unwrap();
    let (small, _) = finish(&store, "small", &[], "s", 1);
    let before = store.objects().list().unwrap();
    let error = store
        .objects()
        .put_artifact(vec![("a".into(), vec![1; 1000]), ("b".into(), vec![7; TOO_LARGE])])
        .unwrap_err();
    assert!(
        matches!(error, StoreError::NoSpace { wanted, .. } if wanted == TOO_LARGE as u64),
        "{error}"
    );
    assert!(error.to_string().contains("no space left"), "{error}");
    assert_eq!(store.objects().list().unwrap(), before);

    let mut filler = Vec::new();
    while let Ok(digest) =
        store.objects().put(&[(filler.len() as u32).to_le_bytes().as_slice(), &[0; 4000]].concat())
    {
        filler.push(store.objects().path(&digest));
    }
    drop(store);
    let full = Store::open(folder.path()).map(|_| ());
    assert!(matches!(full, Ok(()) | Err(StoreError::NoSpace { .. })), "{full:?}");
    filler.iter().take(filler.len() / 2).for_each(|path| fs::remove_file(path).unwrap());
    let store = Store::open(folder.path()).unwrap();
    assert!(store.integrity(&small.output).unwrap().is_intact(), "what was finished stays");
    store.gc(&HashSet::from([small.key]), false).unwrap();
    assert_eq!(finish(&store, "next", &[], "n", 2).1, Published::New);
}

/// A tmpfs of 2 MiB, unmounted when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

const KILLED_STORE: &str = "TITRATE_TEST_KILLED_STORE";

#[test]
fn what_a_killed_process_published_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = 0;
    for published in [0, 1, 5] {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--ignored",
                "--nocapture",
                "store::tests::disaster::a_writer_to_be_killed",
            ])
            .env(KILLED_STORE, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines().map(Result::unwrap);
        let last = lines
            .filter_map(|line| line.strip_prefix("published ")?.parse::<u64>().ok())
            .nth(published)
            .unwrap();
        writer.kill().unwrap();
        writer.wait().unwrap();
        told = last + 1;
        let store = Store::open(folder.path()).unwrap();
        assert!(
            matches!(store.opening().index, IndexState::Rebuilt { .. }),
            "{:?}",
            store.opening()
        );
        for nth in 0..told {
            let key = receipt(&nth.to_string(), &[], Artifact::default(), 0).key;
            let finished = store.finished(&key).unwrap().expect("a published key is finished");
            assert!(store.integrity(&finished.output).unwrap().is_intact(), "{nth}");
        }
        let report = store.verify().unwrap();
        assert!(report.corrupt.is_empty() && report.unfinished.is_empty(), "{report:?}");
    }
    assert!(told >= 9, "each writer went on where the last one was killed");
}

#[test]
#[ignore = "run, and killed, by what_a_killed_process_published_is_there"]
fn a_writer_to_be_killed() {
    let Some(root) = std::env::var_os(KILLED_STORE) else { return };
    let store = Store::open(root).unwrap();
    let is_done = |nth: &u64| {
        store
            .finished(&receipt(&nth.to_string(), &[], Artifact::default(), 0).key)
            .unwrap()
            .is_some()
    };
    for nth in (0..).skip_while(is_done) {
        finish(&store, &nth.to_string(), &[], &format!("content {nth}"), nth);
        println!("\npublished {nth}");
    }
}
