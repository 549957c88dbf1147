//! A report of several experiments and claims: those of `experiments/phantom.toml`, whose
//! classifiers are made up here, as training them takes an hour.

use std::collections::BTreeMap;
use std::path::Path;

use titrate::id::Digest;
use titrate::report::inputs::{Claimed, Experiment, Inputs};
use titrate::report::lineage::{Made, Trained};
use titrate::seed::Seed;
use titrate::stats::analysis::{Analysis, Cell, Config, Losses, Questions, analyse};
use titrate::study::{self, Study};
use titrate::vocabulary::{Arm, Design};

use crate::sample::{self, predictions};

/// The report of the study.
pub fn inputs() -> Inputs {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/phantom.toml");
    let study = Study::load(&file, &[]).unwrap().study;
    let mut inputs = sample::inputs();
    inputs.study.name = "phantom".into();
    inputs.study.title = study.title.clone();
    inputs.study.about = study.about.clone();
    inputs.audit = None;
    inputs.lineage.classifiers.clear();
    let mut known = BTreeMap::new();
    let experiments = study.experiments().map(|(name, experiment)| {
        let analysis = analysis(&study, name, experiment);
        let mut trained = Vec::new();
        for cell in experiment.cells() {
            let label = format!("classifier/{}", cell.label());
            let task = *known.entry(label.clone()).or_insert_with(|| {
                inputs.lineage.tasks.push(made(label, "classifier", vec![0, 1]));
                inputs.lineage.tasks.len() - 1
            });
            trained.push(Trained { design: design(&cell), replicate: cell.replicate, task });
        }
        let mut from = trained.iter().map(|it| it.task).collect::<Vec<_>>();
        from.sort();
        inputs.lineage.tasks.push(made(format!("analysis/{name}"), "analysis", from));
        inputs.lineage.classifiers.insert(name.to_owned(), trained);
        let questions = experiment.comparisons.iter();
        Experiment {
            name: name.to_owned(),
            question: experiment.question.clone(),
            comparisons: questions.map(|(name, it)| (name.clone(), it.question.clone())).collect(),
            usages: BTreeMap::new(),
            analysis,
        }
    });
    inputs.experiments = experiments.collect();
    let claimed = |(name, claim): (&String, &titrate::vocabulary::Claim)| {
        let experiment = inputs.experiments.iter().find(|it| it.name == claim.experiment).unwrap();
        let verdict = experiment.analysis.claims[name].clone();
        Claimed { name: name.clone(), claim: claim.clone(), verdict }
    };
    inputs.claims = study.claims.iter().map(claimed).collect();
    inputs
}

fn made(label: String, kind: &str, from: Vec<usize>) -> Made {
    let digest = Digest::of(label.as_bytes());
    let seed = Some("5eed".repeat(16));
    Made { label, kind: kind.into(), seed, digest, bytes: 1000, from, outside: Vec::new() }
}

fn design(cell: &study::Cell) -> Design {
    let study::Cell { n, arm, dose, transforms, regime, .. } = cell.clone();
    Design { n, arm, dose, transforms, regime }
}

/// An analysis of classifiers that are the better the more they see, synthetic images less so.
fn analysis(study: &Study, name: &str, experiment: &study::Experiment) -> Analysis {
    let classifier = |cell: study::Cell| {
        let seed = Seed::of_study(7).child(&cell.label());
        let gain = match cell.arm {
            Arm::Real => 0.0,
            _ => 0.06 - 0.0025 * cell.dose as f64,
        };
        let skill = 0.3 + 0.08 * (cell.n as f64).log2() + 4.0 * gain / cell.n as f64;
        Cell {
            n: cell.n,
            arm: cell.arm,
            dose: cell.dose,
            transforms: cell.transforms,
            regime: cell.regime,
            replicate: cell.replicate,
            predictions: predictions(skill, seed),
            losses: Losses::of(&[(1.5, 1.6), (0.75, 1.25), (0.5, 1.125)]),
        }
    };
    let config = Config {
        confidence: study.analysis.confidence,
        q: study.analysis.q,
        correction: study.analysis.correction,
    };
    let questions = Questions {
        comparisons: experiment.comparisons.clone(),
        claims: study.rules_of(name),
        ratings: BTreeMap::new(),
    };
    analyse(experiment.cells().into_iter().map(classifier).collect(), config, &questions).unwrap()
}
