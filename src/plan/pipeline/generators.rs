//! From the pool to synthetic images: prompts, latents, tuned models, shards.

use std::collections::BTreeMap;

use super::{BaseInputs, Builder, Inputs, Pipeline, cost, role};
use crate::plan::graph::{Input, PlanError, TaskId};
use crate::plan::kind;
use crate::plan::params::{self, Conditioning};
use crate::plan::pipeline::place::{Place, Shards};
use crate::study::{Models, Strategy};

/// What a strategy's UNet is conditioned on.
fn conditioning(strategy: Strategy) -> Conditioning {
    match strategy {
        Strategy::TextToImage => Conditioning::TextToImage,
        Strategy::Inpaint | Strategy::InThenOutpaint => Conditioning::Inpainting,
    }
}

/// What the strategies' UNets are conditioned on, each once.
pub(super) fn conditionings(strategies: &[Strategy]) -> Vec<Conditioning> {
    let mut all = strategies.iter().map(|&strategy| conditioning(strategy)).collect::<Vec<_>>();
    all.sort_unstable();
    all.dedup();
    all
}

/// Which real images a model was tuned on: those of all classes together where there is no class, all of the pool where there is no
/// sample.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TunedOn {
    conditioning: Conditioning,
    class: Option<String>,
    /// Replicate and n of a leak-free model.
    sample: Option<(usize, usize)>,
}

impl TunedOn {
    /// `psoriasis`, `all`, or `psoriasis, replicate 0, n = 4`.
    fn name(&self) -> String {
        let class = self.class.as_deref().unwrap_or("all");
        self.sample.map_or(class.to_owned(), |(replicate, n)| format!("{class}, replicate {replicate}, n = {n}"))
    }
}

/// What tuned models are made from and used with.
struct Ingredients {
    /// By conditioning and class.
    prompts: BTreeMap<(Conditioning, String), TaskId>,
    models: BTreeMap<TunedOn, TaskId>,
}

/// A tuned model, for the report.
pub(super) struct Model {
    pub task: TaskId,
    pub training: params::Training,
}

impl Builder<'_> {
    /// Every shard that the experiment's cells draw from, by strategy and class ("base" holds the untuned model's), and the tuned models.
    pub(super) fn generators(&mut self, base: &BaseInputs, pool: TaskId) -> Result<(Shards, Vec<Model>), PlanError> {
        let ingredients = self.ingredients(base, pool)?;
        let study = self.study;
        let sampling = &study.generator.sampling;
        let dose = study.experiment.doses.iter().copied().max().unwrap_or(0);
        let most = study.experiment.n.iter().copied().max().unwrap_or(0);
        // Shards serve every n, unless their model saw the images of one n only.
        let per_n = study.leak_free();
        let sizes = if per_n { study.experiment.n.iter().map(|&n| (n, Some(n))).collect() } else { vec![(most, None)] };
        let mut shards = Shards::new();
        for class in &study.images.classes {
            for replicate in 0..study.experiment.replicates {
                let order = study.sample_order(class, replicate);
                for &(count, n) in &sizes {
                    let order = if per_n { &order[..count] } else { &order[..] };
                    for (block, sources) in order.chunks(sampling.sources_per_shard).enumerate() {
                        if block * sampling.sources_per_shard >= count {
                            break;
                        }
                        for first in (0..dose).step_by(sampling.generations_per_shard) {
                            let place = Place { class, replicate, n, block, first, sources };
                            self.shards_at(base, pool, &ingredients, &place, &mut shards)?;
                        }
                    }
                }
            }
        }
        let model = |(tuned_on, &task): (&TunedOn, &TaskId)| {
            let steps = self.graph.task(task).params["steps"].as_u64().unwrap_or(0) as usize;
            let (model, conditioning) = (tuned_on.name(), tuned_on.conditioning);
            let role = format!("training/{}/{model}", conditioning.name());
            Model { task, training: params::Training { role, model, conditioning, steps } }
        };
        Ok((shards, ingredients.models.iter().map(model).collect()))
    }

    fn ingredients(&mut self, base: &BaseInputs, pool: TaskId) -> Result<Ingredients, PlanError> {
        let study = self.study;
        let (mut prompts, mut models) = (BTreeMap::new(), BTreeMap::new());
        for conditioning in conditionings(&study.experiment.strategies) {
            let mut latents = BTreeMap::new();
            for class in &study.images.classes {
                let prompt = self.prompt(base, conditioning, class, &prompts)?;
                prompts.insert((conditioning, class.clone()), prompt);
                latents.insert(class.clone(), self.latents(base.pipeline(conditioning), conditioning, class, pool)?);
            }
            for tuned_on in self.tuned_on(conditioning) {
                let model = self.dreambooth(base.pipeline(conditioning), &tuned_on, &prompts, &latents)?;
                models.insert(tuned_on, model);
            }
        }
        Ok(Ingredients { prompts, models })
    }

    /// The embeddings of a class's prompt; those of another conditioning where its text encoder is the same.
    fn prompt(
        &mut self,
        base: &BaseInputs,
        conditioning: Conditioning,
        class: &str,
        known: &BTreeMap<(Conditioning, String), TaskId>,
    ) -> Result<TaskId, PlanError> {
        let text = &base.pipeline(conditioning).text;
        let same = known.iter().find(|((other, of), _)| of == class && base.pipeline(*other).text == *text);
        if let Some((_, task)) = same {
            return Ok(*task);
        }
        let params = params::Prompt { prompt: self.study.prompt(class) };
        let label = format!("prompt/{class}/{}", conditioning.name());
        self.add(&kind::PROMPT, label, &params, vec![role("text", text)], None, cost::SMALL)
    }

    fn latents(
        &mut self,
        pipeline: &Pipeline,
        conditioning: Conditioning,
        class: &str,
        pool: TaskId,
    ) -> Result<TaskId, PlanError> {
        let dreambooth = &self.study.generator.dreambooth;
        let params = params::Latents {
            class: class.to_owned(),
            views: dreambooth.views,
            transforms: dreambooth.transforms.clone(),
            mask: (conditioning == Conditioning::Inpainting).then(|| dreambooth.mask.clone()),
        };
        let inputs = vec![role("autoencoder", &pipeline.autoencoder), role("pool", pool)];
        let seed = self.seed.child("latents").child(class).child(conditioning.name());
        let cost = (self.study.images.pool * dreambooth.views) as f64 * cost::ENCODE;
        self.add(&kind::LATENTS, format!("latents/{class}/{}", conditioning.name()), &params, inputs, Some(seed), cost)
    }

    /// What the models of a conditioning are tuned on, one entry a model.
    fn tuned_on(&self, conditioning: Conditioning) -> Vec<TunedOn> {
        let study = self.study;
        let classes = study.images.classes.iter().map(|class| Some(class.clone()));
        let model = |class, sample| TunedOn { conditioning, class, sample };
        match study.generator.dreambooth.models {
            Models::PerClass => classes.map(|class| model(class, None)).collect(),
            Models::All => vec![model(None, None)],
            Models::LeakFree => {
                let samples = (0..study.experiment.replicates)
                    .flat_map(|replicate| study.experiment.n.iter().map(move |&n| (replicate, n)));
                let samples = samples.collect::<Vec<_>>();
                classes
                    .flat_map(|class| samples.iter().map(|&sample| model(class.clone(), Some(sample))).collect::<Vec<_>>())
                    .collect()
            }
        }
    }

    fn dreambooth(
        &mut self,
        pipeline: &Pipeline,
        tuned_on: &TunedOn,
        prompts: &BTreeMap<(Conditioning, String), TaskId>,
        latents: &BTreeMap<String, TaskId>,
    ) -> Result<TaskId, PlanError> {
        let study = self.study;
        let dreambooth = &study.generator.dreambooth;
        let TunedOn { conditioning, class, sample } = tuned_on;
        let of_class = |name: &String| class.as_ref().is_none_or(|class| class == name);
        let sources =
            |class: &str| sample.map_or(Vec::new(), |(replicate, n)| study.sample_order(class, replicate)[..n].to_vec());
        let classes = study.images.classes.iter().filter(|class| of_class(class));
        let classes = classes.map(|class| (class.clone(), sources(class))).collect::<BTreeMap<_, _>>();
        let images = classes.len() * sample.map_or(study.images.pool, |(_, n)| n);
        let params = params::DreamBooth {
            views: dreambooth.views,
            steps: study.dreambooth_steps(class.as_deref(), images),
            batch: dreambooth.batch,
            accumulate: dreambooth.accumulate,
            learning_rate: dreambooth.learning_rate,
            schedule: dreambooth.schedule,
            warmup: dreambooth.warmup,
            betas: dreambooth.betas,
            epsilon: dreambooth.epsilon,
            weight_decay: dreambooth.weight_decay,
            clip: dreambooth.clip,
            ema: dreambooth.ema,
            caption_dropout: dreambooth.caption_dropout,
            snr_gamma: dreambooth.snr_gamma,
            previews: dreambooth.previews,
            lora: (dreambooth.lora.rank > 0).then(|| dreambooth.lora.clone()),
            classes,
        };
        let mut inputs: Inputs = vec![role("text", &pipeline.text), role("unet", &pipeline.unet)];
        if params.previews > 0 {
            inputs.push(role("autoencoder", &pipeline.autoencoder));
        }
        for class in params.classes.keys() {
            inputs.push(role(&format!("latents/{class}"), latents[class]));
            inputs.push(role(&format!("prompt/{class}"), prompts[&(*conditioning, class.clone())]));
        }
        let mut path = format!("{}/{}", class.as_deref().unwrap_or("all"), conditioning.name());
        let mut seed = self.seed.child("dreambooth").child(class.as_deref().unwrap_or("all")).child(conditioning.name());
        if let Some((replicate, n)) = sample {
            path = format!("{path}/r{replicate}/n={n}");
            seed = seed.nth(*replicate as u64).nth(*n as u64);
        }
        let cost = (params.steps * params.batch * params.accumulate) as f64 * cost::DENOISE;
        self.add(&kind::DREAMBOOTH, format!("dreambooth/{path}"), &params, inputs, Some(seed), cost)
    }

    fn shards_at(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
        ingredients: &Ingredients,
        place: &Place,
        shards: &mut Shards,
    ) -> Result<(), PlanError> {
        let strategies = &self.study.experiment.strategies;
        let mut first_pass = None;
        let most = self.study.experiment.n.iter().copied().max();
        if strategies.contains(&Strategy::TextToImage) {
            let untuned = place.replicate == 0 && place.block == 0 && (place.n.is_none() || place.n == most);
            if untuned {
                let unet = base.text_to_image.unet.clone();
                let task = self.generate(base, pool, ingredients, place, Strategy::TextToImage, ("base", unet), None)?;
                shards.entry(("base".to_owned(), place.class.to_owned())).or_default().push(place.shard(task));
            }
        }
        for strategy in [Strategy::TextToImage, Strategy::Inpaint, Strategy::InThenOutpaint] {
            let is_first_pass = strategy == Strategy::Inpaint && strategies.contains(&Strategy::InThenOutpaint);
            if !strategies.contains(&strategy) && !is_first_pass {
                continue;
            }
            let model = Input::Task(ingredients.model(conditioning(strategy), place));
            let start = first_pass.filter(|_| strategy == Strategy::InThenOutpaint);
            let task = self.generate(base, pool, ingredients, place, strategy, ("dreambooth", model), start)?;
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
        ingredients: &Ingredients,
        place: &Place,
        strategy: Strategy,
        (model, unet): (&str, Input),
        first_pass: Option<TaskId>,
    ) -> Result<TaskId, PlanError> {
        let sampling = &self.study.generator.sampling;
        let conditioning = conditioning(strategy);
        let pipeline = base.pipeline(conditioning);
        let params = params::Generate {
            class: place.class.to_owned(),
            prompt: self.study.prompt(place.class),
            strategy,
            model: model.to_owned(),
            sources: place.sources.to_vec(),
            first_generation: place.first,
            generations: sampling.generations_per_shard,
            solver: sampling.solver,
            steps: sampling.steps,
            guidance: sampling.guidance,
            strength: match strategy {
                Strategy::TextToImage => 1.0,
                Strategy::Inpaint => sampling.inpaint_strength,
                Strategy::InThenOutpaint => sampling.outpaint_strength,
            },
        };
        let images = params.sources.len() * params.generations;
        let cost = (images * sampling.steps) as f64 * cost::SAMPLE;
        let mut inputs = vec![
            role("autoencoder", &pipeline.autoencoder),
            role("text", &pipeline.text),
            role("prompt", ingredients.prompts[&(conditioning, place.class.to_owned())]),
            role("unet", unet),
            role("pool", pool),
        ];
        inputs.extend(first_pass.map(|task| role("first_pass", task)));
        let label = match model {
            "base" => format!("generate/base/{}", place.path()),
            _ => format!("generate/{}/{}", strategy.name(), place.path()),
        };
        self.add(&kind::GENERATE, label, &params, inputs, Some(self.seed.child("generate")), cost)
    }
}

impl Ingredients {
    /// The model that makes the images of a place.
    fn model(&self, conditioning: Conditioning, place: &Place) -> TaskId {
        let sample = place.n.map(|n| (place.replicate, n));
        let tuned_on = |class: Option<&str>| TunedOn { conditioning, class: class.map(str::to_owned), sample };
        let own = self.models.get(&tuned_on(Some(place.class))).or_else(|| self.models.get(&tuned_on(None)));
        *own.expect("every class has a model")
    }
}
