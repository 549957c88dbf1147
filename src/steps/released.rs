//! From a released synthetic set to what generators make: the images of one class by one strategy
//! that were made from the pool's.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;

use super::context::Context;
use super::decode::SHARD;
use super::images::of_class;
use super::{Outputs, StepError, unpack};
use crate::data::webdataset::{self, Sample, ShardError};
use crate::data::{Item, released};
use crate::plan::kinds;
use crate::wording::some_of;

/// Sources without enough images that are named.
const NAMED: usize = 5;

/// An image of the set: the input that has it, and its id there.
type Found<'a> = (&'a str, String);

/// Output: shard.tar, source by source, generations in order. An image's generation number is its
/// place among those of its source.
pub fn run(params: kinds::Released, context: &mut Context) -> Result<Outputs, StepError> {
    let pool = of_class(context, "pool", &params.class)?;
    let entry = unpack::entry(params.strategy, &params.class);
    let roles = context.roles("unpacked/");
    let roles = roles
        .into_iter()
        .filter(|role| context.input(role).is_ok_and(|input| input.entry(&entry).is_some()));
    let roles = roles.collect::<Vec<_>>();

    let mut made = BTreeMap::<usize, Vec<_>>::new();
    let places = pool
        .iter()
        .enumerate()
        .map(|(at, item)| (item.id.to_ascii_lowercase(), at))
        .collect::<HashMap<_, _>>();
    for &role in &roles {
        each(context, role, &entry, |sample| {
            let Some(synthetic) = sample.synthetic(role)? else { return Ok(()) };
            if let Some(&source) = places.get(&synthetic.md5hash.to_ascii_lowercase()) {
                made.entry(source)
                    .or_default()
                    .push((released::order(&synthetic), (role, sample.id())));
            }
            Ok(())
        })?;
    }
    let wanted = wanted(&params, &pool, made)?;
    let mut items = BTreeMap::new();
    for &role in &roles {
        each(context, role, &entry, |sample| {
            if let Some(&place) = wanted.get(&(role, sample.id())) {
                let found = sample.into_item(role)?;
                items.insert(place, item(&params, &pool[place.0], place.1, found));
            }
            Ok(())
        })?;
        context.images(items.len(), wanted.len());
    }
    Ok(vec![(SHARD.into(), webdataset::write_shard(items.values())?)])
}

fn each(
    context: &Context,
    role: &str,
    entry: &str,
    each: impl FnMut(Sample) -> Result<(), ShardError>,
) -> Result<(), StepError> {
    webdataset::for_each_sample(Cursor::new(context.read(role, entry)?), role, each)?;
    Ok(())
}

/// The images that are wanted, with the source and the generation that each is.
fn wanted<'a, K: Ord>(
    params: &kinds::Released,
    pool: &[Item],
    mut made: BTreeMap<usize, Vec<(K, Found<'a>)>>,
) -> Result<HashMap<Found<'a>, (usize, usize)>, StepError> {
    let last = params.first + params.generations;
    let mut wanted = HashMap::new();
    let mut too_few = Vec::new();
    for (source, item) in pool.iter().enumerate() {
        let mut all = made.remove(&source).unwrap_or_default();
        all.sort();
        if all.len() < last {
            too_few.push((&item.id, all.len()));
        }
        let block = all.into_iter().enumerate().skip(params.first).take(params.generations);
        wanted.extend(block.map(|(generation, (_, found))| (found, (source, generation))));
    }
    if too_few.is_empty() {
        return Ok(wanted);
    }
    let named = too_few.iter().map(|(id, count)| format!("{id} ({count})")).collect::<Vec<_>>();
    let named = some_of(&named, NAMED, ", ");
    let message = format!(
        "{} of the pool's {} images of `{}` have fewer than {last} released {} images: {named}\n  \
         lower the doses, or keep the pool to the images that the set was made from (images.training_list)",
        too_few.len(),
        pool.len(),
        params.class,
        params.strategy.name(),
    );
    Err(message.into())
}

/// As a generator of the study would have made it: named by its source, the name that it was
/// released under kept.
fn item(params: &kinds::Released, source: &Item, generation: usize, mut item: Item) -> Item {
    let strategy = params.strategy.name();
    let id = format!("{}-released-{strategy}-{generation:02}", source.id);
    if let Some(made) = &mut item.synthetic {
        made.md5hash = source.id.clone();
        made.method = strategy.to_owned();
        made.generation_num = generation as u32;
    }
    Item {
        id,
        label: params.class.clone(),
        fst: 0,
        malignant: source.malignant,
        source: "released set".to_owned(),
        ..item
    }
}
