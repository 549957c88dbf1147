//! A kind's VERSION follows its source: versions.toml holds a fingerprint of the code that decides
//! each kind's output, and a change of it has to be met by a raised VERSION or by a reason why the
//! output stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use expect_test::expect;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde::{Deserialize, Serialize};
use titrate::plan::{Numerics, kinds};

use crate::items::{Counted, Reach};
use crate::source::{Crate, included};

/// Decides every output, so it belongs to every kind.
const EVERYWHERE: &[&str] = &["seed.rs"];

/// Gives a step the bytes that a digest names, or an error: decides none.
const NEVER: &[&str] = &["store/", "exec/"];

/// Serves everything that a study says, so that a kind's source is what it uses there and no more:
/// the types of its parameters, and the functions that it calls.
const BY_ITEM: &[&str] = &["lib.rs", "plan/", "study/", "steps/mod.rs", "vocabulary/"];

fn counted(file: &str) -> Counted {
    let among = |list: &[&str]| list.iter().any(|start| file.starts_with(start));
    match (among(NEVER), among(BY_ITEM)) {
        (true, _) => Counted::Never,
        (_, true) => Counted::ByItem,
        _ => Counted::Whole,
    }
}

/// What versions.toml says about one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    version: u32,
    fingerprint: String,
    /// Why changes since this version was raised leave the output as it is, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    output_neutral: Vec<String>,
}

type Records = BTreeMap<String, Record>;

/// A kind as this test sees it; the program's are in [`kinds::ALL`].
#[derive(Clone, Copy)]
struct Kind<'a> {
    name: &'a str,
    version: u32,
    sources: &'a [&'a str],
}

fn kinds() -> Vec<Kind<'static>> {
    let step = |kind: &kinds::Kind| &*Box::leak(Box::new([&*kind.source().leak()]));
    let all = kinds::ALL.iter();
    all.map(|kind| Kind { name: kind.name, version: kind.version, sources: step(kind) }).collect()
}

fn source() -> Crate {
    Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

fn records_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/house/versions.toml")
}

/// What decides a kind's output: the files that it lists, and whatever they use.
fn reach<'a>(source: &'a Crate, kind: &Kind) -> Reach<'a> {
    let listed = kind.sources.iter().chain(EVERYWHERE).flat_map(|listed| source.listed(listed));
    Reach::of(source, listed, counted)
}

/// BLAKE3 of the kind's tokens, file by file and item by item, and of the files they include.
/// Comments, layout, documentation and tests do not count.
fn fingerprint(source: &Crate, kind: &Kind) -> String {
    let reach = reach(source, kind);
    let mut hasher = blake3::Hasher::new();
    let mut enter = |head: String, tokens: TokenStream, file: &str| {
        let mut text = head;
        write_tokens(tokens.clone(), &mut text);
        hasher.update(text.as_bytes());
        let mut includes = Vec::new();
        included(tokens, &mut includes);
        for name in includes {
            let path = source.root().join(file).with_file_name(name);
            let bytes = fs::read(&path);
            hasher.update(&bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    };
    for file in reach.files.values() {
        enter(format!("file {}\n", file.file), file.tokens.clone(), &file.file);
    }
    // Not by file: an item that moves is the same item.
    let mut items = reach.items.iter().collect::<Vec<_>>();
    items.sort_by_key(|(_, item)| (item.owner.as_deref(), item.name.as_str()));
    for ((file, _), item) in items {
        let owner = item.owner.as_deref().unwrap_or_default();
        enter(format!("item {owner} {}\n", item.name), item.tokens.clone(), file);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// One token a line; a comma before a closing bracket is layout.
fn write_tokens(tokens: TokenStream, text: &mut String) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(tree) = tokens.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(\n", ")\n"),
                    Delimiter::Brace => ("{\n", "}\n"),
                    Delimiter::Bracket => ("[\n", "]\n"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_tokens(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' && tokens.peek().is_none() => {}
            other => text.extend([other.to_string().as_str(), "\n"]),
        }
    }
}

/// What stands between the kinds and their records.
fn complaints(source: &Crate, kinds: &[Kind], records: &Records) -> Vec<String> {
    let mut complaints = Vec::new();
    for kind in kinds {
        let name = kind.name;
        match records.get(name) {
            None => complaints.push(format!("{name}: not recorded yet: run `cargo xtask versions`")),
            Some(record) if kind.version < record.version => {
                complaints.push(format!("{name}: VERSION went back from {} to {}", record.version, kind.version));
            }
            Some(record) if kind.version > record.version => {
                complaints.push(format!("{name}: VERSION was raised to {}: run `cargo xtask versions`", kind.version));
            }
            Some(record) if fingerprint(source, kind) != record.fingerprint => complaints.push(format!(
                "{name}: its source changed and VERSION is still {}. If its output can change, raise VERSION in src/plan/kinds/ \
                 and run `cargo xtask versions`; if not, run `cargo xtask versions --acknowledge {name} --output-neutral \"why\"`",
                kind.version
            )),
            Some(_) => {}
        }
    }
    let known: BTreeSet<&str> = kinds.iter().map(|kind| kind.name).collect();
    let gone = records.keys().filter(|name| !known.contains(name.as_str()));
    complaints.extend(gone.map(|name| {
        format!("{name}: recorded, but there is no such kind: run `cargo xtask versions`")
    }));
    complaints
}

/// Records new kinds and raised versions, and drops kinds that are gone. A changed source alone is
/// not recorded.
fn record(source: &Crate, kinds: &[Kind], records: &mut Records) {
    records.retain(|name, _| kinds.iter().any(|kind| kind.name == name));
    for kind in kinds {
        if records.get(kind.name).is_none_or(|record| kind.version > record.version) {
            let fingerprint = fingerprint(source, kind);
            records.insert(
                kind.name.to_owned(),
                Record { version: kind.version, fingerprint, output_neutral: Vec::new() },
            );
        }
    }
}

/// Records the changed source of `name` (or of `all` kinds) under its old version, with the reason.
fn acknowledge(source: &Crate, kinds: &[Kind], records: &mut Records, name: &str, why: &str) {
    let chosen: Vec<&Kind> =
        kinds.iter().filter(|kind| name == "all" || kind.name == name).collect();
    assert!(!chosen.is_empty(), "no kind is called `{name}`");
    for kind in chosen {
        let now = fingerprint(source, kind);
        if let Some(record) = records.get_mut(kind.name).filter(|record| record.fingerprint != now)
        {
            record.fingerprint = now;
            record.output_neutral.push(why.to_owned());
        }
    }
}

#[test]
fn versions_follow_the_source() {
    let (source, kinds) = (source(), kinds());
    let text = fs::read_to_string(records_path()).unwrap_or_default();
    let mut records: Records = toml_edit::de::from_str(&text).unwrap();
    let before = records.clone();
    match env::var("TITRATE_VERSIONS").as_deref() {
        Ok("record") => record(&source, &kinds, &mut records),
        Ok("acknowledge") => {
            let (name, why) = (
                env::var("TITRATE_VERSIONS_KIND").unwrap(),
                env::var("TITRATE_VERSIONS_WHY").unwrap(),
            );
            acknowledge(&source, &kinds, &mut records, &name, &why);
        }
        _ => {}
    }
    if records != before {
        let head = "# Written by `cargo xtask versions`: the source of each kind of task at its VERSION.\n\n";
        fs::write(
            records_path(),
            format!("{head}{}", toml_edit::ser::to_string_pretty(&records).unwrap()),
        )
        .unwrap();
    }
    let complaints = complaints(&source, &kinds, &records);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The key says which tensor library computed a result: the one that Cargo.lock builds.
#[test]
fn the_tensor_library_in_keys_is_the_one_built() {
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let lock: toml_edit::DocumentMut = lock.parse().unwrap();
    let packages = lock["package"].as_array_of_tables().unwrap();
    let candle = packages.iter().find(|package| package["name"].as_str() == Some("candle-core"));
    let version = candle.and_then(|package| package["version"].as_str()).unwrap();
    let said = Numerics::cpu().backend;
    assert_eq!(said, format!("candle {version}"), "src/plan/numerics.rs names another version");
}

#[test]
fn what_a_kind_lists_exists() {
    let source = source();
    for kind in kinds() {
        for listed in kind.sources {
            assert!(
                !source.listed(listed).is_empty(),
                "src/plan/kinds/: `{}` lists src/{listed}, which does not exist",
                kind.name
            );
        }
    }
}

const STEP: &str = "use crate::data::Image;\nuse super::shared;\n/// Doubles.\npub fn run(x: f64) -> f64 {\n    shared::twice(x, 2.0)\n}\n";

const SHARED: &str = "pub fn twice(x: f64, by: f64) -> f64 { x * by }";

/// A source tree of one step with this text, and a helper that it uses.
fn toy(step: &str, shared: &str) -> Crate {
    let texts = [
        ("steps/mod.rs", "mod other; mod shared; mod toy; pub use other::Other;"),
        ("steps/toy.rs", step),
        ("steps/shared.rs", shared),
        ("steps/other.rs", "use crate::data::Sheet; pub struct Other;"),
        ("data/mod.rs", "mod image; mod sheet; pub use image::Image; pub use sheet::Sheet;"),
        ("data/image.rs", "pub struct Image;"),
        ("data/sheet.rs", "pub struct Sheet;"),
        ("seed.rs", "pub struct Seed;"),
    ];
    Crate::from_texts(
        Path::new("src"),
        texts.map(|(file, text)| (file.to_owned(), text.to_owned())),
    )
}

const TOY: Kind = Kind { name: "toy", version: 1, sources: &["steps/toy.rs"] };

#[test]
fn what_a_step_uses_is_its_source() {
    let source = toy(STEP, SHARED);
    let reach = reach(&source, &TOY);
    let files: Vec<&str> = reach.files.keys().copied().collect();
    assert_eq!(files, ["data/image.rs", "seed.rs", "steps/shared.rs", "steps/toy.rs"]);
    assert_ne!(
        fingerprint(&source, &TOY),
        fingerprint(&toy(STEP, &SHARED.replace("x * by", "x + by")), &TOY)
    );
}

/// A step whose parameters are a study's types, behind re-exports.
const STUDIOUS: &str = "
use crate::plan::params;
use crate::{study, store::Objects};
pub fn run(params: params::Toy, objects: &Objects) -> usize {
    objects.read(match params.way { study::Way::Short => 1, _ => *study::Way::longest() });
    params.training.batch_of(7)
}";

const PARAMS: &str = "
use crate::study::{Classifier, Way};
#[derive(Deserialize)]
pub struct Toy { #[serde(default = \"long\")] pub way: Way, pub training: Classifier }
pub struct Other { pub unused: u8 }
fn long() -> Way { Way::Long }";

const CLASSIFIER: &str = "
use super::design::half;
#[derive(Deserialize)] #[serde(rename_all = \"kebab-case\")]
pub enum Way { Short, Long }
impl Way { pub fn longest() -> &'static usize { &99 } pub fn shortest() -> usize { 1 } }
pub struct Classifier { pub batch: usize }
impl Classifier { pub fn batch_of(&self, n: usize) -> usize { half(n).min(Self::MOST) } const MOST: usize = 5; }
impl From<u8> for Classifier { fn from(batch: u8) -> Self { Self { batch: batch.into() } } }
impl Classifier { pub fn epochs(&self) -> usize { 3 } }";

const DESIGN: &str =
    "pub fn half(n: usize) -> usize { n / 2 } pub fn third(n: usize) -> usize { n / 3 }";

/// A source tree of one step that reads a study's types.
fn studious(params: &str, classifier: &str, design: &str) -> Crate {
    let texts = [
        ("steps/mod.rs", "mod toy;"),
        ("steps/toy.rs", STUDIOUS),
        ("plan/mod.rs", "pub mod params;"),
        ("plan/params.rs", params),
        ("study/mod.rs", "mod design; mod schema; pub use schema::*;"),
        ("study/schema/mod.rs", "mod classifier; pub use classifier::*; pub struct Images;"),
        ("study/schema/classifier.rs", &classifier.replace("super::", "super::super::")),
        ("study/design.rs", design),
        ("store/mod.rs", "pub struct Objects; impl Objects { pub fn read(&self, n: usize) {} }"),
        ("seed.rs", "pub struct Seed;"),
    ];
    let texts = texts.map(|(file, text)| (file.to_owned(), text.to_owned()));
    Crate::from_texts(Path::new("src"), texts)
}

#[test]
fn what_a_step_uses_of_a_study_is_its_source() {
    let of = |params: &str, classifier: &str, design: &str| {
        fingerprint(&studious(params, classifier, design), &TOY)
    };
    let source = studious(PARAMS, CLASSIFIER, DESIGN);
    let reach = reach(&source, &TOY);
    let found = reach.items.values().map(|item| match &item.owner {
        Some(owner) => format!("{owner}::{}", item.name),
        None => item.name.clone(),
    });
    expect![[r#"
        Toy long half Way Way::longest Classifier Classifier::batch_of Classifier::MOST Classifier::from"#]]
    .assert_eq(&found.collect::<Vec<_>>().join(" "));

    let before = of(PARAMS, CLASSIFIER, DESIGN);
    for (what, counts, after) in [
        ("a function called", true, of(PARAMS, &CLASSIFIER.replace("half(n)", "n"), DESIGN)),
        ("what that calls", true, of(PARAMS, CLASSIFIER, &DESIGN.replace("n / 2", "n / 4"))),
        ("a constant", true, of(PARAMS, &CLASSIFIER.replace("= 5", "= 6"), DESIGN)),
        ("a function by path", true, of(PARAMS, &CLASSIFIER.replace("99", "98"), DESIGN)),
        ("how a type is read", true, of(PARAMS, &CLASSIFIER.replace("kebab", "snake"), DESIGN)),
        ("a default", true, of(&PARAMS.replace("Way::Long", "Way::Short"), CLASSIFIER, DESIGN)),
        ("a foreign trait", true, of(PARAMS, &CLASSIFIER.replace(".into()", "as _"), DESIGN)),
        ("a function of nobody", false, of(PARAMS, CLASSIFIER, &DESIGN.replace("n / 3", "n"))),
        ("another of the type", false, of(PARAMS, &CLASSIFIER.replace("{ 3 }", "{ 4 }"), DESIGN)),
        ("one by path", false, of(PARAMS, &CLASSIFIER.replace("{ 1 }", "{ 2 }"), DESIGN)),
        ("other parameters", false, of(&PARAMS.replace("u8", "u16"), CLASSIFIER, DESIGN)),
    ] {
        assert_eq!(before != after, counts, "{what}");
    }
}

/// What was not seen when a study's types did not count at all.
#[test]
fn the_source_of_real_kinds_has_what_a_study_decides() {
    let source = source();
    for (kind, item) in [("classifier", "batch_of"), ("generate", "name"), ("check", "name")] {
        let kinds = kinds();
        let kind = kinds.iter().find(|known| known.name == kind).unwrap();
        let reach = reach(&source, kind);
        let mut names = reach.items.values().map(|found| found.name.as_str());
        assert!(names.any(|name| name == item), "{}: {item} does not count", kind.name);
    }
}

#[test]
fn only_code_counts() {
    let same =
        |step: &str| fingerprint(&toy(step, SHARED), &TOY) == fingerprint(&toy(STEP, SHARED), &TOY);
    assert!(same(
        &STEP.replace("Doubles.", "Twice as much.").replace("    shared", "// so\n  shared")
    ));
    assert!(same(&STEP.replace("(x, 2.0)", "(\n  x,\n  2.0,\n)")));
    assert!(same(&format!("{STEP}#[cfg(test)]\nmod tests {{ fn t() {{ assert!(true) }} }}")));
    assert!(same(&format!("#[cfg_attr(test, derive(Debug))]\n{STEP}")));
    assert!(!same(&STEP.replace("2.0", "3.0")));
    assert!(!same(&STEP.replace("x: f64", "y: f64")));
}

#[test]
fn a_change_asks_for_a_version_or_a_reason() {
    let (old, new) = (toy(STEP, SHARED), toy(&STEP.replace("2.0", "1.0 + 1.0"), SHARED));
    let mut records = Records::new();
    let mut said = complaints(&old, &[TOY], &records);
    record(&old, &[TOY], &mut records);
    assert!(complaints(&old, &[TOY], &records).is_empty());

    let neutral = &mut records.clone();
    record(&new, &[TOY], neutral);
    said.extend(complaints(&new, &[TOY], neutral));
    acknowledge(&new, &[TOY], neutral, "toy", "the same sum, spelt out");
    assert!(complaints(&new, &[TOY], neutral).is_empty());

    let raised = Kind { version: 2, ..TOY };
    said.extend(complaints(&new, &[raised], neutral));
    record(&new, &[raised], neutral);
    assert!(neutral["toy"].output_neutral.is_empty(), "a raised version starts anew");
    said.extend(complaints(&new, &[TOY], neutral));
    said.extend(complaints(&new, &[], neutral));
    expect![[r#"
        toy: not recorded yet: run `cargo xtask versions`
        toy: its source changed and VERSION is still 1. If its output can change, raise VERSION in src/plan/kinds/ and run `cargo xtask versions`; if not, run `cargo xtask versions --acknowledge toy --output-neutral "why"`
        toy: VERSION was raised to 2: run `cargo xtask versions`
        toy: VERSION went back from 2 to 1
        toy: recorded, but there is no such kind: run `cargo xtask versions`"#]].assert_eq(&said.join("\n"));
}
