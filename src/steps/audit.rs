//! The audit of a set of pictures: what there is, what can't be used, what is there twice, and in
//! which of the study's sets.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::context::{Context, json_output};
use super::picture_set::PictureSet;
use super::{Outputs, StepError};
use crate::data::catalogue::{Record, value};
use crate::data::duplicates::{self, Likeness, Pair};
use crate::data::sheet::laid_out;
use crate::data::split;
use crate::fst;
use crate::plan::kinds;
use crate::seed::Seed;
use crate::stats::audit::{Audit, ClassCount, Copy, CopyGroup, PatientCount, SkinTypeCount};
use crate::vocabulary::{Dedupe, Unusable};

/// Names of the outputs.
pub const AUDIT: &str = "audit.json";
pub const DUPLICATES: &str = "duplicates.json";
pub const THUMBNAILS: &str = "duplicates.png";

/// Pictures of groups that are shown, and the sheet's columns.
const SHOWN: usize = 48;
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
    let joined = split::joined(records.len(), pairs.iter().map(|([a, b], _)| (*a, *b)));
    let together = match params.dedupe {
        Dedupe::Keep => &alone,
        Dedupe::DropFromTrain => &joined,
    };
    let sets = drawn(&mut audit, &set, &params, together, seed);
    audit.patients = count_patients(records, &sets);
    // The sets that copies are in, or would be if the study did nothing about it.
    let mut set_of = vec![""; records.len()];
    for ((name, _), members) in
        params.sets.iter().zip(set.split(&params, &alone, seed).unwrap_or_default())
    {
        members.into_iter().for_each(|at| set_of[at] = name);
    }
    let groups = groups(&joined, &pairs);
    let shown = judge(&mut audit, &groups, records, &set_of);

    let named = |([a, b], difference): &([usize; 2], Option<f32>)| Duplicate {
        first: records[*a].id.clone(),
        second: records[*b].id.clone(),
        difference: *difference,
    };
    let named = pairs.iter().map(named).collect::<Vec<_>>();
    let mut outputs = vec![json_output(AUDIT, &audit), json_output(DUPLICATES, &named)];
    if !shown.is_empty() {
        let squares = set.images(context, &shown)?;
        let sheet = laid_out(&squares, COLUMNS);
        outputs.push((THUMBNAILS.into(), sheet.to_png("duplicates")?));
    }
    Ok(outputs)
}

/// The study's sets, counted; none, and why, where there are too few pictures.
fn drawn(
    audit: &mut Audit,
    set: &PictureSet,
    params: &kinds::PictureSet,
    together: &[usize],
    seed: Seed,
) -> Vec<Vec<usize>> {
    match set.split(params, together, seed) {
        Err(shortfalls) => {
            audit.shortfalls.extend(shortfalls.lacking.iter().map(ToString::to_string));
            audit.shortfalls.push(shortfalls.way_on());
            Vec::new()
        }
        Ok(sets) => {
            audit.sets = params.sets.iter().map(|(name, _)| name.clone()).collect();
            count_sets(audit, set, &sets);
            sets
        }
    }
}

/// Records that show the same.
struct Group {
    members: Vec<usize>,
    /// Whether their pixels are all equal.
    exact: bool,
}

/// The groups of two records or more that `joined` has put together, in the order of their first.
fn groups(joined: &[usize], pairs: &[([usize; 2], Option<f32>)]) -> Vec<Group> {
    let mut members = BTreeMap::<usize, Vec<usize>>::new();
    for (at, &first) in joined.iter().enumerate() {
        members.entry(first).or_default().push(at);
    }
    let near = pairs.iter().filter(|(_, difference)| difference.is_some());
    let near = near.map(|([a, _], _)| joined[*a]).collect::<BTreeSet<_>>();
    members.retain(|_, members| members.len() > 1);
    members
        .into_iter()
        .map(|(first, members)| Group { members, exact: !near.contains(&first) })
        .collect()
}

/// Counts the groups of copies and lists those that matter, whole; the records to show of those in
/// two sets. A group is in two sets if any two of its pictures are, whichever they are copies of.
fn judge(audit: &mut Audit, groups: &[Group], records: &[Record], set_of: &[&str]) -> Vec<usize> {
    let mut shown = Vec::new();
    for Group { members, exact } in groups {
        let counts = &mut audit.duplicates;
        *(if *exact { &mut counts.exact } else { &mut counts.near }) += 1;
        counts.pictures += members.len();
        let copy = |&at: &usize| Copy {
            file: value::visible(&records[at].file),
            label: records[at].label.clone(),
            set: set_of[at].to_owned(),
        };
        let group = CopyGroup { pictures: members.iter().map(copy).collect(), exact: *exact };
        let sets = group.pictures.iter().map(|copy| &copy.set).filter(|set| !set.is_empty());
        let labels = group.pictures.iter().map(|copy| &copy.label).collect::<BTreeSet<_>>();
        if labels.len() > 1 {
            audit.conflicts.push(group.clone());
        }
        if sets.collect::<BTreeSet<_>>().len() > 1 {
            if shown.len() + members.len() <= SHOWN {
                shown.extend(members);
            }
            audit.across.push(group);
        }
    }
    shown
}

/// Whose the records are, and how many patients the study would put into two sets.
fn count_patients(records: &[Record], sets: &[Vec<usize>]) -> Option<PatientCount> {
    let named = records.iter().filter(|record| !record.patient.is_empty());
    let patients = named.clone().map(|record| &record.patient).collect::<BTreeSet<_>>();
    let mut sets_of = BTreeMap::<&str, BTreeSet<usize>>::new();
    for (set, members) in sets.iter().enumerate() {
        for &at in members {
            sets_of.entry(&records[at].patient).or_default().insert(set);
        }
    }
    sets_of.remove("");
    let in_two_sets = sets_of.values().filter(|sets| sets.len() > 1).count();
    let counts = PatientCount { patients: patients.len(), pictures: named.count(), in_two_sets };
    (counts.patients > 0).then_some(counts)
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
                audit
                    .unusable
                    .push(value::visible(&format!("picture `{}` is not there", record.file)));
            }
            Some((_, Some(error))) => {
                class.unusable += 1;
                audit.unusable.push(value::visible(error));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies are found as pairs with one of their group, and that one may be in no set: the others
    /// are judged all the same.
    #[test]
    fn a_group_is_judged_whole() {
        let record = |at: usize, label: &str| {
            Record::new(format!("p{at}"), format!("p{at}.png"), label.to_owned())
        };
        let labels = ["a", "a", "a", "b", "a", "a", "a"];
        let records = (0..7).map(|at| record(at, labels[at])).collect::<Vec<_>>();
        let pairs = [([0, 1], None), ([0, 2], None), ([3, 4], Some(0.5)), ([5, 6], None)];
        let joined = split::joined(7, pairs.iter().map(|([a, b], _)| (*a, *b)));
        let groups = groups(&joined, &pairs);
        let set_of = ["", "held_out", "pool", "pool", "pool", "pool", ""];
        let mut audit = Audit::default();
        let shown = judge(&mut audit, &groups, &records, &set_of);
        let files = |groups: &[CopyGroup]| {
            let files = |group: &CopyGroup| {
                group.pictures.iter().map(|copy| copy.file.clone()).collect::<Vec<_>>().join(" ")
            };
            groups.iter().map(files).collect::<Vec<_>>()
        };
        let counts = audit.duplicates;
        assert_eq!((counts.exact, counts.near, counts.pictures), (2, 1, 7));
        assert_eq!(files(&audit.across), ["p0.png p1.png p2.png"], "the first is in no set");
        assert_eq!(files(&audit.conflicts), ["p3.png p4.png"]);
        assert_eq!(shown, [0, 1, 2]);
    }

    #[test]
    fn patients_are_counted_with_the_sets_that_they_stand_in() {
        let of = |patient: &str| Record {
            patient: patient.to_owned(),
            ..Record::new("p".into(), "p.png".into(), "a".into())
        };
        let records = ["x", "x", "y", "", "z"].map(of);
        let counted = |sets: &[Vec<usize>]| count_patients(&records, sets).unwrap();
        let expected = PatientCount { patients: 3, pictures: 4, in_two_sets: 0 };
        assert_eq!(counted(&[vec![0, 1], vec![2, 3]]), expected);
        assert_eq!(counted(&[vec![0, 3], vec![1, 3]]).in_two_sets, 1);
        assert_eq!(count_patients(&records[3..4], &[]), None);
    }
}
