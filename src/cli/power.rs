//! What a study could find, before it runs: for `titrate plan`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;

use crate::data::sets;
use crate::plan::{Assessment, Freshness, Graph};
use crate::report::power_sentence;
use crate::stats::analysis::Analysis;
use crate::stats::crossed::Components;
use crate::stats::power::{Design, MOST_IMAGES, MOST_REPLICATES, Need, Power};
use crate::store::{Artifact, Store, StoreError};
use crate::study::{Experiment, Goal, Study};
use crate::vocabulary::Arm;

/// The smallest gains that each experiment finds and what others take, by the variances of results
/// in the store, or else of the study file. Nothing of an experiment that compares nothing.
pub fn power(
    study: &Study,
    graph: &Graph,
    assessed: &[Assessment],
    store: &Store,
) -> Result<String> {
    let mut text = String::new();
    if study.goal != Goal::Report {
        return Ok(text);
    }
    for (name, experiment) in study.experiments() {
        let label = format!("analysis/{name}");
        if contrasts(experiment) == 0 || graph.by_label(&label).is_none() {
            continue;
        }
        let heading =
            if study.experiments.is_empty() { String::new() } else { format!(" of {name}") };
        let (components, origin) = match measured(&label, graph, assessed, store)? {
            Some(found) => found,
            None => (assumed(study), "analysis.assumed; no results in the store".to_owned()),
        };
        writeln!(text, "power{heading}:")?;
        describe(&mut text, study, experiment, components, &origin)?;
    }
    Ok(text)
}

fn describe(
    text: &mut String,
    study: &Study,
    experiment: &Experiment,
    components: Components,
    origin: &str,
) -> Result<()> {
    let design = Design {
        components,
        replicates: experiment.replicates,
        units: sets::of(study.images.source).held_out(&study.images),
        contrasts: contrasts(experiment),
        q: study.analysis.q,
    };
    let power = Power::of(design);
    let deviation = |variance: f64| format!("{:.1}", variance.sqrt() * 100.0);
    match power_sentence(&power) {
        Some(sentence) => writeln!(text, "  {sentence}")?,
        None => writeln!(text, "  With one replicate, nothing can be said of reruns.")?,
    }
    for Need { gain, replicates, images } in &power.needs {
        let count = |count: &Option<usize>, most: usize| {
            count.map_or(format!("more than {most}"), |count| count.to_string())
        };
        let (replicates, images) = (count(replicates, MOST_REPLICATES), count(images, MOST_IMAGES));
        writeln!(
            text,
            "  {:.0} points take {replicates} replicates, or {images} held-out images",
            gain * 100.0
        )?;
    }
    let [rerun, image, residual] =
        [components.rerun, components.image, components.residual].map(deviation);
    writeln!(
        text,
        "  Standard deviations in points: {rerun} between replicates, {image} between images, {residual} the rest ({origin})."
    )?;
    Ok(())
}

/// Arms that are compared with real only.
fn contrasts(experiment: &Experiment) -> usize {
    let cells = experiment.cells().into_iter().filter(|cell| cell.arm != Arm::Real);
    cells.map(|cell| crate::study::Cell { replicate: 0, ..cell }).collect::<BTreeSet<_>>().len()
}

fn assumed(study: &Study) -> Components {
    let assumed = &study.analysis.assumed;
    let [rerun, image, residual] =
        [assumed.rerun, assumed.image, assumed.residual].map(|deviation| deviation * deviation);
    Components { rerun, image, residual }
}

/// What the study's analysis found, or else the last analysis that the store has of any study, and
/// whose it is.
fn measured(
    label: &str,
    graph: &Graph,
    assessed: &[Assessment],
    store: &Store,
) -> Result<Option<(Components, String)>> {
    let components = |artifact: &Artifact| -> Result<Option<Components>> {
        let Some(entry) = artifact.entry("analysis.json") else { return Ok(None) };
        // An analysis of an earlier version has another shape, and no variances.
        let bytes = match store.objects().read(&entry.digest) {
            // It lies in a shared store, and nobody has fetched it yet.
            Err(StoreError::Missing { .. }) => return Ok(None),
            bytes => bytes?,
        };
        let analysis = serde_json::from_slice::<Analysis>(&bytes).ok();
        Ok(analysis.and_then(|analysis| analysis.power).map(|power| power.design.components))
    };
    let Some(task) = graph.by_label(label) else { return Ok(None) };
    if let Freshness::Fresh(artifact) = &assessed[task.index()].freshness {
        return Ok(components(artifact)?.map(|found| (found, "this study's results".to_owned())));
    }
    let Some(key) = store.history(label)?.pop() else { return Ok(None) };
    let Some(receipt) = store.receipt(&key)? else { return Ok(None) };
    Ok(components(&receipt.output)?
        .map(|found| (found, format!("the last analysis in the store, key {}", key.short()))))
}
