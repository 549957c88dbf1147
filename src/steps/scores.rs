//! Scores of synthetic images, by which an arm chooses among those made from one real image.

use super::base;
use super::check::at_size;
use super::context::{Context, json_output};
use super::features::read;
use super::images::{pixels, shard};
use super::training_set::{Entry, SCORES, Score};
use super::{Outputs, StepError};
use crate::ml::classify::judge::predict;
use crate::plan::kinds;
use crate::vocabulary::Choice;

/// Output: scores.json.
pub fn run(params: kinds::Scores, context: &mut Context) -> Result<Outputs, StepError> {
    let scores = match params.choose {
        Choice::First => return Err("the first images are taken without scores".into()),
        Choice::Confident => confidence(context, &params)?,
        Choice::Nearest => distances(context, -1.0)?,
        Choice::Farthest => distances(context, 1.0)?,
    };
    Ok(vec![json_output(SCORES, &scores)])
}

fn score(entry: &Entry<'_>, score: f64) -> Result<Score, StepError> {
    let (source, generation) = entry
        .made_from
        .as_ref()
        .ok_or_else(|| format!("image `{}` is not made from another one", entry.id))?;
    Ok(Score { source: source.clone().into_owned(), generation: *generation, score })
}

/// The probability of its class that the probe gives to each image.
fn confidence(context: &Context, params: &kinds::Scores) -> Result<Vec<Score>, StepError> {
    let classes = params.classes.as_deref().ok_or("the probe's classes are missing")?;
    let probe = base::classifier(context, "probe")?;
    let items = shard(context, "images")?;
    let images = pixels(&items)?;
    let rows = predict(&probe, at_size(&images, params.size.unwrap_or(0)).as_ref())?;
    let of = |(item, row): (_, &Vec<f32>)| {
        let entry = Entry::from(item);
        let class = entry.label_in(classes)? as usize;
        score(&entry, f64::from(row[class]))
    };
    items.iter().zip(&rows).map(of).collect()
}

/// Euclidean distance of each image's features to the nearest of its class in the pool, times
/// `sign`.
fn distances(context: &Context, sign: f64) -> Result<Vec<Score>, StepError> {
    let ((pool, known), (made, entries)) = (read(context, "pool")?, read(context, "images")?);
    let distance = |a: &[f32], b: &[f32]| {
        let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let of = |(at, entry): (usize, &Entry<'_>)| {
        let own = made.item(at);
        let real = (0..known.len()).filter(|&real| known[real].label == entry.label);
        let nearest = real.map(|real| distance(own, pool.item(real))).fold(f64::INFINITY, f64::min);
        if nearest.is_infinite() {
            return Err(format!("the pool has no image of `{}`", entry.label).into());
        }
        score(entry, sign * nearest)
    };
    entries.iter().enumerate().map(of).collect()
}
