//! Replicates crossed with images, against an independent implementation and published values.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::metrics::{Prediction, Predictions};
use crate::stats::influence::{Influence, Sample};
use crate::stats::paired::tests::close;

/// Reference values of one name, made by tests/fixtures/reruns.py.
pub fn references<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/reruns.json")).unwrap();
    serde_json::from_value(all[name].clone()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[derive(Deserialize)]
struct Case {
    name: String,
    first: Vec<Vec<f64>>,
    second: Vec<Vec<f64>>,
    classes: Vec<usize>,
    patients: Option<Vec<usize>>,
    confidence: f64,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    value: f64,
    replicates: Vec<f64>,
    basis: Option<Basis>,
    mean_square: Option<f64>,
    own: Option<f64>,
    shared: Option<f64>,
    units: Option<usize>,
    components: Option<ExpectedComponents>,
    better: Option<f64>,
    plain: Option<Answer>,
    floored: Option<Answer>,
    #[serde(flatten)]
    answer: Option<Answer>,
}

#[derive(Deserialize)]
struct ExpectedComponents {
    rerun: f64,
    image: f64,
    residual: f64,
    rerun_interval: [f64; 2],
}

#[derive(Deserialize)]
struct Answer {
    se: f64,
    df: Option<f64>,
    low: f64,
    high: f64,
    p: f64,
}

/// Images of these classes and patients; what is predicted doesn't matter.
pub fn sample(classes: &[usize], patients: Option<&[usize]>) -> Sample {
    let count = classes.iter().max().unwrap() + 1;
    let image = |(place, label): (usize, &usize)| Prediction {
        id: format!("{place:04}"),
        label: *label,
        probabilities: (0..count).map(|class| f32::from(u8::from(class == 0))).collect(),
        fst: None,
        malignant: None,
        source: String::new(),
        patient: patients.map_or(String::new(), |patients| format!("p{}", patients[place])),
    };
    let names = (0..count).map(|class| class.to_string()).collect();
    Sample::of(&Predictions::new(names, classes.iter().enumerate().map(image).collect()).unwrap())
}

fn contrast(case: &Case) -> Crossed {
    let sample = sample(&case.classes, case.patients.as_deref());
    let subtract = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
    let differences = case.first.iter().zip(&case.second).map(subtract).collect::<Vec<_>>();
    Crossed::of(&differences, sample.units, |scores| sample.mean(scores))
}

fn check(found: Inference, expected: &Answer, name: &str) {
    let interval = found.interval.unwrap_or_else(|| panic!("{name} has no interval"));
    let degrees = expected.df.map_or(1.0, |df| found.degrees / df);
    close(
        &[found.standard_error, degrees, interval.low, interval.high],
        &[expected.se, 1.0, expected.low, expected.high],
        1e-9,
    );
    close(&[found.p.unwrap()], &[expected.p], 1e-9);
}

#[test]
fn contrasts_agree_with_the_reference() {
    for case in references::<Case>("contrasts") {
        let crossed = contrast(&case);
        let Case { name, confidence, expected, .. } = case;
        close(&crossed.values, &expected.replicates, 1e-12);
        close(&[crossed.mean()], &[expected.value], 1e-12);
        let floored = crossed.infer(crossed.floor(), confidence);
        if let Some(basis) = expected.basis {
            assert_eq!(floored.basis, basis, "{name}");
            match basis {
                Basis::Identical => {
                    assert_eq!((floored.p, floored.interval), (Some(1.0), None), "{name}")
                }
                Basis::Constant => {
                    assert_eq!((floored.p, floored.interval), (None, None), "{name}")
                }
                _ => check(floored, &expected.answer.unwrap(), &name),
            }
            continue;
        }
        assert_eq!((floored.basis, Some(crossed.units)), (Basis::Reruns, expected.units), "{name}");
        let found = [crossed.mean_square(), crossed.own, crossed.shared];
        close(
            &found,
            &[expected.mean_square, expected.own, expected.shared].map(Option::unwrap),
            1e-12,
        );
        let Components { rerun, image, residual } = crossed.components();
        let ExpectedComponents { rerun_interval, .. } = expected.components.as_ref().unwrap();
        let components = expected.components.as_ref().unwrap();
        close(
            &[rerun, image, residual],
            &[components.rerun, components.image, components.residual],
            1e-12,
        );
        let Interval { low, high } = crossed.rerun_interval(confidence).unwrap();
        close(&[low, high], rerun_interval, 1e-9);
        close(&[crossed.better().unwrap()], &[expected.better.unwrap()], 1e-9);
        check(floored, &expected.floored.unwrap(), &name);
        // The plain rule divides by a mean square of 0 in two of the cases.
        if let Some(plain) = expected.plain.filter(|plain| plain.df.is_some()) {
            check(crossed.infer(crossed.plain(), confidence), &plain, &name);
        }
    }
}

/// Where images vary within a class and never between replicates, nothing is NaN; where nothing
/// varies, nothing is tested.
#[test]
fn nothing_varies_is_an_answer_too() {
    let by_class = Crossed::new(vec![0.25; 3], &vec![vec![0.0; 8]; 3], 8);
    let inference = by_class.infer(by_class.floor(), 0.95);
    assert_eq!((inference.basis, inference.p, inference.interval), (Basis::Constant, None, None));
    // A mean of equal thirds misses them by a rounding.
    let copies = Crossed::new(vec![1.0 / 3.0 + 0.1; 7], &vec![vec![0.01, -0.01, 0.03]; 7], 3);
    assert_eq!(copies.infer(copies.floor(), 0.95).basis, Basis::Copies);
    let single = Crossed::new(vec![0.1], &[vec![0.2, -0.2]], 1);
    assert_eq!(
        single.infer(single.floor(), 0.95).basis,
        Basis::Constant,
        "one image says nothing of others"
    );
    assert_eq!((single.better(), single.rerun_interval(0.95)), (None, None));
}

#[derive(Deserialize)]
struct SingleArm {
    replicates: Vec<f64>,
    own: f64,
    shared: f64,
    units: usize,
    confidence: f64,
    expected: SingleAnswer,
}

#[derive(Deserialize)]
struct SingleAnswer {
    se: f64,
    df: f64,
    low: f64,
    high: f64,
    logit: Ends,
}

#[derive(Deserialize)]
struct Ends {
    low: f64,
    high: f64,
}

#[test]
fn intervals_of_one_arm_agree_with_the_reference() {
    for SingleArm { replicates, own, shared, units, confidence, expected } in
        references::<SingleArm>("single_arms")
    {
        let crossed = Crossed { values: replicates, own, shared, units };
        let found = crossed.infer(crossed.floor(), confidence);
        let Interval { low, high } = found.interval.unwrap();
        close(
            &[found.standard_error, found.degrees / expected.df, low, high],
            &[expected.se, 1.0, expected.low, expected.high],
            1e-9,
        );
        let Interval { low, high } =
            crate::stats::scores::Estimate::of_rate(&crossed, confidence).interval.unwrap();
        close(&[low, high], &[expected.logit.low, expected.logit.high], 1e-9);
    }
}

/// Van Dyke's ratings (114 cases, 5 readers, 2 modalities): the published analysis of the areas
/// under the ROC curve by the jackknife, as MRMCaov and RJafroc print it. The data are not the
/// project's; without them, what is tested is that the file is absent.
#[test]
fn published_multi_reader_values_are_met() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/vandyke.csv");
    let Ok(table) = std::fs::read_to_string(&path) else {
        println!("skipped: Van Dyke's ratings are not at {}", path.display());
        return;
    };
    let Ratings { readers, truth, of } = ratings(&table);
    let sample = sample(&vec![0; truth.len()], None);
    let difference = |statistic: &dyn Fn(&[f64]) -> Influence| {
        let of = |reader: &usize| {
            let (first, second) = (statistic(&of[&(1, *reader)]), statistic(&of[&(2, *reader)]));
            let units = first.units.iter().zip(&second.units).map(|(a, b)| a - b).collect();
            Influence { value: first.value - second.value, units }
        };
        let (values, influence) = readers
            .iter()
            .map(of)
            .map(|one| (one.value, one.units))
            .unzip::<_, _, Vec<_>, Vec<_>>();
        let crossed = Crossed::new(values, &influence, truth.len());
        crossed.infer(crossed.plain(), 0.95)
    };
    let found = difference(&|scores| {
        let (value, without) = crate::stats::scores::auroc(scores, &truth, &sample).unwrap();
        sample.jackknife(value, &without)
    });
    let Interval { low, high } = found.interval.unwrap();
    close(&[found.degrees, found.p.unwrap()], &[15.2597, 0.051666], 5e-5);
    close(&[low, high, 0.5 * (low + high)], &[-0.087959, 0.000359, -0.043800], 5e-7);
    let positives = (0..truth.len()).filter(|case| truth[*case]).collect::<Vec<_>>();
    let found = difference(&|scores| {
        let called = scores.iter().map(|score| f64::from(*score >= 3.0)).collect::<Vec<_>>();
        sample.mean_of(&called, &positives)
    });
    close(&[found.degrees, found.p.unwrap()], &[15.71732, 0.02008822], 5e-6);
}

struct Ratings {
    readers: Vec<usize>,
    truth: Vec<bool>,
    /// By modality and reader, in the order of the cases.
    of: std::collections::BTreeMap<(usize, usize), Vec<f64>>,
}

fn ratings(table: &str) -> Ratings {
    let rows = table.lines().skip(1).filter(|line| !line.trim().is_empty());
    let numbers = rows.map(|line| {
        line.split(',').map(|cell| cell.trim().parse::<f64>().unwrap()).collect::<Vec<_>>()
    });
    let mut cases = std::collections::BTreeMap::new();
    let mut of =
        std::collections::BTreeMap::<(usize, usize), std::collections::BTreeMap<usize, f64>>::new();
    for row in numbers {
        let [reader, case, modality, truth, rating] = row[..] else { panic!("a row of five") };
        cases.insert(case as usize, truth == 1.0);
        of.entry((modality as usize, reader as usize)).or_default().insert(case as usize, rating);
    }
    let mut readers = of.keys().map(|(_, reader)| *reader).collect::<Vec<_>>();
    readers.sort_unstable();
    readers.dedup();
    let of = of.into_iter().map(|(who, ratings)| (who, ratings.into_values().collect())).collect();
    Ratings { readers, truth: cases.into_values().collect(), of }
}
