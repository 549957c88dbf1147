//! The report: every number of it was computed by another task.

use super::audit;
use super::contact::Legend;
use super::context::Context;
use super::dreambooth::LOSSES;
use super::{Outputs, StepError};
use crate::data::sets;
use crate::plan::kinds;
use crate::report;
use crate::report::inputs::{
    AuditPage, Inputs, Sheet, Size, Source, StudyInfo, TaskCount, Training,
};

/// Outputs: index.html, report.md, figures/*.
pub fn run(params: kinds::Report, context: &mut Context) -> Result<Outputs, StepError> {
    let sheet = |png: &str, legend: &str| -> Result<Sheet, StepError> {
        let Legend { rows, columns } = context.json("contact", legend)?;
        Ok(Sheet { png: context.read("contact", png)?, rows, columns })
    };
    // A study without synthetic images has nothing to show.
    let has_sheet = context.has_input("contact");
    let has_previews = has_sheet && context.input("contact")?.entry("training.png").is_some();
    let sources = ["analysis", "check", "contact", "audit"]
        .into_iter()
        .filter(|role| context.has_input(role));
    let source =
        |task: &str| Ok(Source { task: task.to_owned(), digest: context.input(task)?.digest() });
    let inputs = Inputs {
        analysis: context.json("analysis", "analysis.json")?,
        check: context
            .has_input("check")
            .then(|| context.json("check", "check.json"))
            .transpose()?,
        sheet: has_sheet.then(|| sheet("contact.png", "legend.json")).transpose()?,
        previews: has_previews.then(|| sheet("training.png", "training.json")).transpose()?,
        audit: audit(context)?,
        trainings: params
            .trainings
            .iter()
            .map(|training| curve(context, training))
            .collect::<Result<_, _>>()?,
        tasks: params.tasks.iter().map(count).collect(),
        provenance: sources.map(source).collect::<Result<_, StepError>>()?,
        study: study(params),
    };
    let files = report::render(&inputs)?;
    Ok(files.into_iter().map(|file| (file.path.to_owned(), file.bytes)).collect())
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
