//! The store's promises: what is written is found again, what is damaged is noticed, and what is
//! derived can be lost.

mod disaster;
mod trust;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::id::{Digest, Key};

/// The receipt of a made-up task called `name`, of a valid key.
pub(crate) fn receipt(
    name: &str,
    inputs: &[&Artifact],
    output: Artifact,
    started_unix_ms: u64,
) -> Receipt {
    let manifest = format!("kind test\nname {name}\n");
    Receipt {
        titrate_receipt: Receipt::FORMAT,
        key: Key::of(manifest.as_bytes()),
        manifest,
        kind: "test".into(),
        version: 1,
        label: format!("test {name}"),
        inputs: inputs
            .iter()
            .enumerate()
            .map(|(nth, input)| (format!("input {nth}"), input.digest()))
            .collect(),
        output,
        cost: Cost { started_unix_ms, wall_s: 0.1, cpu_s: 0.3, peak_memory: 1 << 20 },
        origin: Origin {
            host: "host".into(),
            cpu: "cpu".into(),
            gpu: None,
            toolchain: "rustc".into(),
            titrate: "0.1.0".into(),
            git_commit: None,
            git_dirty: false,
        },
        attempt: 1,
        log: None,
    }
}

/// The outputs of a made-up task; the first is the same whatever `content` is.
pub(crate) fn files(content: &str) -> Vec<(String, Vec<u8>)> {
    vec![
        ("shared".into(), b"the same in all".to_vec()),
        ("weights".into(), content.as_bytes().to_vec()),
    ]
}

/// A task called `name` with output `content`, published to the open store.
fn finish(
    store: &Store,
    name: &str,
    inputs: &[&Artifact],
    content: &str,
    started: u64,
) -> (Receipt, Published) {
    let output = store.objects().put_artifact(files(content)).unwrap();
    let receipt = receipt(name, inputs, output, started);
    let published = store.publish(&receipt).unwrap();
    (receipt, published)
}

/// Flips the last bit of an object as a failing disk would, `later` (or with its times as they
/// are).
fn flip(store: &Store, digest: &Digest, later: bool) {
    flip_in(store, store.objects(), digest, later);
}

fn flip_in(store: &Store, blobs: &Objects, digest: &Digest, later: bool) {
    let path = blobs.path(digest);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    fs::set_permissions(&path, permissions).unwrap();
    fs::write(&path, bytes).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    if !later {
        let stamp = blobs.stat(digest).unwrap().unwrap();
        store.index.set_stamp(blobs.space(), digest, &stamp).unwrap();
    }
}

#[test]
fn reading_makes_nothing_where_nothing_is() {
    let place = tempfile::tempdir().unwrap();
    for root in [place.path().join("none"), place.path().to_owned()] {
        let store = Store::open_to_read(&root).unwrap();
        assert!(!store.root().starts_with(place.path()));
        let aside = store.root().to_owned();
        drop(store);
        assert!(!aside.exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

/// As root everything can be written to, so the fallback is called by itself.
#[test]
fn a_store_that_cannot_be_written_to_is_read() {
    let (place, store) = opened();
    let (done, _) = finish(&store, "a", &[], "weights", 1);
    drop(store);
    let before = listed(place.path());
    let store = Store::open_aside(Some(place.path())).unwrap();
    assert_eq!(store.receipt(&done.key).unwrap().unwrap(), done);
    assert_eq!(store.objects().read(&done.output.entries()[1].digest).unwrap(), b"weights");
    assert_eq!(store.opening().index, IndexState::Opened);
    drop(store);
    assert_eq!(listed(place.path()), before);
}

/// Every file below a folder.
fn listed(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(listed(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

fn opened() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.opening().index, IndexState::Created);
    (folder, store)
}

fn reopened(store: Store) -> Store {
    let root = store.root().to_owned();
    drop(store);
    Store::open(root).unwrap()
}

#[test]
fn a_published_result_is_found_after_reopening() {
    let (_folder, store) = opened();
    let (receipt, published) = finish(&store, "a", &[], "alpha", 7);
    assert_eq!(published, Published::New);
    let store = reopened(store);
    assert_eq!(store.opening().index, IndexState::Opened);
    let finished = store.finished(&receipt.key).unwrap().unwrap();
    assert_eq!(finished.output, receipt.output);
    assert_eq!(store.receipt(&receipt.key).unwrap().unwrap(), receipt);
    assert_eq!(store.objects().read_artifact(&receipt.output.digest()).unwrap(), receipt.output);
    assert_eq!(
        store.objects().read(&finished.output.entry("weights").unwrap().digest).unwrap(),
        b"alpha"
    );
    assert!(store.integrity(&finished.output).unwrap().is_intact());
    assert_eq!(store.history("test a").unwrap(), [receipt.key]);
    assert_eq!(store.finished(&Key::of(b"another")).unwrap(), None);
}

#[test]
fn objects_are_read_only_and_not_written_twice() {
    let (_folder, store) = opened();
    let digest = store.objects().put(b"once").unwrap();
    let before = store.objects().stat(&digest).unwrap().unwrap();
    assert_eq!(store.objects().put(b"once").unwrap(), digest);
    assert_eq!(store.objects().stat(&digest).unwrap().unwrap(), before);
    assert!(fs::metadata(store.objects().path(&digest)).unwrap().permissions().readonly());
}

#[test]
fn a_flipped_byte_is_found_by_the_plan_or_at_the_latest_by_the_read() {
    let (_folder, store) = opened();
    let (receipt, _) = finish(&store, "a", &[], "alpha", 7);
    let weights = receipt.output.entry("weights").unwrap().digest;
    flip(&store, &weights, true);
    let integrity = store.integrity(&receipt.output).unwrap();
    assert!(
        matches!(&integrity.damages[..], [Damage { name, state: BlobState::Corrupt { moved_to }, .. }]
        if name == "weights" && moved_to.exists())
    );
    assert_eq!(
        store.integrity(&receipt.output).unwrap().damages[0].state,
        BlobState::Missing,
        "moved aside the first time"
    );

    assert_eq!(
        finish(&store, "a", &[], "alpha", 8).1,
        Published::Confirmed,
        "made again, the result is whole again"
    );
    assert!(store.integrity(&receipt.output).unwrap().is_intact());

    flip(&store, &weights, false);
    assert!(store.integrity(&receipt.output).unwrap().is_intact(), "no stamp tells");
    assert!(
        matches!(store.objects().read(&weights), Err(StoreError::Corrupt { digest, .. }) if digest == weights)
    );
    assert!(matches!(store.objects().read(&weights), Err(StoreError::Missing { .. })));
    assert!(!store.integrity(&receipt.output).unwrap().is_intact());
}

#[test]
fn verify_hashes_even_what_no_stamp_betrays() {
    let (_folder, store) = opened();
    let (good, _) = finish(&store, "good", &[], "g", 1);
    let (bad, _) = finish(&store, "bad", &[], "b", 2);
    let clean = store.verify().unwrap();
    assert_eq!((clean.objects, clean.corrupt.len(), clean.unfinished.len()), (7, 0, 0));
    let weights = bad.output.entry("weights").unwrap().digest;
    flip(&store, &weights, false);
    let report = store.verify().unwrap();
    assert_eq!(report.corrupt.iter().map(|(digest, _)| *digest).collect::<Vec<_>>(), [weights]);
    assert_eq!(report.unfinished, [bad.key]);
    assert!(store.integrity(&good.output).unwrap().is_intact());
}

#[test]
fn a_corrupt_receipt_means_not_finished_until_the_task_ran_again() {
    let (_folder, store) = opened();
    let (first, _) = finish(&store, "a", &[], "alpha", 7);
    flip_in(&store, &store.receipts, &first.digest(), true);
    assert_eq!(store.finished(&first.key).unwrap(), None);
    assert_eq!(finish(&store, "a", &[], "alpha", 9).1, Published::New);
    assert_eq!(store.receipt(&first.key).unwrap().unwrap().cost.started_unix_ms, 9);
}

#[test]
fn a_second_output_for_a_key_is_recorded_and_never_substituted() {
    let (_folder, store) = opened();
    let (first, _) = finish(&store, "a", &[], "alpha", 7);
    let (second, published) = finish(&store, "a", &[], "other", 8);
    let Published::Diverged(divergence) = published else { panic!("{published:?}") };
    assert_eq!((divergence.kept, divergence.refused), (first.digest(), second.digest()));
    assert_eq!(store.publish(&second).unwrap(), published, "entering it again changes nothing");
    let store = reopened(store);
    assert_eq!(store.divergences().unwrap(), [divergence]);
    assert_eq!(store.finished(&first.key).unwrap().unwrap().output, first.output);
    assert_eq!(store.read_receipt(&divergence.refused).unwrap(), second);

    store.objects().quarantine(&first.output.entry("weights").unwrap().digest).unwrap();
    let (third, published) = finish(&store, "a", &[], "third", 9);
    assert!(
        matches!(published, Published::Diverged(Divergence { kept, .. }) if kept == third.digest()),
        "the first is lost"
    );
    assert_eq!(store.finished(&first.key).unwrap().unwrap().output, third.output);
    let derived = store.index.derived();
    store.rebuild_index().unwrap();
    assert_eq!(store.index.derived(), derived);
}

#[test]
fn history_lists_a_labels_keys_newest_last() {
    let (_folder, store) = opened();
    let publish = |name: &str, started| {
        let output = store.objects().put_artifact(files(name)).unwrap();
        let receipt = Receipt { label: "train".into(), ..receipt(name, &[], output, started) };
        store.publish(&receipt).unwrap();
        receipt.key
    };
    let (late, early) = (publish("late", 20), publish("early", 10));
    assert_eq!(store.history("train").unwrap(), [early, late]);
    assert!(store.history("trai").unwrap().is_empty());
}

#[test]
fn workers_publish_through_the_inbox_and_half_written_files_are_refused() {
    let (folder, store) = opened();
    drop(store);
    let (objects, inbox) = (Objects::open(folder.path()).unwrap(), Inbox::at(folder.path()));
    let good = receipt("good", &[], objects.put_artifact(files("g")).unwrap(), 1);
    inbox.publish(&objects, &good).unwrap();
    let cut = receipt("cut", &[], objects.put_artifact(files("c")).unwrap(), 2).to_bytes();
    fs::write(
        folder.path().join(format!("inbox/{}.receipt.json", Digest::of(&cut))),
        &cut[..cut.len() / 2],
    )
    .unwrap();
    let hollow = receipt("hollow", &[], Artifact::new(vec![entry("x")]).unwrap(), 3);
    inbox.publish(&objects, &hollow).unwrap();

    let store = Store::open(folder.path()).unwrap();
    let collected = &store.opening().collected;
    assert_eq!(collected.receipts, [(good.key, Published::New)]);
    assert_eq!(collected.refusals.len(), 2, "{collected:?}");
    assert!(collected.refusals.iter().all(|refusal| refusal.path.exists()));
    assert!(
        collected.refusals[0].cause.contains("`x`")
            && collected.refusals[0].cause.contains("missing"),
        "{collected:?}"
    );
    assert_eq!(fs::read_dir(folder.path().join("inbox")).unwrap().count(), 0);
    assert!(
        store.finished(&good.key).unwrap().is_some()
            && store.finished(&hollow.key).unwrap().is_none()
    );

    inbox.publish(&objects, &good).unwrap();
    assert_eq!(
        store.collect().unwrap().receipts,
        [(good.key, Published::Confirmed)],
        "delivered again after a crash"
    );
    let forged = Receipt { manifest: "another".into(), ..good };
    assert!(matches!(inbox.publish(&objects, &forged), Err(StoreError::Receipt { .. })));
}

fn entry(name: &str) -> Entry {
    Entry { name: name.into(), digest: Digest::of(name.as_bytes()), size: 1 }
}

#[test]
fn a_second_opener_is_told_who_holds_the_store() {
    let (folder, store) = opened();
    let Err(error) = Store::open(folder.path()) else { panic!("opened twice") };
    assert!(
        matches!(&error, StoreError::Busy { holder, .. } if holder.pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(store);
    Store::open(folder.path()).unwrap();
}

#[test]
fn foreign_folders_and_newer_formats_are_refused_untouched() {
    for (name, text, expected) in [
        ("format", "titrate-store 3\nread by titrate 0.9.0\n", "use titrate 0.9.0 or later"),
        ("format", "titrate-store 1\nread by titrate 0.1.0\n", "give another --store"),
        ("format", "something else\n", "is not a titrate store"),
        ("thesis.tex", "", "it holds `thesis.tex`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        let Err(error) = Store::open(folder.path()) else { panic!("{text} was opened") };
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
    }
}

#[test]
fn temporary_files_of_dead_processes_go_and_those_in_use_stay() {
    let (folder, store) = opened();
    drop(store);
    let objects = Objects::open(folder.path()).unwrap();
    let in_use = objects.temporary().unwrap();
    fs::write(&in_use, b"half").unwrap();
    let dead = folder.path().join("tmp/dead");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("0"), b"half").unwrap();
    fs::write(folder.path().join("tmp/dead.lock"), b"").unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.opening().leftovers, 1);
    assert!(in_use.exists() && !dead.exists());
    drop((objects, store));
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn gc_keeps_live_keys_and_what_they_came_from() {
    let (_folder, store) = opened();
    let (source, _) = finish(&store, "source", &[], "s", 1);
    let (live, _) = finish(&store, "live", &[&source.output], "l", 2);
    let (dead, _) = finish(&store, "dead", &[], "d", 4);
    finish(&store, "dead", &[], "diverged", 5);
    let attempt = Attempt::claim(store.root(), &dead.key).unwrap();
    drop(attempt);

    let roots = HashSet::from([live.key]);
    let planned = store.gc(&roots, true).unwrap();
    assert!(store.finished(&dead.key).unwrap().is_some(), "a dry run removes nothing");
    let done = store.gc(&roots, false).unwrap();
    assert_eq!(planned, done);
    assert_eq!((done.receipts, done.objects, done.kept, done.leftovers), (3, 4, 7, 1));
    for kept in [&source, &live] {
        assert_eq!(store.finished(&kept.key).unwrap().unwrap().output, kept.output);
        assert!(store.integrity(&kept.output).unwrap().is_intact(), "{}", kept.label);
    }
    assert_eq!(store.finished(&dead.key).unwrap(), None);
    assert!(
        store.divergences().unwrap().is_empty() && store.history("test dead").unwrap().is_empty()
    );
    assert_eq!(store.gc(&roots, false).unwrap().objects, 0);
}

#[test]
fn an_attempt_has_one_owner_and_keeps_its_folder() {
    let (folder, _store) = opened();
    let key = Key::of(b"task");
    let attempt = Attempt::claim(folder.path(), &key).unwrap();
    fs::write(attempt.folder().join("checkpoint"), b"step 3").unwrap();
    assert!(matches!(Attempt::claim(folder.path(), &key), Err(StoreError::AttemptRunning { .. })));
    drop(attempt);
    let again = Attempt::claim(folder.path(), &key).unwrap();
    assert_eq!(fs::read(again.folder().join("checkpoint")).unwrap(), b"step 3");
    again.clear().unwrap();
    assert!(!folder.path().join("work").join(key.to_string()).exists());
}

#[test]
fn what_one_store_exports_another_imports_by_digest() {
    let (_folder, store) = opened();
    let (unet, _) = finish(&store, "unet", &[], "u", 1);
    let (vae, _) = finish(&store, "vae", &[], "v", 2);
    let shipped = tempfile::tempdir().unwrap();
    let exported =
        store.export(&[(unet.key, "unet"), (vae.key, "deep/vae")], shipped.path()).unwrap();
    assert_eq!(exported.files, 6);
    fs::rename(
        shipped.path().join("unet/weights"),
        shipped.path().join("unet/renamed.safetensors"),
    )
    .unwrap();

    let (_other_folder, other) = opened();
    for _ in 0..2 {
        let imported = other.import(shipped.path(), &["deep/vae", "unet"]).unwrap();
        assert_eq!(imported, [vae.clone(), unet.clone()]);
    }
    assert!(other.integrity(&unet.output).unwrap().is_intact());

    fs::write(shipped.path().join("unet/renamed.safetensors"), b"U").unwrap();
    let (_third_folder, third) = opened();
    let error = third.import(shipped.path(), &["unet"]).unwrap_err();
    assert!(error.to_string().contains("`weights`"), "{error}");
}

#[test]
fn an_input_file_is_hashed_again_when_it_changed() {
    let (folder, store) = opened();
    let path = folder.path().join("work/image.png");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"one").unwrap();
    assert_eq!(store.file_digest(&path).unwrap(), Digest::of(b"one"));
    fs::write(&path, b"two").unwrap();
    assert_eq!(
        store.file_digest(&path).unwrap(),
        Digest::of(b"two"),
        "same size within one tick of the clock"
    );

    let name = path.as_os_str().as_encoded_bytes();
    assert_eq!(store.index.file(name).unwrap(), None, "too fresh to be trusted");
    let stamp = Stamp::of(&fs::metadata(&path).unwrap());
    store.index.set_file(name, &stamp, &Digest::of(b"cached")).unwrap();
    assert_eq!(
        store.file_digest(&path).unwrap(),
        Digest::of(b"cached"),
        "a settled stamp is trusted"
    );
    fs::write(&path, b"three").unwrap();
    assert_eq!(store.file_digest(&path).unwrap(), Digest::of(b"three"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_files_come_back_and_any_history_of_results_survives_the_index(
        contents in proptest::collection::btree_map("[a-z]{1,4}", proptest::collection::vec(any::<u8>(), 0..64), 1..4),
        published in proptest::collection::vec((0u8..3, 0u8..3), 1..8),
    ) {
        let (_folder, store) = opened();
        let artifact = store.objects().put_artifact(contents.clone().into_iter().collect()).unwrap();
        for (name, bytes) in &contents {
            prop_assert_eq!(&store.objects().read(&artifact.entry(name).unwrap().digest).unwrap(), bytes);
        }
        let mut first = BTreeMap::new();
        for (started, (task, content)) in published.iter().enumerate() {
            let (receipt, _) = finish(&store, &task.to_string(), &[], &content.to_string(), started as u64);
            first.entry(receipt.key).or_insert(receipt.output);
        }
        let derived = store.index.derived();
        store.rebuild_index().unwrap();
        prop_assert_eq!(store.index.derived(), derived);
        for (key, output) in first {
            prop_assert_eq!(store.finished(&key).unwrap().unwrap().output, output);
        }
    }
}
