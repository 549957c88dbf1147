//! Which records of a catalogue each set of a study takes: seeded, disjoint, a patient never in two
//! of them.

use std::collections::{BTreeMap, HashMap};

use rand::Rng;

use super::catalogue::{Part, Record};
use crate::fst;
use crate::seed::Seed;

/// A set that a study asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The key of the study file.
    pub key: &'a str,
    /// Pictures of each stratum.
    pub count: usize,
    pub strata: Strata,
    /// Where its pictures come from if the set has parts; Validation is taken from the training
    /// part where there is none.
    pub part: Part,
}

/// What a set has equal numbers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strata {
    Classes,
    SkinTypes,
}

/// A stratum with fewer pictures than a study asks for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{key}` asks for {count} pictures of {stratum}; {found} are left once the sets before it have theirs: ask for fewer"
)]
pub struct TooFew {
    pub key: String,
    pub stratum: String,
    pub count: usize,
    pub found: usize,
}

/// The positions of each wanted set's records, class by class in the order of `classes`.
///
/// Patients come in an order that is drawn for each of them by name, and go to the first set that
/// still lacks pictures of a class of theirs. So neither the order of the records, nor what else
/// there is of other classes, nor a set further back moves a record; and a set that asks for more
/// has all that it had. `together` names the groups of records that belong together as a patient's
/// do (the position of one of them, for each record).
pub fn split(
    records: &[Record],
    together: &[usize],
    classes: &[String],
    wanted: &[Wanted<'_>],
    seed: Seed,
) -> Result<Vec<Vec<usize>>, TooFew> {
    let parted = |part| records.iter().any(|record| record.part == Some(part));
    let has = [Part::Train, Part::Validation, Part::Test].map(parted);
    let admits = |wanted: &Wanted<'_>, part: Option<Part>| match (part, wanted.part) {
        (None, _) => true,
        (Some(part), Part::Validation) if !has[Part::Validation as usize] => part == Part::Train,
        (Some(part), Part::Test) if !has[Part::Test as usize] => part == Part::Train,
        (Some(part), wanted) => part == wanted,
    };
    let mut left = wanted.iter().map(|wanted| needs(records, classes, wanted)).collect::<Vec<_>>();
    let mut taken = vec![Vec::new(); wanted.len()];
    for group in groups(records, together, classes, seed) {
        // What a set's own division calls test stays test, whoever else belongs to it.
        let part = group.iter().map(|&at| records[at].part).max().flatten();
        let serves = |set: &usize| {
            admits(&wanted[*set], part)
                && group.iter().any(|&at| {
                    records[at].part == part
                        && left[*set]
                            .get(stratum(&records[at], wanted[*set].strata))
                            .is_some_and(|n| *n > 0)
                })
        };
        let Some(set) = (0..wanted.len()).find(serves) else { continue };
        for at in group.into_iter().filter(|&at| records[at].part == part) {
            if let Some(lacking) = left[set]
                .get_mut(stratum(&records[at], wanted[set].strata))
                .filter(|lacking| **lacking > 0)
            {
                *lacking -= 1;
                taken[set].push(at);
            }
        }
    }
    for (wanted, left) in wanted.iter().zip(left) {
        if let Some((stratum, lacking)) = left.into_iter().find(|(_, lacking)| *lacking > 0) {
            let stratum = match wanted.strata {
                Strata::Classes => format!("`{stratum}`"),
                Strata::SkinTypes => format!("skin types {stratum}"),
            };
            return Err(TooFew {
                key: wanted.key.to_owned(),
                stratum,
                count: wanted.count,
                found: wanted.count - lacking,
            });
        }
    }
    let place = |at: &usize| classes.iter().position(|class| *class == records[*at].label);
    taken.iter_mut().for_each(|set| set.sort_by_key(place));
    Ok(taken)
}

/// Pictures that a set lacks, by stratum.
fn needs<'a>(
    records: &'a [Record],
    classes: &'a [String],
    wanted: &Wanted<'_>,
) -> BTreeMap<&'a str, usize> {
    let strata: Vec<&str> = match wanted.strata {
        Strata::Classes => classes.iter().map(String::as_str).collect(),
        Strata::SkinTypes => records
            .iter()
            .map(|record| stratum(record, Strata::SkinTypes))
            .filter(|bin| !bin.is_empty())
            .collect(),
    };
    strata.into_iter().map(|stratum| (stratum, wanted.count)).collect()
}

fn stratum(record: &Record, strata: Strata) -> &str {
    match strata {
        Strata::Classes => &record.label,
        Strata::SkinTypes => fst::bin(record.fst).unwrap_or_default(),
    }
}

/// The records of `classes` by patient, patients in the order drawn, a patient's records by id.
fn groups(
    records: &[Record],
    together: &[usize],
    classes: &[String],
    seed: Seed,
) -> Vec<Vec<usize>> {
    let mut leaders = (0..records.len()).collect::<Vec<_>>();
    let mut patients = HashMap::<&str, usize>::new();
    for (at, record) in records.iter().enumerate() {
        join(&mut leaders, at, together[at]);
        if !record.patient.is_empty() {
            let first = *patients.entry(&record.patient).or_insert(at);
            join(&mut leaders, at, first);
        }
    }
    let mut groups = BTreeMap::<usize, Vec<usize>>::new();
    for at in (0..records.len()).filter(|&at| classes.contains(&records[at].label)) {
        groups.entry(leader(&mut leaders, at)).or_default().push(at);
    }
    let draw = |group: &[usize]| {
        let name = group.iter().map(|&at| name(&records[at])).min().unwrap_or_default();
        (seed.child(name).rng().random::<u64>(), name.to_owned())
    };
    let mut drawn = groups.into_values().map(|group| (draw(&group), group)).collect::<Vec<_>>();
    drawn.sort_unstable();
    drawn.into_iter().map(|(_, group)| group).collect()
}

/// The patient, or the picture where nothing is known of one.
fn name(record: &Record) -> &str {
    if record.patient.is_empty() { &record.id } else { &record.patient }
}

fn leader(leaders: &mut [usize], mut at: usize) -> usize {
    while leaders[at] != at {
        leaders[at] = leaders[leaders[at]];
        at = leaders[at];
    }
    at
}

fn join(leaders: &mut [usize], a: usize, b: usize) {
    let (a, b) = (leader(leaders, a), leader(leaders, b));
    leaders[a.max(b)] = a.min(b);
}

/// For each of `count` items the first of those that `pairs` join it to, however far.
pub fn joined(count: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut leaders = (0..count).collect::<Vec<_>>();
    pairs.into_iter().for_each(|(a, b)| join(&mut leaders, a, b));
    (0..count).map(|at| leader(&mut leaders, at)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(at: usize, label: &str, patient: &str) -> Record {
        Record {
            id: format!("p{at:04}"),
            file: format!("p{at:04}.png"),
            label: label.to_owned(),
            fst: [12, 34, 56][at % 3],
            malignant: None,
            patient: patient.to_owned(),
            part: None,
        }
    }

    fn classes() -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    fn wanted(key: &str, count: usize, part: Part) -> Wanted<'_> {
        Wanted { key, count, strata: Strata::Classes, part }
    }

    fn ids(records: &[Record], sets: &[Vec<usize>]) -> Vec<Vec<String>> {
        sets.iter().map(|set| set.iter().map(|&at| records[at].id.clone()).collect()).collect()
    }

    fn alone(records: &[Record]) -> Vec<usize> {
        (0..records.len()).collect()
    }

    #[test]
    fn a_split_stays_whatever_else_there_is() {
        let records = (0..60).map(|at| record(at, ["a", "b", "c"][at % 3], "")).collect::<Vec<_>>();
        let sets =
            [wanted("images.held_out", 4, Part::Test), wanted("images.pool", 6, Part::Train)];
        let seed = Seed::of_study(1);
        let of = |records: &[Record], sets: &[Wanted<'_>]| {
            ids(records, &split(records, &alone(records), &classes(), sets, seed).unwrap())
        };
        let first = of(&records, &sets);
        assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [8, 12]);
        let mut other = records.clone();
        other.reverse();
        other.retain(|record| record.label != "c");
        assert_eq!(of(&other, &sets), first, "neither order nor other classes matter");
        let larger = of(&records, &[sets[0], wanted("images.pool", 9, Part::Train)]);
        assert_eq!(larger[0], first[0], "a larger pool moves no other set");
        assert_eq!(larger[1][..6], first[1][..6], "and begins with what it had");
    }

    #[test]
    fn the_sets_own_parts_are_kept() {
        let part = |at: usize| [Part::Train, Part::Test, Part::Train, Part::Train][at % 4];
        let records = (0..80)
            .map(|at| Record { part: Some(part(at)), ..record(at, ["a", "b"][at / 40], "") })
            .collect::<Vec<_>>();
        let sets = [
            wanted("held_out", 10, Part::Test),
            wanted("validation", 5, Part::Validation),
            wanted("pool", 25, Part::Train),
        ];
        let taken =
            split(&records, &alone(&records), &classes(), &sets, Seed::of_study(1)).unwrap();
        assert!(taken[0].iter().all(|at| at % 4 == 1));
        assert!(
            taken[1].iter().chain(&taken[2]).all(|at| at % 4 != 1),
            "validation comes from the training part"
        );
        let error = split(
            &records,
            &alone(&records),
            &classes(),
            &[wanted("images.held_out", 11, Part::Test)],
            Seed::of_study(1),
        );
        let expected = "`images.held_out` asks for 11 pictures of `a`; 10 are left once the sets before it have theirs: ask for fewer";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }

    #[test]
    fn skin_types_can_be_what_is_equal() {
        let records = (0..90).map(|at| record(at, ["a", "b"][at % 2], "")).collect::<Vec<_>>();
        let set = Wanted { strata: Strata::SkinTypes, ..wanted("images.held_out", 7, Part::Test) };
        let taken =
            split(&records, &alone(&records), &classes(), &[set], Seed::of_study(1)).unwrap();
        for fst in [12, 34, 56] {
            assert_eq!(taken[0].iter().filter(|&&at| records[at].fst == fst).count(), 7);
        }
    }

    proptest! {
        #[test]
        fn nobody_is_in_two_sets(patients in proptest::collection::vec(0..12usize, 60), seed in 0..1000u64, pairs in proptest::collection::vec((0..60usize, 0..60usize), 0..6)) {
            let records =
                patients.iter().enumerate().map(|(at, patient)| record(at, ["a", "b"][at % 2], &format!("n{patient}"))).collect::<Vec<_>>();
            let together = joined(records.len(), pairs.iter().copied());
            let sets = [wanted("held_out", 3, Part::Test), wanted("pool", 4, Part::Train)];
            let Ok(taken) = split(&records, &together, &classes(), &sets, Seed::of_study(seed)) else { return Ok(()) };
            for &a in &taken[0] {
                for &b in &taken[1] {
                    prop_assert!(records[a].patient != records[b].patient && together[a] != together[b]);
                }
            }
            prop_assert_eq!((taken[0].len(), taken[1].len()), (6, 8));
        }
    }
}
