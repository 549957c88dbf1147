//! The report of a study.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Spec};
use crate::plan::work::Work;
use crate::study::{Experiment, Study};
use crate::vocabulary::ImageSource;
use crate::vocabulary::{Claim, Conditioning};

/// The parameters of a report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The study file's stem.
    pub name: String,
    /// Title of the study.
    pub title: String,
    /// The paragraph at the report's head.
    pub about: String,
    /// Seed of the study.
    pub seed: u64,
    /// The image set.
    pub source: ImageSource,
    /// Counts for the report's head, each with its noun.
    pub sizes: Vec<(String, usize)>,
    /// The experiments, in the order of their parts.
    pub experiments: Vec<ReportedExperiment>,
    /// The claims that the study tests, by name.
    pub claims: BTreeMap<String, Claim>,
    /// The things that all replicates share, whose variation no interval covers.
    pub shared: Vec<String>,
    /// The resolved study, as TOML.
    pub study: String,
    /// The study's tasks by kind.
    pub tasks: Vec<KindCount>,
    /// The trainings whose losses are shown.
    pub trainings: Vec<Training>,
}

/// An experiment of the report; its analysis is the input `analysis/<name>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReportedExperiment {
    /// Its name in the study.
    pub name: String,
    /// The question that it answers; empty: none is shown.
    pub question: String,
    /// The questions of its declared comparisons, by the comparison's name.
    pub comparisons: BTreeMap<String, String>,
    /// What the uses of synthetic images are that its arms name, in words.
    pub usages: BTreeMap<String, String>,
}

impl ReportedExperiment {
    /// Of an experiment of `study`.
    pub fn of(study: &Study, name: &str, experiment: &Experiment) -> Self {
        let declared = experiment.comparisons.iter();
        let named = experiment.arms.iter().filter_map(|arm| {
            let usage = study.usage_of(arm)?;
            Some((arm.synthetic()?.usage.clone(), usage.meaning()))
        });
        Self {
            name: name.to_owned(),
            question: experiment.question.clone(),
            comparisons: declared
                .map(|(name, comparison)| (name.clone(), comparison.question.clone()))
                .collect(),
            usages: named.collect(),
        }
    }
}

/// How many tasks of a kind the study has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KindCount {
    /// What one of its tasks is called.
    pub kind: String,
    /// Number of tasks.
    pub tasks: usize,
    /// Classifiers that depend on at least one of them.
    pub serves: usize,
    /// Tasks of the kind that there would be if every classifier had its own.
    pub apart: usize,
}

/// A tuned model whose losses the report shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Training {
    /// The input that has them.
    pub role: String,
    /// The images it was tuned on, in words.
    pub model: String,
    /// The input of the UNet beside latents and prompt.
    pub conditioning: Conditioning,
    /// Optimiser steps.
    pub steps: usize,
}

impl Spec for Report {
    const KIND: Kind = Kind { name: "report", version: 21, noun: "report", on_device: false };
}

impl Report {
    /// One task's work.
    pub fn work(&self) -> Work {
        Work::about(0.1)
    }
}
