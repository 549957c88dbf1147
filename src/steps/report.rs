//! The report: every number of it was computed by another task.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::audit;
use super::context::Context;
use super::dreambooth::LOSSES;
use super::lineage::LINEAGE;
use super::sheets::Legend;
use super::{Outputs, StepError};
use crate::data::sets;
use crate::plan::kinds::{self, PREDICTIONS};
use crate::report;
use crate::report::inputs::{
    AuditPage, Claimed, Experiment, Inputs, Sheet, Size, Source, StudyInfo, TaskCount, Training,
};
use crate::vocabulary::Claim;

/// Outputs: index.html, report.md, figures/*, data/*.
pub fn run(params: kinds::Report, context: &mut Context) -> Result<Outputs, StepError> {
    let sheet = |png: &str, legend: &str| -> Result<Sheet, StepError> {
        let Legend { rows, columns, across } = context.json("contact", legend)?;
        Ok(Sheet { png: context.read("contact", png)?, rows, columns, across })
    };
    // A study without synthetic images has nothing to show.
    let has_sheet = context.has_input("contact");
    let has = |name: &str| -> Result<bool, StepError> {
        Ok(has_sheet && context.input("contact")?.entry(name).is_some())
    };
    let (has_pairs, has_previews) = (has("pairs.png")?, has("training.png")?);
    let analyses = params.experiments.iter().map(|it| analysis_role(&it.name)).collect::<Vec<_>>();
    let others = ["check", "quality", "tsne", "contact", "audit"]
        .into_iter()
        .filter(|role| context.has_input(role));
    let sources = analyses.iter().map(String::as_str).chain(others);
    let source =
        |task: &str| Ok(Source { task: task.to_owned(), digest: context.input(task)?.digest() });
    let experiment = |it: &kinds::ReportedExperiment| -> Result<Experiment, StepError> {
        Ok(Experiment {
            name: it.name.clone(),
            question: it.question.clone(),
            comparisons: it.comparisons.clone(),
            usages: it.usages.clone(),
            analysis: context.json(&analysis_role(&it.name), "analysis.json")?,
        })
    };
    let experiments = params.experiments.iter().map(experiment).collect::<Result<Vec<_>, _>>()?;
    let inputs = Inputs {
        claims: claimed(&params.claims, &experiments)?,
        experiments,
        check: if_there(context, "check", "check.json")?,
        quality: if_there(context, "quality", "quality.json")?,
        neighbours: if_there(context, "tsne", "tsne.json")?.flatten(),
        sheet: has_sheet.then(|| sheet("contact.png", "legend.json")).transpose()?,
        strip: has_sheet.then(|| sheet("strip.png", "strip.json")).transpose()?,
        pairs: has_pairs.then(|| sheet("pairs.png", "pairs.json")).transpose()?,
        previews: has_previews.then(|| sheet("training.png", "training.json")).transpose()?,
        audit: audit(context)?,
        trainings: params
            .trainings
            .iter()
            .map(|training| curve(context, training))
            .collect::<Result<_, _>>()?,
        tasks: params.tasks.iter().map(count).collect(),
        provenance: sources.map(source).collect::<Result<_, StepError>>()?,
        lineage: context.json("lineage", LINEAGE)?,
        study: study(params),
    };
    let files = report::render(&inputs)?.into_iter();
    let table = (format!("data/{PREDICTIONS}"), context.read("predictions", PREDICTIONS)?);
    Ok(files.map(|file| (file.path.into_owned(), file.bytes)).chain([table]).collect())
}

/// An entry of an input that a study may lack.
fn if_there<T: DeserializeOwned>(
    context: &Context,
    role: &str,
    entry: &str,
) -> Result<Option<T>, StepError> {
    context.has_input(role).then(|| context.json(role, entry)).transpose()
}

/// The claims with their verdicts.
fn claimed(
    claims: &BTreeMap<String, Claim>,
    experiments: &[Experiment],
) -> Result<Vec<Claimed>, StepError> {
    let claimed = |(name, claim): (&String, &Claim)| {
        let experiment = experiments.iter().find(|experiment| experiment.name == claim.experiment);
        let verdict = experiment.and_then(|experiment| experiment.analysis.claims.get(name));
        let missing = || format!("the analysis of {} has no verdict on {name}", claim.experiment);
        let (name, claim) = (name.clone(), claim.clone());
        Ok(Claimed { name, claim, verdict: verdict.cloned().ok_or_else(missing)? })
    };
    claims.iter().map(claimed).collect()
}

/// The input that has an experiment's analysis.
fn analysis_role(name: &str) -> String {
    format!("analysis/{name}")
}

/// The audit of a set of pictures, with what it found twice.
fn audit(context: &Context) -> Result<Option<AuditPage>, StepError> {
    if !context.has_input("audit") {
        return Ok(None);
    }
    let has_thumbnails = context.input("audit")?.entry(audit::THUMBNAILS).is_some();
    let thumbnails =
        has_thumbnails.then(|| context.read("audit", audit::THUMBNAILS)).transpose()?;
    Ok(Some(AuditPage { audit: context.json("audit", audit::AUDIT)?, thumbnails }))
}

fn curve(context: &Context, training: &kinds::Training) -> Result<Training, StepError> {
    let kinds::Training { role, model, conditioning, steps } = training;
    let losses = context.json(role, LOSSES)?;
    Ok(Training {
        model: model.clone(),
        group: conditioning.name().to_owned(),
        steps: *steps,
        losses,
    })
}

fn study(params: kinds::Report) -> StudyInfo {
    let size = |(what, count): &(String, usize)| Size { what: what.clone(), count: *count };
    let set = sets::of(params.source);
    StudyInfo {
        name: params.name,
        title: params.title,
        about: params.about,
        image_set: set.title().to_owned(),
        phantom: set.is_phantom(),
        seed: params.seed,
        sizes: params.sizes.iter().map(size).collect(),
        shared: params.shared,
        resolved: params.study,
    }
}

fn count(count: &kinds::KindCount) -> TaskCount {
    let kinds::KindCount { kind, tasks, serves, apart } = count.clone();
    TaskCount { kind, tasks, serves, apart }
}
