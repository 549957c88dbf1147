//! The audit of an image set before anything is trained on it: counts, unusable pictures, copies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The audit of a set of pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The source's name.
    pub image_set: String,
    /// Pictures of the study's classes, usable or not.
    pub pictures: usize,
    /// Size of their files in bytes.
    pub bytes: u64,
    /// Where the set differs from what is known of it.
    pub notes: Vec<String>,
    /// The study's sets, in the order in which they draw; empty if there are too few pictures for
    /// them.
    pub sets: Vec<String>,
    /// The pictures of each class, in the order of the study.
    pub classes: Vec<ClassCount>,
    /// Usable pictures of each pair of Fitzpatrick skin types ("12", "34", "56"), and of none
    /// ("unknown").
    pub skin_types: Vec<SkinTypeCount>,
    /// Usable pictures of each format.
    pub formats: BTreeMap<String, usize>,
    /// The shorter sides in pixels: least, median and largest.
    pub short_side: Option<(usize, usize, usize)>,
    /// The reasons why the study can't run as it is, a sentence each.
    pub shortfalls: Vec<String>,
    /// The defect of each picture that can't be used.
    pub unusable: Vec<String>,
    /// Whose the usable pictures are; none where no picture names a patient.
    pub patients: Option<PatientCount>,
    /// Copies among the usable pictures.
    pub duplicates: DuplicateCounts,
    /// Groups of copies of which the study puts one into one set and one into another, or would if
    /// it did not keep them in one.
    pub across: Vec<CopyGroup>,
    /// Groups of copies with different labels.
    pub conflicts: Vec<CopyGroup>,
    /// Whether the study keeps duplicates in one set.
    pub dedupe: bool,
}

impl Audit {
    /// Whether the study can run as it is.
    pub fn passes(&self) -> bool {
        self.shortfalls.is_empty()
    }
}

/// The pictures of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// Name of the class.
    pub label: String,
    /// Pictures that can be used.
    pub usable: usize,
    /// Pictures that are missing or cannot be decoded.
    pub unusable: usize,
    /// In each of the study's sets.
    pub sets: Vec<usize>,
}

/// The pictures of a pair of skin types.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkinTypeCount {
    /// The pair: "12", "34", "56", or "unknown".
    pub bin: String,
    /// Pictures that can be used.
    pub usable: usize,
    /// In each of the study's sets.
    pub sets: Vec<usize>,
}

/// The patients of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientCount {
    /// Patients that usable pictures name.
    pub patients: usize,
    /// Usable pictures that name one.
    pub pictures: usize,
    /// Patients with pictures in two of the study's sets or more.
    pub in_two_sets: usize,
}

/// Counts of pictures that have copies. Pictures that are copies of one another, directly or by way
/// of others, are one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateCounts {
    /// Groups whose pixels are all equal.
    pub exact: usize,
    /// Groups with pictures that differ by how they were saved, mirrored, turned or cropped.
    pub near: usize,
    /// Pictures in all groups.
    pub pictures: usize,
}

/// Pictures that show the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyGroup {
    /// At least two.
    pub pictures: Vec<Copy>,
    /// Whether the pixels of all are equal.
    pub exact: bool,
}

/// One picture of a [`CopyGroup`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The picture's file, as the set names it.
    pub file: String,
    /// The picture's class.
    pub label: String,
    /// The study's set that it is in; empty: in none.
    pub set: String,
}
