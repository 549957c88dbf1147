//! What a study could find, before it runs: for `titrate plan`.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::data::sets;
use crate::plan::{Assessment, Freshness, Graph};
use crate::report::power_sentence;
use crate::stats::analysis::Analysis;
use crate::stats::crossed::Components;
use crate::stats::power::{Design, MOST_IMAGES, MOST_REPLICATES, Need, Power};
use crate::store::{Artifact, Store, StoreError};
use crate::study::{Experiment, Goal, Study};
use crate::vocabulary::Arm;

/// What an experiment could find.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Found {
    /// None where the study has one that it does not name.
    experiment: Option<String>,
    power: Power,
    /// What its units are: "images", or "patients" where these are sampled.
    sampled: &'static str,
    /// What the variances are from.
    variances: String,
}

/// The smallest gains that each experiment finds and what others take, by the variances of results
/// in the store, or else of the study file. Nothing of an experiment that compares nothing.
pub fn power(
    study: &Study,
    graph: &Graph,
    assessed: &[Assessment],
    store: &Store,
) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    if study.goal != Goal::Report {
        return Ok(all);
    }
    for (name, experiment) in study.experiments() {
        let label = format!("analysis/{name}");
        if contrasts(experiment) == 0 || graph.by_label(&label).is_none() {
            continue;
        }
        let images = sets::of(study.images.source).held_out(&study.images);
        let (analysed, variances) = match measured(&label, graph, assessed, store)? {
            Some(found) => found,
            None => (assumed(study), "analysis.assumed; no results in the store".to_owned()),
        };
        let Analysed { components, patients, .. } = analysed;
        let (units, sampled) =
            (analysed.units_of(images), if patients.is_some() { "patients" } else { "images" });
        let design = Design {
            components,
            replicates: experiment.replicates,
            units,
            contrasts: contrasts(experiment),
            q: study.analysis.q,
        };
        let experiment = (!study.experiments.is_empty()).then(|| name.to_owned());
        all.push(Found { experiment, power: Power::of(design), sampled, variances });
    }
    Ok(all)
}

/// In full, or of several experiments as a table.
pub fn words(all: &[Found], in_full: bool) -> String {
    let named = all.iter().filter_map(|found| Some((found.experiment.as_ref()?, found)));
    let named = named.collect::<Vec<_>>();
    if in_full || named.len() < 2 {
        return all.iter().map(Found::to_string).collect();
    }
    let gains = all[0].power.needs.iter().map(|need| format!("{:.0}", need.gain * 100.0));
    let gains = gains.collect::<Vec<_>>().join(" / ");
    let width = named.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(5);
    let mut text = format!(
        "power: the true difference in points that 80% of studies find, of a comparison that is tested \
         alone and of the only effect in its family; replicates that {gains} points take in the family; \
         standard deviations in points between replicates / between images / the rest\n\
         {:width$}  alone  family  {:16}  deviations\n",
        "", "replicates"
    );
    let points =
        |gain: Option<f64>| gain.map_or("-".to_owned(), |gain| format!("{:.1}", gain * 100.0));
    for (name, Found { power, .. }) in &named {
        let replicates = power.needs.iter().map(|need| {
            need.replicates.map_or(format!(">{MOST_REPLICATES}"), |count| count.to_string())
        });
        let replicates = replicates.collect::<Vec<_>>().join(" / ");
        let (alone, family) = (points(power.alone), points(power.in_family));
        let deviations = deviations(power).join(" / ");
        let row =
            format!("{name:width$}  {alone:>5}  {family:>6}  {replicates:16}  {deviations}\n");
        text.push_str(&row);
    }
    let origins = named.iter().map(|(_, found)| found.variances.as_str());
    let origins = origins.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    text + &format!("{:width$}  ({})\n", "", origins.join("; "))
}

/// Standard deviations in points: between replicates, between images, the rest.
fn deviations(power: &Power) -> [String; 3] {
    let Components { rerun, image, residual } = power.design.components;
    [rerun, image, residual].map(|variance| format!("{:.1}", variance.sqrt() * 100.0))
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.experiment {
            Some(name) => writeln!(f, "power of {name}:")?,
            None => writeln!(f, "power:")?,
        }
        match power_sentence(&self.power, self.sampled) {
            Some(sentence) => writeln!(f, "  {sentence}")?,
            None => writeln!(f, "  With one replicate, nothing can be said of reruns.")?,
        }
        for Need { gain, replicates, images } in &self.power.needs {
            let count = |count: &Option<usize>, most: usize| {
                count.map_or(format!("more than {most}"), |count| count.to_string())
            };
            let (replicates, images) =
                (count(replicates, MOST_REPLICATES), count(images, MOST_IMAGES));
            writeln!(
                f,
                "  {:.0} points take {replicates} replicates, or {images} held-out {}",
                gain * 100.0,
                self.sampled
            )?;
        }
        let [rerun, image, residual] = deviations(&self.power);
        writeln!(
            f,
            "  Standard deviations in points: {rerun} between replicates, {image} between images, {residual} the rest ({}).",
            self.variances
        )
    }
}

/// Arms that are compared with real only.
fn contrasts(experiment: &Experiment) -> usize {
    let cells = experiment.cells().into_iter().filter(|cell| cell.arm != Arm::Real);
    cells.map(|cell| crate::study::Cell { replicate: 0, ..cell }).collect::<BTreeSet<_>>().len()
}

fn assumed(study: &Study) -> Analysed {
    let assumed = &study.analysis.assumed;
    let [rerun, image, residual] =
        [assumed.rerun, assumed.image, assumed.residual].map(|deviation| deviation * deviation);
    Analysed { components: Components { rerun, image, residual }, images: 0, patients: None }
}

/// What an analysis found of variances.
struct Analysed {
    components: Components,
    /// Held-out images, and the patients that they are of, where these were what was sampled.
    images: usize,
    patients: Option<usize>,
}

impl Analysed {
    /// What so many held-out images are samples of: patients with as many images each as were
    /// analysed, or the images themselves.
    fn units_of(&self, images: usize) -> usize {
        match self.patients {
            Some(patients) if self.images > 0 => images * patients / self.images,
            _ => images,
        }
    }
}

/// What the study's analysis found, or else the last analysis that the store has of any study, and
/// whose it is.
fn measured(
    label: &str,
    graph: &Graph,
    assessed: &[Assessment],
    store: &Store,
) -> Result<Option<(Analysed, String)>> {
    let analysed = |artifact: &Artifact| -> Result<Option<Analysed>> {
        let Some(entry) = artifact.entry("analysis.json") else { return Ok(None) };
        // An analysis of an earlier version has another shape, and no variances.
        let bytes = match store.objects().read(&entry.digest) {
            // It lies in a shared store, and nobody has fetched it yet.
            Err(StoreError::Missing { .. }) => return Ok(None),
            bytes => bytes?,
        };
        let analysis = serde_json::from_slice::<Analysis>(&bytes).ok();
        let Some(Analysis { power: Some(power), images, patients, .. }) = analysis else {
            return Ok(None);
        };
        Ok(Some(Analysed { components: power.design.components, images, patients }))
    };
    let Some(task) = graph.by_label(label) else { return Ok(None) };
    if let Freshness::Fresh(artifact) = &assessed[task.index()].freshness {
        return Ok(analysed(artifact)?.map(|found| (found, "this study's results".to_owned())));
    }
    let Some(key) = store.history(label)?.pop() else { return Ok(None) };
    let Some(receipt) = store.receipt(&key)? else { return Ok(None) };
    Ok(analysed(&receipt.output)?
        .map(|found| (found, format!("the last analysis in the store, key {}", key.short()))))
}
