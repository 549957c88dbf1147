//! Imports run one way (ARCHITECTURE.md), and some crates stay in their rooms.

use std::path::Path;

use expect_test::expect;

use crate::source::Crate;

/// What each room may import; `id`, `fst` and `seed` are files, not rooms, and import nothing but
/// what is said here.
const ROOMS: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("fst", &[]),
    ("seed", &["id"]),
    ("replace", &[]),
    ("wording", &[]),
    ("vocabulary", &[]),
    ("metrics", &["fst"]),
    ("stats", &["vocabulary", "metrics", "fst", "seed"]),
    ("data", &["vocabulary", "id", "fst", "seed", "study"]),
    ("hub", &["replace"]),
    ("ml", &["vocabulary", "seed"]),
    ("study", &["vocabulary", "id", "seed"]),
    ("store", &["id", "replace"]),
    ("plan", &["vocabulary", "study", "store", "id", "seed", "wording"]),
    ("exec", &["plan", "store", "id", "replace", "wording"]),
    ("report", &["vocabulary", "metrics", "stats", "id"]),
    ("sources", &["vocabulary", "data", "hub", "ml", "plan", "store", "study"]),
    (
        "steps",
        &[
            "vocabulary",
            "plan",
            "study",
            "store",
            "data",
            "ml",
            "metrics",
            "stats",
            "report",
            "id",
            "fst",
            "seed",
            "replace",
            "wording",
        ],
    ),
];

/// May import everything: the command line and the program.
const ABOVE: &[&str] = &["cli", "main"];

/// Crates that only these rooms may name.
const KEPT: &[(&str, &[&str])] = &[
    ("candle_core", &["ml", "steps"]),
    ("candle_nn", &["ml", "steps"]),
    ("candle_transformers", &["ml", "steps"]),
    ("sled", &["store"]),
    ("hf_hub", &["hub"]),
    ("ureq", &["hub"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli", "exec"]),
];

fn violations(source: &Crate) -> Vec<String> {
    let mut found = Vec::new();
    for file in source.sources() {
        let Some(room) = file.module.first().map(String::as_str) else { continue };
        let allowed = ROOMS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed);
        if allowed.is_none() && !ABOVE.contains(&room) {
            found.push(format!(
                "src/{}: the room `{room}` has no line in the table of tests/house/architecture.rs",
                file.file
            ));
        }
        for mention in &file.mentions {
            let at = format!("src/{}:{}", file.file, mention.line);
            let kept = KEPT
                .iter()
                .find(|(name, rooms)| mention.path[0] == *name && !rooms.contains(&room));
            if let (Some((name, rooms)), true) = (kept, allowed.is_some()) {
                found.push(format!(
                    "{at}: `{room}` names the crate {name}, which stays in {}",
                    rooms.join(" and ")
                ));
            }
            let target = source.absolute(file, mention).and_then(|path| path.first().cloned());
            if let (Some(allowed), Some(target)) = (allowed, target)
                && ROOMS
                    .iter()
                    .map(|(name, _)| *name)
                    .chain(ABOVE.iter().copied())
                    .any(|name| name == target)
                && target != room
                && !allowed.contains(&target.as_str())
            {
                found.push(format!(
                    "{at}: `{room}` imports `{target}` ({})",
                    mention.path.join("::")
                ));
            }
        }
    }
    found.dedup();
    found
}

fn said(violations: &[String]) -> String {
    violations.iter().map(|line| format!("{line}\n")).collect()
}

fn source() -> Crate {
    Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn imports_run_one_way() {
    let found = violations(&source());
    assert!(found.is_empty(), "{} imports run the wrong way:\n{}", found.len(), said(&found));
}

#[test]
fn a_wrong_import_is_seen_in_every_spelling() {
    let texts = [
        ("id.rs", "pub struct Key;"),
        (
            "store/mod.rs",
            "mod inner; pub use inner::Store; use crate::id::Key;\nuse crate::{\n  id,\n  study::Study,\n};",
        ),
        (
            "store/inner.rs",
            "use super::super::plan;\nfn f() { crate::ml::train(); clap::parse() }\n#[cfg(test)] mod tests { use crate::exec; }",
        ),
        ("study/mod.rs", "/// use crate::cli;\nfn f() { sled::open() } // crate::exec"),
        ("attic/mod.rs", ""),
        ("cli/mod.rs", "use clap::Parser; use crate::store;"),
        ("lib.rs", "pub mod id; pub mod store;"),
    ];
    let source = Crate::from_texts(
        Path::new("src"),
        texts.map(|(file, text)| (file.to_owned(), text.to_owned())),
    );
    expect![[r#"
        src/attic/mod.rs: the room `attic` has no line in the table of tests/house/architecture.rs
        src/store/mod.rs:4: `store` imports `study` (crate::study::Study)
        src/store/inner.rs:1: `store` imports `plan` (super::super::plan)
        src/store/inner.rs:2: `store` imports `ml` (crate::ml::train)
        src/store/inner.rs:2: `store` names the crate clap, which stays in cli
        src/study/mod.rs:2: `study` names the crate sled, which stays in store
    "#]]
    .assert_eq(&said(&violations(&source)));
}
