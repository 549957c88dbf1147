//! The generator check: whether synthetic images carry their class, and whether they are copies.

use crate::report::block::{Block, Cell, Column, Section, Table};
use crate::report::format;
use crate::report::inputs::Inputs;
use crate::stats::analysis::{Accuracy, Analysis};
use crate::stats::check::{Check, ClassCheck, Distances, Recognition};

/// None where the study has no generator.
pub fn section(inputs: &Inputs) -> Option<Section> {
    let check = inputs.check.as_ref()?;
    let mut blocks = vec![Block::paragraph(conclude(check))];
    blocks.extend(warn_of_judge(check, inputs.first()).map(Block::notice));
    blocks.extend(compare_distances(check).map(Block::paragraph));
    blocks.extend(check.reconstruction.as_ref().map(|reconstruction| {
        Block::paragraph(format!(
            "The same classifier has {} of held-out real images right, and {} of the same images \
             after the autoencoder has encoded and decoded them.",
            format::percent(reconstruction.accuracy_real),
            format::percent(reconstruction.accuracy_reconstructed)
        ))
    }));
    blocks.push(Block::Table(table(check, inputs.first())));
    Some(Section {
        id: "check".into(),
        title: "Generator check".into(),
        short: "Generator check".into(),
        blocks,
    })
}

/// The strategies of the check, in the order of the study.
fn strategies(check: &Check) -> Vec<&str> {
    let mut found = Vec::new();
    for strategy in check.classes.iter().flat_map(|class| &class.strategies) {
        if !found.contains(&strategy.strategy.as_str()) {
            found.push(&strategy.strategy);
        }
    }
    found
}

fn has_base(check: &Check) -> bool {
    check.classes.iter().any(|class| class.base.is_some())
}

fn count_classes(check: &Check) -> String {
    format::count(check.classes.len(), "class")
}

fn conclude(check: &Check) -> String {
    let carried = |strategy: &&str| {
        format!("{strategy} {} of {}", check.count_carried(strategy), count_classes(check))
    };
    format!(
        "A classifier trained on plentiful real images was shown synthetic ones. Recognised above \
         chance ({}){}, with intervals apart: {}.",
        format::percent(check.chance),
        if has_base(check) { " and above the base model" } else { "" },
        format::list(&strategies(check).iter().map(carried).collect::<Vec<_>>())
    )
}

/// A warning where the judge is right less often than the best of those that it judges images for.
fn warn_of_judge(check: &Check, analysis: &Analysis) -> Option<String> {
    let better = |best: &&Accuracy| best.accuracy.mean > check.judge;
    let best = analysis
        .accuracy
        .iter()
        .max_by(|a, b| a.accuracy.mean.total_cmp(&b.accuracy.mean))
        .filter(better)?;
    Some(format!(
        "The judge is the weaker one: it has {} of the held-out images right, while classifiers of \
         the study reach {} ({}). What it fails to recognise may be recognisable.",
        format::percent(check.judge),
        format::percent(best.accuracy.mean),
        best.design,
    ))
}

fn compare_distances(check: &Check) -> Option<String> {
    Some(format!(
        "In {} of {} the closest images made by text-to-image (5th percentile) lie nearer to a \
         real image of the pool than the closest held-out real images do. A copy would lie at or \
         near 0. Distance: {}.",
        check.nearer()?,
        count_classes(check),
        check.distance
    ))
}

fn table(check: &Check, analysis: &Analysis) -> Table {
    let mut columns =
        vec![Column::text("class", |class: &ClassCheck| class.label.clone()).heading_rows()];
    columns.extend(strategies(check).into_iter().map(|strategy| {
        Column::number(strategy, move |class: &ClassCheck| {
            let found = class.strategies.iter().find(|found| found.strategy == strategy);
            found.map(|found| rate(&found.recognition))
        })
    }));
    if has_base(check) {
        columns
            .push(Column::number("base model", |class: &ClassCheck| class.base.as_ref().map(rate)));
    }
    columns.push(Column::number("images", count_images));
    let mut caption = format!(
        "Synthetic images recognised as their class [{} Wilson interval], percent",
        format::level(analysis.config.confidence)
    );
    if check.nearer().is_some() {
        columns.push(Column::number("text-to-image distance", |class: &ClassCheck| {
            class.nearest_real.map(distances)
        }));
        columns.push(Column::number("held-out real distance", |class: &ClassCheck| {
            distances(class.held_out)
        }));
        caption += "; distances to the nearest real image of the pool, median (5th percentile)";
    }
    Table::new("Generator check table", columns, &check.classes).captioned(caption + ".")
}

/// The images of each strategy and of the base model; one number where they have equally many.
fn count_images(class: &ClassCheck) -> String {
    let mut images =
        class.strategies.iter().map(|check| check.recognition.images).collect::<Vec<_>>();
    images.extend(class.base.map(|base| base.images));
    images.dedup();
    images.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn rate(recognition: &Recognition) -> Cell {
    Cell::estimate(
        format::percent(recognition.recognised),
        Some(format::percent_interval(recognition.interval)),
    )
}

/// The median, and in parentheses the 5th percentile.
fn distances(of: Distances) -> Cell {
    format!("{} ({})", format::distance(of.median), format::distance(of.p5)).into()
}
