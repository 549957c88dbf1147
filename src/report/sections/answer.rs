//! The answer of an experiment in plain words: whether its arms are more accurate than real images
//! alone, where, by how much and how sure. Every word of it follows from the numbers by rule.

use crate::report::format;
use crate::report::inputs::{Inputs, Part};
use crate::report::wording::{have_several_doses, interval_name, name_arm};
use crate::stats::analysis::{Analysis, Contrast};
use crate::stats::crossed::Basis;

/// The experiment whose answer is that of the study: the first with an arm of synthetic images, or
/// else the first.
pub fn leading(inputs: &Inputs) -> Part<'_> {
    let is_synthetic = |part: &Part<'_>| {
        let contrasts = &part.analysis.contrasts;
        contrasts.iter().any(|contrast| contrast.design.arm.synthetic().is_some())
    };
    let experiment = &inputs.experiments[0];
    let first = Part { inputs, experiment, analysis: &experiment.analysis };
    inputs.parts().find(is_synthetic).unwrap_or(first)
}

/// The answer of the study, in sentences.
pub fn of_study(inputs: &Inputs) -> Vec<String> {
    sentences(leading(inputs).analysis)
}

/// Whether synthetic images help, in one experiment.
pub fn of(analysis: &Analysis) -> String {
    sentences(analysis).join(" ")
}

/// The answer, the shortest of it first.
fn sentences(analysis: &Analysis) -> Vec<String> {
    let is_synthetic = |contrast: &&Contrast| contrast.design.arm.synthetic().is_some();
    let (synthetic, controls): (Vec<_>, Vec<_>) = analysis.contrasts.iter().partition(is_synthetic);
    // A study of controls alone asks about these.
    let contrasts = if synthetic.is_empty() { &controls } else { &synthetic };
    if contrasts.is_empty() {
        return vec!["The study has no synthetic arm, so nothing is compared.".into()];
    }
    if contrasts.iter().all(|contrast| contrast.answer.basis == Basis::OneReplicate) {
        return vec![
            "With one replicate, nothing can be said of reruns: no comparison is called \
             significant, and intervals and p concern these trained classifiers on new images."
                .into(),
        ];
    }
    let shown = |gain: bool| {
        let side = move |contrast: &&Contrast| {
            contrast.answer.rejected && (contrast.answer.difference > 0.0) == gain
        };
        contrasts.iter().copied().filter(side).collect::<Vec<_>>()
    };
    let (gains, losses) = (shown(true), shown(false));
    let open = contrasts.len() - gains.len() - losses.len();
    let mut sentences = vec![headline(contrasts.len(), gains.len(), losses.len())];
    let most = |shown: &[&Contrast], what: &str| {
        let size = |contrast: &&&Contrast| contrast.answer.difference.abs();
        let most = shown.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
        Some(format!("{what}: {}.", describe(analysis, most)))
    };
    sentences.extend(most(&gains, "The largest gain"));
    sentences.extend(most(&losses, "The largest loss"));
    if open > 0 && open < contrasts.len() {
        sentences.push(format!("In {open} neither is shown."));
    }
    if !synthetic.is_empty() && !controls.is_empty() {
        let controls = controls.iter().map(|control| name_difference(analysis, control));
        let controls = controls.collect::<Vec<_>>();
        sentences.push(format!("Controls beside that: {}.", format::list(&controls)));
    }
    sentences
}

/// "pool +14.9 points".
fn name_difference(analysis: &Analysis, contrast: &Contrast) -> String {
    let design = &contrast.design;
    let mut counts = analysis.accuracy.iter().map(|row| (row.design.n, row.design.setting()));
    let first = counts.next();
    let place = match counts.all(|count| Some(count) == first) {
        true => String::new(),
        false => format!(" at n = {}, {},", design.n, design.setting()),
    };
    format!(
        "{}{place} {} points",
        name_arm(design, have_several_doses(&analysis.accuracy)),
        format::points(contrast.answer.difference)
    )
}

/// "text-to-image at n = 4, no transforms, +6.9 points (95% interval [+3.8, +10.0])".
fn describe(analysis: &Analysis, contrast: &Contrast) -> String {
    let interval = contrast.answer.interval.map_or(String::new(), |interval| {
        format!(" ({} {})", interval_name(analysis), format::points_interval(interval))
    });
    format!(
        "{} at n = {}, {}, {} points{interval}",
        name_arm(&contrast.design, have_several_doses(&analysis.accuracy)),
        contrast.design.n,
        contrast.design.setting(),
        format::points(contrast.answer.difference)
    )
}

/// The answer in a sentence: of all comparisons how many show a gain and how many a loss.
fn headline(all: usize, gains: usize, losses: usize) -> String {
    if all == 1 {
        let shown = match (gains, losses) {
            (0, 0) => {
                "Not shown: in the one comparison with real images only, no difference in accuracy is shown."
            }
            (0, _) => "No: in the one comparison with real images only, accuracy is lower.",
            _ => "Yes: in the one comparison with real images only, accuracy is higher.",
        };
        return shown.to_owned();
    }
    let all = format::count(all, "comparison");
    match (gains, losses) {
        (0, 0) => {
            format!("Not shown: in none of {all} with real images only does accuracy differ.")
        }
        (0, lower) => format!(
            "No: in none of {all} with real images only is accuracy shown to be higher, and in \
             {lower} it is lower."
        ),
        (higher, 0) => {
            format!("Yes, in {higher} of {all} with real images only: accuracy is higher.")
        }
        (higher, lower) => format!(
            "It depends: in {higher} of {all} with real images only accuracy is higher, in {lower} \
             it is lower."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comparison_is_said_as_one() {
        for (gains, losses, answer) in [(0, 0, "Not shown"), (0, 1, "No:"), (1, 0, "Yes:")] {
            let said = headline(1, gains, losses);
            assert!(said.starts_with(answer) && said.contains("in the one comparison"), "{said}");
            assert!(headline(2, gains, losses).contains(" of 2 comparisons "));
        }
    }
}
