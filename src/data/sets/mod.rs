//! Image sets, a file each: what a set is called in reports, which tables and files it has, how they
//! are read, and what it admits. The coordinator and the steps find a set by the name that studies
//! give it, and know nothing else of any.

mod coded;
pub mod ddi;
pub mod fitzpatrick17k;
pub mod folder;
pub mod ham10000;
pub mod idx;
mod listing;
pub mod pad_ufes_20;
mod phantom;
mod set;
#[cfg(test)]
mod tests;
mod webdataset;

pub use listing::{Listing, count_unused};
pub use set::{
    Contents, Draw, Embedded, Folder, HELD_OUT, ImageSet, Packed, Pictures, Progress, ReadFile,
    SetError, TableRole, VALIDATION,
};

use super::catalogue::{Part, Record};
use super::split::{self, Shortfalls, Wanted};
use crate::seed::Seed;
use crate::vocabulary::ImageSource;

/// The positions of the records that each of a study's `sets` (their keys below `images`, and their
/// counts) takes; `together` as [`split::split`] has it, `seed` that of cohorts.
///
/// # Errors
/// If there are too few of any.
pub fn split(
    source: ImageSource,
    records: &[Record],
    together: &[usize],
    classes: &[String],
    sets: &[(String, usize)],
    seed: Seed,
) -> Result<Vec<Vec<usize>>, Shortfalls> {
    let wanted = sets.iter().map(|(set, count)| Wanted {
        key: format!("images.{set}").into(),
        count: *count,
        strata: of(source).strata(set),
        part: match set.as_str() {
            HELD_OUT => Part::Test,
            VALIDATION => Part::Validation,
            _ => Part::Train,
        },
    });
    split::split(records, together, classes, &wanted.collect::<Vec<_>>(), seed.child("split"))
}

/// The set of a study's images.
pub fn of(source: ImageSource) -> ImageSet {
    match source {
        ImageSource::Phantom => ImageSet::Embedded(&phantom::Phantom),
        ImageSource::Idx => ImageSet::Embedded(&idx::FashionMnist),
        ImageSource::Fitzpatrick17k => ImageSet::Pictures(&fitzpatrick17k::Fitzpatrick17k),
        ImageSource::Ddi => ImageSet::Pictures(&ddi::Ddi),
        ImageSource::PadUfes20 => ImageSet::Pictures(&pad_ufes_20::SET),
        ImageSource::Ham10000 => ImageSet::Pictures(&ham10000::SET),
        ImageSource::Folder => ImageSet::Pictures(&folder::Folder),
        ImageSource::Webdataset => ImageSet::Pictures(&webdataset::Shards),
    }
}
