//! The report's sentences, made from its numbers. A sentence claims no more than the rule that it
//! names.

use serde::Serialize;

use crate::report::figure::{arm_name, several_doses};
use crate::report::format;
use crate::report::inputs::{Inputs, TaskCount};
use crate::report::view::{interval, power_sentence};
use crate::stats::analysis::{Accuracy, Analysis, Contrast, FULL, REAL, RESEEDED};
use crate::stats::crossed::Basis;
use crate::stats::family::{Rule, SHRUNK_FROM};

/// What was found at one n in one setting.
#[derive(Debug, Serialize)]
pub struct Finding {
    heading: String,
    /// Accuracy of real only.
    real: String,
    arms: Vec<ArmFinding>,
}

#[derive(Debug, Serialize)]
struct ArmFinding {
    text: String,
    rejected: bool,
}

pub fn summary(inputs: &Inputs) -> Vec<String> {
    let analysis = &inputs.analysis;
    let mut sentences = vec![design(inputs), verdict(analysis)];
    sentences.extend(cautions(analysis));
    sentences.extend(fixed(inputs));
    if analysis.rejected() < analysis.contrasts.len() {
        sentences.push(
            "A difference that is not significant is not shown to be zero: its interval says what remains possible.".into(),
        );
    }
    sentences.extend(analysis.power.as_ref().and_then(power_sentence));
    sentences
}

/// What makes the answers weaker than they look.
fn cautions(analysis: &Analysis) -> Option<String> {
    let contrasts = &analysis.contrasts;
    if contrasts.iter().any(|contrast| contrast.answer.basis == Basis::Copies) {
        return Some(
            "All replicates of some comparisons predict alike: their seeds do not vary, or they are copies of one run.".into(),
        );
    }
    contrasts.iter().any(|contrast| contrast.replicates.len() == 2).then(|| {
        "With two replicates the variance between them is hardly known: intervals are wide, and few differences can be significant.".into()
    })
}

/// What the intervals and p hold for.
pub fn scope(analysis: &Analysis) -> &'static str {
    match analysis.accuracy.iter().all(|row| row.replicates.len() == 1) {
        true => "new images and these trained classifiers",
        false => "new images and new replicates",
    }
}

/// What all replicates have in common, which no interval covers.
fn fixed(inputs: &Inputs) -> Option<String> {
    let shared = &inputs.study.shared;
    let compared = !inputs.analysis.contrasts.is_empty() && !shared.is_empty();
    compared.then(|| {
        format!("All replicates share {}; what another choice of these would change, no interval covers.", format::list(shared))
    })
}

fn design(inputs: &Inputs) -> String {
    let analysis = &inputs.analysis;
    let distinct = |mut values: Vec<usize>| {
        values.sort();
        values.dedup();
        values
    };
    let texts = |values: Vec<usize>| values.iter().map(usize::to_string).collect::<Vec<_>>();
    let rows = &analysis.accuracy;
    let counts = texts(distinct(rows.iter().map(|row| row.design.n).collect()));
    let doses =
        texts(distinct(rows.iter().map(|row| row.design.dose).filter(|dose| *dose > 0).collect()));
    let replicates = distinct(rows.iter().map(|row| row.replicates.len()).collect());
    let mut arms = Vec::new();
    for row in rows.iter().filter(|row| ![REAL, RESEEDED].contains(&row.design.arm.as_str())) {
        if !arms.contains(&row.design.arm) {
            arms.push(row.design.arm.clone());
        }
    }
    let synthetic = match arms.is_empty() {
        true => String::new(),
        false => format!(
            ", alone or with {} synthetic images for each real one ({})",
            format::list(&doses),
            format::list(&arms)
        ),
    };
    let again = match rows.iter().any(|row| row.design.arm == RESEEDED) {
        true => {
            ", and once more on the same images from other seeds, which can differ by chance alone"
        }
        false => "",
    };
    let transforms = match (
        rows.iter().any(|row| row.design.transforms),
        rows.iter().all(|row| row.design.transforms),
    ) {
        (true, true) => "with image transforms",
        (true, false) => "without and with image transforms",
        _ => "without image transforms",
    };
    let mut regimes = Vec::new();
    for row in rows.iter().map(|row| &row.design.regime) {
        if !regimes.contains(row) {
            regimes.push(row.clone());
        }
    }
    let regime = match regimes.as_slice() {
        [regime] if regime == FULL => String::new(),
        [regime] => format!(", in the training regime {regime}"),
        _ => format!(", in the training regimes {}", format::list(&regimes)),
    };
    let replicates = match replicates.as_slice() {
        [count] => format::count(*count, "replicate"),
        counts => format!("{} to {} replicates", counts[0], counts[counts.len() - 1]),
    };
    format!(
        "Classifiers were trained on {} real images per class of the image set {}{synthetic}{again}, {transforms}{regime}, {replicates} each, \
         and tested on {} of {}.",
        format::list(&counts),
        inputs.study.image_set,
        format::count(analysis.images, "held-out image"),
        format::count(analysis.classes.len(), "class"),
    )
}

fn verdict(analysis: &Analysis) -> String {
    let q = format::level(analysis.config.q);
    if analysis.contrasts.is_empty() {
        return "The study has no synthetic arm, so nothing is compared.".into();
    }
    if analysis.contrasts.iter().all(|contrast| contrast.answer.basis == Basis::OneReplicate) {
        return "With one replicate, nothing can be said of reruns: no comparison is called significant, and intervals and p concern \
                these trained classifiers on new images."
            .into();
    }
    let compared = format::count(analysis.contrasts.len(), "comparison");
    let scope = format!("for new images and new replicates, at a false discovery rate of {q}");
    let rejected =
        analysis.contrasts.iter().filter(|contrast| contrast.answer.rejected).collect::<Vec<_>>();
    let better = rejected.iter().filter(|contrast| contrast.answer.difference > 0.0).count();
    match rejected.len() {
        0 => format!(
            "Of {compared} with real images only, none differs significantly in accuracy ({scope})."
        ),
        1 => format!(
            "Of {compared} with real images only, one differs significantly in accuracy ({scope}): it is {}.",
            if better == 1 { "higher" } else { "lower" }
        ),
        count => format!(
            "Of {compared} with real images only, {count} differ significantly in accuracy ({scope}): {better} higher, {} lower.",
            count - better
        ),
    }
}

pub fn findings(analysis: &Analysis) -> Vec<Finding> {
    let doses = several_doses(&analysis.accuracy);
    let level = format::level(analysis.config.confidence);
    let arm = |contrast: &Contrast| ArmFinding {
        text: format!(
            "{} {} points ({level} interval {}, {})",
            arm_name(&contrast.design, doses),
            format::points(contrast.answer.difference),
            interval(&contrast.answer),
            contrast.answer.p_adjusted.map_or("no p".into(), |p| format::p_phrase("adjusted p", p))
        ),
        rejected: contrast.answer.rejected,
    };
    let finding = |real: &Accuracy| {
        let same = |contrast: &&Contrast| {
            (contrast.design.n, contrast.design.setting()) == (real.design.n, real.design.setting())
        };
        Finding {
            heading: format!("At n = {}, {}", real.design.n, real.design.setting()),
            real: format!(
                "{} {}",
                format::percent(real.accuracy.mean),
                real.accuracy.interval.map(format::percent_interval).unwrap_or_default()
            ),
            arms: analysis.contrasts.iter().filter(same).map(arm).collect(),
        }
    };
    analysis.accuracy.iter().filter(|row| row.design.arm == REAL).map(finding).collect()
}

/// What tasks save by being shared, of the kinds that classifiers depend on.
pub fn sharing(tasks: &[TaskCount]) -> Vec<String> {
    let shared = |task: &&TaskCount| task.serves > 0 && task.apart > task.tasks;
    let sentence = |task: &TaskCount| {
        let (count, serve) = (
            format::count(task.tasks, &task.kind),
            if task.tasks == 1 { "serves" } else { "serve" },
        );
        let serves = format::count(task.serves, "classifier");
        format!(
            "{count} {serve} {serves}; done for each classifier apart there would be {}.",
            task.apart
        )
    };
    tasks.iter().filter(shared).map(sentence).collect()
}

pub fn method(analysis: &Analysis) -> Vec<String> {
    let config = &analysis.config;
    let level = format::level(config.confidence);
    let unit = if analysis.patients.is_some() { "patients" } else { "images" };
    vec![
        "Accuracy is top-1, a mean over replicates. A replicate draws its own real images from the pool (where n is all of the pool, \
         the same in another order) and its own training seed, and shares both across arms, so that arms compare in pairs."
            .into(),
        format!(
            "Differences, their {level} intervals and p come from one model: replicates and held-out {unit} are both random and crossed, \
             arms are fixed (the multi-reader multi-case model, a replicate as the reader: Obuchowski and Rockette 1995; degrees of \
             freedom by Hillis 2007). They hold for new replicates on new images of the same kind. Held-out images are drawn by \
             class, so only what varies within classes counts; a comparison on some skin types lets the classes vary too."
        ),
        noise(&analysis.family.rule, analysis.contrasts.len()),
        format!(
            "Adjusted p follows Benjamini and Hochberg over one family, {}: {}. A comparison is called significant where its adjusted p \
             is at most {}. \"Better in a rerun\" is the probability that the arm has the higher accuracy in one more replicate, on \
             all images that there could be, by Student's t.",
            analysis.family.name,
            format::count(analysis.family.hypotheses.len(), "hypothesis").replace("hypothesises", "hypotheses"),
            config.q
        ),
        format!(
            "Intervals of accuracies and of the other scores come from the same model, one arm at a time: rates and areas on the scale \
             of log odds, areas under curves and the calibration error by leaving out each of the {unit} in turn."
        ),
        "Two further tests concern these trained classifiers on new images, and say nothing of reruns: sign flips of each held-out \
         image's difference, summed over replicates, by their exact distribution; and McNemar's exact test in each replicate."
            .into(),
    ]
}

/// What became of the variance between replicates.
fn noise(rule: &Rule, contrasts: usize) -> String {
    let few = "Few replicates make some variances between replicates small by luck.";
    match rule {
        Rule::Floored => format!(
            "{few} Each is therefore taken to be at least what it would be if replicates did not differ (rule: floored; it is used for fewer \
             than {SHRUNK_FROM} comparisons)."
        ),
        Rule::Guarded(prior) => format!(
            "{few} Each is therefore drawn towards what the {contrasts} comparisons have in common (Smyth 2004; prior degrees of freedom \
             {}), but never below what it would be if replicates did not differ, nor below its own where that is larger (rule: guarded).",
            prior.degrees.map_or("without bound".into(), format::one_decimal)
        ),
    }
}
