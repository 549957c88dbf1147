//! Which records of a catalogue each set of a study takes: seeded, disjoint, a patient never in two
//! of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use rand::Rng;

use super::catalogue::{Part, Record};
use crate::fst;
use crate::seed::Seed;

/// A set that a study asks for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The key of the study file.
    pub key: Cow<'a, str>,
    /// Pictures of each stratum.
    pub count: usize,
    /// What the set has equal numbers of.
    pub strata: Strata,
    /// Where its pictures come from if the set has parts; Validation is taken from the training
    /// part where there is none.
    pub part: Part,
}

/// What a set has equal numbers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strata {
    /// Each class of the study.
    Classes,
    /// Each bin of skin types ([`fst::BINS`]).
    SkinTypes,
}

/// A stratum with fewer pictures than a study asks for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{key}` asks for {count} pictures of {stratum}; {found} are left once the sets before it have theirs"
)]
pub struct TooFew {
    /// The key of the study file.
    pub key: String,
    /// The class or the bin of skin types, as messages call it.
    pub stratum: String,
    /// Pictures asked for.
    pub count: usize,
    /// Pictures that the set could have.
    pub found: usize,
}

/// Every stratum with fewer pictures than a study asks for, and the largest split that there is.
#[derive(Debug, PartialEq, Eq)]
pub struct Shortfalls {
    /// At least one.
    pub lacking: Vec<TooFew>,
    /// Counts that can be had of the sets in their order, each as near as all can be to the same
    /// share of what was asked for; none where not even one picture each can.
    pub fits: Option<Vec<(String, usize)>>,
}

impl std::error::Error for Shortfalls {}

impl fmt::Display for Shortfalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.lacking.iter().map(TooFew::to_string).collect::<Vec<_>>();
        write!(f, "{}; {}", all.join("; "), self.way_on())
    }
}

impl Shortfalls {
    /// The largest split that fits, in words.
    pub fn way_on(&self) -> String {
        match &self.fits {
            None => "not even one picture for each set can be had".to_owned(),
            Some(fits) => {
                let fits = fits.iter().map(|(key, count)| format!("{key} = {count}"));
                format!(
                    "the largest split of this kind that fits: {}",
                    fits.collect::<Vec<_>>().join(", ")
                )
            }
        }
    }
}

/// The positions of each wanted set's records, class by class.
///
/// # Errors
/// If any set gets fewer than it asks for: all that do, and what could be had.
pub fn split(
    records: &[Record],
    together: &[usize],
    classes: &[String],
    wanted: &[Wanted<'_>],
    seed: Seed,
) -> Result<Vec<Vec<usize>>, Shortfalls> {
    let drawn = |wanted: &[Wanted<'_>]| draw(records, together, classes, wanted, seed);
    let lacking = match drawn(wanted) {
        Ok(taken) => return Ok(taken),
        Err(lacking) => lacking,
    };
    // Shares of the largest count, so that each step changes something.
    let whole = wanted.iter().map(|wanted| wanted.count).max().unwrap_or(0);
    let share = |part: usize| {
        let count = |count: usize| (count as u128 * part as u128 / whole.max(1) as u128) as usize;
        let scaled = wanted
            .iter()
            .map(|wanted| Wanted { count: count(wanted.count).max(1), ..wanted.clone() });
        scaled.collect::<Vec<_>>()
    };
    let (mut fits, mut beyond) = (0, whole);
    while beyond - fits > 1 {
        let middle = fits + (beyond - fits) / 2;
        if drawn(&share(middle)).is_ok() { fits = middle } else { beyond = middle }
    }
    let fits = share(fits);
    let fits = drawn(&fits).is_ok().then(|| {
        fits.iter().map(|wanted| (wanted.key.clone().into_owned(), wanted.count)).collect()
    });
    Err(Shortfalls { lacking, fits })
}

/// The positions of each wanted set's records, class by class in the order of `classes`.
///
/// Patients come in an order that is drawn for each of them by name, and go to the first set that
/// still lacks pictures of a class of theirs. So neither the order of the records, nor what else
/// there is of other classes, nor a set further back moves a record; and a set that asks for more
/// has all that it had. `together` names the groups of records that belong together as a patient's
/// do (the position of one of them, for each record).
///
/// A set that has equal numbers of something else than the set before it draws anew from those that
/// are left: in the same order, it would have more of whatever the sets before it were full of first,
/// as more pictures of frequent skin types than there are on average.
fn draw(
    records: &[Record],
    together: &[usize],
    classes: &[String],
    wanted: &[Wanted<'_>],
    seed: Seed,
) -> Result<Vec<Vec<usize>>, Vec<TooFew>> {
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
    let mut groups = groups(records, together, classes);
    let mut first = 0;
    for alike in wanted.chunk_by(|one, next| one.strata == next.strata) {
        let seed = if first == 0 { seed } else { seed.child(&alike[0].key) };
        order(&mut groups, records, seed);
        let sets = first..first + alike.len();
        groups.retain(|group| {
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
            let Some(set) = sets.clone().find(serves) else { return true };
            for &at in group.iter().filter(|&&at| records[at].part == part) {
                if let Some(lacking) = left[set]
                    .get_mut(stratum(&records[at], wanted[set].strata))
                    .filter(|lacking| **lacking > 0)
                {
                    *lacking -= 1;
                    taken[set].push(at);
                }
            }
            false
        });
        first += alike.len();
    }
    let lacking = shortfalls(wanted, left);
    if !lacking.is_empty() {
        return Err(lacking);
    }
    let place = |at: &usize| classes.iter().position(|class| *class == records[*at].label);
    taken.iter_mut().for_each(|set| set.sort_by_key(place));
    Ok(taken)
}

/// The strata of which sets lack pictures still.
fn shortfalls(wanted: &[Wanted<'_>], left: Vec<BTreeMap<&str, usize>>) -> Vec<TooFew> {
    let mut lacking = Vec::new();
    for (wanted, left) in wanted.iter().zip(left) {
        for (stratum, left) in left.into_iter().filter(|(_, left)| *left > 0) {
            let stratum = match wanted.strata {
                Strata::Classes => format!("`{stratum}`"),
                Strata::SkinTypes => format!("skin types {stratum}"),
            };
            let (key, found) = (wanted.key.clone().into_owned(), wanted.count - left);
            lacking.push(TooFew { key, stratum, count: wanted.count, found });
        }
    }
    lacking
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

/// The records of `classes` by patient, a patient's records by their positions.
fn groups(records: &[Record], together: &[usize], classes: &[String]) -> Vec<Vec<usize>> {
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
    groups.into_values().collect()
}

/// Puts patients into an order that is drawn for each by name.
fn order(groups: &mut [Vec<usize>], records: &[Record], seed: Seed) {
    groups.sort_by_cached_key(|group| {
        let name = group.iter().map(|&at| name(&records[at])).min().unwrap_or_default();
        (seed.child(name).rng().random::<u64>(), name.to_owned())
    });
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
        Wanted { key: key.into(), count, strata: Strata::Classes, part }
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
        let larger = of(&records, &[sets[0].clone(), wanted("images.pool", 9, Part::Train)]);
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
        let expected = "`images.held_out` asks for 11 pictures of `a`; 10 are left once the sets before it have theirs; `images.held_out` asks \
                        for 11 pictures of `b`; 10 are left once the sets before it have theirs; the largest split of this kind that fits: \
                        images.held_out = 10";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }

    /// All that is too few is said at once, and what is offered instead can be had.
    #[test]
    fn shortfalls_are_all_named_with_the_largest_split_that_fits() {
        let records = (0..40).map(|at| record(at, ["a", "b"][at % 2], &format!("n{}", at / 4)));
        let records = records.collect::<Vec<_>>();
        let asked = |counts: [usize; 3]| {
            let [held_out, validation, pool] = counts;
            let sets = [
                wanted("held_out", held_out, Part::Test),
                wanted("validation", validation, Part::Validation),
                wanted("pool", pool, Part::Train),
            ];
            split(&records, &alone(&records), &classes(), &sets, Seed::of_study(1)).map(drop)
        };
        // Of 20 of each class, two a patient.
        let refused = asked([12, 4, 24]).unwrap_err();
        let lacking = refused.lacking.iter().map(|few| (few.key.as_str(), few.found));
        assert_eq!(lacking.collect::<Vec<_>>(), [("pool", 4), ("pool", 4)]);
        let fits = refused.fits.unwrap();
        let counts = fits.iter().map(|(_, count)| *count).collect::<Vec<_>>();
        assert_eq!(counts, [6, 2, 12], "half of each");
        asked([6, 2, 12]).unwrap();
        let all = asked([30, 30, 30]).unwrap_err();
        assert_eq!(all.lacking.len(), 6);
        let none = split(
            &records[..1],
            &[0],
            &classes(),
            &[wanted("pool", 3, Part::Train)],
            Seed::of_study(1),
        );
        let none = none.unwrap_err().to_string();
        assert!(none.ends_with("not even one picture for each set can be had"), "{none}");
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

    /// Of 60 pictures of skin types 12, 300 of 34 and 60 of 56, sets with 20 of each leave 40, 280 and 40; what
    /// a pool of one class has is of these a tenth, and not what was left over first.
    #[test]
    fn a_set_of_classes_after_one_of_skin_types_has_what_is_left_in_proportion() {
        let fst = |at: usize| [12, 34, 34, 34, 34, 34, 56][at % 7];
        let records = (0..420).map(|at| Record { fst: fst(at), ..record(at, "a", "") });
        let records = records.collect::<Vec<_>>();
        let by_type = Wanted { strata: Strata::SkinTypes, ..wanted("held_out", 20, Part::Test) };
        let sets = [by_type, wanted("pool", 36, Part::Train)];
        let mut found = [0; 2];
        for seed in 0..40 {
            let (together, seed) = (alone(&records), Seed::of_study(seed));
            let taken = split(&records, &together, &classes()[..1], &sets, seed).unwrap();
            for (count, fst) in found.iter_mut().zip([12, 56]) {
                *count += taken[1].iter().filter(|&&at| records[at].fst == fst).count();
            }
        }
        // 160 of each are expected, with a standard deviation of 11.
        assert!(found.iter().all(|count| (115..=205).contains(count)), "{found:?}");
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
