//! The report's tables.

use serde::Serialize;

use crate::report::figure::{arm_name, several_doses};
use crate::report::format;
use crate::stats::analysis::{
    Accuracy, Analysis, Answer, Contrast, Design, Losses, STRETCH, SkinTypeContrast,
};
use crate::stats::check::{Check, ClassCheck, Distances, Recognition};
use crate::stats::crossed::Basis;
use crate::stats::power::{MOST_IMAGES, MOST_REPLICATES, Need, Power, WANTED};
use crate::stats::scores::{AMONG, BINS, Estimate, Malignancy, Scores, THRESHOLD};

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
        Self {
            rate: format::percent(recognition.recognised),
            interval: format::percent_interval(recognition.interval),
        }
    }

    /// A rate in percent.
    pub fn percent(estimate: &Estimate) -> Self {
        let interval = estimate.interval.map(format::percent_interval).unwrap_or_default();
        Self { rate: format::percent(estimate.mean), interval }
    }

    /// An area or a score to three decimals.
    fn decimal(estimate: &Estimate) -> Self {
        let interval = estimate.interval.map(format::area_interval).unwrap_or_default();
        Self { rate: format::area(Some(estimate.mean)), interval }
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
    analysis
        .accuracy
        .chunk_by(|a, b| (a.design.setting(), a.design.n) == (b.design.setting(), b.design.n))
}

fn find<'a>(rows: &'a [Accuracy], arm: &Design) -> Option<&'a Accuracy> {
    rows.iter().find(|row| (&row.design.arm, row.design.dose) == (&arm.arm, arm.dose))
}

pub fn accuracy(analysis: &Analysis) -> AccuracyTable {
    let arms = arms(analysis);
    let rate = |row: &Accuracy| Rate::percent(&row.accuracy);
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
    better: String,
    rejected: bool,
}

pub fn contrasts(analysis: &Analysis, contrasts: &[Contrast]) -> Vec<ContrastRow> {
    let doses = several_doses(&analysis.accuracy);
    let row = |contrast: &Contrast| ContrastRow {
        training: contrast.design.setting().to_string(),
        n: contrast.design.n,
        arm: arm_name(&contrast.design, doses),
        difference: format::points(contrast.answer.difference),
        interval: interval(&contrast.answer),
        p: contrast.answer.p.map_or(DASH.into(), format::p),
        adjusted: contrast.answer.p_adjusted.map_or(DASH.into(), format::p),
        better: contrast.better.map_or(DASH.into(), format::probability),
        rejected: contrast.answer.rejected,
    };
    contrasts.iter().map(row).collect()
}

/// Where there is no value.
const DASH: &str = "\u{2013}";

/// The interval of a difference in points, or why there is none.
pub fn interval(answer: &Answer) -> String {
    match (answer.interval, answer.basis) {
        (Some(interval), _) => format::points_interval(interval),
        (None, Basis::Identical) => "predictions are identical".into(),
        (None, _) => "not testable".into(),
    }
}

/// What the variance of a contrast is made of.
#[derive(Debug, Serialize)]
pub struct VarianceRow {
    training: String,
    n: usize,
    arm: String,
    standard_error: String,
    degrees: String,
    /// Standard deviations in points.
    rerun: String,
    rerun_interval: String,
    image: String,
    residual: String,
}

pub fn variances(analysis: &Analysis) -> Vec<VarianceRow> {
    let doses = several_doses(&analysis.accuracy);
    let row = |contrast: &Contrast| VarianceRow {
        training: contrast.design.setting().to_string(),
        n: contrast.design.n,
        arm: arm_name(&contrast.design, doses),
        standard_error: format::width(contrast.answer.standard_error),
        degrees: contrast.answer.degrees.map_or(DASH.into(), format::one_decimal),
        rerun: format::width(contrast.components.rerun.sqrt()),
        rerun_interval: contrast.rerun_interval.map_or(DASH.into(), |interval| {
            format!(
                "[{}, {}]",
                format::width(interval.low.sqrt()),
                format::width(interval.high.sqrt())
            )
        }),
        image: format::width(contrast.components.image.sqrt()),
        residual: format::width(contrast.components.residual.sqrt()),
    };
    analysis.contrasts.iter().map(row).collect()
}

/// What the study could find.
#[derive(Debug, Serialize)]
pub struct PowerView {
    sentence: String,
    needs: Vec<NeedRow>,
}

#[derive(Debug, Serialize)]
struct NeedRow {
    gain: String,
    replicates: String,
    images: String,
}

pub fn power(analysis: &Analysis) -> Option<PowerView> {
    let power = analysis.power.as_ref()?;
    let row = |need: &Need| NeedRow {
        gain: format::points(need.gain).trim_end_matches(".0").to_owned(),
        replicates: need
            .replicates
            .map_or(format!("more than {MOST_REPLICATES}"), |count| count.to_string()),
        images: need.images.map_or(format!("more than {MOST_IMAGES}"), |count| count.to_string()),
    };
    Some(PowerView {
        sentence: power_sentence(power)?,
        needs: power.needs.iter().map(row).collect(),
    })
}

/// The smallest gains that a design finds, in a sentence; none with fewer than two replicates, or
/// where nothing varies.
pub fn power_sentence(power: &Power) -> Option<String> {
    let design = &power.design;
    if design.replicates < 2 || design.components.variance(1.0, 1.0) <= 0.0 {
        return None;
    }
    let gain = |gain: Option<f64>| {
        gain.map_or("no difference".to_owned(), |gain| {
            format!("a true difference of {} points", format::width(gain))
        })
    };
    Some(format!(
        "With {} and {} held-out images, {} power is reached by {} for a comparison that is tested alone, and by {} for one that is the \
         only effect among {}, after correction.",
        format::count(design.replicates, "replicate"),
        design.units,
        format::level(WANTED),
        gain(power.alone),
        gain(power.in_family),
        format::count(design.contrasts, "comparison"),
    ))
}

/// How the trainings of a design ended, means over replicates.
#[derive(Debug, Serialize)]
pub struct LossRow {
    training: String,
    n: usize,
    arm: String,
    epochs: String,
    before: String,
    last: String,
    validation: String,
}

/// The rows, and how far back the earlier loss lies, as a share of the epochs.
pub fn losses(analysis: &Analysis) -> (Vec<LossRow>, String) {
    let doses = several_doses(&analysis.accuracy);
    let row = |row: &Accuracy| {
        let Losses { epochs, training, training_before, validation } = row.losses;
        LossRow {
            training: row.design.setting().to_string(),
            n: row.design.n,
            arm: arm_name(&row.design, doses),
            epochs: format::one_decimal(epochs).trim_end_matches(".0").to_owned(),
            before: format::distance(training_before),
            last: format::distance(training),
            validation: format::distance(validation),
        }
    };
    (analysis.accuracy.iter().map(row).collect(), format::level(STRETCH))
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
        difference: format::points(part.answer.difference),
        interval: interval(&part.answer),
        adjusted: part.answer.p_adjusted.map_or(DASH.into(), |p| format::p_phrase("p", p)),
        rejected: part.answer.rejected,
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
    sign_flip: String,
    mcnemar: String,
}

pub fn replicates(analysis: &Analysis) -> Vec<ReplicateRow> {
    let doses = several_doses(&analysis.accuracy);
    let join = |values: &[f64], form: fn(f64) -> String| {
        values.iter().map(|value| form(*value)).collect::<Vec<_>>().join(", ")
    };
    let row = |row: &Accuracy| {
        let contrast = analysis.contrasts.iter().find(|contrast| contrast.design == row.design);
        ReplicateRow {
            training: row.design.setting().to_string(),
            n: row.design.n,
            arm: arm_name(&row.design, doses),
            accuracies: join(&row.replicates, format::percent).replace('%', ""),
            deviation: row.deviation.map(format::width).unwrap_or_default(),
            differences: contrast
                .map(|contrast| join(&contrast.replicates, format::points))
                .unwrap_or_default(),
            sign_flip: contrast.map(|contrast| format::p(contrast.sign_flip)).unwrap_or_default(),
            mcnemar: contrast
                .map(|contrast| join(&contrast.mcnemar, format::p))
                .unwrap_or_default(),
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
    /// In the order of the columns; none where a score is not defined.
    cells: Vec<Option<Rate>>,
}

pub fn scores(analysis: &Analysis) -> ScoreTable {
    let doses = several_doses(&analysis.accuracy);
    let malignancy = analysis.accuracy.iter().any(|row| row.scores.malignancy.is_some());
    let row = |row: &Accuracy| {
        let Scores { top_3, auroc, brier, calibration_error, malignancy: told } = &row.scores;
        // Among three classes every one is among the first three.
        let top_3 = (analysis.classes.len() > AMONG).then(|| Rate::percent(top_3));
        let mut cells = vec![
            top_3,
            auroc.as_ref().map(Rate::decimal),
            Some(Rate::decimal(brier)),
            Some(Rate::percent(calibration_error)),
        ];
        if malignancy {
            let told = |rate: fn(&Malignancy) -> &Estimate| told.as_ref().map(rate);
            cells.push(told(|told| &told.auroc).map(Rate::decimal));
            cells.push(told(|told| &told.average_precision).map(Rate::decimal));
            cells.push(told(|told| &told.sensitivity).map(Rate::percent));
            cells.push(told(|told| &told.specificity).map(Rate::percent));
        }
        let arm = arm_name(&row.design, doses);
        ScoreRow { training: row.design.setting().to_string(), n: row.design.n, arm, cells }
    };
    ScoreTable {
        bins: BINS,
        threshold: format::level(THRESHOLD),
        malignancy,
        rows: analysis.accuracy.iter().map(row).collect(),
    }
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
    cells: Vec<Option<Rate>>,
}

pub fn breakdowns(analysis: &Analysis) -> Vec<Breakdown> {
    let arms = arms(analysis);
    let breakdown = |rows: &[Accuracy]| {
        let present = arms
            .iter()
            .filter_map(|(arm, name)| find(rows, arm).map(|row| (row, name)))
            .collect::<Vec<_>>();
        let classes = analysis.classes.iter().zip(&analysis.images_per_class).enumerate();
        let class = |(class, (label, images)): (usize, (&String, &usize))| BreakdownRow {
            label: label.clone(),
            images: *images,
            cells: present
                .iter()
                .map(|(row, _)| row.per_class[class].as_ref().map(Rate::percent))
                .collect(),
        };
        let skin_type = |(fst, images): (&u8, &usize)| BreakdownRow {
            label: match fst {
                1..=9 => format!("FST {fst}"),
                pair => format!("FST {}-{}", pair / 10, pair % 10),
            },
            images: *images,
            cells: present.iter().map(|(row, _)| row.per_fst.get(fst).map(Rate::percent)).collect(),
        };
        let by_class = BreakdownSection { heading: "class", rows: classes.map(class).collect() };
        let by_fst = BreakdownSection {
            heading: "skin type",
            rows: analysis.images_per_fst.iter().map(skin_type).collect(),
        };
        Breakdown {
            name: format!("n = {}, {}", rows[0].design.n, rows[0].design.setting()),
            arms: present.iter().map(|(_, name)| (*name).clone()).collect(),
            sections: [by_class, by_fst]
                .into_iter()
                .filter(|section| !section.rows.is_empty())
                .collect(),
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
    /// Where classifiers of the study are better than the judge.
    weak: Option<String>,
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

pub fn check(check: &Check, analysis: &Analysis) -> CheckView {
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
        weak: weak_judge(check, analysis),
        nearer: check.nearer().map(|nearer| format!("{nearer} of {count}")),
        reconstruction: check.reconstruction.as_ref().map(|reconstruction| {
            [reconstruction.accuracy_real, reconstruction.accuracy_reconstructed]
                .map(format::percent)
        }),
        has_base: check.classes.iter().any(|class| class.base.is_some()),
        strategies,
    }
}

/// A warning where the judge is right less often than the best of those that it judges images for.
fn weak_judge(check: &Check, analysis: &Analysis) -> Option<String> {
    let better = |best: &&Accuracy| best.accuracy.mean > check.judge;
    let best = analysis
        .accuracy
        .iter()
        .max_by(|a, b| a.accuracy.mean.total_cmp(&b.accuracy.mean))
        .filter(better)?;
    Some(format!(
        "The judge is the weaker one: it has {} of the held-out images right, while classifiers of the study reach {} ({}). What it fails \
         to recognise may be recognisable.",
        format::percent(check.judge),
        format::percent(best.accuracy.mean),
        best.design,
    ))
}

fn check_row(class: &ClassCheck, strategies: &[String]) -> CheckRow {
    let find =
        |strategy: &String| class.strategies.iter().find(|check| check.strategy == *strategy);
    let distance = |of: Distances| DistanceCell {
        median: format::distance(of.median),
        p5: format::distance(of.p5),
    };
    let mut images =
        class.strategies.iter().map(|check| check.recognition.images).collect::<Vec<_>>();
    images.extend(class.base.map(|base| base.images));
    images.dedup();
    CheckRow {
        label: class.label.clone(),
        recognised: strategies
            .iter()
            .map(|strategy| find(strategy).map(|check| Rate::of(&check.recognition)))
            .collect(),
        images: images.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        base: class.base.as_ref().map(Rate::of),
        nearest: class.nearest_real.map(distance),
        held_out: distance(class.held_out),
    }
}
