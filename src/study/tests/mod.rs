//! Studies as they are read, laid over one another and refused.

mod experiments;
mod refusals;

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::*;
use crate::vocabulary::Strategy;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// `study.toml` of `folder`, an error with its paths relative to the folder.
fn load(folder: &TempDir, sets: &[&str]) -> Result<LoadedStudy, String> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Study::load(&folder.path().join("study.toml"), &sets)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn loaded(text: &str, sets: &[&str]) -> LoadedStudy {
    load(&folder(&[("study.toml", text)]), sets).unwrap()
}

fn check(cases: &[(&str, &[&str])], expected: Expect) {
    let said: Vec<String> = cases
        .iter()
        .map(|(text, sets)| load(&folder(&[("study.toml", text)]), sets).unwrap_err())
        .collect();
    expected.assert_eq(&format!("{}\n", said.join("\n")));
}

/// Title, text and prompts of a study are of its pictures: one that extends it with pictures of its
/// own does not take them over, one that changes anything else does.
#[test]
fn words_about_the_pictures_are_not_inherited_across_image_sources() {
    let low = "title = \"Phantom skin\"\nabout = \"Rendered.\"\nseed = 7\n[generator]\nprompt = \"skin: {label}\"\n\
               dreambooth.prior.prompt = \"skin\"\n";
    let own = "extends = \"low.toml\"\n[images]\nsource = \"folder\"\npath = \"p\"\n";
    let of = |text: &str, sets: &[&str]| {
        let Study { title, about, generator, seed, .. } =
            load(&folder(&[("study.toml", text), ("low.toml", low)]), sets).unwrap().study;
        (title, about, generator.prompt, generator.dreambooth.prior.prompt, seed)
    };
    let default =
        Study::load(&folder(&[("s.toml", "")]).path().join("s.toml"), &[]).unwrap().study.generator;
    let inherited =
        || ("Phantom skin".into(), "Rendered.".into(), "skin: {label}".into(), "skin".into(), 7);
    assert_eq!(of("extends = \"low.toml\"\n[images]\nsource = \"phantom\"\n", &[]), inherited());
    assert_eq!(of("extends = \"low.toml\"\nclassifier.epochs = 3\n", &[]), inherited());
    let prior = default.dreambooth.prior.prompt.clone();
    let bare = (String::new(), String::new(), default.prompt.clone(), prior.clone(), 7);
    assert_eq!(of(own, &[]), bare);
    let said = format!("title = \"Mine\"\n{own}[generator]\nprompt = \"a {{label}}\"\n");
    let expected = ("Mine".into(), String::new(), "a {label}".into(), prior, 7);
    assert_eq!(of(&said, &[]), expected);
}

/// The authors' rule: their 100 and 1,000 images are of the larger batches already.
#[test]
fn batches_grow_with_the_images() {
    let classifier =
        loaded("", &["classifier.batch=8", "classifier.batch_by_images=[[100, 32], [1000, 64]]"])
            .study
            .classifier;
    let batches = [1, 99, 100, 999, 1000, 9000].map(|images| classifier.batch_of(images));
    assert_eq!(batches, [8, 8, 32, 32, 64, 64]);
    let classifier = Classifier { epochs: 3, steps_per_epoch: 0, ..classifier };
    assert_eq!([99, 100].map(|images| classifier.shown(images)), [297, 300]);
    let classifier = Classifier { steps_per_epoch: 5, ..classifier };
    assert_eq!([99, 100].map(|images| classifier.shown(images)), [3 * 5 * 8, 3 * 5 * 32]);
}

#[test]
fn files_extend_one_another() {
    let folder = folder(&[
        ("study.toml", "extends = \"in/middle.toml\"\n[classifier]\nepochs = 3\n"),
        (
            "in/middle.toml",
            "extends = \"../low.toml\"\n[classifier]\nepochs = 4\nbatch = 5\n[base]\nfrom = \"shipped\"\n",
        ),
        ("low.toml", "[classifier]\nbatch = 6\npatience = 7\n[experiment]\nn = [1, 2, 3]\n"),
    ]);
    let loaded = load(&folder, &["experiment.n=[9]"]).unwrap();
    let Classifier { epochs, batch, patience, .. } = loaded.study.classifier;
    assert_eq!((epochs, batch, patience), (3, 5, 7));
    assert_eq!(loaded.study.experiment.n, [9]);
    assert_eq!(loaded.name, "study");
    assert_eq!(
        loaded.base_folder().unwrap(),
        folder.path().join("in/shipped"),
        "a path starts from the file that names it"
    );
}

#[test]
fn a_broken_chain_is_named() {
    let said = |files: &[(&str, &str)]| load(&folder(files), &[]).unwrap_err();
    let expected = expect![[r#"
        studies extend each other in a circle: study.toml -> b.toml -> study.toml
        studies extend each other in a circle: study.toml -> study.toml
        cannot read the study file b.toml, which study.toml extends
        b.toml:2:2: unknown key `seeds`; the nearest known key is `seed`
        cannot read the study file study.toml"#]];
    expected.assert_eq(
        &[
            said(&[("study.toml", "extends = \"b.toml\""), ("b.toml", "extends = \"study.toml\"")]),
            said(&[("study.toml", "extends = \"study.toml\"")]),
            said(&[("study.toml", "extends = \"b.toml\"")]),
            said(&[("study.toml", "extends = \"b.toml\""), ("b.toml", "\n seeds = 3")]),
            said(&[]),
        ]
        .join("\n"),
    );
}

#[test]
fn assignments_take_bare_words_where_a_string_belongs() {
    let study = loaded(
        "",
        &[
            "title=A trial = 3",
            "ratings.path=/usr/share/sets",
            "base.from = ",
            "about=\"quoted\"",
            "goal=base",
            "generator.dreambooth.steps_by_class.\"lichen planus\"=300",
            "classifier={ epochs = 3, batch = 4 }",
            "transforms.rotate=12",
        ],
    )
    .study;
    assert_eq!(study.title, "A trial = 3");
    assert_eq!(study.ratings.path, "/usr/share/sets");
    assert_eq!(
        (study.base.from.as_str(), study.about.as_str(), study.goal),
        ("", "quoted", Goal::Base)
    );
    assert_eq!(study.generator.dreambooth.steps_by_class["lichen planus"], 300);
    assert_eq!(
        (study.classifier.epochs, study.classifier.batch, study.transforms.rotate),
        (3, 4, 12.0)
    );
}

#[test]
fn the_resolved_study_says_everything_and_loads_again() {
    let edited =
        "[generator.dreambooth.steps_by_class]\n\"lichen planus\" = 3\n[analysis]\nq = 1e-7\n";
    let varied = "[generator]\nprompt = \"{label}\"\n[generator.variants.lora.dreambooth]\nsteps = 3\nlora.rank = 2\n[experiment]\narms = [\"inpaint@lora\"]\n";
    let several = "[experiment]\nn = [2]\n[experiments.dose]\ndoses = [1, 2]\n[experiments.count]\nn = [1, 2]\nquestion = \"How many?\"\n";
    for text in
        ["", edited, varied, several, "title = \"\"\"two\nlines, \"quoted\" # and \\\\ \"\"\""]
    {
        let first = loaded(text, &[]);
        let again = loaded(&first.resolved, &[]);
        assert_eq!(again.study, first.study);
        assert_eq!(again.resolved, first.resolved);
    }
    let resolved = loaded("", &[]).resolved;
    let again = toml_edit::Document::parse(resolved.as_str()).unwrap();
    let mut known = paths(keys::KNOWN.table());
    known.retain(|key| key != "generator.variants");
    assert_eq!(paths(again.as_table()), known);
    let tail = resolved.split_once("[analysis]").unwrap().1;
    assert!(tail.starts_with("\nconfidence = 0.95\n"), "a key a line under its header: {tail:?}");
}

#[test]
fn a_variant_is_the_generator_but_for_what_it_says() {
    let text =
        "[generator.variants.lora.dreambooth]\nlora.rank = 2\n[generator.dreambooth]\nsteps = 7\n";
    let arms =
        "experiment.arms=[\"text-to-image@lora\", \"inpaint@all\", \"inpaint\", \"text-to-image\"]";
    let study = loaded(
        text,
        &["generator.variants.all.dreambooth.models=all", "generator.prompt={label}", arms],
    )
    .study;
    let of = |(name, generator): (&str, &Generator)| {
        let DreamBooth { models, steps, ref lora, .. } = generator.dreambooth;
        (name.to_owned(), generator.prompt.clone(), models, steps, lora.rank)
    };
    let (prompt, per_class) = ("{label}".to_owned(), Models::PerClass);
    let expected = [
        (String::new(), prompt.clone(), per_class, 7, 0),
        ("all".into(), prompt.clone(), Models::All, 7, 0),
        ("lora".into(), prompt, per_class, 7, 2),
    ];
    assert_eq!(study.generators().map(of).collect::<Vec<_>>(), expected);
    let arms = study.arms().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(arms, ["text-to-image", "inpaint", "inpaint@all", "text-to-image@lora"]);
    assert_eq!(study.strategies_of("all"), [Strategy::Inpaint]);
}

/// What an experiment does not say is as in `[experiment]`; classifiers that several have are one.
#[test]
fn experiments_share_what_they_have_in_common() {
    let text = "[experiment]\nn = [2]\ndoses = [3]\narms = [\"inpaint\"]\ntransforms = [true]\nreplicates = 1\n\
                [experiments.dose]\ndoses = [1, 3]\n[experiments.count]\nn = [1, 2]\nquestion = \"How many?\"\n";
    let study = loaded(text, &["experiments.count.arms=[\"inpaint\", \"duplicate\"]"]).study;
    let labels = |cells: Vec<Cell>| cells.iter().map(Cell::label).collect::<Vec<_>>().join(" ");
    let of = |(name, it): (&str, &Experiment)| {
        format!("{name} {:?}: {}", it.question, labels(it.cells()))
    };
    expect![[r#"
        count "How many?": n=1/real/transforms/r0 n=1/duplicate-x3/transforms/r0 n=1/inpaint-x3/transforms/r0 n=2/real/transforms/r0 n=2/duplicate-x3/transforms/r0 n=2/inpaint-x3/transforms/r0
        dose "": n=2/real/transforms/r0 n=2/inpaint-x1/transforms/r0 n=2/inpaint-x3/transforms/r0"#]].assert_eq(&study.experiments().map(of).collect::<Vec<_>>().join("\n"));
    expect!["n=1/real/transforms/r0 n=1/duplicate-x3/transforms/r0 n=1/inpaint-x3/transforms/r0 n=2/real/transforms/r0 n=2/duplicate-x3/transforms/r0 n=2/inpaint-x3/transforms/r0 n=2/inpaint-x1/transforms/r0"].assert_eq(&labels(study.cells()));
    let lone = loaded("", &[]).study;
    assert_eq!(lone.experiments().map(|(name, _)| name).collect::<Vec<_>>(), ["sweep"]);
}

#[test]
fn cells_of_controls_stand_between_real_only_and_the_synthetic_arms() {
    let small = [
        "experiment.n=[4, 8]",
        "experiment.transforms=[true]",
        "experiment.regimes=[\"full\", \"head\"]",
        "experiment.replicates=1",
    ];
    let labels = |arms: &str| {
        let arms = format!("experiment.arms={arms}");
        let study = loaded("", &[&small[..], &[&arms]].concat()).study;
        study.cells().iter().map(Cell::label).collect::<Vec<_>>().join("\n")
    };
    expect![[r#"
        n=4/real/transforms/r0
        n=4/real/transforms/head/r0
        n=4/reseeded/transforms/r0
        n=4/reseeded/transforms/head/r0
        n=4/inpaint-x10/transforms/r0
        n=4/inpaint-x10/transforms/head/r0
        n=8/real/transforms/r0
        n=8/real/transforms/head/r0
        n=8/reseeded/transforms/r0
        n=8/reseeded/transforms/head/r0
        n=8/inpaint-x10/transforms/r0
        n=8/inpaint-x10/transforms/head/r0"#]]
    .assert_eq(&labels("[\"inpaint\", \"reseeded\"]"));
    let alone = labels("[\"reseeded\"]");
    assert_eq!(
        alone,
        labels("[\"inpaint\", \"reseeded\"]")
            .lines()
            .filter(|label| !label.contains("inpaint"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

/// A generator and its variants make images for strategies; without one nothing of them is asked
/// for.
#[test]
fn without_a_strategy_no_generator_is_used() {
    let text = "[generator.variants.lora.dreambooth]\nlora.rank = 2\nprior.images = 4\n[generator.variants.other]\nreleased = \"shards\"";
    let arms =
        "experiment.arms=[\"text-to-image\", \"inpaint\", \"inpaint@lora\", \"inpaint@other\"]";
    let own = ["base.pretrained.text_to_image=sd", "base.pretrained.inpainting=sd"];
    let with = loaded(text, &[&own[..], &[arms]].concat());
    let without = loaded("", &[&own[..], &["experiment.arms=[\"reseeded\"]"]].concat());
    assert_eq!(
        (with.study.arms().len(), with.released_folders().len(), with.study.pipelines()),
        (4, 1, [true, true])
    );
    assert_eq!(
        (without.study.arms().len(), without.released_folders().len(), without.study.pipelines()),
        (0, 0, [false, false])
    );
    assert_eq!(
        (with.pretrained_folders().map(|folder| folder.is_some()), without.pretrained_folders()),
        ([true; 2], [None, None])
    );
    assert!(with.study.generates() && !without.study.generates());
}

/// Every dotted key below a table, sorted.
fn paths(table: &Table) -> Vec<String> {
    let mut all = Vec::new();
    keys::every_path(table, &mut Vec::new(), &mut all);
    let mut all: Vec<String> = all.iter().map(|path| keys::dotted(path)).collect();
    all.sort();
    all
}

#[test]
fn comments_and_order_change_nothing() {
    let one =
        loaded("title = \"t\"\n[classifier]\nepochs = 3\nbatch = 4\n[analysis]\nq = 0.1\n", &[]);
    let other = loaded(
        "# said\nanalysis = { q = 1e-1 }\ntitle = 't' # so\n[classifier]\nbatch = 4\n\nepochs = 0x3\n",
        &[],
    );
    assert_eq!(one.resolved, other.resolved);
}

#[test]
fn a_study_is_found_by_name_or_path() {
    let folder = folder(&[("quick.toml", ""), ("base.toml", ""), ("notes.md", "")]);
    assert_eq!(find("quick", folder.path()).unwrap(), folder.path().join("quick.toml"));
    assert_eq!(find("mine.toml", folder.path()).unwrap(), Path::new("mine.toml"));
    assert_eq!(find("some/where", folder.path()).unwrap(), Path::new("some/where"));
    let said = find("quik", folder.path()).unwrap_err().to_string();
    expect!["no study is called `quik`; experiments has base, quick, and a path to a study file works too"]
        .assert_eq(&said.replace(&folder.path().display().to_string(), "experiments"));
}

#[test]
fn the_shipped_studies_load() {
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    for name in names(&experiments).unwrap() {
        let loaded = Study::load(&find(&name, &experiments).unwrap(), &[]).unwrap();
        assert!(!loaded.study.title.is_empty(), "{name} has no title");
    }
}
