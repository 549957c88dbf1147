//! Tests of the analysis on made-up predictions.

use expect_test::expect;

use super::*;
use crate::metrics::{Prediction, Predictions};
use crate::stats::Interval;
use crate::vocabulary::{Arm, Correction, Regime, Strategy};

/// Predictions of 30 images in two classes: those in `wrong` are wrong.
fn predictions(wrong: &[usize]) -> Predictions {
    let image = |index: usize| {
        let label = index % 2;
        let predicted = if wrong.contains(&index) { 1 - label } else { label };
        let probabilities = if predicted == 0 { vec![0.75, 0.25] } else { vec![0.25, 0.75] };
        Prediction {
            id: format!("{index:02}"),
            label,
            probabilities,
            fst: Some(1 + 4 * (index / 15) as u8),
            malignant: None,
            patient: String::new(),
            source: String::new(),
        }
    };
    Predictions::new(vec!["a".into(), "b".into()], (0..30).map(image).collect()).unwrap()
}

fn cell(n: usize, arm: &str, replicate: usize, wrong: &[usize]) -> Cell {
    let dose = if arm == "real" { 0 } else { 10 };
    let losses = Losses::of(&[(0.5, 0.75), (0.25, 0.5)]);
    Cell {
        n,
        arm: arm.parse().unwrap(),
        dose,
        transforms: false,
        regime: Regime::Full,
        replicate,
        predictions: predictions(wrong),
        losses,
    }
}

fn cells() -> Vec<Cell> {
    let half = (0..15).collect::<Vec<_>>();
    vec![
        cell(8, "inpaint", 0, &[1, 3]),
        cell(8, "real", 0, &[1, 3, 5]),
        cell(4, "text-to-image", 1, &half[..3]),
        cell(4, "inpaint", 0, &half),
        cell(4, "real", 0, &half),
        cell(4, "real", 1, &half[..13]),
        cell(4, "inpaint", 1, &half[..11]),
        cell(4, "text-to-image", 0, &half[..2]),
    ]
}

fn config() -> Config {
    Config { confidence: 0.95, q: 0.05, correction: Correction::BenjaminiHochberg }
}

#[test]
fn a_study_is_analysed() {
    let analysis = analyse(cells(), config(), &Questions::default()).unwrap();
    let mut table = String::new();
    let ends = |interval: Option<Interval>| {
        interval.map_or("none".into(), |i| format!("[{:+.3}, {:+.3}]", i.low, i.high))
    };
    for row in &analysis.accuracy {
        let per_class = row.per_class.iter().map(|class| class.unwrap().mean).collect::<Vec<_>>();
        let per_fst = row.per_fst.iter().map(|(fst, of)| (*fst, of.mean)).collect::<Vec<_>>();
        let Estimate { mean, interval } = row.accuracy;
        let (design, interval, replicates) = (&row.design, ends(interval), &row.replicates);
        table += &format!(
            "{design}: {mean:.3} {interval} {replicates:.3?} {per_class:.3?} {per_fst:.3?}\n"
        );
    }
    let answer = |answer: &Answer| {
        let Answer { basis, difference, interval, p, p_adjusted, rejected, .. } = answer;
        format!(
            "{basis:?} {difference:+.3} {} p {p:.4?} adjusted {p_adjusted:.4?} {rejected}",
            ends(*interval)
        )
    };
    for row in &analysis.contrasts {
        table += &format!("{}: {}\n", row.design, answer(&row.answer));
        table += &format!(
            "    better {:.3?}, sign flips {:.4}, mcnemar {:.4?}\n",
            row.better, row.sign_flip, row.mcnemar
        );
        for part in &row.skin_types {
            table +=
                &format!("    {}: {} {}\n", part.skin_types, part.images, answer(&part.answer));
        }
    }
    expect![[r#"
        n = 4, real, no transforms: 0.533 [+0.350, +0.708] [0.500, 0.567] [0.500, 0.567] [(1, 0.067), (5, 1.000)]
        n = 4, text-to-image x 10, no transforms: 0.917 [+0.753, +0.975] [0.933, 0.900] [0.900, 0.933] [(1, 0.833), (5, 1.000)]
        n = 4, inpaint x 10, no transforms: 0.567 [+0.316, +0.787] [0.500, 0.633] [0.533, 0.600] [(1, 0.133), (5, 1.000)]
        n = 8, real, no transforms: 0.900 [+0.728, +0.968] [0.900] [1.000, 0.800] [(1, 0.800), (5, 1.000)]
        n = 8, inpaint x 10, no transforms: 0.933 [+0.759, +0.984] [0.933] [1.000, 0.867] [(1, 0.867), (5, 1.000)]
        n = 4, text-to-image x 10, no transforms: Reruns +0.383 [+0.177, +0.590] p Some(0.0014) adjusted Some(0.0042) true
            better Some(0.977), sign flips 0.0002, mcnemar [0.0002, 0.0020]
            12: 15 Reruns +0.767 [+0.312, +1.000] p Some(0.0150) adjusted Some(0.0899) false
            56: 15 Identical +0.000 none p Some(1.0000) adjusted Some(1.0000) false
        n = 4, inpaint x 10, no transforms: Reruns +0.033 [-0.390, +0.457] p Some(0.5000) adjusted Some(0.5000) false
            better Some(0.651), sign flips 0.5000, mcnemar [1.0000, 0.5000]
            12: 15 Reruns +0.067 [-0.812, +0.945] p Some(0.5020) adjusted Some(1.0000) false
            56: 15 Identical +0.000 none p Some(1.0000) adjusted Some(1.0000) false
        n = 8, inpaint x 10, no transforms: OneReplicate +0.033 [-0.035, +0.102] p Some(0.3256) adjusted Some(0.4884) false
            better None, sign flips 1.0000, mcnemar [1.0000]
            12: 15 OneReplicate +0.067 [-0.076, +0.210] p Some(0.3343) adjusted Some(1.0000) false
            56: 15 Identical +0.000 none p Some(1.0000) adjusted Some(1.0000) false
    "#]]
    .assert_eq(&table);
    assert_eq!(
        analysis.family.hypotheses[2],
        "n = 8, inpaint x 10, no transforms: as accurate as real only"
    );
    assert_eq!(analysis.accuracy[0].confusion, [[15, 15], [13, 17]]);
}

#[test]
fn the_bytes_depend_on_no_order_and_survive_json() {
    let bytes = |cells| {
        serde_json::to_string(&analyse(cells, config(), &Questions::default()).unwrap()).unwrap()
    };
    let expected = bytes(cells());
    assert_eq!(bytes(cells().into_iter().rev().collect()), expected);
    let read = serde_json::from_str::<Analysis>(&expected).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), expected);
}

#[test]
fn a_new_n_changes_no_raw_number_of_another() {
    let fewer = analyse(cells().split_off(2), config(), &Questions::default()).unwrap();
    let all = analyse(cells(), config(), &Questions::default()).unwrap();
    assert_eq!(fewer.accuracy, all.accuracy[..3]);
    for (a, b) in fewer.contrasts.iter().zip(&all.contrasts) {
        assert_eq!((a.answer.p, a.answer.interval), (b.answer.p, b.answer.interval));
    }
}

#[test]
fn cells_that_do_not_pair_are_refused() {
    let error = |cells| analyse(cells, config(), &Questions::default()).unwrap_err().to_string();
    assert_eq!(error(vec![]), "analysis of no cells");
    let twice = vec![cell(4, "real", 0, &[]), cell(4, "real", 0, &[1])];
    assert_eq!(error(twice), "cell n = 4, real, no transforms, replicate 0 is given twice");
    let lonely = vec![cell(4, "inpaint", 0, &[]), cell(8, "real", 0, &[])];
    let expected = "n = 4, inpaint x 10, no transforms has no arm `real` at the same n and transforms to be compared with";
    assert_eq!(error(lonely), expected);
    let lacking =
        vec![cell(4, "inpaint", 0, &[]), cell(4, "real", 0, &[]), cell(4, "real", 1, &[])];
    assert!(
        error(lacking)
            .contains("has replicates [0], but the arm that it is compared with has [0, 1]")
    );
    let mut other = cells();
    other[3].predictions =
        Predictions::new(vec!["a".into(), "b".into()], predictions(&[]).images()[1..].to_vec())
            .unwrap();
    assert!(error(other).contains("image `00` in one only"));
    let unsure = analyse(cells(), Config { confidence: 1.0, ..config() }, &Questions::default())
        .unwrap_err();
    assert_eq!(unsure.to_string(), "confidence is 1, expected a number between 0 and 1");
}

/// A variant is compared with real images only as every arm is, and with the generator's arm in a
/// family apart.
#[test]
fn a_variant_is_compared_with_the_generator() {
    let mut cells = cells();
    let lora = |replicate, wrong: &[usize]| cell(4, "inpaint@lora", replicate, wrong);
    cells.extend([lora(0, &[1, 3]), lora(1, &[1])]);
    let analysis = analyse(cells.clone(), config(), &Questions::default()).unwrap();
    let compared = |contrasts: &[Contrast]| {
        contrasts.iter().map(|contrast| contrast.design.arm.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        compared(&analysis.contrasts),
        ["text-to-image", "inpaint", "inpaint@lora", "inpaint"]
    );
    assert_eq!(compared(&analysis.variant_contrasts), ["inpaint@lora"]);
    let contrast = &analysis.variant_contrasts[0];
    assert_eq!(contrast.replicates, [13.0 / 30.0, 10.0 / 30.0], "15 - 2 and 11 - 1 of 30");
    assert_eq!(
        contrast.answer.p, contrast.answer.p_adjusted,
        "one hypothesis is corrected for no other"
    );
    cells.retain(|cell| cell.arm != Arm::of(Strategy::Inpaint, ""));
    let error = analyse(cells, config(), &Questions::default()).unwrap_err().to_string();
    assert!(error.contains("no arm `inpaint`"), "{error}");
}
