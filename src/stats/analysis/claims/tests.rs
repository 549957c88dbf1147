//! Planted studies: simulated predictions whose truth is known give the right ruling by every rule,
//! and none where there is too little to go by.

use rand::Rng;

use super::*;
use crate::metrics::{Prediction, Predictions};
use crate::seed::Seed;
use crate::stats::analysis::{Cell, Losses, Questions, analyse};
use crate::vocabulary::{Arm, Correction, Regime, rated};

const CLASSES: [&str; 3] = ["acne", "eczema", "psoriasis"];

/// The accuracy of a design on images of a class and a skin type.
type Truth = fn(design: &Design, class: usize, fst: u8) -> f64;

/// Held-out images and replicates.
#[derive(Clone, Copy)]
struct Size {
    images: usize,
    replicates: usize,
}

const LARGE: Size = Size { images: 1200, replicates: 8 };
const SMALL: Size = Size { images: 60, replicates: 3 };

fn predictions(design: &Design, truth: Truth, replicate: usize, images: usize) -> Predictions {
    let classes = CLASSES.map(String::from).to_vec();
    let seed = Seed::of_study(7).child(&design.to_string()).nth(replicate as u64);
    let mut luck = seed.rng();
    let image = |index: usize| {
        let (label, fst) = (index % 3, 1 + (index / 3 % 6) as u8);
        // Images are as easy in all classifiers.
        let ease: f64 = Seed::of_study(8).nth(index as u64).rng().random();
        let right = 0.5 * ease + 0.5 * luck.random::<f64>() < truth(design, label, fst);
        let predicted = if right { label } else { (label + 1) % 3 };
        let mut probabilities = vec![0.2; 3];
        probabilities[predicted] = 0.6;
        Prediction {
            id: format!("{index:05}"),
            label,
            probabilities,
            fst: Some(fst),
            malignant: None,
            patient: String::new(),
            source: String::new(),
        }
    };
    Predictions::new(classes, (0..images).map(image).collect()).unwrap()
}

/// The verdict of a rule on a study of this truth.
fn verdict(rule: &str, truth: Truth, size: Size) -> Verdict {
    let ratings = [("acne", 1.0), ("eczema", 2.0), ("psoriasis", 3.0)];
    let ratings =
        ratings.map(|(class, rating)| (rated(&"inpaint".parse().unwrap(), class), rating));
    rated_verdict(rule, truth, size, BTreeMap::from(ratings))
}

fn rated_verdict(rule: &str, truth: Truth, size: Size, ratings: BTreeMap<String, f64>) -> Verdict {
    let mut cells = Vec::new();
    for n in [4, 16] {
        for (arm, dose) in [("real", 0), ("inpaint", 5), ("inpaint", 10), ("inpaint", 20)] {
            for replicate in 0..size.replicates {
                let arm: Arm = arm.parse().unwrap();
                let (transforms, regime) = (false, Regime::Full);
                let design = Design { n, arm: arm.clone(), dose, transforms, regime };
                let predictions = predictions(&design, truth, replicate, size.images);
                let losses = Losses::of(&[]);
                cells.push(Cell {
                    n,
                    arm,
                    dose,
                    transforms,
                    regime,
                    replicate,
                    predictions,
                    losses,
                });
            }
        }
    }
    let rule = toml_edit::de::from_str(rule).unwrap();
    let claims = BTreeMap::from([("claim".to_owned(), rule)]);
    let questions = Questions { claims, ratings, ..Questions::default() };
    let config = Config { confidence: 0.95, q: 0.05, correction: Correction::BenjaminiHochberg };
    analyse(cells, config, &questions).unwrap().claims.remove("claim").unwrap()
}

const AT: &str = "transforms = false\nregime = \"full\"\n";

/// Rules, each with a truth that makes it hold and one that refutes it.
const PLANTED: &[(&str, Truth, Truth)] = &[
    (
        "is = \"gains\"\narms = [\"inpaint\"]\nn = [4, 16]\ndose = 10\nmargin = 0.0",
        |design, _, _| if design.dose == 10 && design.n == 4 { 0.7 } else { 0.5 },
        |design, _, _| if design.dose == 10 { 0.4 } else { 0.5 },
    ),
    (
        "is = \"shrinks\"\narms = [\"inpaint\"]\nfew = 4\nmany = 16\ndose = 10",
        |design, _, _| if design.dose == 10 && design.n == 4 { 0.7 } else { 0.5 },
        |design, _, _| if design.dose == 10 && design.n == 16 { 0.7 } else { 0.5 },
    ),
    (
        // A loss that grows.
        "is = \"shrinks\"\narms = [\"inpaint\"]\nfew = 4\nmany = 16\ndose = 10",
        |design, _, _| if design.dose == 10 && design.n == 4 { 0.6 } else { 0.5 },
        |design, _, _| match (design.dose, design.n) {
            (10, 4) => 0.42,
            (10, _) => 0.3,
            _ => 0.5,
        },
    ),
    (
        "is = \"saturates\"\narm = \"inpaint\"\nn = 4\nfrom = 5\nto = [10, 20]\nmargin = 0.05",
        |design, _, _| if design.dose >= 5 { 0.6 } else { 0.5 },
        |design, _, _| 0.45 + 0.015 * design.dose as f64,
    ),
    (
        "is = \"reals-gain-more\"\narms = [\"inpaint\"]\nfew = 4\nmany = 16\ndose = 10",
        |design, _, _| if design.n == 16 { 0.7 } else { 0.55 },
        |design, _, _| if design.n == 4 && design.dose == 10 { 0.7 } else { 0.55 },
    ),
    (
        "is = \"class-gains-most\"\nclass = \"eczema\"\narm = \"inpaint\"\nn = 4\ndose = 10",
        |design, class, _| if design.dose == 10 && class == 1 { 0.75 } else { 0.5 },
        |design, class, _| if design.dose == 10 && class == 0 { 0.75 } else { 0.5 },
    ),
    (
        "is = \"skin-types-gain\"\narms = [\"inpaint\"]\nn = 4\ndose = 10",
        |design, _, _| if design.dose == 10 { 0.7 } else { 0.5 },
        |design, _, fst| match design.dose {
            10 if fst > 4 => 0.35,
            10 => 0.7,
            _ => 0.5,
        },
    ),
    (
        "is = \"skin-type-gap-narrows\"\narms = [\"inpaint\"]\nbehind = \"56\"\nahead = \"12\"\nn = 4\ndose = 10",
        |design, _, fst| match (design.dose, fst) {
            (10, _) => 0.7,
            (_, 5..) => 0.45,
            _ => 0.65,
        },
        // It grows.
        |design, _, fst| match (design.dose, fst) {
            (10, 5..) => 0.4,
            (10, _) => 0.8,
            (_, 5..) => 0.45,
            _ => 0.65,
        },
    ),
    (
        // Nobody was behind.
        "is = \"skin-type-gap-narrows\"\narms = [\"inpaint\"]\nbehind = \"56\"\nahead = \"12\"\nn = 4\ndose = 10",
        |design, _, fst| match (design.dose, fst) {
            (10, _) => 0.7,
            (_, 5..) => 0.5,
            _ => 0.65,
        },
        |design, _, fst| match (design.dose, fst) {
            (10, 5..) => 0.75,
            (10, _) => 0.5,
            (_, 5..) => 0.65,
            _ => 0.5,
        },
    ),
];

#[test]
fn planted_truths_are_ruled_as_they_are() {
    for (rule, holds, refutes) in PLANTED {
        let rule = format!("{rule}\n{AT}");
        let ruling = |truth, size| verdict(&rule, truth, size).ruling;
        assert_eq!(ruling(*holds, LARGE), Ruling::Replicated, "{rule}");
        assert_eq!(ruling(*refutes, LARGE), Ruling::NotReplicated, "{rule}");
    }
}

/// A true effect in a study too small to show it is neither called true nor false.
#[test]
fn starved_studies_decide_nothing() {
    for (rule, ..) in PLANTED {
        let rule = format!("{rule}\n{AT}");
        let found = verdict(&rule, |_, _, _| 0.5, SMALL);
        assert_eq!(found.ruling, Ruling::Inconclusive, "{rule}: {found:?}");
    }
    let once = Size { replicates: 1, ..LARGE };
    let found = verdict(&format!("{}\n{AT}", PLANTED[0].0), PLANTED[0].1, once);
    let reason = found.reason.as_deref();
    assert_eq!(
        (found.ruling, reason),
        (Ruling::NotTested, Some("with one replicate, nothing can be said of reruns"))
    );
}

/// Of three classes and one arm there is a correlation, but no interval that could decide; without
/// ratings there is nothing to ask.
#[test]
fn ratings_decide_where_there_are_enough() {
    let rule =
        format!("is = \"ratings-predict-gains\"\narms = [\"inpaint\"]\nn = 4\ndose = 10\n{AT}");
    let truth: Truth = |design, class, _| match design.dose {
        10 => 0.5 + 0.1 * class as f64,
        _ => 0.5,
    };
    let (few, none) = (verdict(&rule, truth, LARGE), BTreeMap::new());
    let none = rated_verdict(&rule, truth, LARGE, none);
    expect_test::expect![[r#"
        Some("3 classes and arms with a rating have no rank correlation")
        Some("the study has no readers' ratings (ratings.path)")"#]]
    .assert_eq(&format!("{:?}\n{:?}", few.reason, none.reason));
    let ratings = (0..20).map(|at| (format!("{at}"), at as f64)).collect::<BTreeMap<_, _>>();
    let contrasts = ratings.keys().map(|name| LinearContrast { name: name.clone(), terms: vec![] });
    let test = Test {
        contrasts: contrasts.collect(),
        quantifier: Quantifier::All,
        bound: Bound::Above(0.0),
    };
    let gains = |sign: f64| {
        let gain = |rating: &f64| {
            let values = vec![sign * rating; 2];
            Crossed { values, own: 0.0, shared: 0.0, units: 9 }
        };
        ratings.values().map(gain).collect::<Vec<_>>()
    };
    let config = Config { confidence: 0.95, q: 0.05, correction: Correction::BenjaminiHochberg };
    let ruling = |sign| correlate(&test, &gains(sign), &ratings, &config).ruling;
    assert_eq!((ruling(0.01), ruling(-0.01)), (Ruling::Replicated, Ruling::NotReplicated));
}
