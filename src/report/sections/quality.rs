//! Quality and copying: how near synthetic images are to real ones as features of the backbone.

use super::images::label;
use crate::report::block::{
    Block, Cell, Column, Drawing, Figure, Gallery, Labels, Section, Table, Together,
};
use crate::report::figure::quality::Scatter;
use crate::report::format;
use crate::report::inputs::{Inputs, Sheet};
use crate::stats::quality::{
    NEIGHBOURS, PERMUTATIONS, Pair, Paired, Quality, SetQuality, VERY_NEAR,
};
use crate::vocabulary::{Arm, Strategy};

/// The name of the held-out images' row.
const HELD_OUT: &str = "held-out real";

/// None where the study compares no images.
pub fn section(inputs: &Inputs) -> Option<Section> {
    let quality = inputs.quality.as_ref()?;
    let mut blocks =
        vec![Block::paragraph(describe(quality)), Block::paragraph(count_very_near(quality))];
    blocks.extend(compare_sources(quality).map(Block::paragraph));
    blocks.push(Block::Figure(figure(quality, inputs)));
    blocks.push(Block::Table(table(quality)));
    let shown = inputs.pairs.as_ref().map(|sheet| Block::Gallery(show_pairs(quality, sheet)));
    blocks.push(Block::Details {
        summary: "The closest pairs of a synthetic image and one of the pool".into(),
        blocks: shown.into_iter().chain([Block::Table(pairs(quality))]).collect(),
    });
    Some(Section {
        id: "quality".into(),
        title: "Do synthetic images cover what real ones show?".into(),
        short: "Quality and copying".into(),
        blocks,
    })
}

fn describe(quality: &Quality) -> String {
    let Quality { pool, features, sources, generations, .. } = *quality;
    format!(
        "Images are compared with those of the pool, among which are all that generators are tuned \
         on, as {features} features each of the classifiers' pretrained backbone. That is not the Inception network \
         of published Fréchet and kernel distances: these compare with each other and with no \
         others. Each arm has {} for each of {sources} of the pool's {pool} images ({}), so its \
         recall can be lower than that of as many images made independently. Held-out real \
         images, which no generator of the study is tuned on, show what real images reach.",
        format::count(generations, "image"),
        format::count(quality.classes.len(), "class"),
    )
}

fn count_very_near(quality: &Quality) -> String {
    let mut text = format!(
        "In {} of {} a larger share of images than of held-out real ones is very near to an image \
         of the pool: nearer than {} of held-out real images are to their nearest.",
        quality.count_nearer(),
        format::count(quality.arms.len(), "arm"),
        format::level(1.0 - VERY_NEAR),
    );
    let keeps = [Strategy::Inpaint, Strategy::InThenOutpaint];
    if has(quality, &keeps) {
        text += " Inpainted images begin with a real one and are expected to be near to it.";
    }
    text
}

/// Whether an arm is of one of the strategies.
fn has(quality: &Quality, strategies: &[Strategy]) -> bool {
    let arms = quality.arms.iter().filter_map(|arm| arm.arm.parse::<Arm>().ok());
    let mut made = arms.filter_map(|arm| arm.synthetic().map(|synthetic| synthetic.strategy));
    made.any(|strategy| strategies.contains(&strategy))
}

fn compare_sources(quality: &Quality) -> Option<String> {
    let (paired, nearer) = quality.count_paired();
    if paired == 0 {
        return None;
    }
    let mut text = format!(
        "In {nearer} of {} images lie nearer, on average, to the real image that they were made \
         for than to sources permuted within their class. p is the share of {} orders of the \
         sources, the true one among them, that are at least as near; it is not adjusted, and no \
         claim rests on it.",
        format::count(paired, "arm"),
        PERMUTATIONS + 1,
    );
    if has(quality, &[Strategy::TextToImage]) {
        text += " By text-to-image images are made from the prompt alone: their source is one in \
                 name, and no difference is expected.";
    }
    Some(text)
}

fn figure(quality: &Quality, inputs: &Inputs) -> Figure {
    let scatter = Scatter::of(quality, inputs);
    Figure {
        path: "figures/quality.svg".into(),
        drawing: Drawing::Panels { panels: scatter.apart(), whole: scatter.together() },
        alt: "Held-out real and synthetic images in the plane of two principal components",
        caption: format!(
            "Each image's features in the plane in which those of the pool's {} images vary most. \
             All panels have the same axes and the same held-out real images; what differs along \
             other directions is not seen.",
            quality.pool
        )
        .into(),
    }
}

/// A line of the table.
struct Row<'a> {
    name: &'a str,
    set: &'a SetQuality,
    paired: Option<Paired>,
}

fn table(quality: &Quality) -> Table {
    let mut rows = vec![Row { name: HELD_OUT, set: &quality.held_out, paired: None }];
    let arms = quality.arms.iter();
    rows.extend(arms.map(|arm| Row { name: &arm.arm, set: &arm.set, paired: arm.paired }));
    let mut columns = vec![
        Column::line("set", |row: &Row| row.name.to_owned()).heading_rows(),
        Column::number("images", |row: &Row| row.set.images),
    ];
    columns.extend(whole_sets());
    columns.push(Column::number("distance to the nearest, median", |row: &Row| {
        format::significant(row.set.nearest)
    }));
    columns.push(Column::number("very near", |row: &Row| format::percent(row.set.very_near)));
    columns.extend(sources());
    Table::new("Quality table", columns, &rows).captioned(caption(quality))
}

fn whole_sets<'a>() -> Vec<Column<'a, Row<'a>>> {
    vec![
        Column::number("Fréchet distance", |row: &Row| -> Option<Cell> {
            Some(format::significant(row.set.closeness?.frechet).into())
        }),
        Column::number("kernel distance", |row: &Row| -> Option<Cell> {
            Some(format::significant(row.set.closeness?.kernel).into())
        }),
        Column::number("precision", |row: &Row| -> Option<Cell> {
            Some(format::percent(row.set.closeness?.precision).into())
        }),
        Column::number("recall", |row: &Row| -> Option<Cell> {
            Some(format::percent(row.set.closeness?.recall).into())
        }),
    ]
}

fn sources<'a>() -> Vec<Column<'a, Row<'a>>> {
    vec![
        Column::number("to the own source", |row: &Row| -> Option<Cell> {
            Some(format::significant(row.paired?.own).into())
        }),
        Column::number("to a permuted one", |row: &Row| -> Option<Cell> {
            Some(format::significant(row.paired?.permuted).into())
        }),
        Column::number("p", |row: &Row| -> Option<Cell> { Some(format::p(row.paired?.p).into()) }),
    ]
}

fn caption(quality: &Quality) -> String {
    format!(
        "Sets of images beside the pool. Fréchet distance (squared; Heusel et al. 2017), kernel \
         distance (squared, unbiased, so that it may be below 0; Bińkowski et al. 2018), precision \
         (the share of the set that lies where the pool does) and recall (the share of the pool \
         that lies where the set does; Kynkäänniemi et al. 2019, k = {NEIGHBOURS}) are all of {} \
         images of the set and {} of the pool, as many of each class: they depend on the number \
         of images. The other columns are of all images of the set.",
        quality.compared, quality.compared,
    )
}

/// The images of the closest pairs, in the order of their table.
fn show_pairs(quality: &Quality, sheet: &Sheet) -> Gallery {
    let pairs = quality.arms.iter().flat_map(|arm| &arm.set.closest);
    let distance = |pair: &Pair| format::significant(pair.distance);
    let rows = sheet.rows.iter().zip(pairs);
    let rows = rows.map(|(arm, pair)| format!("{arm}, distance {}", distance(pair)));
    let labels = Labels { rows: rows.collect(), ..label(sheet, Together::Row) };
    Gallery {
        path: "figures/closest-pairs.png".into(),
        png: sheet.png.clone(),
        label: "Closest pairs",
        alt: format!("The closest pairs (rows): {} (columns)", sheet.columns.join(", ")),
        caption: "Each synthetic image with the real one that it was made for, the part of that \
                  which was painted anew (white; all of it where a prompt alone made the image), \
                  and the nearest of the pool."
            .into(),
        labels: Some(labels),
        enlarged: false,
    }
}

fn pairs(quality: &Quality) -> Table {
    let of_arm = |arm| move |pair| (arm, pair);
    let rows = quality
        .arms
        .iter()
        .flat_map(|arm| arm.set.closest.iter().map(of_arm(arm.arm.as_str())))
        .collect::<Vec<(&str, &Pair)>>();
    let columns = vec![
        Column::line("arm", |row: &(&str, &Pair)| row.0.to_owned()).heading_rows(),
        Column::text("image", |row: &(&str, &Pair)| row.1.image.clone()),
        Column::text("nearest of the pool", |row: &(&str, &Pair)| row.1.real.clone()),
        Column::line(
            "made for it",
            |row: &(&str, &Pair)| {
                if row.1.is_source { "yes" } else { "no" }
            },
        ),
        Column::number("distance", |row: &(&str, &Pair)| format::significant(row.1.distance)),
    ];
    Table::new("Closest pairs", columns, &rows).captioned(format!(
        "Very near is a distance below {}.",
        format::significant(quality.very_near)
    ))
}
