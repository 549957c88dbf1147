use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::*;

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
    let said: Vec<String> = cases.iter().map(|(text, sets)| load(&folder(&[("study.toml", text)]), sets).unwrap_err()).collect();
    expected.assert_eq(&format!("{}\n", said.join("\n")));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known() {
    check(
        &[
            ("[classifer]\nepochs = 3\n", &[]),
            ("title = \"x\"\n\n[classifier]\n  epoch = 3\n", &[]),
            ("classifier.epohcs = 3", &[]),
            ("epochs = 3", &[]),
            ("[generator]\nsteps = 3", &[]),
            ("images = { size = 32, helo_out = 3 }", &[]),
            ("[base.unet]\nfrobnicate = 1", &[]),
            ("extend = \"quick.toml\"", &[]),
            ("", &["classifier.epcohs=3"]),
            ("", &["extends=quick.toml"]),
            ("\"ä\" = 1\n[experiment]\nno_such_thing_here = 2", &[]),
        ],
        expect![[r#""#]],
    );
}

#[test]
fn values_of_another_type_are_refused_where_they_stand() {
    check(
        &[
            ("[classifier]\nepochs = \"many\"", &[]),
            ("[classifier]\nepochs = 2.5", &[]),
            ("[classifier]\nepochs = -2", &[]),
            ("[transforms]\nflip = true", &[]),
            ("[experiment]\nn = 4", &[]),
            ("[experiment]\nn = [\n  4,\n  \"8\",\n]", &[]),
            ("images = 3", &[]),
            ("[title]\n", &[]),
            ("[[images]]\n", &[]),
            ("goal = \"reprot\"", &[]),
            ("[experiment]\nstrategies = [\"inpaint\", \"outpaint\"]", &[]),
            ("[generator.dreambooth.steps_by_class]\npsoriasis = \"more\"", &[]),
            ("[base.corpus]\nclasses = [1]", &[]),
            ("extends = 3", &[]),
            ("[classifier]\nepochs = 3\nepochs = 4", &[]),
            ("[classifier\n", &[]),
            ("", &["classifier.epochs=many"]),
            ("", &["classifier.epochs"]),
            ("", &["classifier.epochs="]),
            ("", &["experiment.strategies=[\"all\"]"]),
        ],
        expect![[r#""#]],
    );
}

#[test]
fn values_out_of_range_are_refused_by_full_name() {
    let idx = "[images]\nsource = \"idx\"\npath = \"data\"\nclasses = [\"coat\", \"bag\"]\n[base]\nfrom = \"\"\n";
    let idx_shared = format!("{idx}[base.corpus]\nclasses = [\"dress\", \"bag\"]");
    check(
        &[
            ("[images]\nsize = 30", &[]),
            ("[images]\nsize = 40\n[base.autoencoder]\nchannels = [32, 32, 32, 32]", &[]),
            ("[images]\nclasses = [\"acne\", \"acne\"]\npool = 0", &[]),
            ("[images]\nclasses = []", &[]),
            ("images.classes = [\"acne\", \"eczema\"]\nexperiment.n = [4, 128]", &[]),
            ("[experiment]\nstrategies = [\"inpaint\", \"inpaint\"]\ndoses = [0]\nreplicates = 0", &[]),
            ("[transforms]\nflip = 1.5\nzoom = 0.5", &["transforms.probability=nan"]),
            ("[generator]\nprompt = \"a skin disease\"", &[]),
            ("[generator.dreambooth.steps_by_class]\n\"lichen planus\" = 3\nacne = 3", &[]),
            ("goal = \"base\"", &[]),
            ("[images]\nsource = \"idx\"", &[]),
            (idx, &[]),
            (&idx_shared, &[]),
            ("[base.corpus]\nclasses = [\"dress\"]", &[]),
            ("[base.unet]\nheads = 5\n[base.autoencoder]\nnorm_groups = 7", &[]),
            ("", &["analysis.q=1", "generator.sampling.steps=1001", "base.diffusion.beta_start=0.5"]),
            ("", &["classifier.label_smoothing=1", "generator.sampling.inpaint_strength=0", "classifier.learning_rate=inf"]),
        ],
        expect![[r#""#]],
    );
}

#[test]
fn files_extend_one_another() {
    let folder = folder(&[
        ("study.toml", "extends = \"in/middle.toml\"\n[classifier]\nepochs = 3\n"),
        ("in/middle.toml", "extends = \"../low.toml\"\n[classifier]\nepochs = 4\nbatch = 5\n[base]\nfrom = \"shipped\"\n"),
        ("low.toml", "[classifier]\nbatch = 6\npatience = 7\n[experiment]\nn = [1, 2, 3]\n"),
    ]);
    let loaded = load(&folder, &["experiment.n=[9]"]).unwrap();
    let Classifier { epochs, batch, patience, .. } = loaded.study.classifier;
    assert_eq!((epochs, batch, patience), (3, 5, 7));
    assert_eq!(loaded.study.experiment.n, [9]);
    assert_eq!(loaded.name, "study");
    assert_eq!(loaded.base_folder().unwrap(), folder.path().join("in/shipped"), "a path starts from the file that names it");
}

#[test]
fn a_broken_chain_is_named() {
    let said = |files: &[(&str, &str)]| load(&folder(files), &[]).unwrap_err();
    let expected = expect![[r#""#]];
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
            "images.path=/usr/share/sets",
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
    assert_eq!(study.images.path, "/usr/share/sets");
    assert_eq!((study.base.from.as_str(), study.about.as_str(), study.goal), ("", "quoted", Goal::Base));
    assert_eq!(study.generator.dreambooth.steps_by_class["lichen planus"], 300);
    assert_eq!((study.classifier.epochs, study.classifier.batch, study.transforms.rotate), (3, 4, 12.0));
}

#[test]
fn the_resolved_study_says_everything_and_loads_again() {
    let edited = "[generator.dreambooth.steps_by_class]\n\"lichen planus\" = 3\n[analysis]\nq = 1e-7\n";
    for text in ["", edited, "title = \"\"\"two\nlines, \"quoted\" # and \\\\ \"\"\""] {
        let first = loaded(text, &[]);
        let again = loaded(&first.resolved, &[]);
        assert_eq!(again.study, first.study);
        assert_eq!(again.resolved, first.resolved);
    }
    expect![[r#""#]].assert_eq(&loaded("", &[]).resolved[..1200]);
}

#[test]
fn comments_and_order_change_nothing() {
    let one = loaded("title = \"t\"\n[classifier]\nepochs = 3\nbatch = 4\n[analysis]\nq = 0.1\n", &[]);
    let other = loaded("# said\nanalysis = { q = 1e-1 }\ntitle = 't' # so\n[classifier]\nbatch = 4\n\nepochs = 0x3\n", &[]);
    assert_eq!(one.resolved, other.resolved);
}

#[test]
fn a_study_is_found_by_name_or_path() {
    let folder = folder(&[("quick.toml", ""), ("base.toml", ""), ("notes.md", "")]);
    assert_eq!(find("quick", folder.path()).unwrap(), folder.path().join("quick.toml"));
    assert_eq!(find("mine.toml", folder.path()).unwrap(), Path::new("mine.toml"));
    assert_eq!(find("some/where", folder.path()).unwrap(), Path::new("some/where"));
    let said = find("quik", folder.path()).unwrap_err().to_string();
    expect![[r#""#]].assert_eq(&said.replace(&folder.path().display().to_string(), "experiments"));
}

#[test]
fn the_shipped_studies_load() {
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    for name in names(&experiments).unwrap() {
        let loaded = Study::load(&find(&name, &experiments).unwrap(), &[]).unwrap();
        assert!(!loaded.study.title.is_empty(), "{name} has no title");
    }
}
