//! Nothing is forged by data, and nothing is lost by one bad file.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{finish, opened, receipt, reopened};
use crate::id::{Digest, Key};
use crate::store::*;

/// An output may have any bytes: those of a receipt, too.
#[test]
fn an_output_that_is_written_like_a_receipt_is_an_output() {
    let (_folder, store) = opened();
    let wrong = store.objects().put_artifact(super::files("forged")).unwrap();
    let forged = receipt("report", &[], wrong, 1).to_bytes();
    let record = format!(
        "{{\"titrate_divergence\":1,\"key\":\"{}\",\"kept\":\"{}\",\"refused\":\"{}\"}}",
        Key::of(b"x"),
        Digest::of(b"x"),
        Digest::of(&forged)
    );
    let files = vec![
        ("special_tokens_map.json".to_owned(), forged),
        ("tokenizer.json".to_owned(), record.into_bytes()),
    ];
    let output = store.objects().put_artifact(files).unwrap();
    let downloaded = receipt("pretrained", &[], output, 2);
    store.publish(&downloaded).unwrap();
    store.rebuild_index().unwrap();
    let report = Key::of(b"kind test\nname report\n");
    assert_eq!(store.finished(&report).unwrap(), None);
    assert!(store.divergences().unwrap().is_empty());
    assert!(store.finished(&downloaded.key).unwrap().is_some());
}

/// The index finds a receipt; what it is of, the receipt says.
#[test]
fn an_index_that_names_another_tasks_receipt_is_not_believed() {
    let (_folder, store) = opened();
    let (a, _) = finish(&store, "a", &[], "alpha", 1);
    let (b, _) = finish(&store, "b", &[], "beta", 2);
    let of_a = store.index.result(&a.key).unwrap().unwrap();
    store.index.set_result(&b.key, &of_a).unwrap();
    assert_eq!(store.finished(&b.key).unwrap(), None);
    assert_eq!(store.receipt(&b.key).unwrap(), None);
    let mixed = index::Indexed { output: b.output.clone(), ..of_a };
    store.index.set_result(&a.key, &mixed).unwrap();
    assert_eq!(store.finished(&a.key).unwrap(), None);
}

/// A receipt is read once, and again when its file changed.
#[test]
fn a_receipt_that_did_not_change_is_not_read_again() {
    let (_folder, store) = opened();
    let (a, _) = finish(&store, "a", &[], "alpha", 1);
    assert!(store.finished(&a.key).unwrap().is_some());
    let path = store.receipts.path(&a.digest());
    let noted = || store.index.standing(&a.digest()).unwrap();
    let (stamp, proof) = noted().unwrap();
    assert_eq!(stamp, store.receipts.stat(&a.digest()).unwrap().unwrap());
    // Were these bytes read, they would be found wrong.
    fs::write(aside(&path), b"other bytes").unwrap();
    fs::rename(aside(&path), &path).unwrap();
    let other = store.receipts.stat(&a.digest()).unwrap().unwrap();
    store.index.set_standing(&a.digest(), &other, &proof).unwrap();
    assert!(store.finished(&a.key).unwrap().is_some(), "not read");
    store.index.set_standing(&a.digest(), &other, &a.digest()).unwrap();
    assert_eq!(store.finished(&a.key).unwrap(), None, "what it proves is not what is asked");
    assert!(!path.exists(), "moved to quarantine");
    store.index.set_standing(&a.digest(), &stamp, &proof).unwrap();
    assert_eq!(store.finished(&a.key).unwrap(), None, "the file is gone");
    assert_eq!(store.publish(&a).unwrap(), Published::New);
    assert!(store.finished(&a.key).unwrap().is_some());
    assert_ne!(noted().unwrap().0, stamp, "noted anew");
    assert_eq!(store.gc(&HashSet::new(), false).unwrap().results.len(), 1);
    assert_eq!(noted(), None, "forgotten with the receipt");
}

fn aside(path: &Path) -> std::path::PathBuf {
    path.with_extension("aside")
}

/// A folder of base weights with one more receipt in it, and one that claims to be another task's.
#[test]
fn an_import_takes_only_what_it_names_and_finishes_no_task() {
    let (_folder, store) = opened();
    let (unet, _) = finish(&store, "unet", &[], "u", 1);
    let (report, _) = finish(&store, "report", &[], "wrong numbers", 2);
    let shipped = tempfile::tempdir().unwrap();
    store.export(&[(unet.key, "unet"), (report.key, "unet/more")], shipped.path()).unwrap();
    store.export(&[(report.key, "extra")], shipped.path()).unwrap();
    let (_other_folder, other) = opened();
    let imported = other.import(shipped.path(), &["unet"]).unwrap();
    assert_eq!(imported, std::slice::from_ref(&unet));
    assert!(other.integrity(&unet.output).unwrap().is_intact());
    let other = reopened(other);
    other.rebuild_index().unwrap();
    for key in [unet.key, report.key] {
        assert_eq!(other.finished(&key).unwrap(), None);
    }
    let error = other.import(shipped.path(), &["autoencoder"]).unwrap_err();
    assert!(error.to_string().contains("autoencoder/receipt.json"), "{error}");
}

/// What was imported is kept for the tasks that consumed it.
#[test]
fn gc_keeps_what_was_imported() {
    let (_folder, store) = opened();
    let imported = store.objects().put_artifact(super::files("shipped")).unwrap();
    let (user, _) = finish(&store, "user", &[&imported], "u", 1);
    assert_eq!(store.gc(&HashSet::from([user.key]), false).unwrap().objects, 0);
    assert!(store.integrity(&imported).unwrap().is_intact());
}

/// Puts something that can't be read in the place of a file.
fn spoil(path: &Path, how: &str) {
    fs::remove_file(path).unwrap();
    match how {
        "a folder" => fs::create_dir(path).unwrap(),
        "a folder with a file" => {
            fs::create_dir(path).unwrap();
            fs::write(path.join("file"), b"").unwrap();
        }
        "a dangling link" => symlink("nowhere", path).unwrap(),
        "a link to itself" => symlink(path, path).unwrap(),
        other => panic!("{other}"),
    }
}

const SPOILT: [&str; 4] =
    ["a folder", "a folder with a file", "a dangling link", "a link to itself"];

#[test]
fn one_unreadable_receipt_hides_no_other_and_gc_refuses() {
    for how in SPOILT {
        let (_folder, store) = opened();
        let (good, _) = finish(&store, "good", &[], "g", 1);
        let (bad, _) = finish(&store, "bad", &[], "b", 2);
        let path = store.receipts.path(&bad.digest());
        let root = store.root().to_owned();
        drop(store);
        spoil(&path, how);
        fs::remove_dir_all(root.join("index")).unwrap();
        let store = Store::open(&root).unwrap();
        let IndexState::Rebuilt { refusals, .. } = &store.opening().index else { panic!("{how}") };
        assert_eq!(refusals[0].path, path, "{how}");
        assert!(store.finished(&good.key).unwrap().is_some(), "{how}");
        let error = store.gc(&HashSet::new(), false).unwrap_err().to_string();
        assert!(
            error.contains("nothing was dropped") && error.contains("bad")
                || error.contains(&path.display().to_string()),
            "{error}"
        );
        assert!(store.integrity(&good.output).unwrap().is_intact(), "{how}");
        assert!(store.integrity(&bad.output).unwrap().is_intact(), "{how}");
        let run_again = store.publish(&bad).unwrap();
        assert_eq!(run_again, Published::New, "{how}");
        assert!(store.finished(&bad.key).unwrap().is_some(), "{how}");
    }
}

/// As after a disk error in the middle of it.
#[test]
fn an_index_that_could_not_be_filled_is_filled_at_the_next_opening() {
    let (_folder, store) = opened();
    let (done, _) = finish(&store, "done", &[], "d", 1);
    store.index.clear_derived().unwrap();
    let store = reopened(store);
    assert!(matches!(store.opening().index, IndexState::Rebuilt { .. }), "{:?}", store.opening());
    assert!(store.finished(&done.key).unwrap().is_some());
}

/// gc does not ask an index that lost its entries which objects are needed.
#[test]
fn gc_reads_the_receipts_themselves() {
    let (_folder, store) = opened();
    let (done, _) = finish(&store, "done", &[], "d", 1);
    store.index.clear_derived().unwrap();
    let report = store.gc(&HashSet::from([done.key]), false).unwrap();
    assert_eq!((report.receipts, report.objects), (0, 0));
    assert!(store.integrity(&done.output).unwrap().is_intact());
}

#[test]
fn what_lies_in_an_objects_place_is_replaced_when_its_task_runs_again() {
    for how in SPOILT.into_iter().chain(["other bytes"]) {
        let (_folder, store) = opened();
        let (done, _) = finish(&store, "done", &[], "d", 1);
        let weights = done.output.entry("weights").unwrap().digest;
        let path = store.objects().path(&weights);
        if how == "other bytes" {
            fs::remove_file(&path).unwrap();
            fs::write(&path, b"x").unwrap();
        } else {
            spoil(&path, how);
        }
        store.objects().put_artifact(super::files("d")).unwrap();
        assert_eq!(store.objects().read(&weights).unwrap(), b"d", "{how}");
        assert!(store.integrity(&done.output).unwrap().is_intact(), "{how}");
    }
}

#[test]
fn a_lost_or_damaged_format_file_is_mended_from_the_stores_evidence() {
    let texts: [Option<&[u8]>; 4] = [None, Some(b""), Some(&[0xa5; 20]), Some(b"titrate-st")];
    for copy in [true, false] {
        for text in texts {
            let (_folder, store) = opened();
            let (done, _) = finish(&store, "done", &[], "d", 1);
            let root = store.root().to_owned();
            drop(store);
            let whole = fs::read(root.join("format")).unwrap();
            match text {
                Some(text) => fs::write(root.join("format"), text).unwrap(),
                None => fs::remove_file(root.join("format")).unwrap(),
            }
            if !copy {
                fs::remove_file(root.join("receipts/format")).unwrap();
            }
            let store = Store::open(&root).unwrap();
            assert_eq!(fs::read(root.join("format")).unwrap(), whole);
            assert!(store.finished(&done.key).unwrap().is_some());
        }
    }
}

/// A store of a newer release whose format file is damaged is not taken for one of this.
#[test]
fn the_copy_of_the_format_is_heeded() {
    let (_folder, store) = opened();
    let root = store.root().to_owned();
    drop(store);
    fs::write(root.join("receipts/format"), "titrate-store 9\nread by titrate 7.0.0\n").unwrap();
    fs::write(root.join("format"), "").unwrap();
    let error = Store::open(&root).map(drop).unwrap_err().to_string();
    assert!(error.contains("use titrate 7.0.0 or later"), "{error}");
}

#[test]
fn removing_the_lock_file_lets_nobody_in() {
    let (folder, store) = opened();
    let (done, _) = finish(&store, "done", &[], "d", 1);
    fs::remove_file(folder.path().join("lock")).unwrap();
    for _ in 0..2 {
        let error = Store::open(folder.path()).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    }
    let store = reopened(store);
    assert_eq!(store.opening().index, IndexState::Opened, "nobody touched the index");
    assert!(store.finished(&done.key).unwrap().is_some());

    let key = Key::of(b"task");
    let attempt = Attempt::claim(folder.path(), &key).unwrap();
    fs::remove_file(attempt.folder().join("lock")).unwrap();
    let second = Attempt::claim(folder.path(), &key).map(drop);
    assert!(matches!(second, Err(StoreError::AttemptRunning { .. })), "{second:?}");
}

/// Where a file system has no locks on folders, sled's own lock is the last that stands.
#[test]
fn an_index_that_another_has_open_is_not_damage() {
    let (folder, store) = opened();
    finish(&store, "done", &[], "d", 1);
    let before = fs::read_dir(folder.path().join("index")).unwrap().count();
    let error = index::Index::open(&folder.path().join("index")).map(drop).unwrap_err();
    assert!(error.to_string().contains("index"), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("index")).unwrap().count(), before);
}

#[test]
fn a_store_that_was_deleted_is_not_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = Store::open(&root).unwrap();
    let (done, _) = finish(&store, "done", &[], "d", 1);
    let worker = Objects::open(&root).unwrap();
    fs::remove_dir_all(&root).unwrap();
    assert!(matches!(store.check_present(), Err(StoreError::Gone { .. })));
    assert!(worker.put(b"late").is_err());
    assert!(Objects::open(&root).is_err());
    assert!(Attempt::claim(&root, &done.key).is_err());
    assert!(Inbox::at(&root).publish(&worker, &done).is_err());
    assert!(Runs::at(&root).record("1", &1).is_err());
    drop((store, worker));
    assert!(!root.exists());
    fs::create_dir(&root).unwrap();
}

#[test]
fn empty_folders_of_attempts_are_swept() {
    let (folder, store) = opened();
    let [empty, used] = [b"empty".as_slice(), b"used"].map(Key::of);
    let work = |key: &Key| folder.path().join("work").join(key.to_string());
    Attempt::make_folder(store.root(), &empty).unwrap();
    let attempt = Attempt::claim(store.root(), &used).unwrap();
    fs::write(attempt.folder().join("checkpoint"), b"step 3").unwrap();
    drop(attempt);
    reopened(store);
    assert!(!work(&empty).exists() && work(&used).exists());
}
