//! The model behind the differences, intervals and p, in prose.

use crate::report::block::{Block, Section};
use crate::report::format;
use crate::report::inputs::Inputs;
use crate::stats::analysis::Analysis;
use crate::stats::family::{Rule, SHRUNK_FROM};
use crate::vocabulary::Correction;

pub fn section(inputs: &Inputs) -> Option<Section> {
    let paragraphs = explain(inputs.first());
    Some(Section {
        id: "method".into(),
        title: "Method".into(),
        short: "Method".into(),
        blocks: paragraphs.into_iter().map(Block::paragraph).collect(),
    })
}

fn explain(analysis: &Analysis) -> Vec<String> {
    let unit = if analysis.patients.is_some() { "patients" } else { "images" };
    vec![
        "Accuracy is top-1, a mean over replicates. A replicate draws its own real images from the \
         pool (where n is all of the pool, the same in another order) and its own training seed, \
         and shares both across arms, so that arms compare in pairs."
            .into(),
        format!(
            "Differences, their {} intervals and p come from one model: replicates and held-out \
             {unit} are both random and crossed, arms are fixed (the multi-reader multi-case \
             model, a replicate as the reader: Obuchowski and Rockette 1995; degrees of freedom by \
             Hillis 2007). They hold for new replicates on new images of the same kind. Held-out \
             images are drawn by class, so only what varies within classes counts; a comparison on \
             some skin types lets the classes vary too.",
            format::level(analysis.config.confidence)
        ),
        explain_noise(&analysis.family.rule, analysis.contrasts.len()),
        explain_family(analysis),
        format!(
            "Intervals of accuracies and of the other scores come from the same model, one arm at \
             a time: rates and areas on the scale of log odds, areas under curves and the \
             calibration error by leaving out each of the {unit} in turn."
        ),
        "Two further tests concern these trained classifiers on new images, and say nothing of \
         reruns: sign flips of each held-out image's difference, summed over replicates, by their \
         exact distribution; and McNemar's exact test in each replicate."
            .into(),
    ]
}

fn explain_family(analysis: &Analysis) -> String {
    let hypotheses = match analysis.family.hypotheses.len() {
        1 => "1 hypothesis".to_owned(),
        count => format!("{count} hypotheses"),
    };
    let procedure = match analysis.config.correction {
        Correction::BenjaminiHochberg => "Benjamini and Hochberg (1995)",
        Correction::BenjaminiYekutieli => "Benjamini and Yekutieli (2001)",
        Correction::Holm => "Holm (1979)",
    };
    format!(
        "Adjusted p follows {procedure} over one family, {}: {hypotheses}. A comparison \
         is called significant where its adjusted p is at most {}. \"Better in a rerun\" is the \
         probability that the arm has the higher accuracy in one more replicate, on all images \
         that there could be, by Student's t.",
        analysis.family.name, analysis.config.q
    )
}

/// The treatment of the variance between replicates.
fn explain_noise(rule: &Rule, contrasts: usize) -> String {
    let few = "Few replicates make some variances between replicates small by luck.";
    match rule {
        Rule::Floored => format!(
            "{few} Each is therefore taken to be at least what it would be if replicates did not \
             differ (rule: floored; it is used for fewer than {SHRUNK_FROM} comparisons)."
        ),
        Rule::Guarded(prior) => format!(
            "{few} Each is therefore drawn towards what the {contrasts} comparisons have in common \
             (Smyth 2004; prior degrees of freedom {}), but never below what it would be if \
             replicates did not differ, nor below its own where that is larger (rule: guarded).",
            prior.degrees.map_or("without bound".into(), format::one_decimal)
        ),
    }
}
