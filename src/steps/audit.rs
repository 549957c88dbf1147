//! The audit of a set of pictures: what there is, what can't be used, what is there twice, and in
//! which of the study's sets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::contact::laid_out;
use super::context::{Context, json_output};
use super::picture_set::PictureSet;
use super::{Outputs, StepError};
use crate::data::duplicates::{self, Likeness, Pair};
use crate::data::split;
use crate::fst;
use crate::plan::kinds;
use crate::stats::audit::{Audit, ClassCount, DuplicateCounts, DuplicatePair, SkinTypeCount};
use crate::vocabulary::{Dedupe, Unusable};

/// Names of the outputs.
pub const AUDIT: &str = "audit.json";
pub const DUPLICATES: &str = "duplicates.json";
pub const THUMBNAILS: &str = "duplicates.png";

/// Pairs that are shown, and the sheet's columns: a pair is two.
const SHOWN: usize = 24;
const COLUMNS: usize = 8;

/// Two pictures that show the same, by their ids.
#[derive(Serialize, Deserialize)]
pub struct Duplicate {
    pub first: String,
    pub second: String,
    /// Of the most that a pair may differ by; none: their pixels are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<f32>,
}

/// Outputs: audit.json, duplicates.json and, if the study would put duplicates into two sets,
/// duplicates.png.
pub fn run(params: kinds::Audit, context: &mut Context) -> Result<Outputs, StepError> {
    let kinds::Audit { set: params, listing, missing } = params;
    let seed = context.seed()?;
    let mut set = PictureSet::open(context, &params, &missing)?;
    let mut audit = counted(&set, &params);
    audit.notes = [&set.catalogue.notes[..], &listing, &set.unused()].concat();
    set.keep_usable(Unusable::Drop)?;
    let (positions, fingerprints) = set.fingerprints(context)?;
    let pairs = duplicates::pairs(&fingerprints);
    drop(fingerprints);
    let pairs = pairs.into_iter().map(|Pair { first, second, likeness }| {
        let difference = match likeness {
            Likeness::Exact => None,
            Likeness::Near { difference } => Some(difference),
        };
        ([positions[first], positions[second]], difference)
    });
    let pairs = pairs.collect::<Vec<_>>();

    let records = &set.catalogue.records;
    let alone = (0..records.len()).collect::<Vec<_>>();
    let together = match params.dedupe {
        Dedupe::Keep => alone.clone(),
        Dedupe::DropFromTrain => {
            split::joined(records.len(), pairs.iter().map(|([a, b], _)| (*a, *b)))
        }
    };
    match set.split(&params, &together, seed) {
        Err(too_few) => audit.shortfalls.push(too_few.to_string()),
        Ok(sets) => {
            audit.sets = params.sets.iter().map(|(name, _)| name.clone()).collect();
            count_sets(&mut audit, &set, &sets);
        }
    }
    // Which duplicates are in two sets, or would be if the study did nothing about it.
    let mut set_of = vec![""; records.len()];
    for ((name, _), members) in
        params.sets.iter().zip(set.split(&params, &alone, seed).unwrap_or_default())
    {
        members.into_iter().for_each(|at| set_of[at] = name);
    }
    let pair = |([a, b], difference): &([usize; 2], Option<f32>)| DuplicatePair {
        files: [records[*a].file.clone(), records[*b].file.clone()],
        labels: [records[*a].label.clone(), records[*b].label.clone()],
        sets: [set_of[*a].to_owned(), set_of[*b].to_owned()],
        exact: difference.is_none(),
    };
    let crosses = |[a, b]: [usize; 2]| {
        !set_of[a].is_empty() && !set_of[b].is_empty() && set_of[a] != set_of[b]
    };
    let across = pairs.iter().filter(|(pair, _)| crosses(*pair)).collect::<Vec<_>>();
    let exact = pairs.iter().filter(|(_, difference)| difference.is_none()).count();
    audit.duplicates = DuplicateCounts { exact, near: pairs.len() - exact };
    audit.across = across.iter().map(|found| pair(found)).collect();
    audit.conflicts = pairs
        .iter()
        .filter(|([a, b], _)| records[*a].label != records[*b].label)
        .map(pair)
        .collect();

    let named = |([a, b], difference): &([usize; 2], Option<f32>)| Duplicate {
        first: records[*a].id.clone(),
        second: records[*b].id.clone(),
        difference: *difference,
    };
    let named = pairs.iter().map(named).collect::<Vec<_>>();
    let mut outputs = vec![json_output(AUDIT, &audit), json_output(DUPLICATES, &named)];
    let shown = across.iter().take(SHOWN).flat_map(|(pair, _)| *pair).collect::<Vec<_>>();
    if !shown.is_empty() {
        let squares = set.images(context, &shown)?;
        let sheet = laid_out(&squares, COLUMNS);
        outputs.push((THUMBNAILS.into(), sheet.to_png("duplicates")?));
    }
    Ok(outputs)
}

/// What needs no split: counts, formats, sizes, what can't be used.
fn counted(set: &PictureSet, params: &kinds::PictureSet) -> Audit {
    let mut audit = Audit {
        image_set: params.source.name().to_owned(),
        dedupe: params.dedupe == Dedupe::DropFromTrain,
        ..Audit::default()
    };
    let mut classes = params
        .classes
        .iter()
        .map(|label| ClassCount { label: label.clone(), ..ClassCount::default() })
        .collect::<Vec<_>>();
    let mut bins = BTreeMap::<&str, usize>::new();
    let mut sides = Vec::new();
    for record in &set.catalogue.records {
        let class = classes
            .iter_mut()
            .find(|class| class.label == record.label)
            .expect("the catalogue has the study's classes only");
        audit.pictures += 1;
        let picture = set.pictures.get(&record.id);
        audit.bytes += picture.map_or(0, |picture| picture.bytes);
        match picture.map(|picture| (picture, picture.error.as_ref())) {
            None => {
                class.unusable += 1;
                audit.unusable.push(format!("picture `{}` is not there", record.file));
            }
            Some((_, Some(error))) => {
                class.unusable += 1;
                audit.unusable.push(error.clone());
            }
            Some((picture, None)) => {
                class.usable += 1;
                *bins.entry(fst::bin(record.fst).unwrap_or("unknown")).or_default() += 1;
                if let Some(format) = &picture.format {
                    *audit.formats.entry(format.clone()).or_default() += 1;
                }
                sides.extend(picture.size.map(|(width, height)| width.min(height)));
            }
        }
    }
    sides.sort_unstable();
    audit.short_side =
        sides.first().map(|&least| (least, sides[sides.len() / 2], sides[sides.len() - 1]));
    audit.skin_types = bins
        .into_iter()
        .map(|(bin, usable)| SkinTypeCount { bin: bin.to_owned(), usable, sets: Vec::new() })
        .collect();
    if params.unusable == Unusable::Refuse && !audit.unusable.is_empty() {
        let count = audit.unusable.len();
        audit.shortfalls.push(format!(
            "{count} pictures can't be used: images.unusable = \"drop\" goes on without them"
        ));
    }
    audit.classes = classes;
    audit
}

fn count_sets(audit: &mut Audit, set: &PictureSet, sets: &[Vec<usize>]) {
    let records = &set.catalogue.records;
    let count = |members: &Vec<usize>, is: &dyn Fn(usize) -> bool| {
        members.iter().filter(|&&at| is(at)).count()
    };
    for class in &mut audit.classes {
        class.sets = sets
            .iter()
            .map(|members| count(members, &|at| records[at].label == class.label))
            .collect();
    }
    for row in &mut audit.skin_types {
        let bin = |at: usize| fst::bin(records[at].fst).unwrap_or("unknown");
        row.sets = sets.iter().map(|members| count(members, &|at| bin(at) == row.bin)).collect();
    }
}
