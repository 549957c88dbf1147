//! From images to the report: classifiers, probe, generator check, contact sheets, analysis.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{SHOWN, Shard, of_replicate, prefix};
use super::quality::{is_compared, shown_sources};
use super::recipe::Model;
use super::scores::{Judges, of_steps};
use super::{BaseInputs, Builder, Inputs, Real, Shards, role};
use crate::plan::graph::{Input, PlanError, TaskId};
use crate::plan::kinds::{self, ShardSet, Spec, TrainingImages};
use crate::seed::Seed;
use crate::study::{self, Cell, Experiment, Generator, Study};
use crate::vocabulary::{Arm, Control, Regime, Rule, Usage};

/// The pool positions of the real images that a cell trains on, by class.
fn sources(study: &Study, cell: &Cell) -> BTreeMap<String, Vec<usize>> {
    let count = |class: &String| match cell.arm {
        Arm::Control(Control::Pool) if cell.adds_to(class) => {
            (cell.reals_of(class) * (1 + cell.dose)).min(study.images.pool)
        }
        _ => cell.reals_of(class),
    };
    let order = |class: &String| {
        (class.clone(), study.sample_order(class, cell.replicate)[..count(class)].to_vec())
    };
    study.images.classes.iter().map(order).collect()
}

/// How often a pass of a cell's training shows each image, if it is not once.
fn repeats(cell: &Cell) -> Option<usize> {
    (cell.arm == Arm::Control(Control::Duplicate)).then_some(1 + cell.dose)
}

/// The images that the classifier of a cell is trained on.
fn training_images(study: &Study, cell: &Cell) -> TrainingImages {
    let usage = study.usage_of(&cell.arm);
    let candidates = usage.map(|usage| usage.candidates).filter(|count| *count > 0);
    TrainingImages {
        sources: sources(study, cell),
        dose: if cell.arm.synthetic().is_some() { cell.dose } else { 0 },
        doses: usage.map(|usage| usage.doses.clone()).filter(|doses| !doses.is_empty()),
        candidates,
        mixture: usage.and_then(Usage::mixture),
        repeats: repeats(cell),
        added_to: cell.rare.as_ref().map(|rare| rare.class.clone()),
    }
}

/// How the classifier of a cell is trained.
fn training(study: &Study, cell: &Cell) -> study::Classifier {
    let learning_rate = if cell.regime == Regime::Head {
        study.head.learning_rate
    } else {
        study.classifier.learning_rate
    };
    let training = study::Classifier { learning_rate, ..of_steps(&study.classifier) };
    let classes = || study.images.classes.iter();
    let images = classes().map(|class| cell.reals_of(class)).sum::<usize>();
    let added = classes().filter(|class| cell.adds_to(class)).map(|class| cell.reals_of(class));
    let all = images + cell.dose * added.sum::<usize>();
    let batch = training.batch_of(images);
    match cell.arm {
        Arm::Control(Control::EqualSteps) => study::Classifier {
            steps_per_epoch: training.steps_on(all),
            batch,
            batch_by_images: Vec::new(),
            ..training
        },
        Arm::Control(Control::EqualPasses) => {
            let shown = training.epochs * training.steps_on(all) * training.batch_of(all);
            let share = (shown * images) as f64 / (all * batch) as f64;
            let steps = (share.round() as usize).max(1);
            // As many epochs as there can be of equal steps.
            let epochs = (1..=training.epochs).rev().find(|epochs| steps.is_multiple_of(*epochs));
            let epochs = epochs.unwrap_or(1);
            study::Classifier {
                epochs,
                steps_per_epoch: steps / epochs,
                batch,
                batch_by_images: Vec::new(),
                ..training
            }
        }
        Arm::Real | Arm::Control(_) | Arm::Synthetic(_) => training,
    }
}

/// The shards that have synthetic images of a cell, by class.
fn synthetic<'a>(study: &'a Study, cell: &Cell, shards: &'a Shards) -> Vec<(&'a str, &'a Shard)> {
    let images = training_images(study, cell);
    let of_class = |class: &'a String| {
        let dose = images.dose_of(class);
        let made = if dose > 0 { images.candidates.unwrap_or(dose) } else { 0 };
        let of_arm = shards.get(&(Some(cell.arm.plain()), class.clone()));
        let all = of_replicate(of_arm.map_or(&[], Vec::as_slice), cell.replicate);
        all.filter(|shard| shard.serves(cell, &images.sources[class], made))
            .map(|shard| (class.as_str(), shard))
            .collect::<Vec<_>>()
    };
    study.images.classes.iter().filter(|class| cell.adds_to(class)).flat_map(of_class).collect()
}

/// The shards that are chosen, by arm and class, and the inputs that have them.
fn shard_sets(
    shards: &Shards,
    is_chosen: impl Fn(&Option<Arm>, &String, &Shard) -> bool,
) -> (Vec<ShardSet>, Inputs) {
    let (mut sets, mut inputs) = (Vec::new(), Inputs::new());
    for ((arm, class), list) in shards {
        let chosen = list.iter().filter(|shard| is_chosen(arm, class, shard));
        let of_set = chosen.map(|shard| role(&shard.role(&prefix(arm), class), shard.task));
        let of_set = of_set.collect::<Inputs>();
        let roles = of_set.iter().map(|(role, _)| role.clone()).collect();
        sets.push(ShardSet { arm: arm.clone(), class: class.clone(), roles });
        inputs.extend(of_set);
    }
    (sets, inputs)
}

impl Builder<'_> {
    pub(super) fn classifiers(
        &mut self,
        base: &BaseInputs,
        real: &Real,
        shards: &Shards,
    ) -> Result<BTreeMap<Cell, TaskId>, PlanError> {
        let mut tasks = BTreeMap::new();
        let seen = self.seen(real, &self.study.classifier)?;
        let judges = self.judges(base, real)?;
        for cell in self.study.cells() {
            let task = match cell.regime {
                Regime::Head if self.study.head.views > 0 => {
                    self.head(base, &seen, (shards, &judges), &cell)?
                }
                _ => self.classifier(base, &seen, (shards, &judges), &cell)?,
            };
            tasks.insert(cell, task);
        }
        Ok(tasks)
    }

    /// The classifier of a cell, trained on images.
    fn classifier(
        &mut self,
        base: &BaseInputs,
        real: &Real,
        (shards, judges): (&Shards, &Judges),
        cell: &Cell,
    ) -> Result<TaskId, PlanError> {
        let study = self.study;
        let params = kinds::Classifier {
            images: training_images(study, cell),
            training: training(study, cell),
            transforms: cell.transforms.then(|| study.transforms.clone()),
            regime: cell.regime,
            classes: study.images.classes.clone(),
        };
        let mut inputs = vec![
            role("backbone", &base.backbone),
            role("pool", real.pool),
            role("validation", real.validation),
            role("held_out", real.held_out),
        ];
        let synthetic = synthetic(study, cell, shards);
        for (class, shard) in synthetic {
            inputs.push(role(&shard.role("synthetic", class), shard.task));
            inputs.extend(self.scores(base, judges, cell, class, shard)?);
        }
        let seed = Some(self.seed_of(cell));
        self.add(self.label_of(cell), &params, inputs, seed, params.work())
    }

    /// The classifier of a cell as a head over features, which all cells share.
    fn head(
        &mut self,
        base: &BaseInputs,
        real: &Real,
        (shards, judges): (&Shards, &Judges),
        cell: &Cell,
    ) -> Result<TaskId, PlanError> {
        let study = self.study;
        let (images, transforms) = (&study.images, cell.transforms);
        let of = |set: TaskId, count: usize| (set, count * images.classes.len());
        let mut inputs = vec![
            role("pool", self.features(base, of(real.pool, images.pool), "pool", transforms)?),
            role(
                "validation",
                self.features(base, of(real.validation, images.validation), "validation", false)?,
            ),
            role(
                "held_out",
                self.features(base, of(real.held_out, images.held_out), "held_out", false)?,
            ),
        ];
        for (class, shard) in synthetic(study, cell, shards) {
            let arm = cell.arm.plain().to_string();
            let features = self.features(
                base,
                (shard.task, shard.images),
                &shard.role(&arm, class),
                transforms,
            )?;
            inputs.push(role(&shard.role("synthetic", class), features));
            inputs.extend(self.scores(base, judges, cell, class, shard)?);
        }
        let params = kinds::Head {
            images: training_images(study, cell),
            training: training(study, cell),
            classes: study.images.classes.clone(),
        };
        let seed = Some(self.seed_of(cell));
        self.add(self.label_of(cell), &params, inputs, seed, params.work())
    }

    /// The features of a set of images, whoever asked for them first.
    pub(super) fn features(
        &mut self,
        base: &BaseInputs,
        (images, count): (TaskId, usize),
        name: &str,
        transforms: bool,
    ) -> Result<TaskId, PlanError> {
        let study = self.study;
        let views =
            || kinds::Views { count: study.head.views, transforms: study.transforms.clone() };
        let params = kinds::Features {
            head: study.classifier.head,
            normalisation: study.classifier.normalisation,
            size: study.classifier.size,
            views: transforms.then(views),
        };
        let label = format!("features/{}/{name}", if transforms { "transforms" } else { "plain" });
        let inputs = vec![role("backbone", &base.backbone), role("images", images)];
        let seed = self.seed.child("features");
        self.add_once(label, &params, inputs, Some(seed), params.work(count))
    }

    fn label_of(&self, cell: &Cell) -> String {
        format!("classifier/{}", cell.label())
    }

    /// Cells of one replicate train from one stream, so that they differ by what they are shown; a
    /// control that is shown the same has to have another.
    fn seed_of(&self, cell: &Cell) -> Seed {
        let classifiers = self.seed.child("classifier");
        let stream = match cell.arm {
            Arm::Control(Control::Reseeded) => classifiers.child("reseeded"),
            Arm::Real | Arm::Control(_) | Arm::Synthetic(_) => classifiers,
        };
        stream.nth(cell.replicate as u64)
    }

    pub(super) fn check(
        &mut self,
        base: &BaseInputs,
        real: &Real,
        plentiful: TaskId,
        shards: &Shards,
    ) -> Result<TaskId, PlanError> {
        let study = self.study;
        let probe = self.probe(base, real, plentiful)?;
        let (sets, shown) = shard_sets(shards, |_, _, _| true);
        let params = kinds::Check {
            classes: study.images.classes.clone(),
            arms: study.arms(),
            shards: sets,
            confidence: study.analysis.confidence,
            size: study.probe.size,
        };
        let mut inputs =
            vec![role("probe", probe), role("pool", real.pool), role("held_out", real.held_out)];
        if study.generates() {
            let first = base.pipelines.values().next().expect("a study that generates has one");
            inputs.push(role("autoencoder", &first.autoencoder));
        }
        inputs.extend(shown);
        let held_out = study.images.held_out * study.images.classes.len();
        let made = shards.values().flatten().map(|shard| shard.images).sum::<usize>();
        let work = params.work(made + 2 * held_out, held_out);
        self.add("check".into(), &params, inputs, None, work)
    }

    pub(super) fn contact(
        &mut self,
        pool: TaskId,
        shards: &Shards,
        models: &[Model],
        quality: Option<TaskId>,
    ) -> Result<TaskId, PlanError> {
        let study = self.study;
        let most = |arm: &Option<Arm>| {
            let variant = arm.as_ref().and_then(Arm::synthetic).map_or("", |it| &it.variant);
            self.demand.most_sources(variant)
        };
        // So many sources every generator has made images from.
        let made = |(variant, generator): (&str, &Generator)| {
            let most = self.demand.most_sources(variant);
            match generator.leak_free() {
                _ if generator.is_released() => study.images.pool,
                true => most,
                false => most
                    .next_multiple_of(generator.sampling.sources_per_shard)
                    .min(study.images.pool),
            }
        };
        let shown = study.generators().map(made).fold(SHOWN, usize::min);
        let order =
            |class: &String| (class.clone(), study.sample_order(class, 0)[..shown].to_vec());
        let first = models.first().map(|model| model.training.conditioning);
        let previewed =
            |model: &&Model| model.previews > 0 && Some(model.training.conditioning) == first;
        let previewed = models.iter().filter(previewed).collect::<Vec<_>>();
        let sources = study.images.classes.iter().map(order).collect::<BTreeMap<_, _>>();
        // The closest pairs are among the images that were compared.
        let compared = match quality {
            Some(_) => shown_sources(study, shards),
            None => BTreeMap::new(),
        };
        // Of leak-free models the ones that saw most.
        let is_shown = |arm: &Option<Arm>, class: &String, shard: &Shard| {
            shard.n.is_none_or(|n| n == most(arm))
                && shard.replicate.is_none_or(|replicate| replicate == 0)
                && shard.is_of(&sources[class])
                && shard.first == 0
        };
        let is_shown = |arm: &Option<Arm>, class: &String, shard: &Shard| {
            is_shown(arm, class, shard) || is_compared(shards, &compared, (arm, class), shard)
        };
        let (sets, made) = shard_sets(shards, is_shown);
        let params = kinds::Contact {
            trainings: previewed.iter().map(|model| model.training.clone()).collect(),
            classes: study.images.classes.clone(),
            arms: study.arms(),
            shards: sets,
            sources,
        };
        let mut inputs = vec![role("pool", pool)];
        inputs.extend(quality.map(|quality| role("quality", quality)));
        inputs.extend(previewed.iter().map(|model| role(&model.training.role, model.task)));
        inputs.extend(made);
        self.add("contact".into(), &params, inputs, None, params.work())
    }

    /// The analysis of an experiment, whose classifiers are among those of the study.
    pub(super) fn analysis(
        &mut self,
        name: &str,
        experiment: &Experiment,
        classifiers: &BTreeMap<Cell, TaskId>,
    ) -> Result<TaskId, PlanError> {
        let own = experiment.cells();
        let cells = own.iter().map(|cell| (cell.label(), cell.clone())).collect();
        let params = kinds::Analysis {
            cells,
            confidence: self.study.analysis.confidence,
            q: self.study.analysis.q,
            correction: self.study.analysis.correction,
            comparisons: experiment.comparisons.clone(),
            claims: self.study.rules_of(name),
        };
        let mut inputs =
            own.iter().map(|cell| role(&cell.label(), classifiers[cell])).collect::<Inputs>();
        let rated = |rule: &Rule| matches!(rule, Rule::RatingsPredictGains { .. });
        if params.claims.values().any(rated) {
            inputs.extend(self.ratings.as_ref().map(|ratings| role("ratings", ratings)));
        }
        let images = self.study.images.held_out * self.study.images.classes.len();
        self.add(format!("analysis/{name}"), &params, inputs, None, params.work(images))
    }

    /// The predictions of all classifiers as one table.
    pub(super) fn predictions(
        &mut self,
        classifiers: &BTreeMap<Cell, TaskId>,
    ) -> Result<TaskId, PlanError> {
        let mut tabulated = BTreeMap::<Cell, Vec<String>>::new();
        for (name, experiment) in self.study.experiments() {
            for cell in experiment.cells() {
                tabulated.entry(cell).or_default().push(name.to_owned());
            }
        }
        let named = |(cell, experiments): (Cell, Vec<String>)| {
            (cell.label(), kinds::Tabulated { cell, experiments })
        };
        let inputs = classifiers.iter().map(|(cell, task)| role(&cell.label(), *task)).collect();
        let params = kinds::Predictions { classifiers: tabulated.into_iter().map(named).collect() };
        self.add("predictions".into(), &params, inputs, None, params.work())
    }

    /// Tasks of each kind, in the order of the plan, and how many of them the classifiers share.
    pub(super) fn counts(&self) -> Vec<kinds::KindCount> {
        let mut needs: Vec<BTreeSet<TaskId>> = Vec::with_capacity(self.graph.len());
        let mut counts: Vec<kinds::KindCount> = Vec::new();
        let mut kinds = Vec::new();
        for id in self.graph.ids() {
            let task = self.graph.task(id);
            let mut all = BTreeSet::new();
            for (_, input) in &task.inputs {
                if let Input::Task(input) = input {
                    all.insert(*input);
                    all.extend(&needs[input.index()]);
                }
            }
            let position =
                counts.iter().position(|count| count.kind == task.kind.noun).unwrap_or_else(|| {
                    counts.push(kinds::KindCount {
                        kind: task.kind.noun.to_owned(),
                        tasks: 0,
                        serves: 0,
                        apart: 0,
                    });
                    counts.len() - 1
                });
            counts[position].tasks += 1;
            kinds.push(position);
            if [kinds::Classifier::KIND, kinds::Head::KIND].contains(task.kind) {
                let mut served = BTreeSet::new();
                for need in &all {
                    counts[kinds[need.index()]].apart += 1;
                    served.insert(kinds[need.index()]);
                }
                served.into_iter().for_each(|position| counts[position].serves += 1);
            }
            needs.push(all);
        }
        counts
    }
}
