//! Variants of the generator against the generator itself.

use super::comparisons;
use crate::report::block::{Block, Section};
use crate::report::format;
use crate::report::inputs::Part;
use crate::report::wording::interval_name;

/// None where the study has no variant.
pub fn section(part: Part<'_>) -> Option<Section> {
    let analysis = part.analysis;
    let contrasts = &analysis.variant_contrasts;
    if contrasts.is_empty() {
        return None;
    }
    let caption = format!(
        "Difference in accuracy, an arm of the variant (after the @) less the same arm of the \
         study's generator, in percentage points [{}]; p as above, adjusted over these {} \
         hypotheses: as accurate as the generator's. Bold: significant at {}.",
        interval_name(analysis),
        contrasts.len(),
        format::level(analysis.config.q)
    );
    let table = comparisons::table("Table of comparisons with the generator", analysis, contrasts);
    Some(Section {
        id: "variants".into(),
        title: "Variants of the generator".into(),
        short: "Variants".into(),
        blocks: vec![Block::Table(table.captioned(caption))],
    })
}
