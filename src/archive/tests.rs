//! An archive gives back what went in, and names what was changed in it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rand::Rng;
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::*;
use crate::remote::Trust;
use crate::remote::tests::{Place, finish, signing, trust};
use crate::seed::Seed;
use crate::store::{Receipt, Store};

/// Results of a report and of a model with weights and a picture.
fn results(store: &Store) -> Vec<(String, Receipt)> {
    let report = finish(store, "report", "page");
    let mut model = finish(store, "model", "curve");
    let files = ["model.safetensors", "sheet.png", "curve.json"];
    let files = files.map(|name| (name.to_owned(), name.repeat(20).into_bytes())).into();
    model.output = store.objects().put_artifact(files).unwrap();
    model.inputs.insert("report".into(), report.output.digest());
    vec![("model".into(), model), ("report".into(), report)]
}

fn export<'a>(results: &'a [(String, Receipt)], all: bool) -> Export<'a> {
    Export {
        study: "toy",
        title: "A toy",
        resolved: "title = \"A toy\"\n",
        device: "cpu",
        sets: &[],
        lock: "lock",
        license: Some("https://example.org/license"),
        author: None,
        results,
        report: "report",
        weights: all,
        images: all,
        signing: None,
    }
}

/// The archive with a member changed and all checksums of the zip right.
fn rewritten(path: &Path, to: PathBuf, change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> PathBuf {
    let mut from = ZipArchive::new(File::open(path).unwrap()).unwrap();
    let mut zip = ZipWriter::new(File::create(&to).unwrap());
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let names: Vec<_> = from.file_names().map(|name| name.unwrap().into_owned()).collect();
    for name in names {
        let mut bytes = Vec::new();
        from.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(&change(&name, bytes)).unwrap();
    }
    zip.finish().unwrap();
    to
}

#[test]
fn what_is_left_out_is_counted_and_what_is_in_comes_back() {
    let place = Place::new();
    let store = place.store("a");
    let results = results(&store);
    let path = place.folder.path().join("small.zip");
    let small = export(&results, false).write(&store, &path).unwrap();
    assert_eq!((small.left_out.weights, small.left_out.images, small.objects), (1, 1, 3));
    assert_eq!(small.left_out.bytes, 20 * ("model.safetensors".len() + "sheet.png".len()) as u64);
    let whole = place.folder.path().join("whole.zip");
    let all = export(&results, true).write(&store, &whole).unwrap();
    assert_eq!((all.left_out, all.objects), (LeftOut::default(), 5));
    let again = place.folder.path().join("again.zip");
    export(&results, true).write(&store, &again).unwrap();
    assert!(fs::read(&whole).unwrap() == fs::read(&again).unwrap(), "equal archives");

    let mut archive = Archive::open(&path).unwrap();
    let everyone = Trust { keys: vec![], everyone: true };
    let (label, model) = &results[0];
    assert_eq!(archive.receipt(&everyone, label, &model.key).unwrap(), *model);
    let other = place.store("b");
    for entry in model.output.entries() {
        let here = archive.take_in(&other, label, &entry.name, &entry.digest).unwrap();
        assert_eq!(here, entry.name == "curve.json", "{}", entry.name);
        assert_eq!(other.objects().stat(&entry.digest).unwrap().is_some(), here);
    }
    assert!(archive.verify(&|_| None).is_empty());
}

#[test]
fn receipts_of_an_archive_are_believed_as_those_of_a_shared_store_are() {
    let place = Place::new();
    let store = place.store("a");
    let results = results(&store);
    let (label, model) = &results[0];
    let key = signing(1);
    for (signed, trusted, said) in [
        (false, true, Some("it is not signed")),
        (true, true, None),
        (true, false, Some("which is not among the trusted keys")),
    ] {
        let path = place.folder.path().join(format!("{signed}-{trusted}.zip"));
        let signing = signed.then_some(&key);
        Export { signing, ..export(&results, false) }.write(&store, &path).unwrap();
        let trust = if trusted { trust(&key) } else { trust(&signing_of_another()) };
        let receipt = Archive::open(&path).unwrap().receipt(&trust, label, &model.key);
        match said {
            None => assert_eq!(receipt.unwrap(), *model),
            Some(said) => {
                let error = receipt.unwrap_err().to_string();
                assert!(error.contains(said) && error.contains("(model)"), "{error}");
            }
        }
    }
}

fn signing_of_another() -> crate::remote::Signing {
    signing(2)
}

#[test]
fn one_byte_of_one_weight_is_named() {
    let place = Place::new();
    let store = place.store("a");
    let results = results(&store);
    let path = place.folder.path().join("a.zip");
    export(&results, true).write(&store, &path).unwrap();
    let model = &results[0].1.output;
    let weights = model.entry("model.safetensors").unwrap();
    let owner = |digest: &crate::id::Digest| {
        model.entries().iter().find(|entry| entry.digest == *digest).map(|entry| entry.name.clone())
    };
    let flip = |name: &str, mut bytes: Vec<u8>| {
        if name.ends_with(&weights.digest.to_string()) {
            bytes[7] ^= 1;
        }
        bytes
    };
    // In the file as it lies, where the zip's checksum tells; and by one who mends that.
    let mut raw = fs::read(&path).unwrap();
    let text = b"model.safetensorsmodel.safetensors";
    let at = raw.windows(text.len()).position(|part| part == text).unwrap();
    raw[at + 7] ^= 1;
    let damaged = place.folder.path().join("damaged.zip");
    fs::write(&damaged, raw).unwrap();
    let forged = rewritten(&path, place.folder.path().join("forged.zip"), flip);
    for path in [damaged, forged] {
        let mut archive = Archive::open(&path).unwrap();
        let wrong = archive.verify(&owner);
        let said = wrong.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(said.len() == 1 && said[0].contains("(model.safetensors) is refused"), "{said:?}");
        let other = place.store("b");
        let error = archive.take_in(&other, "model", "model.safetensors", &weights.digest);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("(model: model.safetensors) is refused"), "{error}");
        assert_eq!(other.objects().stat(&weights.digest).unwrap(), None);
    }
}

/// Whatever byte of an archive is changed: what can be taken from it is what went in.
#[test]
fn no_changed_byte_gives_other_results() {
    let place = Place::new();
    let store = place.store("a");
    let results = results(&store);
    let path = place.folder.path().join("a.zip");
    export(&results, true).write(&store, &path).unwrap();
    let (honest, changed) = (fs::read(&path).unwrap(), place.folder.path().join("changed.zip"));
    let everyone = Trust { keys: vec![], everyone: true };
    let mut rng = Seed::of_study(23).rng();
    let mut opened = 0;
    for _ in 0..500 {
        let mut bytes = honest.clone();
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        fs::write(&changed, bytes).unwrap();
        let Ok(mut archive) = Archive::open(&changed) else { continue };
        opened += 1;
        for (label, receipt) in &results {
            // One who is believed unsigned may have written anything, but not by one byte.
            let found = archive.receipt(&everyone, label, &receipt.key);
            assert!(found.is_err() || found.is_ok_and(|found| found == *receipt), "byte {at}");
            for entry in receipt.output.entries() {
                if let Ok(Some(bytes)) = archive.object(label, &entry.name, &entry.digest) {
                    assert_eq!(crate::id::Digest::of(&bytes), entry.digest, "byte {at}");
                }
            }
        }
    }
    assert!(opened > 100, "{opened} of 500 could be opened");
}

#[test]
fn what_is_no_archive_is_refused() {
    let place = Place::new();
    let store = place.store("a");
    let results = results(&store);
    let path = place.folder.path().join("a.zip");
    export(&results, false).write(&store, &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let changed = |name: &str, from: &'static str, to: &'static str| {
        rewritten(&path, place.folder.path().join(name), move |member, bytes| {
            let text = String::from_utf8_lossy(&bytes).replace(from, to);
            if member == "titrate.json" { text.into_bytes() } else { bytes }
        })
    };
    let cut = place.folder.path().join("cut.zip");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    for (path, said) in [
        (cut, "is no archive of a study"),
        (changed("format.zip", "\"titrate_archive\": 1", "\"titrate_archive\": 7"), "format 7"),
        (changed("key.zip", "\"study\"", "\"studio\""), "unknown field"),
        (changed("stranger.zip", "report/", "other/"), "does not name it"),
    ] {
        let error = Archive::open(&path).map(drop).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(Archive::open(&place.folder.path().join("none.zip")).is_err());
}

/// What readers of RO-Crates ask for: the descriptor, the root, and every part that is named.
#[test]
fn the_metadata_names_every_member_and_nothing_else() {
    let place = Place::new();
    let store = place.store("a");
    let results = results(&store);
    let path = place.folder.path().join("a.zip");
    export(&results, true).write(&store, &path).unwrap();
    let mut zip = ZipArchive::new(File::open(&path).unwrap()).unwrap();
    let members = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    let text = std::io::read_to_string(zip.by_name("ro-crate-metadata.json").unwrap()).unwrap();
    check_metadata(&text, members);
    // Beside a report it names the report's files and no receipts.
    let text = String::from_utf8(export(&results, true).beside_report()).unwrap();
    let report = results.iter().find(|(label, _)| label == "report").unwrap().1.output.entries();
    let files = report.iter().map(|entry| entry.name.clone());
    check_metadata(&text, files.chain(["study.toml".to_owned()]).collect());
}

fn check_metadata(text: &str, mut members: Vec<String>) {
    let document: Value = serde_json::from_str(text).unwrap();
    let graph = document["@graph"].as_array().unwrap();
    let of = |id: &str| graph.iter().find(|entity| entity["@id"] == id).unwrap();
    assert_eq!(of("ro-crate-metadata.json")["about"]["@id"], "./");
    let mut parts: Vec<_> = of("./")["hasPart"].as_array().unwrap().iter().collect();
    parts.sort_by_key(|part| part["@id"].as_str());
    members.retain(|name| name != "ro-crate-metadata.json");
    members.sort();
    assert_eq!(parts.iter().map(|part| part["@id"].as_str().unwrap()).collect::<Vec<_>>(), members);
    // Every entity that is named is described, and each once.
    let mut ids: Vec<_> = graph.iter().map(|entity| entity["@id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let mut named = Vec::new();
    graph.iter().for_each(|entity| references(entity, &mut named));
    for name in named.iter().filter(|name| *name != "https://w3id.org/ro/crate/1.1") {
        assert!(ids.contains(&name.as_str()), "{name} is not described");
    }
    let actions = graph.iter().filter(|entity| entity["@type"] == "CreateAction");
    let actions: Vec<_> = actions.map(|entity| entity["name"].as_str().unwrap()).collect();
    assert_eq!(actions, ["model", "report"]);
    assert_eq!(of("./")["license"]["@id"], "https://example.org/license");
    assert_eq!(of("./")["datePublished"], "1970-01-01T00:00:00+00:00");
}

fn references(value: &Value, named: &mut Vec<String>) {
    match value {
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("@id") => {
            named.extend(fields["@id"].as_str().map(str::to_owned));
        }
        Value::Object(fields) => fields.values().for_each(|field| references(field, named)),
        Value::Array(items) => items.iter().for_each(|item| references(item, named)),
        _ => {}
    }
}
