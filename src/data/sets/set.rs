//! What an image set is to the rest of the program.

use std::collections::BTreeMap;
use std::path::Path;

use super::listing::{self, Listing};
use crate::data::Item;
use crate::data::catalogue::{Catalogue, CatalogueError, Record, Table};
use crate::data::split::Strata;
use crate::fst;
use crate::seed::Seed;
use crate::study::Images;
use crate::vocabulary::SkinTypeScale;

/// An image set, by the way in which its images come.
#[derive(Clone, Copy)]
pub enum ImageSet {
    /// Images of one known form: rendered here, or unpacked from a few files.
    Embedded(&'static dyn Embedded),
    /// Pictures of any format and size, each decoded by itself.
    Pictures(&'static dyn Pictures),
}

impl ImageSet {
    /// The name in reports.
    pub fn title(self) -> &'static str {
        match self {
            Self::Embedded(set) => set.title(),
            Self::Pictures(set) => set.title(),
        }
    }

    /// Whether the pictures are packed in shards.
    pub fn is_packed(self) -> bool {
        match self {
            Self::Embedded(_) => false,
            Self::Pictures(set) => set.is_packed(),
        }
    }

    /// Whether the images are renderings, whose results say nothing of any disease.
    pub fn is_phantom(self) -> bool {
        match self {
            Self::Embedded(set) => set.is_phantom(),
            Self::Pictures(_) => false,
        }
    }

    /// What each of the study's sets has equal numbers of; `set` is its key below `images`.
    pub fn strata(self, set: &str) -> Strata {
        match self {
            Self::Embedded(_) => Strata::Classes,
            Self::Pictures(pictures) => pictures.strata(set),
        }
    }

    /// Images of the study's held-out set.
    pub fn held_out(self, images: &Images) -> usize {
        let strata = match self.strata(HELD_OUT) {
            Strata::Classes => images.classes.len(),
            Strata::SkinTypes => fst::BINS.len(),
        };
        images.held_out * strata
    }
}

/// A study's set whose pictures every accuracy is measured on: its key below `images`.
pub const HELD_OUT: &str = "held_out";
/// The set that learning curves and early stopping look at.
pub const VALIDATION: &str = "validation";

/// An error of a set, for a step or the coordinator to report.
pub type SetError = Box<dyn std::error::Error + Send + Sync>;

/// Reads one of the files that [`Embedded::unpack`] made.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, SetError>;

/// Hears how many images of how many are done.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// The images that a study asks of an embedded set.
pub struct Draw<'a> {
    /// The key of the study file that asks, for messages.
    pub key: &'a str,
    /// The classes to draw from.
    pub classes: &'a [String],
    /// Images of each class before those that are asked for; other sets of the study take them.
    pub start: usize,
    /// Images of each class, or for a corpus in total.
    pub count: usize,
    /// Side in pixels.
    pub size: usize,
    /// The seed of the draw, or of the rendering.
    pub seed: Seed,
}

/// A set whose images have one known form.
pub trait Embedded: Sync {
    /// The name in reports.
    fn title(&self) -> &'static str;

    /// Whether the images are renderings.
    fn is_phantom(&self) -> bool {
        false
    }

    /// Every class that it has.
    fn classes(&self) -> Vec<&'static str>;

    /// The files that its folder has, if it is made of files.
    fn files(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// What to do about a file that is not there.
    fn missing(&self, path: &Path) -> String {
        format!("`{}` is missing", path.display())
    }

    /// The folder's files checked and unpacked: names and contents.
    ///
    /// # Errors
    /// If a file can't be read, is damaged, or does not belong to the others.
    fn unpack(&self, _folder: &Path) -> Result<Vec<(String, Vec<u8>)>, SetError> {
        Ok(Vec::new())
    }

    /// The images of a study's set, class by class.
    ///
    /// # Errors
    /// If a class is unknown or has fewer images than asked for, or a file can't be read.
    fn cohort(
        &self,
        draw: &Draw<'_>,
        read: ReadFile<'_>,
        progress: Progress<'_>,
    ) -> Result<Vec<Item>, SetError>;

    /// Captioned images for the pretraining of a base.
    ///
    /// # Errors
    /// As of [`Embedded::cohort`].
    fn corpus(
        &self,
        draw: &Draw<'_>,
        read: ReadFile<'_>,
        progress: Progress<'_>,
    ) -> Result<Vec<Item>, SetError>;
}

/// A table of a set of pictures: its key below `images`, and its role as an input of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableRole {
    /// What is known of each picture.
    Annotations,
    /// The pictures that are the test part.
    HeldOutList,
    /// All other pictures to use.
    TrainingList,
}

impl TableRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Annotations, Self::HeldOutList, Self::TrainingList];

    /// The name of key and input.
    pub fn name(self) -> &'static str {
        match self {
            Self::Annotations => "annotations",
            Self::HeldOutList => "held_out_list",
            Self::TrainingList => "training_list",
        }
    }
}

/// The folder of a set as the coordinator sees it.
#[derive(Clone, Copy)]
pub struct Folder<'a> {
    /// The folder's path.
    pub root: &'a Path,
    /// Files that are no pictures.
    pub others: &'a [String],
}

/// A picture of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The picture's id in the set.
    pub id: String,
    /// The shard's member that has it.
    pub file: String,
    /// The fields of its record.
    pub fields: BTreeMap<String, String>,
}

/// What is at hand of a set of pictures, to make its catalogue of.
pub struct Contents<'a> {
    /// The tables that the study names or the set has of its own.
    pub tables: &'a BTreeMap<TableRole, Table>,
    /// The pictures' files, relative to the set's folder: all of them for the coordinator, those of
    /// the study's classes for a step.
    pub files: &'a [String],
    /// The folder and what else it has; none for a step.
    pub folder: Option<Folder<'a>>,
    /// The pictures of shards with what their records say.
    pub packed: &'a [Packed],
    /// The study's classes.
    pub classes: &'a [String],
    /// Columns and fields that the study leaves out.
    pub ignored: &'a [String],
    /// Which annotation of the skin type counts, of a set that has several.
    pub skin_type: SkinTypeScale,
}

impl Contents<'_> {
    /// Pictures of the whole folder that no table names, as a sentence.
    pub(super) fn count_unnamed(&self, records: &[Record]) -> Option<String> {
        self.folder.and_then(|_| listing::count_unnamed(self.files, records))
    }

    /// The table of annotations of a set that can't be without.
    ///
    /// # Errors
    /// If it is not there.
    pub fn annotations(&self) -> Result<&Table, CatalogueError> {
        self.tables.get(&TableRole::Annotations).ok_or(CatalogueError::NoAnnotations)
    }
}

/// A set of pictures from outside.
pub trait Pictures: Sync {
    /// The name in reports.
    fn title(&self) -> &'static str;

    /// Whether the pictures are packed in shards, which say themselves what they have.
    fn is_packed(&self) -> bool {
        false
    }

    /// The file of its folder that has the annotations, where a study names no other.
    fn own_table(&self) -> Option<&'static str> {
        None
    }

    /// What lies in the set's folder.
    ///
    /// # Errors
    /// If a folder can't be read.
    fn files(&self, root: &Path) -> Result<Listing, CatalogueError>;

    /// What each of the study's sets has equal numbers of; `set` is its key below `images`.
    fn strata(&self, _set: &str) -> Strata {
        Strata::Classes
    }

    /// A record for each picture.
    ///
    /// # Errors
    /// If a table is not what the set's should be, or contradicts another or the files.
    fn catalogue(&self, contents: Contents<'_>) -> Result<Catalogue, CatalogueError>;
}
