//! The shape of the source: files and functions that a reader can hold, and no circles among files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use expect_test::expect;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::source::{Crate, Source};

/// Lines that a file may have.
const LONGEST_FILE: usize = 500;
/// Lines that a function may have, from its name to its closing brace.
const LONGEST_FUNCTION: usize = 60;

/// What is not mended yet. A line goes when its file is; none is added.
const FILES_TO_SPLIT: &[&str] = &["src/ml/ops/tests.rs"];
const FUNCTIONS_TO_SPLIT: &[&str] = &[
    "src/data/sets/tests/mod.rs fitzpatrick17k_is_the_papers",
    "src/hub/server.rs answer",
    "src/ml/checkpoint/pickle.rs step",
    "src/ml/classify/efficientnet/tests/reference.rs check",
    "src/ml/latent/tests/reference.rs check",
    "src/ml/ops/tests.rs normalisation_with_and_without_activation",
    "src/stats/scores_tests.rs scores_agree_with_brute_force",
    "src/stats/scores_tests.rs scores_agree_with_scikit_learn",
    "src/steps/dreambooth.rs run",
    "src/steps/unet.rs run",
    "src/study/tests/refusals.rs values_of_another_type_are_refused_where_they_stand",
    "src/study/tests/refusals.rs values_out_of_range_are_refused_by_full_name",
    "src/study/validate.rs base",
    "src/study/validate.rs networks",
    "src/study/validate/generators.rs generator",
    "src/study/validate/generators.rs tuning",
    "src/study/validate/images.rs images",
    "tests/chain/cases.rs folders_and_tables_are_read_right_or_refused",
    "tests/chain/cases.rs shards_are_read_right_or_refused",
    "tests/chain/main.rs a_variant_adds_its_own_tasks",
    "tests/chain/main.rs an_edit_reruns_exactly_what_it_touches",
    "tests/chain/misfits.rs a_shard_that_is_wrong_is_named_with_its_member",
    "tests/chain/misfits.rs a_table_that_is_wrong_is_refused_with_its_line",
    "tests/chain/pictures.rs fitzpatrick17k_is_audited_by_its_real_tables",
    "tests/chain/pipelines.rs what_is_wrong_with_a_pipeline_is_named_before_anything_is_trained",
    "tests/engine/runs.rs an_edit_reruns_exactly_what_depends_on_it",
    "tests/peer/main.rs sample",
];

fn workspace() -> Vec<(&'static str, Crate)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |folder| (folder, Crate::read_all(&root.join(folder)));
    ["src", "tests", "xtask/src"].map(read).into()
}

/// What is found must be what is expected: no more, and nothing that was mended.
#[track_caller]
fn check(found: BTreeSet<String>, to_mend: &[&str], what: &str) {
    let known: BTreeSet<String> = to_mend.iter().map(|name| (*name).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).cloned().collect();
    assert!(new.is_empty(), "{what}:\n  {}", new.join("\n  "));
    let mended: Vec<_> = known.difference(&found).cloned().collect();
    assert!(mended.is_empty(), "mended, so their lines in shape.rs go:\n  {}", mended.join("\n  "));
}

#[test]
fn no_file_outgrows_a_reader() {
    let mut long = BTreeSet::new();
    for (folder, source) in workspace() {
        let over = source.sources().filter(|file| file.lines > LONGEST_FILE);
        long.extend(over.map(|file| format!("{folder}/{}", file.file)));
    }
    check(long, FILES_TO_SPLIT, "files of more than 500 lines");
}

#[test]
fn no_function_outgrows_a_screen() {
    let mut long = BTreeSet::new();
    for (folder, source) in workspace() {
        for file in source.sources() {
            let mut functions = Vec::new();
            lengths(file.tokens.clone(), &mut functions);
            let over = functions.iter().filter(|(_, lines)| *lines > LONGEST_FUNCTION);
            long.extend(over.map(|(name, _)| format!("{folder}/{} {name}", file.file)));
        }
    }
    check(long, FUNCTIONS_TO_SPLIT, "functions of more than 60 lines");
}

/// A closed stream (`2>&1 | head`) makes std's macros panic, which would end a run.
#[test]
fn nothing_prints_by_a_macro_that_panics() {
    let mut found = BTreeSet::new();
    let shipped = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    // A file of tests that its room names by a path looks like any other here.
    for file in shipped.sources().filter(|file| !file.file.ends_with("_tests.rs")) {
        let names = ["print", "println", "eprint", "eprintln", "dbg"];
        let mut calls = Vec::new();
        macros(file.tokens.clone(), &mut calls);
        let calls = calls.iter().filter(|name| names.contains(&name.as_str()));
        found.extend(calls.map(|name| format!("src/{} {name}!", file.file)));
    }
    check(found, &[], "write to the stream and heed what becomes of it, instead");
}

/// The names of the macros that are called in `tokens`.
fn macros(tokens: TokenStream, called: &mut Vec<String>) {
    let mut before = None;
    for tree in tokens {
        match (&before, &tree) {
            (Some(TokenTree::Ident(name)), TokenTree::Punct(mark)) if mark.as_char() == '!' => {
                called.push(name.to_string());
            }
            (_, TokenTree::Group(group)) => macros(group.stream(), called),
            _ => {}
        }
        before = Some(tree);
    }
}

/// The functions in `tokens`, those in functions among them, with their lines.
fn lengths(tokens: TokenStream, functions: &mut Vec<(String, usize)>) {
    let mut named: Option<(String, usize)> = None;
    let mut after_fn = false;
    for tree in tokens {
        match tree {
            TokenTree::Ident(name) => {
                if after_fn {
                    named = Some((name.to_string(), name.span().start().line));
                }
                after_fn = name == "fn";
            }
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace
                    && let Some((name, first)) = named.take()
                {
                    functions.push((name, group.span_close().end().line + 1 - first));
                }
                lengths(group.stream(), functions);
                after_fn = false;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => named = None,
            _ => after_fn = false,
        }
    }
}

#[test]
fn no_files_import_each_other() {
    let source = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let circles = circles(&source);
    let said = circles.iter().map(|circle| format!("\n  {circle}")).collect::<String>();
    let files = circles.iter().flat_map(|circle| circle.split(' ')).map(str::to_owned).collect();
    check(files, &[], &format!("files of src/ that import each other:{said}\nnew"));
}

/// Sets of files each of which reaches the others by what it names, a set a line. Names that are
/// only passed on, as by `pub use`, lead to where they are defined.
fn circles(source: &Crate) -> BTreeSet<String> {
    let uses: BTreeMap<&str, BTreeSet<&str>> =
        source.sources().map(|file| (file.file.as_str(), used(source, file))).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (*file, reach(file, &uses))).collect();
    let mut circles = BTreeSet::new();
    for (file, theirs) in &reached {
        let circle: BTreeSet<&str> =
            theirs.iter().copied().filter(|other| reached[other].contains(file)).collect();
        if !circle.is_empty() {
            circles.insert(circle.into_iter().collect::<Vec<_>>().join(" "));
        }
    }
    circles
}

fn used<'a>(source: &'a Crate, file: &Source) -> BTreeSet<&'a str> {
    let named = file.mentions.iter().filter(|mention| !mention.passed_on);
    let targets = named.filter_map(|mention| source.resolve(&source.absolute(file, mention)?));
    // A module's own name is no use of anything in it.
    let used = targets.filter(|(_, rest)| !rest.is_empty()).map(|(used, _)| used.file.as_str());
    used.filter(|used| *used != file.file).collect()
}

/// The files that `file` leads to in one step or more.
fn reach<'a>(file: &str, uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = uses[file].iter().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&uses[file]);
        }
    }
    reached
}

#[test]
fn a_circle_is_seen_behind_re_exports() {
    let texts = [
        ("lib.rs", "pub mod room; pub mod leaf;"),
        ("room/mod.rs", "mod a; mod b; mod c; pub use a::A; pub use b::B; pub struct Own;"),
        ("room/a.rs", "use super::B; pub struct A;"),
        ("room/b.rs", "pub struct B; fn f() { crate::room::c::g() }"),
        ("room/c.rs", "use crate::leaf::Leaf; pub fn g() { super::A; }"),
        ("leaf.rs", "pub struct Leaf; #[cfg(test)] mod tests { use crate::room::A; }"),
    ];
    let texts = texts.map(|(file, text)| (file.to_owned(), text.to_owned()));
    let found = circles(&Crate::from_texts(Path::new("src"), texts));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["room/a.rs room/b.rs room/c.rs"]);
}

#[test]
fn functions_are_measured_wherever_they_stand() {
    let text = "impl X {\n fn short(&self) -> [u8; 2] { [0; 2] }\n}\ntrait T { fn none(); }\nfn long(\n x: u8,\n) {\n  fn inner() {\n  }\n}";
    let mut functions = Vec::new();
    lengths(text.parse().unwrap(), &mut functions);
    expect![[r#"[("short", 1), ("long", 6), ("inner", 2)]"#]].assert_eq(&format!("{functions:?}"));
}
