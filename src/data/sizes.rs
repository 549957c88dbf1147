//! The largest sets that a study could draw from records.

use std::collections::BTreeMap;

use super::catalogue::{Part, Record};
use super::split::{Strata, TooFew, Wanted, split};
use crate::seed::Seed;

/// The sets of a study, their parts of the folder, and the share of a class that each takes where
/// the smallest class allows it. A tenth is left: a picture may turn out unreadable or a copy.
const SETS: [(&str, Part, f64); 4] = [
    ("images.held_out", Part::Test, 0.28),
    ("images.validation", Part::Validation, 0.08),
    ("images.plentiful", Part::Train, 0.18),
    ("images.pool", Part::Train, 0.36),
];

/// Pictures of each class for held-out set, validation set, plentiful set and pool: their shares of
/// the smallest class, fewer where patients or parts leave less. Drawn as the study of that `seed`
/// draws them.
///
/// # Errors
/// If a set gets none of a class.
pub fn largest(
    records: &[Record],
    classes: &BTreeMap<String, usize>,
    seed: u64,
) -> Result<[usize; 4], TooFew> {
    let smallest = classes.values().copied().min().unwrap_or(0) as f64;
    let mut sizes = SETS.map(|(_, _, share)| ((smallest * share) as usize).max(1));
    let names = classes.keys().cloned().collect::<Vec<_>>();
    let alone = (0..records.len()).collect::<Vec<_>>();
    loop {
        let wanted = SETS.iter().zip(sizes).map(|((key, part, _), count)| Wanted {
            key,
            count,
            strata: Strata::Classes,
            part: *part,
        });
        let wanted = wanted.collect::<Vec<_>>();
        let Err(few) = split(records, &alone, &names, &wanted, Seed::of_study(seed)) else {
            return Ok(sizes);
        };
        // One fewer at least, so that the search ends.
        let at = SETS.iter().position(|(key, ..)| *key == few.key).expect("it names one of these");
        sizes[at] = few.found.min(sizes[at] - 1);
        if sizes[at] == 0 {
            return Err(few);
        }
    }
}
