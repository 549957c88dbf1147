//! The report's tables.

use serde::Serialize;

use crate::report::figure::{arm_name, several_doses};
use crate::report::format;
use crate::stats::analysis::{Accuracy, Analysis, Contrast, Design, SkinTypeContrast};
use crate::stats::check::{Check, ClassCheck, Distances, Recognition};
use crate::stats::scores::{AMONG, BINS, Malignancy, Scores, THRESHOLD};

/// Accuracy by n and arm.
#[derive(Debug, Serialize)]
pub struct AccuracyTable {
    arms: Vec<String>,
    rows: Vec<AccuracyRow>,
}

#[derive(Debug, Serialize)]
struct AccuracyRow {
    training: String,
    n: usize,
    /// In the order of the arms; none where the study has no such cell.
    cells: Vec<Option<Rate>>,
}

/// A rate and its interval.
#[derive(Debug, Serialize)]
pub struct Rate {
    rate: String,
    interval: String,
}

impl Rate {
    fn of(recognition: &Recognition) -> Self {
        Self { rate: format::percent(recognition.recognised), interval: format::percent_interval(recognition.interval) }
    }
}

/// The arms of the analysis with their names, in the order of tables.
fn arms(analysis: &Analysis) -> Vec<(Design, String)> {
    let doses = several_doses(&analysis.accuracy);
    let mut arms = Vec::<(Design, String)>::new();
    for Accuracy { design, .. } in &analysis.accuracy {
        if !arms.iter().any(|(known, _)| (&known.arm, known.dose) == (&design.arm, design.dose)) {
            arms.push((design.clone(), arm_name(design, doses)));
        }
    }
    arms
}

/// The rows of one n and setting, together.
fn groups(analysis: &Analysis) -> impl Iterator<Item = &[Accuracy]> {
    analysis.accuracy.chunk_by(|a, b| (a.design.setting(), a.design.n) == (b.design.setting(), b.design.n))
}

fn find<'a>(rows: &'a [Accuracy], arm: &Design) -> Option<&'a Accuracy> {
    rows.iter().find(|row| (&row.design.arm, row.design.dose) == (&arm.arm, arm.dose))
}

pub fn accuracy(analysis: &Analysis) -> AccuracyTable {
    let arms = arms(analysis);
    let rate = |row: &Accuracy| Rate { rate: format::percent(row.mean), interval: format::percent_interval(row.interval) };
    let row = |rows: &[Accuracy]| AccuracyRow {
        training: rows[0].design.setting().to_string(),
        n: rows[0].design.n,
        cells: arms.iter().map(|(arm, _)| find(rows, arm).map(rate)).collect(),
    };
    let rows = groups(analysis).map(row).collect();
    AccuracyTable { arms: arms.into_iter().map(|(_, name)| name).collect(), rows }
}

/// A contrast with real only.
#[derive(Debug, Serialize)]
pub struct ContrastRow {
    training: String,
    n: usize,
    arm: String,
    difference: String,
    interval: String,
    p: String,
    adjusted: String,
    rejected: bool,
}

pub fn contrasts(analysis: &Analysis, contrasts: &[Contrast]) -> Vec<ContrastRow> {
    let doses = several_doses(&analysis.accuracy);
    let row = |contrast: &Contrast| ContrastRow {
        training: contrast.design.setting().to_string(),
        n: contrast.design.n,
        arm: arm_name(&contrast.design, doses),
        difference: format::points(contrast.difference),
        interval: format::points_interval(contrast.interval),
        p: format::p(contrast.p),
        adjusted: format::p(contrast.p_adjusted),
        rejected: contrast.rejected,
    };
    contrasts.iter().map(row).collect()
}

/// The contrasts with real only by pair of skin types.
#[derive(Debug, Serialize)]
pub struct SkinTypeTable {
    columns: Vec<String>,
    rows: Vec<SkinTypeRow>,
    hypotheses: usize,
}

#[derive(Debug, Serialize)]
struct SkinTypeRow {
    training: String,
    n: usize,
    arm: String,
    /// In the order of the columns.
    cells: Vec<SkinTypeCell>,
}

#[derive(Debug, Serialize)]
struct SkinTypeCell {
    difference: String,
    interval: String,
    adjusted: String,
    rejected: bool,
}

/// None where no skin type is known.
pub fn skin_types(analysis: &Analysis) -> Option<SkinTypeTable> {
    let doses = several_doses(&analysis.accuracy);
    let first = analysis.contrasts.first().filter(|contrast| !contrast.skin_types.is_empty())?;
    let column = |part: &SkinTypeContrast| {
        let (one, other) = part.skin_types.split_at(1);
        format!("FST {one}-{other}, {}", format::count(part.images, "image"))
    };
    let cell = |part: &SkinTypeContrast| SkinTypeCell {
        difference: format::points(part.difference),
        interval: format::points_interval(part.interval),
        adjusted: format::p_phrase("p", part.p_adjusted),
        rejected: part.rejected,
    };
    let row = |contrast: &Contrast| SkinTypeRow {
        training: contrast.design.setting().to_string(),
        n: contrast.design.n,
        arm: arm_name(&contrast.design, doses),
        cells: contrast.skin_types.iter().map(cell).collect(),
    };
    Some(SkinTypeTable {
        columns: first.skin_types.iter().map(column).collect(),
        rows: analysis.contrasts.iter().map(row).collect(),
        hypotheses: analysis.contrasts.iter().map(|contrast| contrast.skin_types.len()).sum(),
    })
}

/// A design replicate by replicate.
#[derive(Debug, Serialize)]
pub struct ReplicateRow {
    training: String,
    n: usize,
    arm: String,
    accuracies: String,
    deviation: String,
    /// Differences from real only; empty for real only itself, as are the next two.
    differences: String,
    interval: String,
    mcnemar: String,
}

pub fn replicates(analysis: &Analysis) -> Vec<ReplicateRow> {
    let doses = several_doses(&analysis.accuracy);
    let join = |values: &[f64], form: fn(f64) -> String| values.iter().map(|value| form(*value)).collect::<Vec<_>>().join(", ");
    let row = |row: &Accuracy| {
        let contrast = analysis.contrasts.iter().find(|contrast| contrast.design == row.design);
        let interval = contrast.and_then(|contrast| contrast.replicate_interval);
        ReplicateRow {
            training: row.design.setting().to_string(),
            n: row.design.n,
            arm: arm_name(&row.design, doses),
            accuracies: join(&row.replicates, format::percent).replace('%', ""),
            deviation: row.deviation.map(|deviation| format::points(deviation).replace('+', "")).unwrap_or_default(),
            differences: contrast.map(|contrast| join(&contrast.replicates, format::points)).unwrap_or_default(),
            interval: interval.map(format::points_interval).unwrap_or_default(),
            mcnemar: contrast.map(|contrast| join(&contrast.mcnemar, format::p)).unwrap_or_default(),
        }
    };
    analysis.accuracy.iter().map(row).collect()
}

/// Scores other than top-1 accuracy, design by design.
#[derive(Debug, Serialize)]
pub struct ScoreTable {
    bins: usize,
    threshold: String,
    /// Whether any row tells malignant from benign.
    malignancy: bool,
    rows: Vec<ScoreRow>,
}

#[derive(Debug, Serialize)]
struct ScoreRow {
    training: String,
    n: usize,
    arm: String,
    /// In the order of the columns; a dash where a score is not defined.
    cells: Vec<String>,
}

pub fn scores(analysis: &Analysis) -> ScoreTable {
    let doses = several_doses(&analysis.accuracy);
    let malignancy = analysis.accuracy.iter().any(|row| row.scores.malignancy.is_some());
    let row = |row: &Accuracy| {
        let Scores { top_3, auroc, calibration_error, malignancy: told } = &row.scores;
        // Among three classes every one is among the first three.
        let top_3 = if analysis.classes.len() > AMONG { format::percent(*top_3) } else { "–".into() };
        let mut cells = vec![top_3, format::area(*auroc), format::percent(*calibration_error)];
        if malignancy {
            let rate = |rate: fn(&Malignancy) -> f64| told.as_ref().map_or("–".into(), |told| format::percent(rate(told)));
            cells.push(format::area(told.as_ref().map(|told| told.auroc)));
            cells.push(format::area(told.as_ref().map(|told| told.average_precision)));
            cells.extend([rate(|told| told.sensitivity), rate(|told| told.specificity)]);
        }
        let arm = arm_name(&row.design, doses);
        ScoreRow { training: row.design.setting().to_string(), n: row.design.n, arm, cells }
    };
    ScoreTable { bins: BINS, threshold: format::level(THRESHOLD), malignancy, rows: analysis.accuracy.iter().map(row).collect() }
}

/// Accuracy by class and by skin type at one n in one setting.
#[derive(Debug, Serialize)]
pub struct Breakdown {
    name: String,
    arms: Vec<String>,
    sections: Vec<BreakdownSection>,
}

#[derive(Debug, Serialize)]
struct BreakdownSection {
    heading: &'static str,
    rows: Vec<BreakdownRow>,
}

#[derive(Debug, Serialize)]
struct BreakdownRow {
    label: String,
    images: usize,
    cells: Vec<String>,
}

pub fn breakdowns(analysis: &Analysis) -> Vec<Breakdown> {
    let arms = arms(analysis);
    let breakdown = |rows: &[Accuracy]| {
        let present = arms.iter().filter_map(|(arm, name)| find(rows, arm).map(|row| (row, name))).collect::<Vec<_>>();
        let classes = analysis.classes.iter().zip(&analysis.images_per_class).enumerate();
        let class = |(class, (label, images)): (usize, (&String, &usize))| BreakdownRow {
            label: label.clone(),
            images: *images,
            cells: present.iter().map(|(row, _)| format::percent(row.per_class[class])).collect(),
        };
        let skin_type = |(fst, images): (&u8, &usize)| BreakdownRow {
            label: match fst {
                1..=9 => format!("FST {fst}"),
                pair => format!("FST {}-{}", pair / 10, pair % 10),
            },
            images: *images,
            cells: present
                .iter()
                .map(|(row, _)| row.per_fst.get(fst).map_or(String::new(), |rate| format::percent(*rate)))
                .collect(),
        };
        let by_class = BreakdownSection { heading: "class", rows: classes.map(class).collect() };
        let by_fst = BreakdownSection { heading: "skin type", rows: analysis.images_per_fst.iter().map(skin_type).collect() };
        Breakdown {
            name: format!("n = {}, {}", rows[0].design.n, rows[0].design.setting()),
            arms: present.iter().map(|(_, name)| (*name).clone()).collect(),
            sections: [by_class, by_fst].into_iter().filter(|section| !section.rows.is_empty()).collect(),
        }
    };
    groups(analysis).map(breakdown).collect()
}

/// The generator check.
#[derive(Debug, Serialize)]
pub struct CheckView {
    strategies: Vec<String>,
    rows: Vec<CheckRow>,
    chance: String,
    distance: String,
    carried: String,
    /// Of the classes, where text-to-image ones are compared with the pool.
    nearer: Option<String>,
    /// Accuracy on real images and on the same after the autoencoder.
    reconstruction: Option<[String; 2]>,
    has_base: bool,
}

#[derive(Debug, Serialize)]
struct CheckRow {
    label: String,
    /// In the order of the strategies.
    recognised: Vec<Option<Rate>>,
    images: String,
    base: Option<Rate>,
    /// From text-to-image ones to the pool, if there are any.
    nearest: Option<DistanceCell>,
    held_out: DistanceCell,
}

#[derive(Debug, Serialize)]
struct DistanceCell {
    median: String,
    p5: String,
}

pub fn check(check: &Check) -> CheckView {
    let mut strategies = Vec::<String>::new();
    for strategy in check.classes.iter().flat_map(|class| &class.strategies) {
        if !strategies.contains(&strategy.strategy) {
            strategies.push(strategy.strategy.clone());
        }
    }
    let count = format::count(check.classes.len(), "class");
    let carried = |strategy: &String| format!("{strategy} {} of {count}", check.carried(strategy));
    let carried = format::list(&strategies.iter().map(carried).collect::<Vec<_>>());
    CheckView {
        rows: check.classes.iter().map(|class| check_row(class, &strategies)).collect(),
        chance: format::percent(check.chance),
        distance: check.distance.clone(),
        carried,
        nearer: check.nearer().map(|nearer| format!("{nearer} of {count}")),
        reconstruction: check
            .reconstruction
            .as_ref()
            .map(|reconstruction| [reconstruction.accuracy_real, reconstruction.accuracy_reconstructed].map(format::percent)),
        has_base: check.classes.iter().any(|class| class.base.is_some()),
        strategies,
    }
}

fn check_row(class: &ClassCheck, strategies: &[String]) -> CheckRow {
    let find = |strategy: &String| class.strategies.iter().find(|check| check.strategy == *strategy);
    let distance = |of: Distances| DistanceCell { median: format::distance(of.median), p5: format::distance(of.p5) };
    let mut images = class.strategies.iter().map(|check| check.recognition.images).collect::<Vec<_>>();
    images.extend(class.base.map(|base| base.images));
    images.dedup();
    CheckRow {
        label: class.label.clone(),
        recognised: strategies.iter().map(|strategy| find(strategy).map(|check| Rate::of(&check.recognition))).collect(),
        images: images.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        base: class.base.as_ref().map(Rate::of),
        nearest: class.nearest_real.map(distance),
        held_out: distance(class.held_out),
    }
}
