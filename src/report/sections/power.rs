//! Power: the smallest differences that the study could find, and what smaller ones would take.

use crate::report::block::{Block, Column, Table};
use crate::report::format;
use crate::stats::analysis::Analysis;
use crate::stats::power::{MOST_IMAGES, MOST_REPLICATES, Need, Power, WANTED};

/// The power of the study's comparisons; nothing where it has none.
pub fn blocks(analysis: &Analysis) -> Vec<Block> {
    let Some(power) = &analysis.power else { return Vec::new() };
    let sampled = sampled(analysis);
    let Some(sentence) = write_sentence(power, sampled) else { return Vec::new() };
    let count =
        |need: Option<usize>, most| need.map_or(format!("more than {most}"), |n| n.to_string());
    let columns = vec![
        Column::number("gain, points", |need: &Need| {
            format::points(need.gain).trim_end_matches(".0").to_owned()
        })
        .heading_rows(),
        Column::number(format!("replicates, with these {sampled}"), move |need: &Need| {
            count(need.replicates, MOST_REPLICATES)
        }),
        Column::number(format!("held-out {sampled}, with these replicates"), move |need: &Need| {
            count(need.images, MOST_IMAGES)
        }),
    ];
    let table = Table::new("Needs of smaller gains", columns, &power.needs).captioned(format!(
        "Replicates or held-out {sampled} that finding a gain takes with that power, after \
         correction, by the mean variances of the comparisons above."
    ));
    vec![
        Block::Heading { id: Some("power"), text: "What the study could find".into() },
        Block::paragraph(sentence),
        Block::Table(table),
    ]
}

/// What the analysis took for samples: held-out patients where they are known, else images.
pub fn sampled(analysis: &Analysis) -> &'static str {
    if analysis.patients.is_some() { "patients" } else { "images" }
}

/// The smallest gains that a design finds, in a sentence; none with fewer than two replicates, or
/// where nothing varies. `sampled`: what its units are.
pub fn write_sentence(power: &Power, sampled: &str) -> Option<String> {
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
        "With {} and {} held-out {sampled}, {} power is reached by {} for a comparison that is tested \
         alone, and by {} for one that is the only effect among {}, after correction.",
        format::count(design.replicates, "replicate"),
        design.units,
        format::level(WANTED),
        gain(power.alone),
        gain(power.in_family),
        format::count(design.contrasts, "comparison"),
    ))
}
