//! The content of a report: stored results, and the study's description of itself. Nothing here
//! may depend on when or where it ran.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lineage::Lineage;
use crate::id::Digest;
use crate::stats::analysis::{Analysis, Verdict};
use crate::stats::audit::Audit;
use crate::stats::check::Check;
use crate::stats::quality::{Embedded, Quality};
use crate::vocabulary::Claim;

/// Everything that a report shows.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The study in its own words, and its sizes.
    pub study: StudyInfo,
    /// The experiments, one at least, in the order of the study.
    pub experiments: Vec<Experiment>,
    /// The claims that the study tests, by name.
    pub claims: Vec<Claimed>,
    /// The generator check; none without generators.
    pub check: Option<Check>,
    /// Synthetic beside real images in a feature space; none where the study compares none.
    pub quality: Option<Quality>,
    /// Some of those images in one plane; none where there are too few of them.
    pub neighbours: Option<Embedded>,
    /// The audit of the pictures; none where images are rendered or come ready-made.
    pub audit: Option<AuditPage>,
    /// Real beside synthetic images; none without synthetic ones.
    pub sheet: Option<Sheet>,
    /// An image of each class (columns), real and by each arm (rows); none without synthetic ones.
    pub strip: Option<Sheet>,
    /// The closest pairs of a synthetic image and one of the pool; none where no quality is asked
    /// for.
    pub pairs: Option<Sheet>,
    /// A row of images for each model, drawn at stages of its training; none if models drew none.
    pub previews: Option<Sheet>,
    /// The tuned models' trainings, in the order of the plan.
    pub trainings: Vec<Training>,
    /// The tasks of each kind, in the order of the plan.
    pub tasks: Vec<TaskCount>,
    /// The tasks whose outputs the report shows.
    pub provenance: Vec<Source>,
    /// All tasks that the results were made by.
    pub lineage: Lineage,
}

/// An experiment and its results.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its name in the study, e.g. "sweep".
    pub name: String,
    /// The question that it answers; empty: none is shown.
    pub question: String,
    /// The questions of its declared comparisons, by the comparison's name.
    pub comparisons: BTreeMap<String, String>,
    /// What the uses of synthetic images are that its arms name, in words.
    pub usages: BTreeMap<String, String>,
    /// Scores, intervals and comparisons.
    pub analysis: Analysis,
}

/// A claim and what became of it.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its name in the study, e.g. "c1".
    pub name: String,
    /// The statement and its rule.
    pub claim: Claim,
    /// The outcome.
    pub verdict: Verdict,
}

/// One experiment of a report, beside what the study has in common.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// All of the report.
    pub inputs: &'a Inputs,
    /// The experiment.
    pub experiment: &'a Experiment,
    /// Its results.
    pub analysis: &'a Analysis,
}

impl Inputs {
    /// The experiments, each a part of the report.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.experiments.iter().map(|experiment| Part {
            inputs: self,
            experiment,
            analysis: &experiment.analysis,
        })
    }

    /// The share of images that a guess has right, where a generator check says it.
    pub fn chance(&self) -> Option<f64> {
        self.check.as_ref().map(|check| check.chance)
    }

    /// What all experiments say alike: the held-out images and their classes, the settings.
    pub fn first(&self) -> &Analysis {
        &self.experiments[0].analysis
    }
}

impl Part<'_> {
    /// Whether it is the report's only experiment.
    pub fn is_only(&self) -> bool {
        self.inputs.experiments.len() == 1
    }

    /// The path of a figure: under its own name where the study has one experiment, otherwise in a
    /// folder for each.
    pub fn figure(&self, name: &str) -> Cow<'static, str> {
        match self.is_only() {
            true => format!("figures/{name}").into(),
            false => format!("figures/{}/{name}", self.experiment.name).into(),
        }
    }
}

/// The content of the audit's page.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The audit's results.
    pub audit: Audit,
    /// A PNG of pictures that are there twice, in pairs.
    pub thumbnails: Option<Vec<u8>>,
}

/// The loss of a model's training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The class that the model was tuned on, e.g. "psoriasis", or another name for its images.
    pub model: String,
    /// "text-to-image" or "inpainting".
    pub group: String,
    /// Steps of the whole training.
    pub steps: usize,
    /// Mean losses over equal stretches of the steps, in their order.
    pub losses: Vec<f64>,
}

/// A study's description of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyInfo {
    /// The study file's name, e.g. "quick".
    pub name: String,
    /// The report's title.
    pub title: String,
    /// A paragraph in the study's words.
    pub about: String,
    /// The image set's name.
    pub image_set: String,
    /// Whether the images are phantoms, whose results say nothing of dermatology.
    pub phantom: bool,
    /// The seed of all draws.
    pub seed: u64,
    /// The sizes of the study, e.g. of its image sets.
    pub sizes: Vec<Size>,
    /// The parts that all replicates have in common, e.g. "the pool".
    pub shared: Vec<String>,
    /// The study with every parameter written out, as TOML.
    pub resolved: String,
}

/// How many there are of something, e.g. 60 "training images per class".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// The name of what is counted.
    pub what: String,
    /// How many there are.
    pub count: usize,
}

/// A sheet of images in a grid: a band of equal height for each row label and one of equal width
/// for each column label, no margins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The image file.
    pub png: Vec<u8>,
    /// Row labels, e.g. classes, from the top.
    pub rows: Vec<String>,
    /// Column labels, e.g. "real" and the strategies, from the left.
    pub columns: Vec<String>,
    /// Images of a row under each column label.
    pub across: usize,
}

/// The plan's tasks of one kind, and how many more there would be if classifiers shared none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskCount {
    /// The noun for one task of the kind, e.g. "fine-tuning".
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
    /// The task's name in the report.
    pub task: String,
    /// The digest of its output.
    pub digest: Digest,
}
