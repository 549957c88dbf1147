//! Shards that the Python package webdataset reads, and shards that it wrote.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use titrate::data::webdataset::{self, ShardError, write_shard};
use titrate::data::{Item, RgbImage, Synthetic, decode};

use crate::{lacks, python};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/webdataset_round_trip.py");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn items() -> Vec<Item> {
    let synthetic = |index: u32| Synthetic {
        name: format!("lichen-planus-{index:05}-dreambooth-inpaint-07"),
        md5hash: format!("lichen-planus-{index:05}"),
        method: "inpaint".to_owned(),
        submethod: "dreambooth".to_owned(),
        generation_num: 7,
        tag: String::new(),
    };
    let item = |index: u32| Item {
        id: format!("lichen-planus-{index:05}"),
        label: "lichen planus".to_owned(),
        fst: index as u8 % 7,
        malignant: Some(index % 2 == 1),
        patient: ["", "p7"][usize::from(index == 0)].to_owned(),
        caption: "An image of lichen planus, a skin disease – \"quoted\"".to_owned(),
        source: "phantom".to_owned(),
        image: RgbImage {
            width: 7,
            height: 5,
            pixels: (0..105).map(|byte: u32| (byte * 37 + index) as u8).collect(),
        },
        synthetic: (index > 1).then(|| synthetic(index)),
    };
    (0..4).map(item).collect()
}

/// What Python is to find of an item.
fn expected(item: &Item) -> Value {
    let Item { id, label, fst, malignant, patient, caption, source, image, synthetic } = item;
    let mut record = json!({ "id": id, "label": label, "fst": fst, "malignant": malignant, "caption": caption, "source": source });
    if !patient.is_empty() {
        record["patient"] = json!(patient);
    }
    if let Some(Synthetic { name, md5hash, method, submethod, generation_num, tag }) = synthetic {
        let made = json!({
            "name": name, "md5hash": md5hash, "method": method, "submethod": submethod, "generation_num": generation_num, "tag": tag,
        });
        record.as_object_mut().unwrap().extend(made.as_object().unwrap().clone());
    }
    json!({ "key": id, "record": record, "pixels": hex(&image.pixels) })
}

#[test]
fn shards_go_to_python_and_come_from_there() {
    if lacks("webdataset, PIL, numpy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let [ours, list] = ["ours.tar", "ours.json"].map(|name| folder.path().join(name));
    let items = items();
    fs::write(&ours, write_shard(&items).unwrap()).unwrap();
    fs::write(&list, Value::from_iter(items.iter().map(expected)).to_string()).unwrap();
    let asked = Command::new(python()).arg(SCRIPT).args([&ours, &list, &theirs]).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));

    let written: Vec<Value> =
        serde_json::from_slice(&fs::read(theirs.join("theirs.json")).unwrap()).unwrap();
    let mut written = written.iter();
    for shard in 0..3 {
        let name = format!("theirs-{shard:05}.tar");
        let file = fs::File::open(theirs.join(&name)).unwrap();
        webdataset::for_each_sample(file, &name, |sample| -> Result<(), ShardError> {
            let expected = written.next().expect("as many as were written");
            assert_eq!(sample.key, expected["key"]);
            let record = sample.fields.record().unwrap();
            assert_eq!(
                (&Value::from(record.label), record.fst),
                (&expected["record"]["label"], 1 + (sample_number(&sample.key) % 6) as u8)
            );
            let image = decode::decode(&sample.picture, &sample.member).unwrap();
            let pixels = image.pixels.iter();
            let theirs = expected["pixels"].as_str().unwrap().as_bytes().chunks(2);
            let theirs = theirs
                .map(|digits| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap());
            let furthest =
                pixels.zip(theirs).map(|(ours, theirs)| ours.abs_diff(theirs)).max().unwrap();
            // Decoders are free in how they widen a JPEG's halved colours.
            assert!(
                furthest <= if expected["extension"] == "jpg" { 6 } else { 0 },
                "{} is off by {furthest}",
                sample.member
            );
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(written.count(), 0);
    audit(folder.path());
}

fn sample_number(key: &str) -> usize {
    key.rsplit('/').next().unwrap_or(key).parse().unwrap()
}

/// Their shards as a study's real images.
fn audit(folder: &std::path::Path) {
    let smoke = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/smoke.toml");
    let images = "source = \"webdataset\"\npath = \"theirs\"\nplentiful = 0\npool = 4\nvalidation = 2\nheld_out = 4\nignored_columns = [\"extra\"]\n";
    fs::write(folder.join("study.toml"), format!("extends = {smoke:?}\n[images]\n{images}"))
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_titrate"));
    let command = command
        .args(["data", "check", "study.toml", "--store", "store", "--out", "audit"])
        .current_dir(folder);
    let output = command.env("TITRATE_WORKSPACE", folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("36 pictures of the study's 3 classes"), "{said}");
    assert!(said.contains("12 JPEG, 12 PNG and 12 WebP"), "{said}");
}
