//! The contact sheet: real images beside the synthetic ones made from them, class by class.

use super::context::{Context, json_output};
use super::dreambooth::PREVIEWS;
use super::images::shard;
use super::pairs::Pairs;
use super::sheets::Legend;
use super::{Outputs, StepError, previews};
use crate::data::sheet::{self, laid_out};
use crate::data::{Item, RgbImage};
use crate::plan::kinds::{self, ShardSet};
use crate::vocabulary::Arm;

/// A white image of the same size.
fn blank(image: &RgbImage) -> RgbImage {
    RgbImage { pixels: vec![255; image.pixels.len()], ..image.clone() }
}

/// Outputs: contact.png (a row a class; a band of columns for the real images, each strategy and
/// the untuned model) and legend.json; strip.png and strip.json, the first of each class and band,
/// a row a band; where synthetic images are compared with the pool, pairs.png and pairs.json, the
/// closest pairs; where models drew previews, training.png (a row a model, a column a stage) and
/// training.json.
pub fn run(params: kinds::Contact, context: &mut Context) -> Result<Outputs, StepError> {
    let pool = shard(context, "pool")?;
    let mut arms = params.arms.iter().map(Some).collect::<Vec<_>>();
    if params.shards.iter().any(|set| set.arm.is_none()) {
        arms.push(None);
    }
    let mut pairs = Pairs::read(context)?;
    let across = params.sources.values().map(Vec::len).max().unwrap_or(1);
    // By class, then by band.
    let mut images = Vec::<Vec<Vec<RgbImage>>>::new();
    for class in &params.classes {
        let of_class = pool.iter().filter(|item| item.label == *class).collect::<Vec<_>>();
        let real = params.sources[class].iter().map(|&position| of_class[position]);
        let real = real.collect::<Vec<_>>();
        let mut bands = vec![real.iter().map(|item| item.image.clone()).collect::<Vec<_>>()];
        for arm in &arms {
            let made = shards(context, &params.shards, *arm, class)?;
            bands.push(made_for(&real, &made, *arm)?);
            pairs.keep(*arm, made);
        }
        images.push(bands);
    }
    let columns = std::iter::once("real".to_owned()).chain(arms.iter().map(name));
    let columns = columns.collect::<Vec<_>>();
    let first = (0..columns.len()).flat_map(|band| images.iter().map(move |bands| &bands[band]));
    let first = first.filter_map(|band| band.first().cloned()).collect::<Vec<_>>();
    let all = images.iter().flatten().flatten().cloned().collect::<Vec<_>>();
    let sheet = laid_out(&all, across * columns.len());
    let strip = laid_out(&first, params.classes.len());
    let (rows, classes) = (params.classes.clone(), params.classes.clone());
    let mut outputs = vec![
        ("contact.png".into(), sheet.to_png("contact sheet")?),
        json_output("legend.json", &Legend { rows, columns: columns.clone(), across }),
        ("strip.png".into(), strip.to_png("first images")?),
        json_output("strip.json", &Legend { rows: columns, columns: classes, across: 1 }),
    ];
    outputs.extend(pairs.write(&pool)?);
    if !params.trainings.is_empty() {
        outputs.extend(training(context, &params.trainings)?);
    }
    Ok(outputs)
}

/// Of each real image the one that an arm made for it; white ones where the arm made none for any of
/// them, as one that adds to another class alone.
fn made_for(real: &[&Item], made: &[Item], arm: Option<&Arm>) -> Result<Vec<RgbImage>, StepError> {
    let is_for = |item: &Item, source: &Item| {
        item.synthetic.as_ref().is_some_and(|made| made.md5hash == source.id)
    };
    // Shards that are read for their pairs alone have none of these.
    let has_any = made.iter().any(|item| real.iter().any(|source| is_for(item, source)));
    let of = |source: &&Item| {
        if !has_any {
            return Ok(blank(&source.image));
        }
        let found = made.iter().find(|item| is_for(item, source));
        let missing = || format!("no {} image was made from `{}`", name(&arm), source.id);
        Ok(found.ok_or_else(missing)?.image.clone())
    };
    real.iter().map(of).collect()
}

/// The first image of each preview of each model.
fn training(context: &Context, trainings: &[kinds::Training]) -> Result<Outputs, StepError> {
    let (mut images, mut stages) = (Vec::new(), 0);
    for training in trainings {
        let previews = RgbImage::from_png(&context.read(&training.role, PREVIEWS)?, PREVIEWS)?;
        let first = sheet::first_column(&previews, previews::IMAGES);
        stages = first.len();
        images.extend(first);
    }
    let rows = trainings.iter().map(|training| training.model.clone()).collect();
    let columns = (1..=stages).map(|stage| format!("{}%", 100 * stage / stages)).collect();
    let sheet = laid_out(&images, stages);
    Ok(vec![
        ("training.png".into(), sheet.to_png("previews")?),
        json_output("training.json", &Legend { rows, columns, across: 1 }),
    ])
}

/// What a band of columns is called.
fn name(arm: &Option<&Arm>) -> String {
    arm.map_or("base model".to_owned(), Arm::to_string)
}

fn shards(
    context: &Context,
    sets: &[ShardSet],
    arm: Option<&Arm>,
    class: &str,
) -> Result<Vec<Item>, StepError> {
    let mut items = Vec::new();
    for role in ShardSet::roles(sets, arm, class) {
        items.extend(shard(context, role)?);
    }
    Ok(items)
}
