//! The largest sets that a study could draw from records.

use std::collections::BTreeMap;

use super::catalogue::{Part, Record};
use super::split::{Shortfalls, Strata, Wanted, split};
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
/// If not even one picture of each class can be had for each set.
pub fn largest(
    records: &[Record],
    classes: &BTreeMap<String, usize>,
    seed: u64,
) -> Result<[usize; 4], Shortfalls> {
    let smallest = classes.values().copied().min().unwrap_or(0) as f64;
    let sizes = SETS.map(|(_, _, share)| ((smallest * share) as usize).max(1));
    let names = classes.keys().cloned().collect::<Vec<_>>();
    let alone = (0..records.len()).collect::<Vec<_>>();
    let wanted = SETS.iter().zip(sizes).map(|((key, part, _), count)| Wanted {
        key: (*key).into(),
        count,
        strata: Strata::Classes,
        part: *part,
    });
    let wanted = wanted.collect::<Vec<_>>();
    match split(records, &alone, &names, &wanted, Seed::of_study(seed)) {
        Ok(_) => Ok(sizes),
        Err(Shortfalls { fits: Some(fits), .. }) => {
            let mut fits = fits.into_iter().map(|(_, count)| count);
            Ok(sizes.map(|asked| fits.next().unwrap_or(asked)))
        }
        Err(none) => Err(none),
    }
}
