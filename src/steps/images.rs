//! Real and synthetic images from shards, in the forms that models take.

use rayon::prelude::*;

use super::StepError;
use super::context::Context;
use crate::data::fit::{self, Fit};
use crate::data::{Item, idx, webdataset};
use crate::ml::pixels::{Labelled, Pixels};

/// All items of an input's shard.
pub fn shard(context: &Context, role: &str) -> Result<Vec<Item>, StepError> {
    named_shard(context, role, "shard.tar")
}

/// All items of an input's shard as squares of `size` pixels; 0: as they are.
pub fn shard_at(context: &Context, role: &str, size: usize) -> Result<Vec<Item>, StepError> {
    let mut items = shard(context, role)?;
    if size > 0 {
        items.par_iter_mut().for_each(|item| item.image = fit::fit(&item.image, size, Fit::Squish));
    }
    Ok(items)
}

pub fn named_shard(context: &Context, role: &str, entry: &str) -> Result<Vec<Item>, StepError> {
    Ok(webdataset::read_shard(&context.read(role, entry)?, &format!("{role}/{entry}"))?)
}

/// The 70,000 items of Fashion-MNIST, from the imported files.
pub fn fashion_mnist(context: &Context) -> Result<Vec<Item>, StepError> {
    let mut items = Vec::new();
    for part in [idx::Part::Train, idx::Part::Test] {
        let [images, labels] = part.unpacked();
        items.extend(idx::items(part, &context.read("images", images)?, &context.read("images", labels)?)?);
    }
    Ok(items)
}

/// The items as pixels; all of one square size.
pub fn pixels<'a>(items: impl IntoIterator<Item = &'a Item>) -> Result<Pixels, StepError> {
    let mut all: Option<Pixels> = None;
    for item in items {
        let (width, height) = (item.image.width, item.image.height);
        let all = all.get_or_insert_with(|| Pixels::new(width));
        if width != all.size() || height != all.size() {
            return Err(format!("image `{}` is {width} x {height}, the others {} pixels square", item.id, all.size()).into());
        }
        all.push(&item.image.pixels);
    }
    all.ok_or_else(|| "no images".into())
}

/// The items with their classes' positions in `classes`.
pub fn labelled<'a>(items: impl IntoIterator<Item = &'a Item>, classes: &[String]) -> Result<Labelled, StepError> {
    let items = items.into_iter().collect::<Vec<_>>();
    let label = |item: &&Item| {
        let position = classes.iter().position(|class| *class == item.label);
        position.map(|at| at as u32).ok_or_else(|| format!("image `{}` is of the unknown class `{}`", item.id, item.label))
    };
    Ok(Labelled { labels: items.iter().map(label).collect::<Result<_, _>>()?, pixels: pixels(items)? })
}

/// The items of one class, in the set's order.
pub fn of_class(items: Vec<Item>, class: &str) -> Vec<Item> {
    items.into_iter().filter(|item| item.label == class).collect()
}
