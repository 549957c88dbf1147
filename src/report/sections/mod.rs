//! The sections of a study's report, a file each. A section reads the report's inputs, says its
//! prose, tables and figures as blocks, and is absent from studies that have nothing for it.

mod accuracy;
mod breakdown;
mod columns;
mod comparisons;
mod endings;
mod generator_check;
mod images;
mod method;
mod power;
mod provenance;
mod scores;
mod skin_types;
mod summary;
mod tasks;
mod training;
mod variants;
mod variation;

use super::block::Section;
use super::inputs::Inputs;
pub use power::write_sentence as power_sentence;

/// Every section, in the order of the report.
const SECTIONS: &[fn(&Inputs) -> Option<Section>] = &[
    summary::section,
    accuracy::section,
    comparisons::section,
    skin_types::section,
    variants::section,
    images::section,
    generator_check::section,
    training::section,
    endings::section,
    scores::section,
    breakdown::section,
    method::section,
    tasks::section,
    provenance::section,
];

/// The sections that the study has something for.
pub fn write(inputs: &Inputs) -> Vec<Section> {
    SECTIONS.iter().filter_map(|section| section(inputs)).collect()
}
