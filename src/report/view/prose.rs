//! The report's sentences, made from its numbers. A sentence claims no more than the rule that it names.

use serde::Serialize;

use crate::report::figure::{arm_name, several_doses};
use crate::report::format;
use crate::report::inputs::{Inputs, TaskCount};
use crate::stats::analysis::{Accuracy, Analysis, Contrast, FULL, REAL};

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
    if analysis.rejected() < analysis.contrasts.len() {
        sentences
            .push("A difference that is not rejected is not shown to be zero: its interval says what remains possible.".into());
    }
    sentences
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
    let doses = texts(distinct(rows.iter().map(|row| row.design.dose).filter(|dose| *dose > 0).collect()));
    let replicates = distinct(rows.iter().map(|row| row.replicates.len()).collect());
    let mut arms = Vec::new();
    for row in rows.iter().filter(|row| row.design.arm != REAL) {
        if !arms.contains(&row.design.arm) {
            arms.push(row.design.arm.clone());
        }
    }
    let synthetic = match arms.is_empty() {
        true => String::new(),
        false => format!(", alone or with {} synthetic images for each real one ({})", format::list(&doses), format::list(&arms)),
    };
    let transforms = match (rows.iter().any(|row| row.design.transforms), rows.iter().all(|row| row.design.transforms)) {
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
        "Classifiers were trained on {} real images per class of the image set {}{synthetic}, {transforms}{regime}, {replicates} each, \
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
    let compared = format::count(analysis.contrasts.len(), "comparison");
    let rule = format!(
        "of {compared} with real images only, the null hypothesis of equal accuracy is rejected at a false discovery rate of {q}"
    );
    let rejected = analysis.contrasts.iter().filter(|contrast| contrast.rejected).collect::<Vec<_>>();
    if rejected.is_empty() {
        return format!("In none {rule}.");
    }
    let better = rejected.iter().filter(|contrast| contrast.difference > 0.0).count();
    let clear = rejected.iter().filter(|contrast| contrast.clear()).count();
    let level = format::level(analysis.config.confidence);
    let (held, others) = match clear {
        0 => ("none".to_owned(), ": they may not hold in a rerun"),
        clear if clear < rejected.len() => (clear.to_string(), ": the others may not hold in a rerun"),
        clear => (clear.to_string(), ""),
    };
    let reruns = match rejected.iter().all(|contrast| contrast.replicates.len() > 1) {
        true => format!(
            "The {level} interval over new images and replicates and Student's t interval over the replicates, which allows for how few \
             those are, both exclude zero in {held} of these{others}."
        ),
        false => "With one replicate, nothing can be said of reruns.".into(),
    };
    format!("In {} {rule}: {better} with higher accuracy, {} with lower. {reruns}", rejected.len(), rejected.len() - better)
}

pub fn findings(analysis: &Analysis) -> Vec<Finding> {
    let doses = several_doses(&analysis.accuracy);
    let level = format::level(analysis.config.confidence);
    let arm = |contrast: &Contrast| ArmFinding {
        text: format!(
            "{} {} points ({level} interval {}, {})",
            arm_name(&contrast.design, doses),
            format::points(contrast.difference),
            format::points_interval(contrast.interval),
            format::p_phrase("adjusted p", contrast.p_adjusted)
        ),
        rejected: contrast.rejected,
    };
    let finding = |real: &Accuracy| {
        let same =
            |contrast: &&Contrast| (contrast.design.n, contrast.design.setting()) == (real.design.n, real.design.setting());
        Finding {
            heading: format!("At n = {}, {}", real.design.n, real.design.setting()),
            real: format!("{} {}", format::percent(real.mean), format::percent_interval(real.interval)),
            arms: analysis.contrasts.iter().filter(same).map(arm).collect(),
        }
    };
    analysis.accuracy.iter().filter(|row| row.design.arm == REAL).map(finding).collect()
}

/// What tasks save by being shared, of the kinds that classifiers depend on.
pub fn sharing(tasks: &[TaskCount]) -> Vec<String> {
    let shared = |task: &&TaskCount| task.serves > 0 && task.apart > task.tasks;
    let sentence = |task: &TaskCount| {
        let (count, serve) = (format::count(task.tasks, &task.kind), if task.tasks == 1 { "serves" } else { "serve" });
        let serves = format::count(task.serves, "classifier");
        format!("{count} {serve} {serves}; done for each classifier apart there would be {}.", task.apart)
    };
    tasks.iter().filter(shared).map(sentence).collect()
}

pub fn method(analysis: &Analysis) -> Vec<String> {
    let config = &analysis.config;
    let level = format::level(config.confidence);
    vec![
        "Accuracy is top-1, a mean over replicates. A replicate draws its own real images from the pool (where n is all of the pool, \
         the same in another order) and its own training seed, and shares both across arms, so that arms compare in pairs."
            .into(),
        format!(
            "{level} intervals of accuracies and differences come from {} resamples of the held-out images within each class and, \
             apart from them, of the replicates (percentiles of the pigeonhole bootstrap). With few replicates they are too narrow for \
             what reruns would vary; with one replicate they leave it out. What replicates share, they do not cover at all: \
             unless generators are tuned for each replicate (generator.dreambooth.models), those.",
            config.bootstraps
        ),
        format!(
            "p is two-sided, from {} random sign flips of each held-out image's difference, averaged over replicates. It concerns \
             these trained classifiers on new images of the same kind: it does not cover reruns, whose spread the table by replicate \
             shows (Student's t interval over replicates, McNemar's exact p in each).",
            config.permutations
        ),
        format!(
            "Adjusted p follows Benjamini and Hochberg over one family, {}: {}, rejected where it is at most {}.",
            analysis.family.name,
            format::count(analysis.family.hypotheses.len(), "hypothesis").replace("hypothesises", "hypotheses"),
            config.q
        ),
    ]
}
