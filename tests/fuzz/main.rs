//! The readers of bytes from outside under mutations of what they are meant for. `cargo fuzz`
//! explores the same ones further, where a nightly toolchain has it: `cargo fuzz run --fuzz-dir
//! tests/fuzz shards`.

mod readers;

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::Rng;
use titrate::seed::Seed;

/// Mutations of each reader's seeds, unless `TITRATE_FUZZ_ROUNDS` says another number.
const ROUNDS: usize = 50_000;
/// What no input may make this process take: bytes.
const MOST_MEMORY: u64 = 1 << 30;
/// What the mutations are drawn from, unless `TITRATE_FUZZ_SEED` says another number.
const SEED: u64 = 1;

/// The number that a variable has.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}: a number expected")))
}

const TABLES: [&str; 3] = [
    "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,three_partition_label\r\n\
     5e82a45bc5d78bd24ae9202d194423f8,3,-1,psoriasis,non-neoplastic\r\nfa2911a9b13b6f8af79cb700937cc14f,1,2,\"a, b\",malignant\r\n",
    ",DDI_ID,DDI_file,skin_tone,malignant,disease\n0,1,000001.png,56,True,melanoma\n1,2,000002.png,12,False,nevus\n",
    "file,fst,patient,malignant\ntrain/nevus/a.jpg,5,p1,no\ntest/nevus/b.png,,p2,yes\n",
];

fn fixtures(paths: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let read = |path: PathBuf| {
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(|path| read(root.join(path))).collect()
}

const RECORD: &str = r#"{"label":"psoriasis","fst":3,"malignant":false,"name":"a.png","md5hash":"5e","method":"finetune_inpaint",
    "submethod":"inpaint","generation_num":"07","tag":"generations1"}"#;

/// A tokenizer.json with what else a tokenizer's files say, for all readers of them at once.
const TOKENIZER: &str = r#"{"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0,"<|startoftext|>":1},"merges":[["a","b"],"a b"]},
    "normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"}]},
    "added_tokens":[{"id":2,"content":"<|endoftext|>"}],"model_max_length":77,"pad_token":{"content":"a"},
    "model_type":"clip_text_model","eos_token_id":[2,3]}"#;

fn shard() -> Vec<u8> {
    let mut shard = tar::Builder::new(Vec::new());
    for name in ["rgb.jpg", "alpha.png", "lossy.webp", "animated.gif"] {
        let picture = fixtures(&[&format!("pictures/{name}")]).remove(0);
        let record = format!("{}.json", name.split('.').next().unwrap());
        for (name, bytes) in [(name, &picture[..]), (&record, RECORD.as_bytes())] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            shard.append_data(&mut header, name, bytes).unwrap();
        }
    }
    shard.into_inner().unwrap()
}

/// One to four changes: bits, bytes, digits that are too many, stretches that are gone, doubled or
/// another seed's.
fn mutated(seeds: &[Vec<u8>], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let end = (at + rng.random_range(1..=64)).min(bytes.len());
        match rng.random_range(0..8) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let stretch = bytes[at..end].to_vec();
                bytes.splice(at..at, stretch);
            }
            5 => {
                let numbers = ["-1", "99999999999999999999", "4294967296", "1e999", "NaN", "0x7f"];
                let number = numbers[rng.random_range(0..numbers.len())];
                bytes.splice(at..at, number.bytes());
            }
            6 => bytes[at..end].fill([0, 0xff, b'7', b'"'][rng.random_range(0..4)]),
            _ => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..other.len());
                bytes.splice(at..end, other[from..(from + 64).min(other.len())].iter().copied());
            }
        }
    }
    bytes
}

/// Every reader lives through every mutation; one that does not is written beside the test for a
/// closer look.
fn survive(name: &str, seeds: &[Vec<u8>], reader: fn(&[u8])) {
    let seed = number("TITRATE_FUZZ_SEED").unwrap_or(SEED);
    let rounds = number("TITRATE_FUZZ_ROUNDS").map_or(ROUNDS, |rounds| rounds as usize);
    // A study is a file and takes milliseconds.
    let rounds = if name == "studies" { rounds / 5 } else { rounds };
    let mut longest = Duration::ZERO;
    let mut rng = Seed::of_study(seed).child(name).rng();
    for round in 0..rounds {
        let bytes =
            if round < seeds.len() { seeds[round].clone() } else { mutated(seeds, &mut rng) };
        let started = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| reader(&bytes))).is_err() {
            let path = std::env::temp_dir().join(format!("titrate-fuzz-{name}-{round}"));
            fs::write(&path, &bytes).unwrap();
            panic!("{name}: round {round} is in {}", path.display());
        }
        longest = longest.max(started.elapsed());
    }
    let peak = peak_memory();
    let _ = writeln!(
        std::io::stderr(),
        "{name}: {rounds} inputs, the slowest took {longest:.0?}; at most {} MB so far, of all readers",
        peak / 1_000_000
    );
    assert!(peak < MOST_MEMORY, "{name}: {peak} bytes");
}

/// The most memory that this process had, in bytes; 0 where the system doesn't say.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}

#[test]
fn tables() {
    survive("tables", &TABLES.map(|table| table.as_bytes().to_vec()), readers::tables);
}

#[test]
fn shards() {
    survive("shards", &[shard()], readers::shards);
}

/// Pictures of many formats; the seeds that are mutated are small.
#[test]
fn pictures() {
    let names = [
        "alpha.png",
        "animated.gif",
        "animated.png",
        "animated.webp",
        "bilevel.png",
        "cmyk.jpg",
        "exif-6.jpg",
        "exif-6.png",
        "exif-6.webp",
        "grey-alpha.png",
        "grey.bmp",
        "lossy.webp",
        "palette.bmp",
        "palette.png",
        "progressive.jpg",
        "rgb.bmp",
        "transparent.gif",
    ];
    survive(
        "pictures",
        &fixtures(&names.map(|name| format!("pictures/{name}")).each_ref().map(String::as_str)),
        readers::pictures,
    );
}

#[test]
fn studies() {
    let names = ["quick", "smoke", "paper-sweep", "fashion-mnist", "base"];
    let mut seeds = fixtures(
        &names.map(|name| format!("../../experiments/{name}.toml")).each_ref().map(String::as_str),
    );
    // A file that is not there would be all that is read of it.
    seeds.iter_mut().for_each(|seed| {
        let text = String::from_utf8(std::mem::take(seed)).unwrap();
        let kept = text.lines().filter(|line| !line.starts_with("extends"));
        *seed = kept.collect::<Vec<_>>().join("\n").into_bytes();
    });
    survive("studies", &seeds, readers::studies);
}

#[test]
fn json() {
    let mut seeds = fixtures(&[
        "stable_diffusion/sd21/unet/config.json",
        "stable_diffusion/sd21/vae/config.json",
        "stable_diffusion/sd21/scheduler/scheduler_config.json",
        "../../experiments/base/unet/receipt.json",
    ]);
    seeds.push(RECORD.into());
    seeds.push(TOKENIZER.into());
    seeds.push(br#"{"a":0,"b":1,"ab":2,"<|startoftext|>":3,"<|endoftext|>":4}"#.to_vec());
    seeds.push(
        br#"{"classes":["a","b"],"images":[{"id":"x","label":1,"probabilities":[0.25,0.75],"fst":3,"malignant":true,"patient":"p1"}]}"#.to_vec(),
    );
    survive("json", &seeds, readers::json);
}

#[test]
fn weights() {
    survive(
        "weights",
        &fixtures(&[
            "checkpoint/archive.pth",
            "checkpoint/legacy.pth",
            "checkpoint/module.pth",
            "checkpoint/expected.safetensors",
        ]),
        readers::weights,
    );
}
