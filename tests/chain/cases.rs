//! Small image sets as people of the field have them, with what is right for each: ../shared/cases,
//! whose README says how each came about, and sets made here. A row a case.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};

use crate::chain::Chain;

/// The folder of cases beside the project, where there is one.
fn cases() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases");
    if !folder.is_dir() {
        let _ = writeln!(std::io::stderr(), "skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder.canonicalize().unwrap())
}

/// What `titrate data check` makes of a study: its exit code, the refusal, what it says of tables
/// and files, each class with its pictures that are usable and not, and what is wrong with those.
fn checked(chain: &Chain, folder: &Path, sets: &[&str]) -> String {
    let (code, said) = chain.data_check(sets);
    let said = said.replace(&format!("{}/", folder.display()), "");
    let mut lines = vec![format!("exit {code}")];
    if let Some(refusal) = said.lines().find(|line| line.starts_with("error: ")) {
        let refusal = refusal.split_once(" failed: ").map_or(refusal, |(_, cause)| cause);
        let refusal = refusal.trim_start_matches("error: ").trim_start_matches("study study: ");
        lines.push(format!("refused: {refusal}"));
    }
    let classes = said.lines().skip_while(|line| !line.starts_with("| class |")).skip(2);
    for row in classes.take_while(|line| line.starts_with('|')) {
        let cells = row.split('|').map(str::trim).collect::<Vec<_>>();
        lines.push(format!("{}: {} usable, {} not", cells[1], cells[2], cells[3]));
    }
    let mut counts = said.lines().filter(|line| line.starts_with("- "));
    lines.extend(counts.by_ref().take(4).map(|line| line.replace('\\', "")));
    lines.extend((counts.count() > 0).then(|| "- ...".to_owned()));
    let types = said.lines().skip_while(|line| !line.starts_with("| skin types |")).skip(2);
    let types = types.take_while(|line| line.starts_with('|')).map(|row| {
        let cells = row.split('|').map(str::trim).collect::<Vec<_>>();
        format!("{} of {}", cells[2], cells[1])
    });
    let types = types.collect::<Vec<_>>().join(", ");
    lines.extend((!types.is_empty()).then(|| format!("skin types: {types}")));
    let patients = |line: &&str| {
        line.starts_with("No picture names") || line.contains(" usable pictures name ")
    };
    lines.extend(said.lines().find(patients).map(str::to_owned));
    lines.join("\n")
}

/// A study of the folder of cases, moved into a folder of its own.
fn case(cases: &Path, group: &str, name: &str, sets: &[&str], expected: Expect) {
    let folder = cases.join(group);
    let text = fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let here = |key: &str| (format!("{key} = \""), format!("{key} = \"{}/", folder.display()));
    let text = [("EXPERIMENTS".into(), experiments.display().to_string())]
        .into_iter()
        .chain([here("path"), here("annotations")])
        .fold(text, |text, (from, to)| text.replace(&from, &to));
    let chain = Chain::new(name);
    chain.write_study(&text);
    expected.assert_eq(&checked(&chain, &folder, sets));
}

#[test]
fn folders_and_tables_are_read_right_or_refused() {
    let Some(cases) = cases() else { return };
    let check = |group: &str, name: &str, sets: &[&str], expected: Expect| {
        case(&cases, group, name, sets, expected);
    };
    check(
        "folder-parts",
        "training",
        &[],
        expect![[r#"
            exit 0
            a: 28 usable, 0 not
            b: 28 usable, 0 not
            skin types: 56 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "folder-parts",
        "dev",
        &[],
        expect![[r#"
            exit 0
            a: 28 usable, 0 not
            b: 28 usable, 0 not
            skin types: 56 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "folder-parts",
        "mixed",
        &[],
        expect![[r#"
        exit 2
        refused: `mixed` has the parts train and pictures beside them: a (20), b (20). Move them into the parts or out of the folder, or name all pictures in a table with the columns file, label and part (images.annotations)"#]],
    );
    check(
        "dangling-links",
        "study",
        &[],
        expect![[r#"
            exit 2
            a: 12 usable, 8 not
            b: 20 usable, 0 not
            - picture `a/000.png` is the path of another file, as a link that was saved as text has (git annex get or dvc pull fetch what it stands for): JPEG, PNG, WebP, GIF and BMP are read
            - picture `a/001.png` is the path of another file, as a link that was saved as text has (git annex get or dvc pull fetch what it stands for): JPEG, PNG, WebP, GIF and BMP are read
            - picture `a/002.png` is the path of another file, as a link that was saved as text has (git annex get or dvc pull fetch what it stands for): JPEG, PNG, WebP, GIF and BMP are read
            - picture `a/003.png` is the path of another file, as a link that was saved as text has (git annex get or dvc pull fetch what it stands for): JPEG, PNG, WebP, GIF and BMP are read
            - ...
            skin types: 32 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "tables",
        "float-flags",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            - `float-flags.csv`: rows that name a picture that is there: 28 of 28
            skin types: 10 of 12, 10 of 34, 8 of 56
            28 of the 28 usable pictures name 28 patients. Patients with pictures in two sets of the study: 0."#]],
    );
    check(
        "tables",
        "float-flags",
        &["images.exclude=[\"a-000\", \"b-013\"]"],
        expect![[r#"
        exit 0
        a: 13 usable, 0 not
        b: 13 usable, 0 not
        - `float-flags.csv`: rows that name a picture that is there: 28 of 28
        - 2 pictures are excluded by images.exclude and not used
        skin types: 9 of 12, 9 of 34, 8 of 56
        26 of the 26 usable pictures name 26 patients. Patients with pictures in two sets of the study: 0."#]],
    );
    check(
        "tables",
        "float-flags",
        &["images.exclude=[\"a-999\"]"],
        expect![[r#"
        exit 2
        refused: images.exclude: 1 of its ids are of no picture of the set: `a-999`. An id is the path from the set's folder without its ending, `-` for each `/` and `.`, or the key of a shard's members"#]],
    );
    check(
        "tables",
        "nfdclass",
        &[],
        expect![[r#"
            exit 0
            éruption: 14 usable, 0 not
            b: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "tables",
        "patient-nan",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            - `patient-nan.csv`: rows that name a picture that is there: 28 of 28
            skin types: 28 of 12
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "tables",
        "extra-row",
        &["images.unusable=drop"],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            - `extra-row.csv`: rows that name a picture that is there: 28 of 29; not there: c/999.png
            skin types: 10 of 12, 10 of 34, 8 of 56
            28 of the 28 usable pictures name 28 patients. Patients with pictures in two sets of the study: 0."#]],
    );
}

#[test]
fn shards_are_read_right_or_refused() {
    let Some(cases) = cases() else { return };
    let check = |name: &str, sets: &[&str], expected: Expect| {
        case(&cases, "webdataset", name, sets, expected);
    };
    check(
        "slash-label",
        &[],
        expect![[r#"
            exit 0
            eczema: 14 usable, 0 not
            eczema/hand: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "maskpng",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            - 28 members of the shards that end in .png are not used
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "maskpng",
        &["images.exclude=[\"a0000\"]"],
        expect![[r#"
        exit 0
        a: 13 usable, 0 not
        b: 14 usable, 0 not
        - 1 picture is excluded by images.exclude and not used
        - 28 members of the shards that end in .png are not used
        skin types: 27 of unknown
        No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "maskpng",
        &["images.exclude=[\"nobody\"]"],
        expect![[r#"
        exit 1
        refused: images.exclude: 1 of its ids are of no picture of the set: `nobody`. An id is the path from the set's folder without its ending, `-` for each `/` and `.`, or the key of a shard's members"#]],
    );
    check(
        "dirs",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "restart-keys",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "upper",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "json-bom",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "int-label",
        &[],
        expect![[r#"
            exit 0
            0: 14 usable, 0 not
            1: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "fst-null",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "fst-neg",
        &[],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    check(
        "dots",
        &[],
        expect![[r#"
        exit 1
        refused: shard `s-000000.tar` has no picture: its members are called as `b.0013.json`, and WebDataset takes `0013.json`, all after the first dot, for what the member is; png, jpg, jpeg, webp, gif and bmp are pictures, json and cls say what they show"#]],
    );
    check(
        "method",
        &[],
        expect![[r#"
            exit 1
            refused: columns of `the shards' records` are not read: `method`. Rename them, or leave them out with images.ignored_columns = ["method"]"#]],
    );
    check(
        "method",
        &["images.ignored_columns=[\"method\"]"],
        expect![[r#"
            exit 0
            a: 14 usable, 0 not
            b: 14 usable, 0 not
            skin types: 28 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
}

/// The pictures that decoders got wrong are right to the pixel, or refused by name.
#[test]
fn pictures_are_decoded_right_or_refused() {
    let Some(cases) = cases() else { return };
    case(
        &cases,
        "decoders",
        "study",
        &[],
        expect![[r#"
            exit 0
            a: 17 usable, 0 not
            b: 14 usable, 0 not
            skin types: 31 of unknown
            No picture names its patient: pictures of one patient may be in two sets."#]],
    );
    for (name, colour) in [("red16.bmp", [255, 0, 0]), ("white1.bmp", [255; 3])] {
        let bytes = fs::read(cases.join("decoders/set/a").join(name)).unwrap();
        let image = titrate::data::decode::decode(&bytes, name).unwrap();
        let wrong = image.pixels.chunks(3).filter(|pixel| **pixel != colour).count();
        assert_eq!(wrong, 0, "{name}");
    }
}

/// Links whose targets were not fetched are pictures that are missing; the audit counts them where
/// the study goes on without them, and so does the plan.
#[test]
fn dangling_links_are_missing_pictures() {
    let chain = Chain::new("dangling");
    for (class, there) in [("a", 12), ("b", 14)] {
        for index in 0..14 {
            let file = chain.path("set").join(class).join(format!("{index:02}.png"));
            let bytes = crate::pictures::picture("psoriasis", index).to_png("picture").unwrap();
            match index < there {
                true => crate::pictures::write(file, &bytes),
                false => std::os::unix::fs::symlink("../.annex/gone.png", file).unwrap(),
            }
        }
    }
    let images = "[images]\nsource = \"folder\"\npath = \"set\"\nclasses = [\"a\", \"b\"]\npool = 4\n\
                  validation = 2\nheld_out = 4\nplentiful = 0\n";
    chain.write_study(&format!("{}{images}", chain.study_text()));
    let folder = chain.path("set").parent().unwrap().to_owned();
    expect![[r#"
        exit 2
        refused: 2 of 28 pictures are not in set: a/12.png, a/13.png"#]]
    .assert_eq(&checked(&chain, &folder, &[]));
    expect![[r#"
        exit 0
        a: 12 usable, 2 not
        b: 14 usable, 0 not
        - picture `a/12.png` is not there
        - picture `a/13.png` is not there
        skin types: 26 of unknown
        No picture names its patient: pictures of one patient may be in two sets."#]]
    .assert_eq(&checked(&chain, &folder, &["images.unusable=drop"]));
    chain.write_study(&chain.study_text().replace("[images]\n", "[images]\nunusable = \"drop\"\n"));
    let plan = chain.plan();
    assert!(
        plan.contains("2 pictures that are not there are not used: a/12.png, a/13.png"),
        "{plan}"
    );
}
