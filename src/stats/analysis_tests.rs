//! Tests of the analysis on made-up predictions.

use expect_test::expect;

use super::*;
use crate::metrics::Prediction;

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
    let dose = if arm == REAL { 0 } else { 10 };
    Cell { n, arm: arm.into(), dose, transforms: false, regime: FULL.into(), replicate, predictions: predictions(wrong) }
}

fn cells() -> Vec<Cell> {
    let half = (0..15).collect::<Vec<_>>();
    vec![
        cell(8, "inpaint", 0, &[1, 3]),
        cell(8, REAL, 0, &[1, 3, 5]),
        cell(4, "text-to-image", 1, &half[..3]),
        cell(4, "inpaint", 0, &half),
        cell(4, REAL, 0, &half),
        cell(4, REAL, 1, &half[..13]),
        cell(4, "inpaint", 1, &half[..11]),
        cell(4, "text-to-image", 0, &half[..2]),
    ]
}

fn config() -> Config {
    Config { confidence: 0.95, q: 0.05, permutations: 4000, bootstraps: 2000, seed: Seed::of_study(1) }
}

#[test]
fn a_study_is_analysed() {
    let analysis = analyse(cells(), config()).unwrap();
    let mut table = String::new();
    for row in &analysis.accuracy {
        let Interval { low, high } = row.interval;
        table += &format!(
            "{}: {:.3} [{low:.3}, {high:.3}] {:.3?} {:.3?} {:.3?}\n",
            row.design, row.mean, row.replicates, row.per_class, row.per_fst
        );
    }
    for row in &analysis.contrasts {
        let Interval { low, high } = row.interval;
        table += &format!(
            "{}: {:+.3} [{low:+.3}, {high:+.3}] p {:.4} adjusted {:.4} {} mcnemar {:.4?} {:.3?}\n",
            row.design, row.difference, row.p, row.p_adjusted, row.rejected, row.mcnemar, row.replicate_interval
        );
        for SkinTypeContrast { skin_types, images, difference, interval: Interval { low, high }, p, p_adjusted, rejected } in
            &row.skin_types
        {
            table += &format!(
                "    {skin_types}: {images} {difference:+.3} [{low:+.3}, {high:+.3}] p {p:.4} adjusted {p_adjusted:.4} {rejected}\n"
            );
        }
    }
    expect![[r#"
        n = 4, real, no transforms: 0.533 [0.366, 0.717] [0.500, 0.567] [0.500, 0.567] {1: 0.067, 5: 1.000}
        n = 4, text-to-image x 10, no transforms: 0.917 [0.800, 1.000] [0.933, 0.900] [0.900, 0.933] {1: 0.833, 5: 1.000}
        n = 4, inpaint x 10, no transforms: 0.567 [0.383, 0.750] [0.500, 0.633] [0.533, 0.600] {1: 0.133, 5: 1.000}
        n = 8, real, no transforms: 0.900 [0.800, 1.000] [0.900] [1.000, 0.800] {1: 0.800, 5: 1.000}
        n = 8, inpaint x 10, no transforms: 0.933 [0.833, 1.000] [0.933] [1.000, 0.867] {1: 0.867, 5: 1.000}
        n = 4, text-to-image x 10, no transforms: +0.383 [+0.200, +0.567] p 0.0010 adjusted 0.0030 true mcnemar [0.0002, 0.0020] Some(Interval { low: -0.252, high: 1.019 })
            12: 15 +0.767 [+0.467, +1.000] p 0.0002 adjusted 0.0015 true
            56: 15 +0.000 [+0.000, +0.000] p 1.0000 adjusted 1.0000 false
        n = 4, inpaint x 10, no transforms: +0.033 [+0.000, +0.133] p 0.4989 adjusted 0.7483 false mcnemar [1.0000, 0.5000] Some(Interval { low: -0.390, high: 0.457 })
            12: 15 +0.067 [+0.000, +0.267] p 0.4884 adjusted 1.0000 false
            56: 15 +0.000 [+0.000, +0.000] p 1.0000 adjusted 1.0000 false
        n = 8, inpaint x 10, no transforms: +0.033 [+0.000, +0.100] p 1.0000 adjusted 1.0000 false mcnemar [1.0000] None
            12: 15 +0.067 [+0.000, +0.200] p 1.0000 adjusted 1.0000 false
            56: 15 +0.000 [+0.000, +0.000] p 1.0000 adjusted 1.0000 false
    "#]].assert_eq(&table);
    assert_eq!(analysis.family.hypotheses[2], "n = 8, inpaint x 10, no transforms: as accurate as real only");
    assert_eq!(analysis.accuracy[0].confusion, [[15, 15], [13, 17]]);
}

#[test]
fn the_bytes_depend_on_no_order_and_survive_json() {
    let bytes = |cells| serde_json::to_string(&analyse(cells, config()).unwrap()).unwrap();
    let expected = bytes(cells());
    assert_eq!(bytes(cells().into_iter().rev().collect()), expected);
    let read = serde_json::from_str::<Analysis>(&expected).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), expected);
}

#[test]
fn a_new_n_changes_no_raw_number_of_another() {
    let fewer = analyse(cells().split_off(2), config()).unwrap();
    let all = analyse(cells(), config()).unwrap();
    assert_eq!(fewer.accuracy, all.accuracy[..3]);
    for (a, b) in fewer.contrasts.iter().zip(&all.contrasts) {
        assert_eq!((a.p, a.interval), (b.p, b.interval));
    }
}

#[test]
fn cells_that_do_not_pair_are_refused() {
    let error = |cells| analyse(cells, config()).unwrap_err().to_string();
    assert_eq!(error(vec![]), "analysis of no cells");
    let twice = vec![cell(4, REAL, 0, &[]), cell(4, REAL, 0, &[1])];
    assert_eq!(error(twice), "cell n = 4, real, no transforms, replicate 0 is given twice");
    let lonely = vec![cell(4, "inpaint", 0, &[]), cell(8, REAL, 0, &[])];
    let expected = "n = 4, inpaint x 10, no transforms has no arm `real` at the same n and transforms to be compared with";
    assert_eq!(error(lonely), expected);
    let lacking = vec![cell(4, "inpaint", 0, &[]), cell(4, REAL, 0, &[]), cell(4, REAL, 1, &[])];
    assert!(error(lacking).contains("has replicates [0], but the arm that it is compared with has [0, 1]"));
    let mut other = cells();
    other[3].predictions = Predictions::new(vec!["a".into(), "b".into()], predictions(&[]).images()[1..].to_vec()).unwrap();
    assert!(error(other).contains("image `00` in one only"));
    let unsure = analyse(cells(), Config { confidence: 1.0, ..config() }).unwrap_err();
    assert_eq!(unsure.to_string(), "confidence is 1, expected a number between 0 and 1");
}

/// A variant is compared with real images only as every arm is, and with the generator's arm in a family apart.
#[test]
fn a_variant_is_compared_with_the_generator() {
    let mut cells = cells();
    let lora = |replicate, wrong: &[usize]| cell(4, "inpaint@lora", replicate, wrong);
    cells.extend([lora(0, &[1, 3]), lora(1, &[1])]);
    let analysis = analyse(cells.clone(), config()).unwrap();
    let compared = |contrasts: &[Contrast]| contrasts.iter().map(|contrast| contrast.design.arm.clone()).collect::<Vec<_>>();
    assert_eq!(compared(&analysis.contrasts), ["text-to-image", "inpaint", "inpaint@lora", "inpaint"]);
    assert_eq!(compared(&analysis.variant_contrasts), ["inpaint@lora"]);
    let contrast = &analysis.variant_contrasts[0];
    assert_eq!(contrast.replicates, [13.0 / 30.0, 10.0 / 30.0], "15 - 2 and 11 - 1 of 30");
    assert_eq!((contrast.p, contrast.rejected), (contrast.p_adjusted, true));
    cells.retain(|cell| cell.arm != "inpaint");
    let error = analyse(cells, config()).unwrap_err().to_string();
    assert!(error.contains("no arm `inpaint`"), "{error}");
}
