use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::plan::graph::Task;
use crate::study::Study;

/// The tasks of quick with these keys laid over it, on weights that are not there.
fn planned(sets: &[&str]) -> Graph {
    let quick = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    let study = Study::load(&quick, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
        .unwrap()
        .study;
    let outside = Outside {
        files: None,
        pictures: None,
        base: None,
        released: BTreeMap::new(),
        pretrained: Vec::new(),
        backbone: None,
        ratings: None,
        name: "quick".into(),
        resolved: String::new(),
    };
    tasks(&study, outside).unwrap()
}

fn of_kind<'a>(graph: &'a Graph, kind: &'static str) -> impl Iterator<Item = &'a Task> {
    graph.ids().map(|id| graph.task(id)).filter(move |task| task.kind.name == kind)
}

/// Pool positions, of a class, that the generate tasks among a classifier's inputs have.
fn made_from(graph: &Graph, classifier: &Task, class: &str) -> BTreeSet<u64> {
    let tasks = classifier.inputs.iter().filter_map(|(_, input)| match input {
        Input::Task(task) => Some(graph.task(*task)),
        _ => None,
    });
    let shards = tasks.filter(|task| {
        task.kind.name == kinds::Generate::KIND.name && task.params["class"] == class
    });
    shards
        .flat_map(|task| task.params["sources"].as_array().unwrap())
        .map(|source| source.as_u64().unwrap())
        .collect()
}

/// Where n reaches the whole pool, replicates share blocks of it, and a classifier is given those
/// with its own sources and no others.
#[test]
fn no_image_is_made_twice_where_the_whole_pool_is_drawn() {
    let sets = [
        "images.pool=20",
        "experiment.n=[2, 20]",
        "generator.sampling.sources_per_shard=3",
        "experiment.transforms=[false]",
        "experiment.replicates=3",
    ];
    let shared = planned(&[&sets[..], &["generator.dreambooth.models=per-class"]].concat());
    let class = "psoriasis";
    let places = of_kind(&shared, kinds::Generate::KIND.name)
        .filter(|task| task.params["model"] == "dreambooth" && task.params["class"] == class)
        .map(|task| {
            (
                task.params["strategy"].to_string(),
                task.params["first_generation"].to_string(),
                task.params["sources"].to_string(),
            )
        })
        .collect::<Vec<_>>();
    let strategies_and_generations = places.len() / 7;
    assert_eq!(places.len(), 7 * strategies_and_generations, "seven blocks of twenty sources");
    assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), places.len());

    for classifier in
        of_kind(&shared, kinds::Classifier::KIND.name).filter(|task| task.params["dose"] != 0)
    {
        let sampled = classifier.params["sources"][class]
            .as_array()
            .unwrap()
            .iter()
            .map(|at| at.as_u64().unwrap());
        let (sampled, given) =
            (sampled.collect::<BTreeSet<_>>(), made_from(&shared, classifier, class));
        assert!(sampled.is_subset(&given), "{}", classifier.label);
        assert!(
            given.len() <= 3 * sampled.len(),
            "{}: {given:?} for {sampled:?}",
            classifier.label
        );
    }

    let apart = planned(&[&sets[..], &["generator.dreambooth.models=per-replicate"]].concat());
    let replicates = of_kind(&apart, kinds::Generate::KIND.name)
        .filter(|task| task.label.contains("psoriasis/r2/"))
        .count();
    assert_eq!(replicates, places.len(), "models of their own make their own");
}

fn task<'a>(graph: &'a Graph, of: &Task, role: &str) -> &'a Task {
    match of.inputs.iter().find(|(name, _)| name == role) {
        Some((_, Input::Task(task))) => graph.task(*task),
        other => panic!("{}: {role} is {other:?}", of.label),
    }
}

/// A leak-free model sees the images that its classifiers see, and makes images of those alone.
#[test]
fn leak_free_models_see_what_their_classifiers_see() {
    let graph =
        planned(&["generator.dreambooth.models=leak-free", "experiment.transforms=[false]"]);
    let classes = ["psoriasis", "lichen planus"];
    let mut seen = 0;
    for classifier in
        of_kind(&graph, kinds::Classifier::KIND.name).filter(|task| task.params["dose"] != 0)
    {
        let shards = classifier.inputs.iter().filter_map(|(_, input)| match input {
            Input::Task(task) => {
                Some(graph.task(*task)).filter(|task| task.kind.name == kinds::Generate::KIND.name)
            }
            _ => None,
        });
        for shard in shards {
            let class = shard.params["class"].as_str().unwrap();
            let model = task(&graph, shard, "unet");
            let sorted = |sources: &serde_json::Value| {
                sources
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|at| at.as_u64().unwrap())
                    .collect::<BTreeSet<_>>()
            };
            let (own, tuned) = (
                sorted(&classifier.params["sources"][class]),
                sorted(&model.params["classes"][class]),
            );
            assert_eq!(own, tuned, "{} by {}", classifier.label, model.label);
            assert_eq!(model.params["classes"].as_object().unwrap().len(), 1);
            assert!(sorted(&shard.params["sources"]).is_subset(&own), "{}", shard.label);
            seen += usize::from(classes.contains(&class));
        }
    }
    assert!(seen > 0);
}

/// One model of all classes for each replicate makes that replicate's images of every class, and no
/// other's; each is a rerun of the same tuning from a stream of its own.
#[test]
fn a_replicate_can_have_one_model_of_all_classes() {
    let graph =
        planned(&["generator.dreambooth.models=all-per-replicate", "experiment.replicates=3"]);
    let models = of_kind(&graph, kinds::DreamBooth::KIND.name).collect::<Vec<_>>();
    let labels = models.iter().map(|task| task.label.as_str()).collect::<BTreeSet<_>>();
    let of = |conditioning| {
        (0..3).map(move |replicate| format!("dreambooth/all/{conditioning}/r{replicate}"))
    };
    let expected = of("text-to-image").chain(of("inpainting")).collect::<BTreeSet<_>>();
    assert_eq!(labels, expected.iter().map(String::as_str).collect());
    assert!(models.iter().all(|task| task.params == models[0].params
        && task.params["classes"].as_object().unwrap().len() == 9));
    assert_eq!(
        models.iter().map(|task| format!("{:?}", task.seed)).collect::<BTreeSet<_>>().len(),
        models.len()
    );

    let classifiers = of_kind(&graph, kinds::Classifier::KIND.name)
        .filter(|task| task.params["dose"] != 0)
        .collect::<Vec<_>>();
    assert!(!classifiers.is_empty());
    for classifier in classifiers {
        let (_, replicate) = classifier.label.rsplit_once('/').unwrap();
        let shards = classifier.inputs.iter().filter_map(|(_, input)| match input {
            Input::Task(task) => {
                Some(graph.task(*task)).filter(|task| task.kind.name == kinds::Generate::KIND.name)
            }
            _ => None,
        });
        for shard in shards {
            let model = task(&graph, shard, "unet");
            assert!(
                model.label.ends_with(&format!("/{replicate}")),
                "{} by {}",
                classifier.label,
                model.label
            );
        }
    }
    let report = of_kind(&graph, kinds::Report::KIND.name).next().unwrap();
    assert_eq!(
        task(&graph, report, "training/inpainting/all, replicate 2").label,
        "dreambooth/all/inpainting/r2"
    );
}

/// A control's classifiers are real only's in everything but the stream that they train from, and
/// add nothing else to a study.
#[test]
fn a_control_differs_from_real_only_by_its_seed() {
    let regimes = "experiment.regimes=[\"full\", \"head\"]";
    let controls =
        "experiment.arms=[\"reseeded\", \"text-to-image\", \"inpaint\", \"in-then-outpaint\"]";
    let replicates = "experiment.replicates=3";
    let (plain, graph) =
        (planned(&[regimes, replicates]), planned(&[regimes, replicates, controls]));
    let labels =
        |graph: &Graph| graph.ids().map(|id| graph.task(id).label.clone()).collect::<Vec<_>>();
    let added = labels(&graph)
        .into_iter()
        .filter(|label| !labels(&plain).contains(label))
        .collect::<Vec<_>>();
    assert_eq!(added.len(), 2 * 2 * 2 * 3, "n, transforms, regimes, replicates: {added:?}");
    let of = |label: &str| graph.task(graph.by_label(label).unwrap());
    let mut seeds = BTreeSet::new();
    for label in &added {
        let (control, real) = (of(label), of(&label.replace("/reseeded/", "/real/")));
        assert_eq!((control.kind, &control.params), (real.kind, &real.params), "{label}");
        assert_eq!(format!("{:?}", control.inputs), format!("{:?}", real.inputs), "{label}");
        assert_ne!(control.seed, real.seed, "{label}");
        seeds.extend([control.seed, real.seed]);
    }
    assert_eq!(seeds.len(), 6, "one of the control's and one of the others' for each replicate");
    for label in labels(&plain) {
        let (before, after) = (plain.task(plain.by_label(&label).unwrap()), of(&label));
        let same = (&before.params, before.seed) == (&after.params, after.seed);
        let after = ["analysis/sweep", "predictions", "lineage", "report"];
        assert_eq!(same, !after.contains(&label.as_str()), "{label}");
    }
}

/// In the same steps an arm of dose 10 shows each real image an eleventh as often as real only does:
/// so does the control, which is given an eleventh of the steps.
#[test]
fn equal_passes_show_real_images_as_often_as_beside_synthetic_ones() {
    let graph = planned(&["experiment.arms=[\"text-to-image\", \"equal-passes\"]"]);
    let of_arm = |arm: &str| {
        let named = |task: &&Task| task.label.contains(&format!("/{arm}-x10/"));
        let found = of_kind(&graph, kinds::Classifier::KIND.name).find(named).unwrap();
        let count = |key: &str| found.params["training"][key].as_u64().unwrap();
        (count("epochs") * count("steps_per_epoch"), found.params["dose"].clone())
    };
    let [(steps, _), (fewer, dose)] = ["text-to-image", "equal-passes"].map(of_arm);
    assert_eq!((steps, fewer, dose), (300, 27, 0.into()));
}

/// A study of controls alone generates nothing, and so checks and shows nothing; its real images
/// are those of other studies.
#[test]
fn without_a_strategy_nothing_is_generated_checked_or_shown() {
    let sets = ["experiment.arms=[\"reseeded\"]", "experiment.regimes=[\"full\", \"head\"]"];
    let (whole, graph) = (planned(&sets[2..]), planned(&sets));
    let kinds = graph.ids().map(|id| graph.task(id).kind.name).collect::<BTreeSet<_>>();
    let expected = [
        kinds::Corpus::KIND,
        kinds::Backbone::KIND,
        kinds::Cohort::KIND,
        kinds::Features::KIND,
        kinds::Classifier::KIND,
        kinds::Head::KIND,
        kinds::Analysis::KIND,
        kinds::Predictions::KIND,
        kinds::Lineage::KIND,
        kinds::Report::KIND,
    ];
    assert_eq!(kinds, expected.iter().map(|kind| kind.name).collect());
    for label in
        ["cohort/pool", "classifier/n=4/real/plain/r0", "classifier/n=8/real/transforms/head/r2"]
    {
        let of = |graph: &Graph| graph.task(graph.by_label(label).unwrap()).params.clone();
        assert_eq!(of(&graph), of(&whole), "{label}");
    }
    let report = of_kind(&graph, kinds::Report::KIND.name).next().unwrap();
    assert_eq!(
        report.inputs.iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>(),
        ["analysis/sweep", "predictions", "lineage"]
    );
    assert!(report.params["trainings"].as_array().unwrap().is_empty());
}

/// An untuned generator is an arm: its images come from the pretrained models by every strategy,
/// and nothing is tuned for it.
#[test]
fn what_is_not_tuned_can_be_an_arm() {
    let graph = planned(&[
        "generator.variants.untuned.dreambooth.models=untuned",
        "experiment.arms=[\"text-to-image\", \"inpaint\", \"in-then-outpaint\", \"text-to-image@untuned\", \"inpaint@untuned\", \"in-then-outpaint@untuned\"]",
    ]);
    assert!(
        of_kind(&graph, kinds::DreamBooth::KIND.name)
            .chain(of_kind(&graph, kinds::Latents::KIND.name))
            .all(|task| !task.label.contains('@'))
    );
    for (strategy, base) in [
        ("text-to-image", kinds::UNet::KIND.name),
        ("inpaint", kinds::Inpainting::KIND.name),
        ("in-then-outpaint", kinds::Inpainting::KIND.name),
    ] {
        let arm = format!("generate/{strategy}@untuned/");
        let shards = of_kind(&graph, kinds::Generate::KIND.name)
            .filter(|task| task.label.starts_with(&arm))
            .collect::<Vec<_>>();
        assert!(!shards.is_empty(), "{arm}");
        for shard in shards {
            assert_eq!(
                (task(&graph, shard, "unet").kind.name, shard.params["model"].as_str()),
                (base, Some("base")),
                "{}",
                shard.label
            );
        }
        let arms = of_kind(&graph, kinds::Classifier::KIND.name)
            .filter(|task| task.label.contains(&format!("{strategy}@untuned")));
        assert!(arms.count() > 0);
    }
}

/// A class may be called as something of the study's own is: labels and inputs are told apart.
#[test]
fn a_class_may_be_called_prior() {
    let classes = "images.classes=[\"prior\", \"prior/hand\"]";
    let graph = planned(&[classes, "generator.dreambooth.prior.images=3"]);
    for kind in [kinds::Prompt::KIND.name, kinds::Latents::KIND.name] {
        let of_prior = of_kind(&graph, kind).filter(|task| task.label.starts_with("prior/"));
        let of_class = of_kind(&graph, kind).filter(|task| task.label.contains("/prior/hand/"));
        assert!(of_prior.count() > 0 && of_class.count() > 0, "{kind}");
    }
}

/// Quality compares the first generations of the same sources by every arm, reads features that
/// heads read too, and is there only where a study asks for it.
#[test]
fn quality_reads_first_generations_of_sources_that_all_arms_have() {
    let both = "experiment.regimes=[\"full\", \"head\"]";
    let sets = [
        both,
        "quality.sources=6",
        "generator.sampling.generations_per_shard=5",
        "experiment.replicates=2",
        "generator.variants.own.dreambooth.models=leak-free",
        "experiment.arms=[\"text-to-image\", \"inpaint\", \"text-to-image@own\"]",
    ];
    let graph = planned(&sets);
    let quality = of_kind(&graph, kinds::Quality::KIND.name).next().unwrap();
    let params: kinds::Quality = serde_json::from_value(quality.params.clone()).unwrap();
    assert_eq!((params.sources.len(), params.generations), (9, 5));
    assert!(params.sources.values().all(|sources| sources.len() == 6));
    let roles = params.shards.iter().flat_map(|set| &set.roles).collect::<BTreeSet<_>>();
    let expected = roles.len() + ["pool", "held_out"].len();
    assert_eq!(quality.inputs.len(), expected);
    for set in &params.shards {
        let mut made = BTreeSet::new();
        for role in &set.roles {
            let features = task(&graph, quality, role);
            assert_eq!(features.kind.name, kinds::Features::KIND.name);
            assert!(features.params.get("views").is_none(), "{role}");
            let shard = task(&graph, features, "images");
            assert_eq!(
                (&shard.params["class"], &shard.params["first_generation"]),
                (&set.class.as_str().into(), &0.into()),
                "{role}"
            );
            assert!(!shard.label.contains("/r1/") && !shard.label.contains("n=4"), "{role}");
            let sources = shard.params["sources"].as_array().unwrap().iter();
            made.extend(sources.map(|source| source.as_u64().unwrap() as usize));
        }
        let sources = params.sources[&set.class].iter().copied().collect::<BTreeSet<_>>();
        assert!(sources.is_subset(&made), "{}: {sources:?} of {made:?}", set.class);
    }
    let labels = |graph: &Graph, of: fn(&Task) -> bool| {
        let tasks = graph.ids().map(|id| graph.task(id)).filter(|task| of(task));
        tasks.map(|task| task.label.clone()).collect::<BTreeSet<_>>()
    };
    let without = planned(&[&sets[..1], &sets[2..]].concat());
    let added = &labels(&graph, |_| true) - &labels(&without, |_| true);
    let expected = ["quality", "tsne"].map(String::from);
    assert_eq!(added, BTreeSet::from(expected), "heads have the features already");
    let none = planned(&["quality.sources=6", "experiment.arms=[\"reseeded\"]"]);
    assert_eq!(of_kind(&none, kinds::Quality::KIND.name).count(), 0);
}

/// Sources that an arm has no images of are not compared, nor are classes without any.
#[test]
fn quality_leaves_out_what_an_arm_lacks() {
    let graph = planned(&[
        "quality.sources=64",
        "experiment.n=[8]",
        "experiment.rare={class=\"psoriasis\", n=2}",
        "generator.sampling.sources_per_shard=1",
    ]);
    let quality = of_kind(&graph, kinds::Quality::KIND.name).next().unwrap();
    let params: kinds::Quality = serde_json::from_value(quality.params.clone()).unwrap();
    let counts = params.sources.iter().map(|(class, sources)| (class.as_str(), sources.len()));
    assert_eq!(counts.collect::<Vec<_>>(), [("psoriasis", 2)]);
}

/// Uses of images share them: a choice asks for its candidates and their scores, a class's own dose
/// for images of that class.
#[test]
fn uses_ask_for_the_images_that_they_choose_from() {
    let sets = [
        "experiment.n=[4]",
        "experiment.replicates=1",
        "experiment.transforms=[false]",
        "experiment.regimes=[\"full\", \"head\"]",
        "generator.sampling.generations_per_shard=5",
        "usages.light.weight=0.5",
        "usages.best={choose=\"confident\", candidates=15}",
        "usages.far={choose=\"farthest\", candidates=12}",
        "usages.more.doses={psoriasis=20}",
        "experiment.arms=[\"inpaint\", \"inpaint+light\", \"inpaint+best\", \"inpaint+far\", \"inpaint+more\"]",
    ];
    let graph = planned(&sets);
    let made = |class: &str| {
        of_kind(&graph, kinds::Generate::KIND.name)
            .filter(|task| task.params["class"] == class)
            .map(|task| task.params["first_generation"].as_u64().unwrap())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(made("psoriasis"), BTreeSet::from([0, 5, 10, 15]));
    assert_eq!(made("sarcoidosis"), BTreeSet::from([0, 5, 10]));
    let of_arm = |kind: &'static str, arm: &str| {
        let own = of_kind(&graph, kind).filter(|task| task.label.contains(&format!("/{arm}-x10/")));
        let found = own.collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{kind} {arm}");
        found[0]
    };
    for kind in [kinds::Classifier::KIND.name, kinds::Head::KIND.name] {
        // Of nine classes; what a use adds to the parameters, and how many shards and scores it reads.
        for (arm, key, shards, scores) in [
            ("inpaint", None, 18, 0),
            ("inpaint+light", Some("mixture"), 18, 0),
            ("inpaint+best", Some("candidates"), 27, 27),
            ("inpaint+far", Some("candidates"), 27, 27),
            ("inpaint+more", Some("doses"), 20, 0),
        ] {
            let task = of_arm(kind, arm);
            let uses = ["mixture", "candidates", "doses"].map(|key| (key, task.params.get(key)));
            let said = uses.into_iter().filter(|(_, value)| value.is_some());
            assert_eq!(said.map(|(key, _)| key).collect::<Vec<_>>(), Vec::from_iter(key), "{arm}");
            let count = |prefix: &str| {
                task.inputs.iter().filter(|(role, _)| role.starts_with(prefix)).count()
            };
            assert_eq!((count("synthetic/"), count("scores/")), (shards, scores), "{kind} {arm}");
        }
    }
    // Full classifiers and heads read the same scores, the probe judges for uses and for the check.
    assert_eq!(of_kind(&graph, kinds::Scores::KIND.name).count(), 2 * 27);
    assert_eq!(of_kind(&graph, kinds::Probe::KIND.name).count(), 1);
}
