//! The contact sheet: real images beside the synthetic ones made from them, class by class.

use serde::{Deserialize, Serialize};

use super::context::{Context, json_output};
use super::dreambooth::PREVIEWS;
use super::images::shard;
use super::{Outputs, StepError, previews};
use crate::data::fit;
use crate::data::{Item, RgbImage, sheet};
use crate::plan::kinds::{self, ShardSet};
use crate::vocabulary::{Arm, Fit};

/// Screen pixels for one image pixel.
const SCALE: usize = 2;
/// Sides of shown images in pixels, at most: a page of photographs is to be looked at, not
/// searched.
const SIDE: usize = 128;

/// What the sheet's rows and bands of columns show.
#[derive(Serialize, Deserialize)]
pub struct Legend {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
}

/// A white image of the same size.
fn blank(image: &RgbImage) -> RgbImage {
    RgbImage { pixels: vec![255; image.pixels.len()], ..image.clone() }
}

/// Outputs: contact.png (a row a class; a band of columns for the real images, each strategy and
/// the untuned model) and legend.json; where models drew previews, training.png (a row a model, a
/// column a stage) and training.json.
pub fn run(params: kinds::Contact, context: &mut Context) -> Result<Outputs, StepError> {
    let pool = shard(context, "pool")?;
    let mut columns = params.arms.iter().map(Some).collect::<Vec<_>>();
    if params.shards.iter().any(|set| set.arm.is_none()) {
        columns.push(None);
    }
    let mut images = Vec::new();
    for class in &params.classes {
        let of_class = pool.iter().filter(|item| item.label == *class).collect::<Vec<_>>();
        let real = params.sources[class]
            .iter()
            .map(|&position| of_class[position].clone())
            .collect::<Vec<_>>();
        images.extend(real.iter().map(|item| item.image.clone()));
        for arm in &columns {
            let made = shards(context, &params.shards, *arm, class)?;
            if made.is_empty() {
                // The arm is one that adds to another class alone.
                images.extend(real.iter().map(|item| blank(&item.image)));
                continue;
            }
            for source in &real {
                let found = made.iter().find(|item| {
                    item.synthetic.as_ref().is_some_and(|made| made.md5hash == source.id)
                });
                let found = found.ok_or_else(|| {
                    format!("no {} image was made from `{}`", name(arm), source.id)
                })?;
                images.push(found.image.clone());
            }
        }
    }
    let across = (1 + columns.len()) * params.sources.values().map(Vec::len).max().unwrap_or(1);
    let sheet = laid_out(&images, across);
    let columns = std::iter::once("real".to_owned()).chain(columns.iter().map(name)).collect();
    let legend = Legend { rows: params.classes, columns };
    let mut outputs = vec![
        ("contact.png".into(), sheet.to_png("contact sheet")?),
        json_output("legend.json", &legend),
    ];
    if !params.trainings.is_empty() {
        outputs.extend(training(context, &params.trainings)?);
    }
    Ok(outputs)
}

/// A sheet of squares, those that are too large made smaller.
pub fn laid_out(images: &[RgbImage], columns: usize) -> RgbImage {
    let large = images.iter().any(|image| image.width > SIDE);
    let smaller = images
        .iter()
        .filter(|_| large)
        .map(|image| fit::fit(image, SIDE, Fit::Squish))
        .collect::<Vec<_>>();
    let (images, scale) = if large { (smaller.as_slice(), 1) } else { (images, SCALE) };
    sheet::contact_sheet(&images.iter().collect::<Vec<_>>(), columns, scale)
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
        json_output("training.json", &Legend { rows, columns }),
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
