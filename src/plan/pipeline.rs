//! The graph of a study: which tasks it takes, from image sets to the report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::graph::{Graph, Input, PlanError, Task, TaskId};
use super::kind::{self, Kind};
use super::params::{self, Conditioning};
use crate::seed::Seed;
use crate::study::{Goal, Strategy, Study};

mod judge;
mod place;

use place::{Place, Shards};

/// Base weights as inputs of other tasks, trained here or imported.
#[derive(Clone)]
pub struct BaseInputs {
    /// Entries vae/*.
    pub autoencoder: Input,
    /// Entries unet/*, text_encoder/*, tokenizer/*, scheduler/*.
    pub unet: Input,
    /// Entries unet/* of the inpainting variant.
    pub inpainting: Input,
    /// Entries backbone/*.
    pub backbone: Input,
}

/// What the graph of a study takes from outside it.
pub struct Outside {
    /// The image set's files; empty for embedded sets.
    pub files: Vec<super::graph::InputFile>,
    /// Imported base weights; None where the study trains its own.
    pub base: Option<BaseInputs>,
    /// The study file's stem and the resolved study, for the report.
    pub name: String,
    pub resolved: String,
}

/// Every task of `study`, the report last.
pub fn tasks(study: &Study, outside: Outside) -> Result<Graph, PlanError> {
    let mut builder =
        Builder { study, graph: Graph::new(super::Numerics::cpu()), seed: study.root_seed(), files: outside.files, import: None };
    let base = match outside.base {
        Some(base) => base,
        None => builder.base()?,
    };
    if study.goal == Goal::Report {
        builder.experiment(&base, outside.name, outside.resolved)?;
    }
    Ok(builder.graph)
}

struct Builder<'a> {
    study: &'a Study,
    graph: Graph,
    seed: Seed,
    files: Vec<super::graph::InputFile>,
    /// The task that imports them, once there is one.
    import: Option<TaskId>,
}

/// Inputs by role.
type Inputs = Vec<(String, Input)>;

/// The study's sets of real images.
struct Real {
    held_out: TaskId,
    validation: TaskId,
    plentiful: TaskId,
    pool: TaskId,
}

/// Rough seconds of one core, for the order of the queue and the ETA.
mod cost {
    pub const RENDER: f64 = 0.0005;
    pub const AUTOENCODER: f64 = 0.02;
    pub const DENOISE: f64 = 0.01;
    pub const SAMPLE: f64 = 0.005;
    pub const CLASSIFY: f64 = 0.0015;
    pub const SMALL: f64 = 1.0;
}

/// What the strategies' UNets are conditioned on, each once.
fn conditionings(strategies: &[Strategy]) -> Vec<Conditioning> {
    let mut all = strategies
        .iter()
        .map(|strategy| match strategy {
            Strategy::TextToImage => Conditioning::TextToImage,
            Strategy::Inpaint | Strategy::InThenOutpaint => Conditioning::Inpainting,
        })
        .collect::<Vec<_>>();
    all.sort_unstable();
    all.dedup();
    all
}

fn role(name: &str, input: impl Into<Input>) -> (String, Input) {
    (name.to_owned(), input.into())
}

impl From<TaskId> for Input {
    fn from(task: TaskId) -> Self {
        Self::Task(task)
    }
}

impl From<&Input> for Input {
    fn from(input: &Input) -> Self {
        input.clone()
    }
}

impl Builder<'_> {
    fn add(
        &mut self,
        kind: &Kind,
        label: String,
        params: &impl Serialize,
        inputs: Inputs,
        seed: Option<Seed>,
        cost: f64,
    ) -> Result<TaskId, PlanError> {
        let params = serde_json::to_value(params).expect("parameters are plain data");
        self.graph.add(Task { label, kind: kind.name, version: kind.version, params, inputs, seed, cost })
    }

    /// What tasks that take images from the set's files have as input; nothing for embedded sets.
    fn imported(&mut self) -> Result<Inputs, PlanError> {
        if self.files.is_empty() {
            return Ok(Vec::new());
        }
        let files = vec![("files".to_owned(), Input::Files(self.files.clone()))];
        let import = match self.import {
            Some(import) => import,
            None => self.add(&kind::IMPORT, "import".into(), &params::Import {}, files, None, cost::SMALL)?,
        };
        self.import = Some(import);
        Ok(vec![role("images", import)])
    }

    fn base(&mut self) -> Result<BaseInputs, PlanError> {
        let study = self.study;
        let base = &study.base;
        let params = params::Corpus {
            source: study.images.source,
            size: study.images.size,
            classes: base.corpus.classes.clone(),
            train: base.corpus.train,
            validation: base.corpus.validation,
        };
        let images = self.imported()?;
        let seed = self.seed.child("base");
        let cost = params.train as f64 * cost::RENDER;
        let corpus = self.add(&kind::CORPUS, "base/corpus".into(), &params, images, Some(seed.child("corpus")), cost)?;

        let params = params::Backbone {
            architecture: base.backbone.architecture.clone(),
            training: base.backbone.training.clone(),
            transforms: study.transforms.clone(),
        };
        let cost = (base.backbone.training.epochs * base.corpus.train) as f64 * cost::CLASSIFY;
        let inputs = vec![role("corpus", corpus)];
        let backbone = self.add(&kind::BACKBONE, "base/backbone".into(), &params, inputs, Some(seed.child("backbone")), cost)?;

        let params = params::Autoencoder { autoencoder: base.autoencoder.clone() };
        let cost = (base.autoencoder.steps * base.autoencoder.batch) as f64 * cost::AUTOENCODER;
        let inputs = vec![role("corpus", corpus), role("backbone", backbone)];
        let autoencoder =
            self.add(&kind::AUTOENCODER, "base/autoencoder".into(), &params, inputs, Some(seed.child("autoencoder")), cost)?;

        let params =
            params::UNet { text_encoder: base.text_encoder.clone(), diffusion: base.diffusion.clone(), unet: base.unet.clone() };
        let cost = (base.unet.steps * base.unet.batch) as f64 * cost::DENOISE;
        let inputs = vec![role("corpus", corpus), role("autoencoder", autoencoder)];
        let unet = self.add(&kind::UNET, "base/unet".into(), &params, inputs, Some(seed.child("unet")), cost)?;

        let params = params::Inpainting { unet: base.unet.clone(), steps: base.inpainting_steps };
        let cost = (base.inpainting_steps * base.unet.batch) as f64 * cost::DENOISE;
        let inputs = vec![role("corpus", corpus), role("autoencoder", autoencoder), role("unet", unet)];
        let inpainting =
            self.add(&kind::INPAINTING, "base/inpainting".into(), &params, inputs, Some(seed.child("inpainting")), cost)?;
        Ok(BaseInputs {
            autoencoder: autoencoder.into(),
            unet: unet.into(),
            inpainting: inpainting.into(),
            backbone: backbone.into(),
        })
    }

    /// A set of real images. `start` keeps the sets apart: held-out first, so that a larger pool moves no other set.
    fn cohort(&mut self, set: &str, start: usize, count: usize) -> Result<TaskId, PlanError> {
        let images = &self.study.images;
        let params = params::Cohort {
            source: images.source,
            size: images.size,
            classes: images.classes.clone(),
            start,
            count,
            set: set.to_owned(),
        };
        let cost = (count * images.classes.len()) as f64 * cost::RENDER;
        let images = self.imported()?;
        self.add(&kind::COHORT, format!("cohort/{set}"), &params, images, Some(self.seed.child("cohort")), cost)
    }

    fn experiment(&mut self, base: &BaseInputs, name: String, resolved: String) -> Result<(), PlanError> {
        let study = self.study;
        let images = &study.images;
        let mut start = 0;
        let mut next = |count: usize| {
            let from = start;
            start += count;
            from
        };
        let held_out = self.cohort("held_out", next(images.held_out), images.held_out)?;
        let validation = self.cohort("validation", next(images.validation), images.validation)?;
        let plentiful = self.cohort("plentiful", next(images.plentiful), images.plentiful)?;
        let pool = self.cohort("pool", next(images.pool), images.pool)?;
        let real = Real { held_out, validation, plentiful, pool };

        let models = self.dreambooths(base, pool)?;
        let shards = self.shards(base, pool, &models)?;
        let classifiers = self.classifiers(base, &real, &shards)?;
        let check = self.check(base, &real, &shards)?;
        let contact = self.contact(pool, &shards)?;
        let analysis = self.analysis(&classifiers)?;

        let sizes = [
            ("classes", images.classes.len()),
            ("images in the pool, per class", images.pool),
            ("validation images, per class", images.validation),
            ("held-out images, per class", images.held_out),
            ("replicates", study.experiment.replicates),
        ];
        let params = params::Report {
            name,
            title: study.title.clone(),
            about: study.about.clone(),
            seed: study.seed,
            source: images.source,
            sizes: sizes.into_iter().map(|(what, count)| (what.to_owned(), count)).collect(),
            study: resolved,
            tasks: self.counts(),
        };
        let inputs = vec![role("analysis", analysis), role("check", check), role("contact", contact)];
        self.add(&kind::REPORT, "report".into(), &params, inputs, None, cost::SMALL)?;
        Ok(())
    }

    fn dreambooths(&mut self, base: &BaseInputs, pool: TaskId) -> Result<BTreeMap<(Conditioning, String), TaskId>, PlanError> {
        let study = self.study;
        let dreambooth = &study.generator.dreambooth;
        let mut models = BTreeMap::new();
        for conditioning in conditionings(&study.experiment.strategies) {
            for class in &study.images.classes {
                let steps = study.dreambooth_steps(class);
                let params = params::DreamBooth {
                    class: class.clone(),
                    prompt: study.prompt(class),
                    conditioning,
                    steps,
                    batch: dreambooth.batch,
                    learning_rate: dreambooth.learning_rate,
                    weight_decay: dreambooth.weight_decay,
                    clip: dreambooth.clip,
                    caption_dropout: dreambooth.caption_dropout,
                };
                let (name, start) = match conditioning {
                    Conditioning::TextToImage => ("text-to-image", &base.unet),
                    Conditioning::Inpainting => ("inpainting", &base.inpainting),
                };
                let inputs = vec![
                    role("autoencoder", &base.autoencoder),
                    role("text", &base.unet),
                    role("unet", start),
                    role("pool", pool),
                ];
                let seed = self.seed.child("dreambooth").child(class).child(name);
                let cost = (steps * dreambooth.batch) as f64 * cost::DENOISE;
                let label = format!("dreambooth/{class}/{name}");
                let task = self.add(&kind::DREAMBOOTH, label, &params, inputs, Some(seed), cost)?;
                models.insert((conditioning, class.clone()), task);
            }
        }
        Ok(models)
    }

    /// The shards that the experiment's cells draw from, by class and strategy; "base" holds the untuned model's.
    fn shards(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
        models: &BTreeMap<(Conditioning, String), TaskId>,
    ) -> Result<Shards, PlanError> {
        let study = self.study;
        let sampling = &study.generator.sampling;
        let most = study.experiment.n.iter().copied().max().unwrap_or(0);
        let dose = study.experiment.doses.iter().copied().max().unwrap_or(0);
        let mut shards = Shards::new();
        for class in &study.images.classes {
            for replicate in 0..study.experiment.replicates {
                let order = study.sample_order(class, replicate);
                for (block, sources) in order.chunks(sampling.sources_per_shard).enumerate() {
                    if block * sampling.sources_per_shard >= most {
                        break;
                    }
                    for first in (0..dose).step_by(sampling.generations_per_shard) {
                        let place = Place { class, replicate, block, first, sources };
                        self.shards_at(base, pool, models, &place, &mut shards)?;
                    }
                }
            }
        }
        Ok(shards)
    }

    fn shards_at(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
        models: &BTreeMap<(Conditioning, String), TaskId>,
        place: &Place,
        shards: &mut Shards,
    ) -> Result<(), PlanError> {
        let sampling = &self.study.generator.sampling;
        let (inpaint, outpaint) = (sampling.inpaint_strength, sampling.outpaint_strength);
        let mut plan = vec![];
        let strategies = &self.study.experiment.strategies;
        let needs_inpaint = strategies.contains(&Strategy::Inpaint) || strategies.contains(&Strategy::InThenOutpaint);
        if strategies.contains(&Strategy::TextToImage) {
            plan.push((Strategy::TextToImage, Conditioning::TextToImage, 1.0));
            if place.replicate == 0 && place.block == 0 {
                let task = self.generate(base, pool, place, Strategy::TextToImage, 1.0, "base", (&base.unet).into(), None)?;
                shards.entry(("base".to_owned(), place.class.to_owned())).or_default().push(place.shard(task));
            }
        }
        if needs_inpaint {
            plan.push((Strategy::Inpaint, Conditioning::Inpainting, inpaint));
        }
        if strategies.contains(&Strategy::InThenOutpaint) {
            plan.push((Strategy::InThenOutpaint, Conditioning::Inpainting, outpaint));
        }
        let mut first_pass = None;
        for (strategy, conditioning, strength) in plan {
            let model = models[&(conditioning, place.class.to_owned())];
            let start = if strategy == Strategy::InThenOutpaint { first_pass } else { None };
            let task = self.generate(base, pool, place, strategy, strength, "dreambooth", model.into(), start)?;
            if strategy == Strategy::Inpaint {
                first_pass = Some(task);
            }
            shards.entry((strategy.name().to_owned(), place.class.to_owned())).or_default().push(place.shard(task));
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "each is one input or parameter of the task")]
    fn generate(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
        place: &Place,
        strategy: Strategy,
        strength: f64,
        model: &str,
        unet: Input,
        first_pass: Option<TaskId>,
    ) -> Result<TaskId, PlanError> {
        let sampling = &self.study.generator.sampling;
        let params = params::Generate {
            class: place.class.to_owned(),
            prompt: self.study.prompt(place.class),
            strategy,
            model: model.to_owned(),
            sources: place.sources.to_vec(),
            first_generation: place.first,
            generations: sampling.generations_per_shard,
            steps: sampling.steps,
            guidance: sampling.guidance,
            strength,
        };
        let images = params.sources.len() * params.generations;
        let cost = (images * sampling.steps) as f64 * cost::SAMPLE;
        let mut inputs =
            vec![role("autoencoder", &base.autoencoder), role("text", &base.unet), role("unet", unet), role("pool", pool)];
        inputs.extend(first_pass.map(|task| role("first_pass", task)));
        let label = match model {
            "base" => format!("generate/base/{}", place.path()),
            _ => format!("generate/{}/{}", strategy.name(), place.path()),
        };
        self.add(&kind::GENERATE, label, &params, inputs, Some(self.seed.child("generate")), cost)
    }
}
