//! What reads bytes from outside: whatever they are, each returns, and refuses what it can't use by
//! an error.

#![allow(dead_code, reason = "a fuzz target runs one reader")]

use std::io::Cursor;
use std::path::{Component, Path};

use titrate::data::catalogue::Table;
use titrate::data::decode;
use titrate::data::sets::{ddi, fitzpatrick17k, folder};
use titrate::data::webdataset::{self, Sample, ShardError};
use titrate::metrics::Predictions;
use titrate::ml::checkpoint;
use titrate::ml::latent::{schedule, unet, vae};
use titrate::ml::text::clip;
use titrate::ml::text::settings::SettingsFiles;
use titrate::ml::text::tokenizer::{ClipTokenizer, Vocabulary};
use titrate::store::{Artifact, Receipt};
use titrate::study::Study;
use titrate::vocabulary::SkinTypeScale;

/// Annotation tables, each as every set's.
pub fn tables(bytes: &[u8]) {
    let Ok(table) = Table::read(bytes, "a.csv") else { return };
    for skin_type in [SkinTypeScale::Scale, SkinTypeScale::Centaur] {
        let whole = fitzpatrick17k::catalogue(&table, None, None, skin_type, &[]);
        let listed = fitzpatrick17k::catalogue(&table, Some(&table), None, skin_type, &[]);
        assert!(whole.is_ok() || listed.is_err(), "a list makes no table better");
    }
    let files = ["train/nevus/a.jpg", "test/nevus/b.png"].map(str::to_owned);
    for catalogue in
        [ddi::catalogue(&table, &[]), folder::catalogue(&files, None, Some(&table), &[], &[])]
    {
        for record in catalogue.map(|catalogue| catalogue.records).unwrap_or_default() {
            let within = Path::new(&record.file)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            assert!(within, "a picture outside of its set: {}", record.file);
        }
    }
}

/// Shards, and the pictures in them.
pub fn shards(bytes: &[u8]) {
    let read = webdataset::for_each_sample(
        Cursor::new(bytes),
        "a.tar",
        |sample: Sample| -> Result<(), ShardError> {
            // Decoding has a size limit of its own; what is large takes long and shows nothing new.
            if decode::header(&sample.picture, &sample.member)
                .is_ok_and(|header| header.memory() < 1 << 20)
            {
                let _ = decode::decode(&sample.picture, &sample.member);
            }
            Ok(())
        },
    );
    if read.is_ok() {
        let _ = webdataset::read_shard(bytes, "a.tar");
    }
}

/// Pictures as they come one by one.
pub fn pictures(bytes: &[u8]) {
    if decode::header(bytes, "a").is_ok_and(|header| header.memory() < 1 << 20) {
        let _ = decode::decode(bytes, "a");
    }
}

/// Study files.
pub fn studies(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("there is room for a study");
    let path = folder.path().join("study.toml");
    std::fs::write(&path, bytes).expect("there is room for a study");
    if let Ok(loaded) = Study::load(&path, &[]) {
        std::fs::write(&path, &loaded.resolved).expect("there is room for a study");
        let again = Study::load(&path, &[]).expect("a resolved study loads");
        assert!(again.study == loaded.study, "a resolved study is the study");
    }
}

/// JSON: a shard's record, configurations of pretrained models, vocabularies, the store's own
/// files.
pub fn json(bytes: &[u8]) {
    let mut shard = tar::Builder::new(Vec::new());
    for (name, bytes) in [("a.png", &b""[..]), ("a.json", bytes)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        shard.append_data(&mut header, name, bytes).expect("memory is written to");
    }
    let shard = shard.into_inner().expect("memory is written to");
    let _ = webdataset::for_each_sample(&shard[..], "a.tar", |_| Ok::<_, ShardError>(()));
    let _ = ClipTokenizer::new(bytes, b"#version: 0.2\na b\n", 77);
    if let Ok(vocabulary) = Vocabulary::from_tokenizer_json(bytes) {
        let files = SettingsFiles {
            config: Some(bytes),
            special_tokens: Some(bytes),
            added_tokens: Some(bytes),
        };
        let tokenizer = ClipTokenizer::of(&vocabulary, 77);
        let _ = tokenizer.and_then(|tokenizer| tokenizer.configured(files));
    }
    let _ = serde_json::from_slice::<Predictions>(bytes);
    let _ = Receipt::from_bytes(bytes, "a.json");
    let _ = Artifact::from_bytes(bytes, "a");
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = unet::Config::from_json(text);
        let _ = vae::Config::from_json(text);
        let _ = schedule::Config::from_json(text);
        let _ = clip::Config::from_json(text);
    }
}

/// Files of weights.
pub fn weights(bytes: &[u8]) {
    let _ = checkpoint::read(bytes);
}
