//! Imports run one way (ARCHITECTURE.md), and some crates stay in their rooms.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use expect_test::expect;

use crate::source::{Crate, Source};

/// What each room may import; `id`, `fst` and `seed` are files, not rooms, and import nothing but
/// what is said here.
const ROOMS: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("fst", &[]),
    ("seed", &["id"]),
    ("regular", &[]),
    ("replace", &[]),
    ("wording", &[]),
    ("date", &[]),
    ("vocabulary", &[]),
    ("metrics", &["fst"]),
    ("stats", &["vocabulary", "metrics", "fst", "seed"]),
    ("data", &["vocabulary", "id", "fst", "regular", "seed", "study", "wording"]),
    ("hub", &["regular", "replace"]),
    ("ml", &["vocabulary", "seed"]),
    ("study", &["regular", "vocabulary", "seed"]),
    ("store", &["id", "regular", "replace", "wording"]),
    ("remote", &["id", "regular", "store", "wording"]),
    ("archive", &["date", "id", "regular", "remote", "replace", "store", "wording"]),
    ("plan", &["vocabulary", "study", "store", "id", "regular", "seed", "wording"]),
    ("exec", &["plan", "store", "id", "regular", "replace", "wording"]),
    ("report", &["vocabulary", "stats", "id"]),
    (
        "sources",
        &["vocabulary", "data", "hub", "ml", "plan", "regular", "store", "study", "wording"],
    ),
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
            "regular",
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
    ("nalgebra", &["stats"]),
    ("sled", &["store"]),
    ("ureq", &["hub", "remote"]),
    ("object_store", &["remote"]),
    ("tokio", &["remote"]),
    ("ed25519_dalek", &["remote"]),
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

/// The rooms that `room` names, tests left out.
fn imports(source: &Crate, room: &str) -> BTreeSet<String> {
    let of_room = |file: &&Source| file.module.first().is_some_and(|first| first == room);
    let mentions = source.sources().filter(of_room).flat_map(|file| {
        file.mentions.iter().filter_map(|mention| source.absolute(file, mention)?.first().cloned())
    });
    let is_room = |name: &String| ROOMS.iter().any(|(known, _)| known == name);
    mentions.filter(|name| name != room && is_room(name)).collect()
}

/// The names in a list such as "`id`, `seed` and `store`"; none in "nothing".
fn listed(text: &str) -> BTreeSet<String> {
    let names = text.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

#[test]
fn every_allowed_import_is_used() {
    let source = source();
    for (room, allowed) in ROOMS {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let unused: Vec<_> = allowed.difference(&imports(&source, room)).cloned().collect();
        assert!(unused.is_empty(), "`{room}` may import what it does not: {unused:?}");
    }
}

/// A room's head says "May import" and the rooms of the table above, and so does ARCHITECTURE.md.
#[test]
fn heads_and_documentation_agree_with_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documentation = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for (room, allowed) in ROOMS {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let row = documentation.lines().find(|line| line.starts_with(&format!("| `{room}")));
        let cell = row.and_then(|row| row.trim_end_matches(" |").rsplit('|').next());
        let said = listed(cell.unwrap_or_else(|| panic!("ARCHITECTURE.md has no row for {room}")));
        assert_eq!(said, allowed, "ARCHITECTURE.md of `{room}`");

        let Ok(text) = fs::read_to_string(root.join("src").join(room).join("mod.rs")) else {
            continue;
        };
        let head = text.lines().map_while(|line| line.strip_prefix("//!"));
        let head = head.map(str::trim).collect::<Vec<_>>().join(" ");
        let said = head.split_once("May import ").and_then(|(_, rest)| rest.split_once('.'));
        let (said, _) = said.unwrap_or_else(|| panic!("src/{room}/mod.rs does not say it"));
        assert_eq!(listed(said), allowed, "src/{room}/mod.rs");
    }
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
