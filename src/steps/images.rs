//! Real and synthetic images from shards, in the forms that models take.

use std::io::Cursor;

use rayon::prelude::*;

use super::StepError;
use super::context::Context;
use super::decode::SHARD;
use super::training_set::Entry;
use crate::data::fit;
use crate::data::webdataset::{self, ShardError};
use crate::data::{Item, RgbImage};
use crate::ml::classify::frames::Frames;
use crate::ml::pixels::{Labelled, Pixels};
use crate::vocabulary::Fit;

/// All items of an input's shard.
pub fn shard(context: &Context, role: &str) -> Result<Vec<Item>, StepError> {
    named_shard(context, role, SHARD)
}

/// All items of an input's shard as squares of `size` pixels, the centres of frames; 0: their own
/// size.
pub fn shard_at(context: &Context, role: &str, size: usize) -> Result<Vec<Item>, StepError> {
    resized(context, role, size, |image, size| fit::fit(image, size, Fit::Crop))
}

/// All items of an input's shard as frames with shorter sides of `size` pixels; 0: their own size.
/// Squares are frames.
pub fn frames_at(context: &Context, role: &str, size: usize) -> Result<Vec<Item>, StepError> {
    resized(context, role, size, fit::frame)
}

fn resized(
    context: &Context,
    role: &str,
    size: usize,
    resize: fn(&RgbImage, usize) -> RgbImage,
) -> Result<Vec<Item>, StepError> {
    let mut items = shard(context, role)?;
    items.par_iter_mut().for_each(|item| {
        let size = if size == 0 { item.image.width.min(item.image.height) } else { size };
        item.image = resize(&item.image, size);
    });
    Ok(items)
}

pub fn named_shard(context: &Context, role: &str, entry: &str) -> Result<Vec<Item>, StepError> {
    Ok(webdataset::read_shard(&context.read(role, entry)?, &format!("{role}/{entry}"))?)
}

/// The items as pixels; all of one square size.
pub fn pixels<'a>(items: impl IntoIterator<Item = &'a Item>) -> Result<Pixels, StepError> {
    let mut all: Option<Pixels> = None;
    for item in items {
        let (width, height) = (item.image.width, item.image.height);
        let all = all.get_or_insert_with(|| Pixels::new(width));
        if width != all.size() || height != all.size() {
            return Err(format!(
                "image `{}` is {width} x {height}, the others {} pixels square",
                item.id,
                all.size()
            )
            .into());
        }
        all.push(&item.image.pixels);
    }
    all.ok_or_else(|| "no images".into())
}

/// The items as frames; all with one shorter side.
pub fn frames(items: &[Item]) -> Result<Frames, StepError> {
    let first = items.first().ok_or("no images")?;
    let side = first.image.width.min(first.image.height);
    let mut frames = Frames::new(side);
    for Item { id, image: RgbImage { width, height, pixels }, .. } in items {
        if *width.min(height) != side {
            return Err(format!(
                "image `{id}` is {width} x {height}, the others' shorter sides have {side} pixels"
            )
            .into());
        }
        frames.push(*width, *height, pixels);
    }
    Ok(frames)
}

/// The items with their classes' positions in `classes`.
pub fn labelled<'a>(
    items: impl IntoIterator<Item = &'a Item> + Copy,
    classes: &[String],
) -> Result<Labelled, StepError> {
    Ok(Labelled { labels: labels(items, classes)?, pixels: pixels(items)? })
}

/// The positions of the items' classes in `classes`.
pub fn labels<'a>(
    items: impl IntoIterator<Item = &'a Item>,
    classes: &[String],
) -> Result<Vec<u32>, StepError> {
    items.into_iter().map(|item| Entry::from(item).label_in(classes)).collect()
}

/// The items of one class of an input's shard, in its order. Others are not decoded.
pub fn of_class(context: &Context, role: &str, class: &str) -> Result<Vec<Item>, StepError> {
    some_of_class(context, role, class, |_| true)
}

/// The items at some positions among those of one class of an input's shard, in the order of the
/// positions. Others are not decoded.
pub fn of_class_at(
    context: &Context,
    role: &str,
    class: &str,
    positions: &[usize],
) -> Result<Vec<Item>, StepError> {
    let mut chosen = positions.to_vec();
    chosen.sort_unstable();
    chosen.dedup();
    let items =
        some_of_class(context, role, class, |position| chosen.binary_search(&position).is_ok())?;
    let item = |position| {
        let at = chosen.binary_search(position).expect("of the same positions");
        let lacks =
            || format!("`{role}` has less than {} images of `{class}`", position + 1).into();
        items.get(at).cloned().ok_or_else(lacks)
    };
    positions.iter().map(item).collect()
}

fn some_of_class(
    context: &Context,
    role: &str,
    class: &str,
    wanted: impl Fn(usize) -> bool,
) -> Result<Vec<Item>, StepError> {
    let mut items = Vec::new();
    let mut position = 0;
    webdataset::for_each_sample(
        Cursor::new(context.read(role, SHARD)?),
        role,
        |sample| -> Result<(), ShardError> {
            if sample.label().as_deref() == Some(class) {
                if wanted(position) {
                    items.push(sample.into_item(role)?);
                }
                position += 1;
            }
            Ok(())
        },
    )?;
    Ok(items)
}
