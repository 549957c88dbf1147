//! The summary: the design, the verdict and the findings, made from the numbers. A sentence claims
//! no more than the rule that it names.

use super::{answer, power};
use crate::report::block::{Block, Item, Section, Text};
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::{have_several_doses, interval, interval_name, name_arm, rate, scope};
use crate::stats::analysis::{Accuracy, Analysis, Contrast};
use crate::stats::crossed::Basis;
use crate::vocabulary::{Arm, Control, Design, Regime};

pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let mut blocks = summarise(part).into_iter().map(Block::paragraph).collect::<Vec<_>>();
    // Where there are several experiments, their tables follow at once.
    if part.is_only() {
        blocks.push(Block::List { ordered: false, items: list_findings(analysis) });
        if !analysis.contrasts.is_empty() {
            blocks.push(Block::soft(format!(
                "Bold: significant at {}, for {}.",
                rate(analysis),
                scope(analysis)
            )));
        }
    }
    let (id, title, short) = ("summary".into(), "Summary".into(), "Summary".into());
    Some(Section { id, title, short, blocks })
}

fn summarise(part: Part<'_>) -> Vec<String> {
    let analysis = part.analysis;
    // The report of one experiment opens with its answer.
    let mut sentences = match part.is_only() {
        true => Vec::new(),
        false => vec![answer::of(analysis)],
    };
    sentences.push(describe_design(part));
    sentences.extend(caution(analysis));
    if !part.is_only() {
        return sentences;
    }
    sentences.extend(name_rule(analysis));
    sentences.extend(name_shared(part));
    if analysis.count_rejected() < analysis.contrasts.len() {
        sentences.push(
            "A difference that is not significant is not shown to be zero: its interval says what \
             remains possible."
                .into(),
        );
    }
    let power = analysis.power.as_ref();
    let sampled = power::sampled(analysis);
    sentences.extend(power.and_then(|power| power::write_sentence(power, sampled)));
    sentences
}

/// A warning where the answers are weaker than they look.
fn caution(analysis: &Analysis) -> Option<String> {
    let contrasts = &analysis.contrasts;
    if contrasts.iter().any(|contrast| contrast.answer.basis == Basis::Copies) {
        return Some(
            "All replicates of some comparisons predict alike: their seeds do not vary, or they \
             are copies of one run."
                .into(),
        );
    }
    contrasts.iter().any(|contrast| contrast.replicates.len() == 2).then(|| {
        "With two replicates the variance between them is hardly known: intervals are wide, and \
         few differences can be significant."
            .into()
    })
}

/// The parts that all replicates have in common, which no interval covers.
fn name_shared(part: Part<'_>) -> Option<String> {
    let shared = &part.inputs.study.shared;
    let compared = !part.analysis.contrasts.is_empty() && !shared.is_empty();
    compared.then(|| {
        format!(
            "All replicates share {}; what another choice of these would change, no interval \
             covers.",
            format::list(shared)
        )
    })
}

fn describe_design(part: Part<'_>) -> String {
    let analysis = part.analysis;
    let rows = &analysis.accuracy;
    let counts = distinct(rows, |design| design.n).iter().map(usize::to_string).collect::<Vec<_>>();
    let mut replicates = rows.iter().map(|row| row.replicates.len()).collect::<Vec<_>>();
    replicates.sort();
    let replicates = match (replicates.first(), replicates.last()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most} replicates"),
        (_, most) => format::count(most.copied().unwrap_or(0), "replicate"),
    };
    format!(
        "Classifiers were trained on {} real images per class (image set: {}){}, {}{}, \
         {replicates} each, and tested on {} of {}.",
        format::list(&counts),
        part.inputs.study.image_set,
        describe_arms(rows),
        describe_transforms(rows),
        describe_regimes(rows),
        format::count(analysis.images, "held-out image"),
        format::count(analysis.classes.len(), "class"),
    )
}

fn describe_arms(rows: &[Accuracy]) -> String {
    let mut arms = Vec::new();
    for row in rows.iter().filter(|row| row.design.arm.synthetic().is_some()) {
        let arm = row.design.arm.to_string();
        if !arms.contains(&arm) {
            arms.push(arm);
        }
    }
    let doses = distinct(rows, |design| design.dose).into_iter().filter(|dose| *dose > 0);
    let doses = doses.map(|dose| dose.to_string()).collect::<Vec<_>>();
    let mut text = match arms.is_empty() {
        true => String::new(),
        false => format!(
            ", alone or with {} synthetic {} for each real one ({})",
            format::list(&doses),
            if doses == ["1"] { "image" } else { "images" },
            format::list(&arms)
        ),
    };
    let controls = rows.iter().filter_map(|row| match row.design.arm {
        Arm::Control(control) => Some(control),
        Arm::Real | Arm::Synthetic(_) => None,
    });
    let mut named = Vec::<Control>::new();
    controls.for_each(|control| {
        if !named.contains(&control) {
            named.push(control);
        }
    });
    let named = named.iter().map(|control| format!("{} ({})", control.name(), control.meaning()));
    let named = named.collect::<Vec<_>>();
    if !named.is_empty() {
        text += &format!(", with the controls {}", format::list(&named));
    }
    text
}

fn describe_transforms(rows: &[Accuracy]) -> &'static str {
    let mut used = rows.iter().map(|row| row.design.transforms);
    match (used.clone().any(|used| used), used.all(|used| used)) {
        (true, true) => "with image transforms",
        (true, false) => "without and with image transforms",
        _ => "without image transforms",
    }
}

fn describe_regimes(rows: &[Accuracy]) -> String {
    let mut regimes = Vec::new();
    for regime in rows.iter().map(|row| row.design.regime.name().to_owned()) {
        if !regimes.contains(&regime) {
            regimes.push(regime);
        }
    }
    match regimes.as_slice() {
        [regime] if regime == Regime::Full.name() => String::new(),
        [regime] => format!(", in the training regime {regime}"),
        _ => format!(", in the training regimes {}", format::list(&regimes)),
    }
}

/// The different values of `count`, ascending.
fn distinct(rows: &[Accuracy], count: fn(&Design) -> usize) -> Vec<usize> {
    let mut counts = rows.iter().map(|row| count(&row.design)).collect::<Vec<_>>();
    counts.sort();
    counts.dedup();
    counts
}

/// The population and the rate that "shown" and "significant" are about.
fn name_rule(analysis: &Analysis) -> Option<String> {
    let over_reruns =
        analysis.contrasts.iter().any(|contrast| contrast.answer.basis == Basis::Reruns);
    over_reruns.then(|| {
        format!(
            "A difference is called higher or lower where it is significant for new images and new \
             replicates, at {}.",
            rate(analysis)
        )
    })
}

/// An item for each n and setting: the accuracy of real only, and below it every comparison.
fn list_findings(analysis: &Analysis) -> Vec<Item> {
    let finding = |real: &Accuracy| {
        let same = |contrast: &&Contrast| {
            (contrast.design.n, contrast.design.setting()) == (real.design.n, real.design.setting())
        };
        let contrasts = analysis.contrasts.iter().filter(same).collect::<Vec<_>>();
        let mut rate = format::percent(real.accuracy.mean);
        rate.extend(
            real.accuracy
                .interval
                .map(|interval| format!(" {}", format::percent_interval(interval))),
        );
        let text = format!(
            "At n = {}, {}: real only {rate}{}",
            real.design.n,
            real.design.setting(),
            if contrasts.is_empty() { "." } else { ";" }
        );
        let item = |(place, contrast): (usize, &&Contrast)| {
            let end = if place + 1 == contrasts.len() { "." } else { ";" };
            Item::from(describe_contrast(analysis, contrast).then(end))
        };
        Item { text: text.into(), items: contrasts.iter().enumerate().map(item).collect() }
    };
    analysis.accuracy.iter().filter(|row| row.design.arm == Arm::Real).map(finding).collect()
}

fn describe_contrast(analysis: &Analysis, contrast: &Contrast) -> Text {
    let answer = &contrast.answer;
    let text = format!(
        "{} {} points ({} {}, {})",
        name_arm(&contrast.design, have_several_doses(&analysis.accuracy)),
        format::points(answer.difference),
        interval_name(analysis),
        interval(answer),
        answer.p_adjusted.map_or("no p".into(), |p| format::p_phrase("adjusted p", p))
    );
    Text::strong_if(answer.rejected, text)
}
