//! A small made-up study, for tests: its numbers come from no classifier.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rand::Rng;

use crate::id::Digest;
use crate::metrics::{Prediction, Predictions};
use crate::report::inputs::{
    AuditPage, Experiment, Inputs, Sheet, Size, Source, StudyInfo, TaskCount, Training,
};
use crate::report::lineage::{Lineage, Made, Trained};
use crate::seed::Seed;
use crate::stats::analysis::{Analysis, Cell, Config, Losses, Questions, analyse};
use crate::stats::audit::{
    Audit, ClassCount, Copy, CopyGroup, DuplicateCounts, PatientCount, SkinTypeCount,
};
use crate::stats::check::{
    Check, ClassCheck, Distances, Recognition, Reconstruction, StrategyCheck,
};
use crate::stats::quality::{
    ArmQuality, Closeness, Embedded, EmbeddedArm, Pair, Paired, Quality, SetQuality,
};
use crate::vocabulary::{Correction, Regime};

const CLASSES: [&str; 9] = [
    "allergic contact dermatitis",
    "basal cell carcinoma",
    "lichen planus",
    "lupus erythematosus",
    "neutrophilic dermatoses",
    "photodermatitis",
    "psoriasis",
    "sarcoidosis",
    "squamous <cell> carcinoma",
];
const STRATEGIES: [&str; 3] = ["text-to-image", "inpaint", "in-then-outpaint"];

/// One grey pixel.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\
    \x00\x00\x00\nIDATx\x9cch\x00\x00\x00\x82\x00\x81w\xcdr\xb6\x00\x00\x00\x00IEND\xaeB`\x82";

/// Made-up predictions: an image is right if its own ease and the training's luck reach what the
/// training lacks.
pub fn predictions(skill: f64, seed: Seed) -> Predictions {
    let classes = CLASSES.map(String::from).to_vec();
    let mut luck = seed.rng();
    let image = |index: usize| {
        let label = index % classes.len();
        let ease: f64 = Seed::of_study(9).nth(index as u64).rng().random();
        let right = 0.8 * ease + 0.2 * luck.random::<f64>() < skill;
        let predicted = if right { label } else { (label + 1 + index % 8) % classes.len() };
        let mut probabilities = vec![0.05; classes.len()];
        probabilities[predicted] = 0.6;
        let (id, fst, malignant) = (
            format!("{index:03}"),
            Some(1 + (index % 6) as u8),
            Some(CLASSES[label].contains("carcinoma")),
        );
        Prediction {
            id,
            label,
            probabilities,
            fst,
            malignant,
            patient: String::new(),
            source: String::new(),
        }
    };
    let images = (0..180).map(image).collect();
    Predictions::new(classes, images).unwrap()
}

pub fn analysis() -> Analysis {
    static ONCE: OnceLock<Analysis> = OnceLock::new();
    ONCE.get_or_init(analysed).clone()
}

fn analysed() -> Analysis {
    let mut cells = Vec::new();
    for (n, transforms, skill) in
        [(4, false, 0.34), (16, false, 0.52), (4, true, 0.38), (16, true, 0.61)]
    {
        for (arm, gain) in ["real", STRATEGIES[0], STRATEGIES[1], STRATEGIES[2]]
            .into_iter()
            .zip([0.0, 0.08, 0.05, -0.01])
        {
            for replicate in 0..3 {
                let seed = Seed::of_study(7)
                    .child(arm)
                    .child(&format!("{n} {transforms}"))
                    .nth(replicate as u64);
                let skill = skill
                    + gain * 4.0 / n as f64
                    + 0.02 * seed.child("skill").rng().random::<f64>();
                let dose = if arm == "real" { 0 } else { 10 };
                cells.push(Cell {
                    n,
                    arm: arm.parse().unwrap(),
                    dose,
                    transforms,
                    regime: Regime::Full,
                    replicate,
                    predictions: predictions(skill, seed),
                    losses: Losses::of(&[(1.5, 1.6), (0.75, 1.25), (0.5, 1.125)]),
                });
            }
        }
    }
    let config = Config { confidence: 0.95, q: 0.05, correction: Correction::BenjaminiHochberg };
    analyse(cells, config, &Questions::default()).unwrap()
}

fn check() -> Check {
    let class = |(index, label): (usize, &&str)| ClassCheck {
        label: label.to_string(),
        strategies: STRATEGIES
            .iter()
            .zip([22, 30, 27])
            .map(|(strategy, recognised)| StrategyCheck {
                strategy: strategy.to_string(),
                recognition: Recognition::of(recognised - 2 * index, 40, 0.95),
            })
            .collect(),
        base: Some(Recognition::of(index, 40, 0.95)),
        nearest_real: Some(Distances { median: 0.121, p5: 0.072 + 0.002 * index as f64 }),
        held_out: Distances { median: 0.134, p5: 0.081 },
    };
    Check {
        chance: 1.0 / 9.0,
        judge: 0.5,
        distance: "root mean square of pixel differences, 0 to 1".into(),
        classes: CLASSES.iter().enumerate().map(class).collect(),
        reconstruction: Some(Reconstruction {
            accuracy_real: 0.861,
            accuracy_reconstructed: 0.844,
        }),
    }
}

/// Sets on rings, the arms' ever narrower.
fn quality() -> Quality {
    let set = |images: usize, place: usize| {
        let spread = 4.0 - place as f64;
        let point = |at: usize| {
            let turn = at as f64 * 1.1;
            [spread * turn.cos() + 0.5, 0.8 * spread * turn.sin()]
        };
        let pair = |at: usize| Pair {
            image: format!("{at:03}-dreambooth-0{at}"),
            real: format!("{at:03}"),
            is_source: at == 0,
            distance: 0.75 + 0.25 * at as f64,
        };
        SetQuality {
            images,
            closeness: Some(Closeness {
                frechet: 12.5 + 40.0 * place as f64,
                kernel: 0.0125 * place as f64 - 0.0015,
                precision: 0.9 - 0.1 * place as f64,
                recall: 0.875 - 0.2 * place as f64,
            }),
            nearest: 3.25 - 0.5 * place as f64,
            very_near: 0.01 * place as f64,
            closest: (0..2).map(pair).collect(),
            points: (0..images.min(24)).map(point).collect(),
        }
    };
    let arm = |(place, strategy): (usize, &&str)| ArmQuality {
        arm: strategy.to_string(),
        set: set(180, place + 1),
        paired: Some(Paired {
            own: 4.0 - place as f64,
            permuted: 4.0,
            p: 0.5 / (1 + place) as f64,
        }),
    };
    Quality {
        classes: CLASSES.map(String::from).into(),
        features: 192,
        pool: 540,
        sources: 36,
        generations: 5,
        compared: 180,
        very_near: 1.0625,
        variance: [0.234, 0.118],
        held_out: set(180, 0),
        arms: STRATEGIES.iter().enumerate().map(arm).collect(),
    }
}

/// Sets on circles side by side.
fn neighbours() -> Embedded {
    let circle = |place: usize| {
        let point = |at: usize| {
            let turn = at as f64 * 0.6;
            [9.0 * place as f64 + 6.0 * turn.cos(), 6.0 * turn.sin()]
        };
        (0..24).map(point).collect()
    };
    let arm = |(place, strategy): (usize, &&str)| EmbeddedArm {
        arm: strategy.to_string(),
        points: circle(place + 1),
        real: 0.4 - 0.1 * place as f64,
    };
    Embedded {
        perplexity: 30.0,
        each: 24,
        held_out: circle(0),
        arms: STRATEGIES.iter().enumerate().map(arm).collect(),
    }
}

fn experiment(analysis: Analysis) -> Experiment {
    Experiment {
        name: "sweep".into(),
        question: String::new(),
        comparisons: BTreeMap::new(),
        usages: BTreeMap::new(),
        analysis,
    }
}

pub fn inputs() -> Inputs {
    let count =
        |kind: &str, tasks, serves, apart| TaskCount { kind: kind.into(), tasks, serves, apart };
    let source = |task: &str| Source {
        task: task.into(),
        digest: Digest::of(task.to_uppercase().as_bytes()),
    };
    let study = StudyInfo {
        name: "sample".into(),
        title: "Do synthetic images help? <A sample & no result>".into(),
        about: "A made-up study for the tests: its numbers come from no classifier.".into(),
        image_set: "phantom".into(),
        phantom: true,
        seed: 20230824,
        sizes: vec![
            Size { what: "training images per class".into(), count: 60 },
            Size { what: "held-out images per class".into(), count: 20 },
        ],
        shared: vec!["the pool".into(), "the fine-tuned generators".into()],
        resolved: "seed = 20230824\n\n[classifier]\nepochs = 20\n".into(),
    };
    let training = |group: &str, model: &str| Training {
        model: model.into(),
        group: group.into(),
        steps: 200,
        losses: (1..=20).map(|at| 0.5 + 0.4 / f64::from(at)).collect(),
    };
    Inputs {
        trainings: ["text-to-image", "inpainting"]
            .into_iter()
            .flat_map(|group| CLASSES.map(|class| training(group, class)))
            .collect(),
        study,
        experiments: vec![experiment(analysis())],
        check: Some(check()),
        quality: Some(quality()),
        neighbours: Some(neighbours()),
        claims: Vec::new(),
        audit: Some(AuditPage { audit: audited(), thumbnails: Some(PIXEL.to_vec()) }),
        sheet: Some(sheet(CLASSES.map(String::from).into(), arms())),
        strip: Some(sheet(arms(), CLASSES.map(String::from).into())),
        pairs: Some(sheet(
            STRATEGIES.iter().flat_map(|arm| [arm.to_string(), arm.to_string()]).collect(),
            ["synthetic", "made for", "mask", "nearest of the pool"].map(str::to_owned).into(),
        )),
        previews: Some(sheet(CLASSES.map(String::from).into(), vec!["50%".into(), "100%".into()])),
        tasks: vec![
            count("fine-tuning", 9, 36, 324),
            count("classifier", 48, 48, 48),
            count("analysis", 1, 0, 0),
        ],
        lineage: lineage(),
        provenance: vec![source("analysis"), source("generator check"), source("contact sheet")],
    }
}

/// A sheet of one pixel.
fn sheet(rows: Vec<String>, columns: Vec<String>) -> Sheet {
    Sheet { png: PIXEL.to_vec(), rows, columns, across: 1 }
}

/// Real images, and the arms with synthetic ones.
fn arms() -> Vec<String> {
    ["real"].iter().chain(&STRATEGIES).map(|name| name.to_string()).collect()
}

/// Two tasks that images were made by, the classifiers of the analysis, and what judges them.
fn lineage() -> Lineage {
    let made = |label: &str, kind: &str, from: &[usize]| Made {
        label: label.into(),
        kind: kind.into(),
        seed: (kind != "analysis").then(|| "5eed".repeat(16)),
        digest: Digest::of(label.as_bytes()),
        bytes: 1000,
        from: from.to_vec(),
        outside: if from.is_empty() { vec!["pictures: 60 files".into()] } else { Vec::new() },
    };
    let mut tasks =
        vec![made("cohort/pool", "set", &[]), made("generate/inpaint", "generation", &[0])];
    let mut classifiers = Vec::new();
    for row in &analysis().accuracy {
        for replicate in 0..3 {
            let (design, task) = (row.design.clone(), tasks.len());
            let label = format!("classifier/{design}/r{replicate}");
            tasks.push(made(&label, "classifier", if design.dose > 0 { &[0, 1] } else { &[0] }));
            classifiers.push(Trained { design, replicate, task });
        }
    }
    let all = (2..tasks.len()).collect::<Vec<_>>();
    tasks.push(made("analysis/sweep", "analysis", &all));
    tasks.push(made("check", "generator check", &[0, 1]));
    Lineage { tasks, classifiers: [("sweep".to_owned(), classifiers)].into() }
}

/// A set with something of everything.
fn audited() -> Audit {
    let group = |exact: bool, copies: &[(&str, &str, &str)]| CopyGroup {
        pictures: copies
            .iter()
            .map(|(file, label, set)| Copy {
                file: (*file).into(),
                label: (*label).into(),
                set: (*set).into(),
            })
            .collect(),
        exact,
    };
    let across = [
        ("a|b.jpg", "psoriasis", ""),
        ("c<d>.jpg", "psoriasis", "held_out"),
        ("e.jpg", "psoriasis", "pool"),
    ];
    let conflict = [("a|b.jpg", "psoriasis", "pool"), ("f.jpg", "lichen planus", "")];
    let class = |label: &str| ClassCount {
        label: label.into(),
        usable: 40,
        unusable: 1,
        sets: vec![20, 4, 8],
    };
    Audit {
        image_set: "folder".into(),
        pictures: 82,
        bytes: 1_234_567,
        notes: vec!["psoriasis: 41 pictures, where Sagers et al. had 653".into()],
        sets: ["held_out", "validation", "pool"].map(str::to_owned).to_vec(),
        classes: vec![class("lichen planus"), class("psoriasis")],
        skin_types: vec![SkinTypeCount { bin: "12".into(), usable: 80, sets: vec![40, 8, 16] }],
        formats: [("JPEG".to_owned(), 79), ("PNG".to_owned(), 1)].into(),
        short_side: Some((60, 480, 12_000)),
        shortfalls: vec![
            "2 pictures can't be used: images.unusable = \"drop\" goes on without them".into(),
        ],
        unusable: vec![
            "picture `x.jpg` is empty: its file has no byte".into(),
            "picture `y.jpg` is not there".into(),
        ],
        patients: Some(PatientCount { patients: 30, pictures: 78, in_two_sets: 0 }),
        duplicates: DuplicateCounts { exact: 1, near: 1, pictures: 5 },
        across: vec![group(true, &across)],
        conflicts: vec![group(false, &conflict)],
        dedupe: false,
    }
}
