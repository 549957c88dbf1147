//! Image sets, a file each: what a set is called in reports, which tables and files it has, how they
//! are read, and what it admits. The coordinator and the steps find a set by the name that studies
//! give it, and know nothing else of any.

pub mod ddi;
pub mod fitzpatrick17k;
pub mod folder;
pub mod idx;
mod listing;
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

use crate::vocabulary::ImageSource;

/// The set of a study's images.
pub fn of(source: ImageSource) -> ImageSet {
    match source {
        ImageSource::Phantom => ImageSet::Embedded(&phantom::Phantom),
        ImageSource::Idx => ImageSet::Embedded(&idx::FashionMnist),
        ImageSource::Fitzpatrick17k => ImageSet::Pictures(&fitzpatrick17k::Fitzpatrick17k),
        ImageSource::Ddi => ImageSet::Pictures(&ddi::Ddi),
        ImageSource::Folder => ImageSet::Pictures(&folder::Folder),
        ImageSource::Webdataset => ImageSet::Pictures(&webdataset::Shards),
    }
}
