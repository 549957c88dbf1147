//! Real and synthetic images from shards, in the forms that models take.

use rayon::prelude::*;

use super::StepError;
use super::context::Context;
use super::decode::SHARD;
use super::training_set::Entry;
use crate::data::fit;
use crate::data::webdataset::{self, Sample, ShardError};
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
    squares_of(context, role, size, |_| true)
}

/// The items of an input's shard that are `wanted`, in its order, as [`shard_at`]. The pictures of
/// others are not decoded.
pub fn squares_of(
    context: &Context,
    role: &str,
    size: usize,
    wanted: impl FnMut(&Entry) -> bool,
) -> Result<Vec<Item>, StepError> {
    resized(context, role, size, |image, size| fit::fit(image, size, Fit::Crop), wanted)
}

/// All items of an input's shard as frames with shorter sides of `size` pixels; 0: their own size.
/// Squares are frames.
pub fn frames_at(context: &Context, role: &str, size: usize) -> Result<Vec<Item>, StepError> {
    frames_of(context, role, size, |_| true)
}

/// The items of an input's shard that are `wanted`, in its order, as [`frames_at`]. The pictures of
/// others are not decoded.
pub fn frames_of(
    context: &Context,
    role: &str,
    size: usize,
    wanted: impl FnMut(&Entry) -> bool,
) -> Result<Vec<Item>, StepError> {
    resized(context, role, size, fit::frame, wanted)
}

/// Pictures that are held as they were packed, until they are decoded side by side.
const DECODED_TOGETHER: usize = 64;

/// Reads a shard as it comes from the disk, and makes each wanted picture small as soon as it is
/// decoded: what is held grows with the pictures that are wanted, in the size that they are wanted
/// in.
fn resized(
    context: &Context,
    role: &str,
    size: usize,
    resize: fn(&RgbImage, usize) -> RgbImage,
    mut wanted: impl FnMut(&Entry) -> bool,
) -> Result<Vec<Item>, StepError> {
    let name = format!("{role}/{SHARD}");
    let decode = |sample: Sample| -> Result<Item, ShardError> {
        let mut item = sample.into_item(&name)?;
        let own = item.image.width.min(item.image.height);
        item.image = resize(&item.image, if size == 0 { own } else { size });
        Ok(item)
    };
    let (mut items, mut packed) = (Vec::new(), Vec::new());
    let mut decode_all = |packed: &mut Vec<Sample>| -> Result<(), ShardError> {
        let decoded = packed.par_drain(..).map(decode).collect::<Vec<_>>();
        for item in decoded {
            items.push(item?);
        }
        Ok(())
    };
    context.stream(role, SHARD, |shard| {
        webdataset::for_each_sample(shard, &name, |sample| -> Result<(), ShardError> {
            if wanted(&Entry::of_sample(&sample, &name)?) {
                packed.push(sample);
            }
            if packed.len() == DECODED_TOGETHER { decode_all(&mut packed) } else { Ok(()) }
        })?;
        Ok(decode_all(&mut packed)?)
    })?;
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
    let mut each = |sample: Sample| -> Result<(), ShardError> {
        if sample.label().as_deref() == Some(class) {
            if wanted(position) {
                items.push(sample.into_item(role)?);
            }
            position += 1;
        }
        Ok(())
    };
    context
        .stream(role, SHARD, |shard| Ok(webdataset::for_each_sample(shard, role, &mut each)?))?;
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Key;
    use crate::plan::Job;
    use crate::store::Objects;

    /// `count` items, of which the picture of the second can't be decoded.
    fn shard_with_a_broken_picture(count: u8) -> Vec<u8> {
        let item = |number: u8| Item {
            id: format!("{number}"),
            label: "psoriasis".into(),
            fst: 0,
            malignant: None,
            patient: String::new(),
            caption: String::new(),
            source: String::new(),
            image: RgbImage { width: 4, height: 6, pixels: [number; 72].to_vec() },
            synthetic: None,
        };
        let mut bytes = webdataset::write_shard(&(0..count).map(item).collect::<Vec<_>>()).unwrap();
        let pngs = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"\x89PNG"));
        let broken = pngs.collect::<Vec<_>>()[1];
        bytes[broken] = 0;
        bytes
    }

    #[test]
    fn only_wanted_pictures_are_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(folder.path()).unwrap();
        let count = 2 * DECODED_TOGETHER as u8 + 5;
        let files = vec![(SHARD.to_owned(), shard_with_a_broken_picture(count))];
        let pool = objects.put_artifact(files).unwrap();
        let job = Job {
            key: Key::of(b""),
            manifest: String::new(),
            label: String::new(),
            kind: String::new(),
            version: 1,
            params: serde_json::Value::Null,
            seed: None,
            device: "cpu".into(),
            gpu: None,
            inputs: [("pool".to_owned(), pool)].into(),
            files: Default::default(),
            threads: 1,
            attempt: 1,
            work: folder.path().to_owned(),
            halt: Default::default(),
        };
        let mut progress = |_| {};
        let context = Context::new(&job, &objects, &mut progress);
        let read = squares_of(&context, "pool", 2, |entry| entry.id != "1").unwrap();
        let expected = (0..count).filter(|number| *number != 1);
        assert!(read.iter().map(|item| item.image.pixels[0]).eq(expected));
        assert!(read.iter().all(|item| item.image.pixels.len() == 12));
        let error = shard_at(&context, "pool", 2).unwrap_err().to_string();
        assert!(error.contains("pool/shard") && error.contains("`1`"), "{error}");
    }
}
