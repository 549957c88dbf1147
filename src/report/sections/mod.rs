//! The sections of a study's report, a file each. A section reads the report's inputs, says its
//! prose, tables and figures as blocks, and is absent from studies that have nothing for it.

mod about;
mod accuracy;
mod answer;
mod answers;
mod breakdown;
mod claims;
mod columns;
mod comparisons;
mod declared;
mod doses;
mod endings;
mod exchange;
mod first;
mod generator_check;
mod images;
mod method;
mod neighbours;
mod power;
mod provenance;
mod quality;
mod reporting;
mod scores;
mod skin_types;
mod summary;
mod tasks;
mod training;
mod variants;
mod variation;

use super::block::{Block, Section, tables_of};
use super::inputs::{Inputs, Part};
pub use answer::of_study as answer;
pub use claims::count_rulings as rulings;
pub use power::write_sentence as power_sentence;

/// What a section is about.
enum About {
    /// One experiment.
    Experiment(fn(Part<'_>) -> Option<Section>),
    /// The study as a whole.
    Study(fn(&Inputs) -> Option<Section>),
}

use About::{Experiment, Study};

/// Every section, in the order of a report of one experiment.
const SECTIONS: &[About] = &[
    Study(claims::section),
    Study(answers::section),
    Experiment(summary::section),
    Experiment(accuracy::section),
    Experiment(doses::section),
    Experiment(comparisons::section),
    Experiment(variation::section),
    Experiment(skin_types::section),
    Experiment(declared::section),
    Experiment(exchange::section),
    Experiment(variants::section),
    Study(images::section),
    Study(generator_check::section),
    Study(quality::section),
    Study(neighbours::section),
    Study(training::section),
    Experiment(endings::section),
    Experiment(scores::section),
    Experiment(breakdown::section),
    Study(method::section),
    Study(tasks::section),
    Study(provenance::section),
    Study(reporting::section),
];

/// Sections of an experiment that stand open where a report has several; the others are folded.
const OPEN: [&str; 6] = ["summary", "accuracy", "doses", "contrasts", "declared", "exchange"];

/// The sections that the study has something for. Where it has several experiments, each is a
/// section of its own, after the claims and before what else is said of the study.
pub fn write(inputs: &Inputs) -> Vec<Section> {
    let mut sections = list(inputs).into_iter();
    let first = sections.next().map(|first| first::lay_out(first, inputs));
    first.into_iter().chain(about::section(inputs)).chain(sections).collect()
}

/// The sections, each as it is by itself.
fn list(inputs: &Inputs) -> Vec<Section> {
    let about_study = |section: &About| match section {
        Study(section) => write_study(*section, inputs),
        Experiment(_) => None,
    };
    if let [_] = inputs.experiments.as_slice() {
        let part = || inputs.parts().next();
        let write = |section: &About| match section {
            Experiment(section) => part().and_then(|part| write_part(*section, part)),
            Study(section) => write_study(*section, inputs),
        };
        return SECTIONS.iter().filter_map(write).collect();
    }
    let is_summary = |section: &About| matches!(section, Experiment(_));
    let summary = SECTIONS.iter().position(is_summary).unwrap_or(0);
    let (first, others) = SECTIONS.split_at(summary);
    let mut sections = first.iter().filter_map(about_study).collect::<Vec<_>>();
    sections.extend(inputs.parts().map(write_experiment));
    sections.extend(others.iter().filter_map(about_study));
    sections
}

/// A section of an experiment, whose numbers its analysis computed.
fn write_part(section: fn(Part<'_>) -> Option<Section>, part: Part<'_>) -> Option<Section> {
    let mut section = section(part)?;
    let analysis = format!("analysis/{}", part.experiment.name);
    tables_of(&mut section.blocks).into_iter().for_each(|table| table.computed_by(&analysis));
    Some(section)
}

/// A section of the study. The results of the generator check and of the quality of images are
/// tasks of their own; other numbers the plan says.
fn write_study(section: fn(&Inputs) -> Option<Section>, inputs: &Inputs) -> Option<Section> {
    let mut section = section(inputs)?;
    let task = match section.id.as_ref() {
        "check" | "quality" | "tsne" => section.id.clone().into_owned(),
        _ => "report".to_owned(),
    };
    tables_of(&mut section.blocks).into_iter().for_each(|table| table.computed_by(&task));
    Some(section)
}

/// All of an experiment in one section.
fn write_experiment(part: Part<'_>) -> Section {
    let own = SECTIONS.iter().filter_map(|section| match section {
        Experiment(section) => Some(section),
        Study(_) => None,
    });
    let mut blocks = Vec::new();
    for section in own.filter_map(|section| write_part(*section, part)) {
        if !OPEN.contains(&section.id.as_ref()) {
            let summary = section.title.into_owned();
            blocks.push(Block::Details { summary, blocks: section.blocks });
            continue;
        }
        // The summary needs no heading, and declared comparisons have their questions as headings.
        if !["summary", "declared"].contains(&section.id.as_ref()) {
            blocks.push(Block::heading(section.title));
        }
        blocks.extend(section.blocks);
    }
    let name = &part.experiment.name;
    let title = match part.experiment.question.as_str() {
        "" => name.clone(),
        question => format!("{name}: {question}"),
    };
    Section { id: name.clone().into(), title: title.into(), short: name.clone().into(), blocks }
}
