//! What a report is made of: stored results, and what the study says of itself. Nothing here may
//! depend on when or where it ran.

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::stats::analysis::Analysis;
use crate::stats::audit::Audit;
use crate::stats::check::Check;

/// Everything that a report shows.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub study: StudyInfo,
    pub analysis: Analysis,
    /// The generator check, of studies that have generators.
    pub check: Option<Check>,
    /// Of a set of pictures.
    pub audit: Option<AuditPage>,
    /// Real beside synthetic images, of studies that have them.
    pub sheet: Option<Sheet>,
    /// An image of each model, a row, at stages of its training, of models that drew them.
    pub previews: Option<Sheet>,
    /// The tuned models' trainings, in the order of the plan.
    pub trainings: Vec<Training>,
    /// In the order of the plan.
    pub tasks: Vec<TaskCount>,
    pub provenance: Vec<Source>,
}

/// What the audit's page shows.
#[derive(Clone, Debug)]
pub struct AuditPage {
    pub audit: Audit,
    /// A PNG of pictures that are there twice, in pairs.
    pub thumbnails: Option<Vec<u8>>,
}

/// The loss of a model's training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// What it was tuned on, e.g. "psoriasis".
    pub model: String,
    /// "text-to-image" or "inpainting".
    pub group: String,
    pub steps: usize,
    /// Means over equal stretches of the steps.
    pub losses: Vec<f64>,
}

/// What was studied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyInfo {
    /// The study file's name, e.g. "quick".
    pub name: String,
    pub title: String,
    /// A paragraph in the study's words.
    pub about: String,
    /// The image set's name.
    pub image_set: String,
    /// Whether the images are phantoms, whose results say nothing of dermatology.
    pub phantom: bool,
    pub seed: u64,
    pub sizes: Vec<Size>,
    /// What all replicates have in common.
    pub shared: Vec<String>,
    /// The study with every parameter written out, as TOML.
    pub resolved: String,
}

/// How many there are of something, e.g. 60 "training images per class".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub what: String,
    pub count: usize,
}

/// A sheet of images in a grid: a band of equal height for each row label and one of equal width
/// for each column label, no margins. The images are the first of each class and column, not
/// chosen: the report says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    pub png: Vec<u8>,
    /// Class labels, from the top.
    pub rows: Vec<String>,
    /// "real" and the strategies, from the left.
    pub columns: Vec<String>,
}

/// The plan's tasks of one kind, and what it saves that tasks share them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskCount {
    /// What one task of the kind is, singular, e.g. "fine-tuning".
    pub kind: String,
    /// Tasks of the kind in the plan.
    pub tasks: usize,
    /// Classifiers that depend on at least one of them; 0 for kinds that come after the
    /// classifiers.
    pub serves: usize,
    /// Tasks of the kind that there would be if each classifier had its own: for each classifier
    /// those that it depends on, summed.
    pub apart: usize,
}

/// A task whose output the report shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub task: String,
    pub digest: Digest,
}
