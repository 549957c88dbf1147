//! What travels arrives as it was, and nothing else does: every entry of a shared store that is not
//! what it should be is refused by name, and the store here stays as it is.

mod faults;
mod s3;
mod server;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect;
use rand::Rng;
use tempfile::TempDir;

use super::*;
use crate::id::Key;
use crate::seed::Seed;
use crate::store::tests::{files, receipt};
use crate::store::{Published, Receipt, Store};

/// A folder with a store and a shared store.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let place = Self { folder };
        Remote::create(&place.location()).unwrap();
        place
    }

    pub fn shared(&self) -> PathBuf {
        self.folder.path().join("shared")
    }

    pub fn location(&self) -> Location {
        Location::Folder(self.shared())
    }

    pub fn remote(&self) -> Remote {
        Remote::open(&self.location()).unwrap()
    }

    pub fn store(&self, name: &str) -> Store {
        Store::open(self.folder.path().join(name)).unwrap()
    }
}

/// A key made of a number, the same in each run.
pub fn signing(number: u8) -> Signing {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let digits = format!("{number:02x}").repeat(32);
    fs::write(&path, format!("titrate-signing-key {digits}\n")).unwrap();
    Signing::read(&path).unwrap()
}

pub fn trust(signing: &Signing) -> Trust {
    Trust { keys: vec![signing.public()], everyone: false }
}

/// A finished task called `name`, published to the store, whose outputs have this content.
pub fn finish(store: &Store, name: &str, content: &str) -> Receipt {
    let output = store.objects().put_artifact(files(content)).unwrap();
    let receipt = Receipt {
        label: format!("test/{name}"),
        log: Some(store.objects().put(format!("log of {name}").as_bytes()).unwrap()),
        ..receipt(name, &[], output, 1)
    };
    store.publish(&receipt).unwrap();
    receipt
}

/// Takes a result as a run does: its receipt, then its output.
pub fn take(
    remote: &Remote,
    store: &Store,
    trust: &Trust,
    receipt: &Receipt,
) -> Result<(), ExchangeError> {
    let (label, key) = (receipt.label.as_str(), &receipt.key);
    let found = remote.trusted_receipt(trust, label, key)?.expect("there is a receipt");
    store.adopt(&found, &remote.location().to_string())?;
    remote.fetch(store, label, &found.output)?;
    Ok(())
}

/// The file of an object or a receipt in a shared folder.
fn entry(place: &Place, receipt: &Receipt, name: &str) -> PathBuf {
    match receipt.output.entry(name) {
        Some(entry) => place.shared().join("cas").join(entry.digest.to_string()),
        None => place.shared().join("ac").join(receipt.key.to_string()),
    }
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn results_arrive_as_they_were_and_outputs_when_they_are_read() {
    let place = Place::new();
    let (a, b, remote, key) = (place.store("a"), place.store("b"), place.remote(), signing(1));
    let receipt = finish(&a, "one", "w");
    let pushed = remote.push(&a, &receipt, &key, &trust(&key)).unwrap();
    assert!(matches!(pushed, Pushed::New { objects: 3, bytes: 26 }), "{pushed:?}");
    let again = remote.push(&a, &receipt, &key, &trust(&key)).unwrap();
    assert!(matches!(again, Pushed::Same), "{again:?}");

    let found = remote.trusted_receipt(&trust(&key), "one", &receipt.key).unwrap().unwrap();
    assert_eq!(found, receipt);
    assert_eq!(b.adopt(&found, "file:///there").unwrap(), Published::New);
    assert_eq!(b.finished(&receipt.key).unwrap().unwrap().output, receipt.output);
    let damages = b.integrity(&receipt.output).unwrap().damages;
    assert!(damages.len() == 2 && b.is_elsewhere(&receipt.output, &damages));
    assert_eq!(b.elsewhere(&receipt.output).as_deref(), Some("file:///there"));
    let report = b.verify().unwrap();
    assert_eq!((report.elsewhere, report.unfinished.len()), (1, 0));

    assert_eq!(remote.fetch(&b, "one", &receipt.output).unwrap(), 16);
    assert!(b.integrity(&receipt.output).unwrap().is_intact());
    assert_eq!(b.elsewhere(&receipt.output), None, "the note goes when all is here");
    assert_eq!(remote.fetch(&b, "one", &receipt.output).unwrap(), 0, "nothing comes twice");
    assert!(remote.receipt(&Key::of(b"none")).unwrap().is_none());
}

#[test]
fn receipts_that_cannot_be_believed_are_refused_by_name() {
    let (key, other) = (signing(1), signing(2));
    let place = Place::new();
    let (a, b, remote) = (place.store("a"), place.store("b"), place.remote());
    let (one, two) = (finish(&a, "one", "w"), finish(&a, "two", "v"));
    remote.push_all(&a, &[one.clone(), two.clone()], &key, &trust(&key)).unwrap();
    let path = entry(&place, &one, "");
    let honest = String::from_utf8(fs::read(&path).unwrap()).unwrap();
    let foreign = String::from_utf8(key.sign(&two)).unwrap();
    let seal = |text: &str| text[text.find("\"seal\"").unwrap()..].to_owned();
    let swapped = honest.replace(&seal(&honest), &seal(&foreign));
    let mut lied = one.clone();
    lied.manifest.push('x');
    let cases = [
        ("corrupted", honest.replace("rustc", "rustd")),
        ("truncated", honest[..honest.len() / 2].to_owned()),
        ("empty", String::new()),
        ("unsigned", String::from_utf8(unsigned(&one)).unwrap()),
        ("by a stranger", String::from_utf8(other.sign(&one)).unwrap()),
        ("another's signature", swapped),
        ("another task's", foreign),
        ("not its key's", String::from_utf8(key.sign(&lied)).unwrap()),
        ("of another format", honest.replace("receipt\":1,", "receipt\":9,")),
        ("bare", String::from_utf8(one.to_bytes()).unwrap()),
    ];
    let mut said = String::new();
    for (what, text) in cases {
        fs::write(&path, text).unwrap();
        let error = take(&remote, &b, &trust(&key), &one).unwrap_err().to_string();
        let error = error.replace(&remote.location().to_string(), "PLACE");
        let cause = error.strip_prefix("PLACE: the receipt of test/one (ac/").unwrap();
        said.push_str(&format!("{what}:{}\n", cause.split_once(") is refused:").unwrap().1));
        assert!(b.finished(&one.key).unwrap().is_none(), "{what}");
        let pushed = remote.push(&a, &one, &key, &trust(&key)).unwrap();
        assert!(matches!(pushed, Pushed::Refused(_)), "{what}: {pushed:?}");
    }
    assert_eq!((names(&b.root().join("objects")), names(&b.root().join("elsewhere"))), (0, 0));
    expect![[r#"
        corrupted: its signature by 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c does not match its bytes
        truncated: it is no signed receipt: EOF while parsing a string at line 1 column 521
        empty: it is no signed receipt: EOF while parsing a value at line 1 column 0
        unsigned: it is not signed
        by a stranger: it is signed by 8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394, which is not among the trusted keys
        another's signature: its signature by 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c does not match its bytes
        another task's: it is the receipt of another key, 946f2fd0e032
        not its key's: receipt of test/one (cba996d0ec5b) refused: the key is not the BLAKE3 of the manifest
        of another format: it has format 9 instead of 1
        bare: it is no signed receipt: unknown field `titrate_receipt`, expected one of `titrate_signed_receipt`, `receipt`, `seal` at line 1 column 18
    "#]]
    .assert_eq(&said);
}

/// Whatever is changed in a signed receipt: it is the same receipt still, or none.
#[test]
fn no_other_receipt_is_made_of_a_signed_one() {
    let (key, place) = (signing(1), Place::new());
    let one = finish(&place.store("a"), "one", "w");
    let (honest, trust) = (key.sign(&one), trust(&key));
    let mut rng = Seed::of_study(23).rng();
    let mut believed = 0;
    for _ in 0..20_000 {
        let mut bytes = honest.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..3) {
                0 => bytes[at] ^= 1 << rng.random_range(0..8),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, rng.random()),
            }
        }
        if let Ok(receipt) = trust.receipt(&one.key, &bytes) {
            assert_eq!(receipt, one);
            believed += 1;
        }
    }
    assert!(believed < 200, "{believed}: such as a space between two fields");
}

#[test]
fn objects_that_are_not_what_their_name_says_are_refused_by_name() {
    let key = signing(1);
    let place = Place::new();
    let (a, remote) = (place.store("a"), place.remote());
    let one = finish(&a, "one", "weights");
    remote.push(&a, &one, &key, &trust(&key)).unwrap();
    let path = entry(&place, &one, "weights");
    for (what, bytes) in [
        ("corrupted", Some(&b"weighty"[..])),
        ("truncated", Some(b"weig")),
        ("longer", Some(b"weights and more")),
        ("empty", Some(b"")),
        ("missing", None),
    ] {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let b = place.store(what);
        let error = take(&remote, &b, &trust(&key), &one).unwrap_err().to_string();
        let expected = "`weights` of test/one (cas/";
        assert!(error.contains(expected) && error.contains("is refused"), "{what}: {error}");
        let weights = one.output.entry("weights").unwrap();
        assert_eq!(b.objects().stat(&weights.digest).unwrap(), None, "{what}");
        assert!(b.objects().list().unwrap().len() <= 1, "{what}: what was good may stay");
    }
    // Pushing does not read what is there; a size that is wrong is mended.
    fs::remove_file(entry(&place, &one, "")).unwrap();
    fs::write(&path, "weig").unwrap();
    remote.push(&a, &one, &key, &trust(&key)).unwrap();
    take(&remote, &place.store("mended"), &trust(&key), &one).unwrap();
}

#[test]
fn another_output_for_a_key_is_a_divergence_and_never_replaces_the_first() {
    let key = signing(1);
    let place = Place::new();
    let (a, b, remote) = (place.store("a"), place.store("b"), place.remote());
    let (first, second) = (finish(&a, "one", "first"), finish(&b, "one", "second"));
    remote.push(&a, &first, &key, &trust(&key)).unwrap();
    let stored = fs::read(entry(&place, &first, "")).unwrap();
    let pushed = remote.push(&b, &second, &key, &trust(&key)).unwrap();
    let Pushed::Diverged(there) = pushed else { panic!("{pushed:?}") };
    assert_eq!(*there, first);
    assert_eq!(fs::read(entry(&place, &first, "")).unwrap(), stored);
    // It is recorded here, and what is here stays.
    assert!(matches!(b.adopt(&there, "there").unwrap(), Published::Diverged(_)));
    assert_eq!(b.finished(&second.key).unwrap().unwrap().output, second.output);
    assert_eq!(b.divergences().unwrap().len(), 1);
    assert_eq!(b.elsewhere(&first.output), None);
}

#[test]
fn a_note_lives_as_long_as_its_result() {
    let (key, place) = (signing(1), Place::new());
    let (a, b, remote) = (place.store("a"), place.store("b"), place.remote());
    let (one, two) = (finish(&a, "one", "w"), finish(&a, "two", "v"));
    remote.push_all(&a, &[one.clone(), two.clone()], &key, &trust(&key)).unwrap();
    for receipt in [&one, &two] {
        b.adopt(receipt, "there").unwrap();
    }
    assert_eq!(b.rebuild_index().unwrap(), []);
    assert_eq!(b.finished(&two.key).unwrap().unwrap().output, two.output, "after a rebuild too");
    let live = HashSet::from([one.key]);
    assert_eq!(b.gc(&live, true).unwrap().leftovers, 1, "only counted");
    assert!(b.elsewhere(&two.output).is_some());
    assert_eq!(b.gc(&live, false).unwrap().leftovers, 1);
    assert!(b.elsewhere(&one.output).is_some() && b.elsewhere(&two.output).is_none());
    // What was computed here after all needs no note, and what is damaged is none of it.
    finish(&b, "one", "w");
    assert_eq!(b.elsewhere(&one.output), None);
    b.adopt(&finish(&a, "three", "u"), "there").unwrap();
    let three = finish(&a, "three", "u").output;
    let blob = b.objects().path(&three.entry("weights").unwrap().digest);
    fs::create_dir_all(blob.parent().unwrap()).unwrap();
    fs::write(blob, "other").unwrap();
    let damages = b.integrity(&three).unwrap().damages;
    assert!(!b.is_elsewhere(&three, &damages), "{damages:?}");
}

#[test]
fn of_two_writers_at_once_one_comes_first() {
    let key = signing(1);
    for (contents, same) in [(["w", "w"], true), (["v", "w"], false)] {
        for _ in 0..10 {
            let place = Place::new();
            let remote = place.remote();
            let stores = [place.store("a"), place.store("b")];
            let receipts = [0, 1].map(|at| finish(&stores[at], "one", contents[at]));
            let pushed = std::thread::scope(|scope| {
                let push = |at: usize| remote.push(&stores[at], &receipts[at], &key, &trust(&key));
                let other = scope.spawn(move || push(1).unwrap());
                [push(0).unwrap(), other.join().unwrap()]
            });
            let news = pushed.iter().filter(|one| matches!(one, Pushed::New { .. })).count();
            let others = pushed.iter().filter(|one| match one {
                Pushed::Same => same,
                Pushed::Diverged(_) => !same,
                _ => false,
            });
            assert_eq!((news, others.count()), (1, 1), "{pushed:?}");
            take(&remote, &place.store("c"), &trust(&key), &receipts[0]).unwrap();
        }
    }
}

#[test]
fn keys_are_files_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let key = Signing::generate().unwrap();
    key.write(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Signing::read(&path).unwrap().public(), key.public());
    assert_ne!(Signing::generate().unwrap().public(), key.public());
    assert!(key.write(&path).unwrap_err().to_string().starts_with("write "));
    assert!(!format!("{key:?}").contains(fs::read_to_string(&path).unwrap()[20..84].trim()));
    fs::write(folder.path().join("other"), "secret").unwrap();
    let error = Signing::read(&folder.path().join("other")).unwrap_err().to_string();
    assert!(error.contains("is no signing key: `titrate-signing-key` and 64"), "{error}");
    for text in ["", "00", &"0".repeat(64), &"g".repeat(64)] {
        assert!(text.parse::<PublicKey>().is_err(), "{text}");
    }
}

#[test]
fn the_configuration_is_found_upwards_and_says_what_is_wrong_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    fs::create_dir_all(&inner).unwrap();
    let file = folder.path().join("a/titrate.toml");
    let public = signing(1).public();
    let text = "[remote]\nurl = \"s3://bucket/x\"\nkey = \"secret\"\n";
    fs::write(&file, format!("{text}trusted = [\"{public}\"]\n")).unwrap();
    let config = Config::find(&inner).unwrap();
    assert_eq!(config.url.unwrap().to_string(), "s3://bucket/x");
    assert_eq!((config.trusted, config.key), (vec![public], Some(folder.path().join("a/secret"))));
    let mut said = String::new();
    for text in [
        "[remote]\nurls = \"x\"",
        "[other]",
        "[remote]\nurl = \"bucket\"",
        "[remote]\ntrusted = [\"12\"]",
    ] {
        fs::write(&file, text).unwrap();
        let error = Config::find(&inner).unwrap_err().to_string();
        said.push_str(&error.replace(&file.display().to_string(), "FILE"));
        said.push('\n');
    }
    expect![[r#"
        FILE: TOML parse error at line 2, column 1
          |
        2 | urls = "x"
          | ^^^^
        unknown field `urls`, expected one of `url`, `trusted`, `key`

        FILE: TOML parse error at line 1, column 2
          |
        1 | [other]
          |  ^^^^^
        unknown field `other`, expected `remote`

        FILE: `bucket` is no shared store: it has no scheme; file:///folder, s3://bucket/prefix or https://host/path expected
        FILE: `12` is no public key: 64 hexadecimal digits of an ed25519 key expected
    "#]]
    .assert_eq(&said);
}
