//! Variants of the generator against the generator itself, and uses of synthetic images against
//! the plain one.

use super::comparisons;
use crate::report::block::{Block, Section, Text};
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::interval_name;

/// None where the experiment has neither.
pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let contrasts = &analysis.variant_contrasts;
    if contrasts.is_empty() {
        return None;
    }
    let has = |uses: bool| {
        let arms = contrasts.iter().filter_map(|contrast| contrast.design.arm.synthetic());
        arms.into_iter().any(|made| made.usage.is_empty() != uses)
    };
    let (title, what, other) = match (has(false), has(true)) {
        (true, false) => (
            "Variants of the generator",
            "an arm of the variant (after the @) less the same arm of the study's generator",
            "the generator's",
        ),
        (false, true) => (
            "Uses of synthetic images",
            "an arm in the use (after the +) less the plain use of the same generator's images",
            "in the plain use",
        ),
        _ => (
            "Variants and uses",
            "an arm of a variant (after the @) or in a use (after the +) less the arm without it",
            "without it",
        ),
    };
    let caption = format!(
        "Difference in accuracy, {what}, in percentage points [{}]; p as above, adjusted over \
         these {} hypotheses: as accurate as {other}. Bold: significant at {}.",
        interval_name(analysis),
        contrasts.len(),
        format::level(analysis.config.q)
    );
    let usages = part.experiment.usages.iter();
    let said =
        usages.map(|(name, meaning)| Text::code(format!("+{name}")).then(format!(": {meaning}")));
    let mut blocks = Vec::from_iter(Block::list(false, said));
    let table = comparisons::table("Table of comparisons with what is varied", analysis, contrasts);
    blocks.push(Block::Table(table.captioned(caption)));
    Some(Section {
        id: "variants".into(),
        title: title.into(),
        short: if has(true) { "Uses" } else { "Variants" }.into(),
        blocks,
    })
}
