//! The chain of a real study, from its file to its report: what an edit reruns, and that results do
//! not depend on how they were computed. It runs the smoke study with the binary that users run.

mod backbones;
mod bombs;
mod cases;
mod chain;
mod cluster;
mod disk;
mod experiments;
mod hub;
mod misfits;
mod own;
mod pictures;
mod pipelines;
mod proofs;
mod share;

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, SystemTime};

use chain::{Chain, kill};
use expect_test::expect;
use rand::Rng;
use titrate::ml::device;
use titrate::seed::Seed;

/// Every edit of the issue's table, after a first run of smoke: exactly the tasks that run again,
/// by the start of their labels.
#[test]
fn an_edit_reruns_exactly_what_it_touches() {
    let chain = Chain::new("edits");
    let all = chain.run(&[]);
    assert_eq!(all.ran.len(), all.tasks, "the first run runs everything");
    assert_eq!(chain.run(&[]).ran, [] as [String; 0], "the second runs nothing");
    let downstream = |labels: &[&str]| {
        let mut labels = labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
        labels.extend(["analysis/sweep", "lineage", "report"].map(str::to_owned));
        labels
    };
    let cases: &[(&str, &[&str], Vec<String>)] = &[
        ("q of Benjamini-Hochberg", &["analysis.q=0.1"], downstream(&[])),
        (
            "classifier epochs",
            &["classifier.epochs=1"],
            downstream(&["classifier/", "predictions"]),
        ),
        (
            "DreamBooth steps of one class",
            &["generator.dreambooth.steps_by_class={\"psoriasis\"=3}"],
            downstream(&[
                "dreambooth/psoriasis/",
                "generate/text-to-image/psoriasis/",
                "generate/inpaint/psoriasis/",
                "generate/in-then-outpaint/psoriasis/",
                "classifier/n=2/text-to-image",
                "classifier/n=2/inpaint",
                "classifier/n=2/in-then-outpaint",
                "check",
                "contact",
                "predictions",
            ]),
        ),
    ];
    for (edit, sets, expected) in cases {
        let ran = chain.run(sets).ran;
        let all_of = |start: &String| {
            all.ran
                .iter()
                .filter(|label| label.starts_with(start.as_str()))
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut wanted = expected.iter().flat_map(all_of).collect::<Vec<_>>();
        wanted.sort();
        assert_eq!(ran, wanted, "{edit}");
        assert_eq!(chain.run(&[]).ran, [] as [String; 0], "{edit}, taken back");
    }
    let ran = chain.run(&["transforms.rotate=20.0"]).ran;
    let classifiers =
        ran.iter().filter(|label| label.starts_with("classifier/")).collect::<Vec<_>>();
    assert!(
        !classifiers.is_empty() && classifiers.iter().all(|label| label.contains("/transforms/")),
        "{ran:?}"
    );
    assert!(
        !ran.iter().any(|label| label.starts_with("dreambooth/") || label.starts_with("generate/")),
        "{ran:?}"
    );

    let ran = chain.run(&["experiment.doses=[2, 6]"]).ran;
    let cells = ran.iter().filter(|label| label.starts_with("classifier/")).collect::<Vec<_>>();
    assert!(
        !cells.is_empty() && cells.iter().all(|label| label.contains("-x6/")),
        "a new dose: only its classifiers: {ran:?}"
    );
    let shards = ran.iter().filter(|label| label.starts_with("generate/")).collect::<Vec<_>>();
    assert!(
        !shards.is_empty() && shards.iter().all(|label| label.ends_with("generations-5")),
        "only further generations: {ran:?}"
    );

    let ran = chain.run(&["experiment.n=[2, 5]"]).ran;
    let cells = ran.iter().filter(|label| label.starts_with("classifier/")).collect::<Vec<_>>();
    assert!(
        !cells.is_empty() && cells.iter().all(|label| label.contains("/n=5/")),
        "a new n: only its classifiers: {ran:?}"
    );
    let shards = ran.iter().filter(|label| label.starts_with("generate/")).collect::<Vec<_>>();
    assert!(
        !shards.is_empty() && shards.iter().all(|label| label.contains("/sources-1/")),
        "only further sources: {ran:?}"
    );
}

/// A variant of the generator shares what it has in common with it, and its arms stand beside the
/// others in the report.
#[test]
fn a_variant_adds_its_own_tasks() {
    let chain = Chain::new("variants");
    let one_strategy = "experiment.arms=[\"text-to-image\"]";
    chain.run(&[one_strategy]);
    // Labels with one class in the place of all.
    let added = |variant: &str, sets: &[&str]| {
        let arms = format!("experiment.arms=[\"text-to-image\", \"text-to-image@{variant}\"]");
        let ran = chain.run(&[&[arms.as_str()], sets].concat()).ran;
        let classes = ["basal cell carcinoma", "lichen planus", "psoriasis"];
        let plain = ran.iter().map(|label| {
            classes.iter().fold(label.clone(), |label, class| label.replace(class, "CLASS"))
        });
        plain.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n")
    };
    expect![[r#"
        analysis/sweep
        check
        classifier/n=2/text-to-image@ddim-x2/plain/r0
        classifier/n=2/text-to-image@ddim-x2/plain/r1
        classifier/n=2/text-to-image@ddim-x2/transforms/r0
        classifier/n=2/text-to-image@ddim-x2/transforms/r1
        contact
        generate/text-to-image@ddim/CLASS/r0/sources-0/generations-0
        generate/text-to-image@ddim/CLASS/r1/sources-0/generations-0
        lineage
        predictions
        report"#]]
    .assert_eq(&added(
        "ddim",
        &[
            "generator.variants.ddim.sampling.solver=ddim",
            "generator.variants.ddim.sampling.precision=f16",
        ],
    ));
    expect![[r#"
        analysis/sweep
        check
        classifier/n=2/text-to-image@prior-x2/plain/r0
        classifier/n=2/text-to-image@prior-x2/plain/r1
        classifier/n=2/text-to-image@prior-x2/transforms/r0
        classifier/n=2/text-to-image@prior-x2/transforms/r1
        contact
        dreambooth/CLASS/text-to-image@prior
        generate/text-to-image@prior/CLASS/r0/sources-0/generations-0
        generate/text-to-image@prior/CLASS/r1/sources-0/generations-0
        lineage
        predictions
        prior/latents/text-to-image@prior
        prior/prompt/text-to-image@prior
        prior@prior
        report"#]]
    .assert_eq(&added(
        "prior",
        &[
            "generator.variants.prior.dreambooth.prior.images=3",
            "generator.variants.prior.dreambooth.gradient_checkpointing=true",
            "generator.variants.prior.dreambooth.precision=bf16",
        ],
    ));
    let files = chain.report();
    let (_, report) = files.iter().find(|(path, _)| path.ends_with("report.md")).unwrap();
    let report = String::from_utf8_lossy(report);
    assert!(
        report.contains("## Variants of the generator") && report.contains("text-to-image@prior"),
        "{report}"
    );
    expect![[r#"
        analysis/sweep
        check
        classifier/n=2/text-to-image@own-x2/plain/r0
        classifier/n=2/text-to-image@own-x2/plain/r1
        contact
        dreambooth/CLASS/text-to-image@own/r0
        dreambooth/CLASS/text-to-image@own/r1
        generate/text-to-image@own/CLASS/r0/sources-0/generations-0
        generate/text-to-image@own/CLASS/r1/sources-0/generations-0
        lineage
        predictions
        report"#]]
    .assert_eq(&added(
        "own",
        &[
            "generator.variants.own.dreambooth.models=per-replicate",
            "experiment.transforms=[false]",
        ],
    ));
}

/// Image files count by their bytes, and what is made of them by its own.
#[test]
fn an_edited_file_reruns_what_its_content_reaches() {
    let chain = Chain::on_files("files");
    let all = chain.run(&[]);
    assert_eq!(all.ran.len(), all.tasks);
    let file = "train-images-idx3-ubyte.gz";
    chain.touch(file);
    assert_eq!(chain.run(&[]).ran, [] as [String; 0], "a new time of change");
    let (header, mut levels) = chain.read_idx(file);
    chain.write_idx(file, &header, &levels, 1);
    assert_eq!(chain.run(&[]).ran, ["import"], "packed otherwise: the same images");
    // Image 9 is an ankle boot, of no class that the study or its base takes.
    levels[9 * 28 * 28] ^= 255;
    chain.write_idx(file, &header, &levels, 6);
    let expected = [
        "base/corpus",
        "cohort/held_out",
        "cohort/plentiful",
        "cohort/pool",
        "cohort/validation",
        "import",
        "lineage",
        "report",
    ];
    assert_eq!(
        chain.run(&[]).ran,
        expected,
        "an image that is not used: the sets are drawn again, and are the same; the report says what they are from"
    );
}

/// Classes that a fixed set lacks are refused at once; a set that is not there is planned.
#[test]
fn classes_and_files_of_a_fixed_set() {
    let chain = Chain::new("fixed");
    let classes = "images.classes=[\"psoriasis\", \"eczema\"]";
    let idx = ["images.source=idx", "images.path=nowhere", "images.classes=[\"coat\", \"sock\"]"];
    let refused = [chain.failure(&[classes], "cohort/pool"), chain.failure(&idx, "cohort/pool")];
    expect![[r#"
        2: error: study study: --set images.classes=["psoriasis", "eczema"]: `images.classes` names "eczema"; the images have allergic contact dermatitis, basal cell carcinoma, lichen planus, lupus erythematosus, neutrophilic dermatoses, photodermatoses, psoriasis, sarcoidosis, squamous cell carcinoma
        2: error: study study: --set images.classes=["coat", "sock"]: `images.classes` names "sock"; the images have t-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot"#]].assert_eq(&refused.join("\n"));
    let images =
        "[images]\nsource = \"idx\"\npath = \"nowhere\"\nclasses = [\"coat\", \"shirt\"]\n";
    chain.write_study(&format!("{}{images}", chain.study_text()));
    let plan = chain.plan();
    assert!(
        plan.contains("missing:\n  images.path: ")
            && plan.contains("apt-get install dataset-fashion-mnist"),
        "{plan}"
    );
    let refused = chain.failure(&[], "cohort/pool");
    assert!(refused.starts_with("2: error: the study needs images.path"), "{refused}");
}

/// Without a GPU a run on one is refused as a whole, and what needs none is there: a plan, and
/// tasks of the processor.
#[test]
fn a_gpu_that_is_not_there_is_refused_before_any_task() {
    let Err(error) = device::named("cuda") else {
        let _ = writeln!(std::io::stderr(), "skipped: there is a GPU");
        return;
    };
    let chain = Chain::new("gpu");
    let on_a_gpu = [("TITRATE_DEVICE", "cuda")];
    let plan = chain.plan_with(&on_a_gpu);
    let refused = chain.failure_with(&[], "dreambooth/psoriasis/text-to-image", &on_a_gpu);
    // A backtrace may follow.
    let cause = error.to_string().lines().next().unwrap().to_owned();
    let way_on =
        "run it without `--device cuda`, or with `--device cpu`, to compute on the processor";
    assert_eq!(refused, format!("2: error: {cause}; {way_on}"));
    assert_eq!(chain.plan_with(&on_a_gpu), plan, "nothing has run");
    assert_eq!(
        chain.run_with(&[], &["--only", "cohort/pool", "--device", "cuda"], &[]).ran,
        ["cohort/pool"]
    );
}

#[test]
fn a_comment_or_another_order_reruns_nothing() {
    let chain = Chain::new("comments");
    chain.run(&[]);
    let text = chain.study_text();
    chain.write_study(&format!(
        "# another comment\n{text}\n# and another order:\n[base.corpus]\nclasses = []\n"
    ));
    assert_eq!(chain.run(&[]).ran, [] as [String; 0]);
}

/// Of every regime, and of images by models that are not tuned.
#[test]
fn digests_do_not_depend_on_jobs_or_threads() {
    let sets = [
        "experiment.regimes=[\"full\", \"head\", \"authors\"]",
        "classifier.head=concat-pool",
        "classifier.label_smoothing=0.1",
        "generator.variants.untuned.dreambooth.models=untuned",
        "experiment.arms=[\"text-to-image\", \"inpaint\", \"in-then-outpaint\", \"text-to-image@untuned\", \"inpaint@untuned\", \
         \"in-then-outpaint@untuned\", \"duplicate\", \"pool\"]",
    ];
    let chain = Chain::new("threads-2");
    let ran = chain.run_with(&sets, &["--jobs", "2"], &[("RAYON_NUM_THREADS", "2")]).ran;
    for made in [
        "classifier/n=2/inpaint@untuned",
        "classifier/n=2/real/transforms/head",
        "classifier/n=2/real/plain/authors",
        "classifier/n=2/duplicate-x2/plain/head",
        "classifier/n=2/pool-x2/plain/r0",
        "features/",
    ] {
        assert!(ran.iter().any(|label| label.starts_with(made)), "{made} is none of {ran:?}");
    }
    let expected = chain.report();
    for (jobs, threads) in [("1", "1"), ("1", "2")] {
        let other = Chain::new(&format!("threads-{jobs}-{threads}"));
        other.run_with(&sets, &["--jobs", jobs], &[("RAYON_NUM_THREADS", threads)]);
        assert_eq!(other.digests(), chain.digests(), "--jobs {jobs}, RAYON_NUM_THREADS={threads}");
        assert!(
            other.report() == expected,
            "the report differs at --jobs {jobs}, RAYON_NUM_THREADS={threads}"
        );
    }
}

#[test]
fn a_damaged_object_is_computed_again_and_nothing_else() {
    let chain = Chain::new("damage");
    chain.run(&[]);
    let expected = chain.report();
    chain.flip_a_byte("dreambooth/psoriasis/text-to-image");
    let ran = chain.run(&[]).ran;
    assert_eq!(ran, ["dreambooth/psoriasis/text-to-image"]);
    chain.delete_index();
    assert_eq!(chain.run(&[]).ran, [] as [String; 0], "a deleted index is rebuilt");
    assert!(chain.report() == expected);
}

/// Twenty kills of the whole process group at random moments, five to a store; then the run goes on
/// to the end.
#[test]
fn a_killed_run_resumes_to_the_same_report() {
    let whole = Chain::new("whole");
    whole.run(&[]);
    let expected = whole.report();
    let mut delays = Seed::of_study(20).rng();
    for store in 0..4 {
        let chain = Chain::new(&format!("killed-{store}"));
        for _ in 0..5 {
            chain.start_and_kill(Duration::from_millis(delays.random_range(20..2500)));
        }
        chain.run(&[]);
        assert!(
            chain.report() == expected,
            "the report of store {store} differs from the uninterrupted one"
        );
        assert_eq!(chain.digests(), whole.digests());
    }
}

/// How often a task is killed: so few that it has work left to tell of after the last.
const KILLS: usize = 6;

/// Up to ten kills inside each of two trainings and one generation that take many seconds, each a
/// random moment after a checkpoint: the next attempt goes on from there.
#[test]
fn a_killed_task_goes_on_inside() {
    let sets = [
        "images.classes=[\"psoriasis\", \"sarcoidosis\"]",
        "experiment.arms=[\"text-to-image\"]",
        "experiment.doses=[480]",
        "generator.dreambooth.steps=400",
        "generator.dreambooth.previews=10",
        "generator.sampling.steps=25",
        "generator.sampling.generations_per_shard=480",
        "classifier.epochs=600",
        "classifier.patience=600",
    ];
    let tasks = [
        "dreambooth/psoriasis/text-to-image",
        "generate/text-to-image/psoriasis/r0/sources-0/generations-0",
        "classifier/n=2/real/transforms/r0",
    ];
    let (whole, chain) = (Chain::new("unbroken"), Chain::new("broken"));
    tasks[1..].iter().for_each(|task| drop(whole.run_with(&sets, &["--only", task], &[])));
    let mut delays = Seed::of_study(21).rng();
    for task in tasks {
        let mut kills = 0;
        while kills < KILLS {
            let before = SystemTime::now();
            let mut running = chain.start(&sets, &["--only", task]);
            while running.try_wait().unwrap().is_none()
                && chain.youngest_checkpoint().is_none_or(|written| written < before)
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            if running.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(delays.random_range(0..300)));
            kill(running);
            kills += 1;
        }
        assert!(kills >= 3, "{task}: {kills} kills came after a checkpoint");
        let drawn = chain.youngest("previews.png").is_some();
        match chain.run_with(&sets, &["--only", task], &[]).began.get(task) {
            Some(&began) => {
                let _ =
                    writeln!(std::io::stderr(), "{task}: killed {kills} times, went on at {began}");
                assert!(began > 1, "{task} started anew");
                // The first samples are drawn at a tenth.
                let expected = task.starts_with("dreambooth/") && began > 40;
                assert!(drawn || !expected, "{task}: samples so far, to look at");
            }
            // A fast machine is done before it was killed so often.
            None => assert!(kills < KILLS, "{task} told nothing"),
        }
    }
    assert_eq!(chain.digests(), whole.digests());
    assert_eq!(chain.youngest_checkpoint(), None, "a finished task keeps nothing");
}
