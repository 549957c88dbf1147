//! From the pool to synthetic images: prompts, latents, tuned models, shards.

use std::collections::BTreeMap;

use super::judge::SHOWN;
use super::{BaseInputs, Builder, Inputs, role};
use crate::plan::graph::{Input, PlanError, TaskId};
use crate::plan::kinds;
use crate::plan::pipeline::place::{Place, Shards, UNTUNED};
use crate::study::{DreamBooth, Generator, Models};
use crate::vocabulary::Strategy;
use crate::vocabulary::{Arm, Conditioning};

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

/// Which real images a model was tuned on: those of all classes together where there is no class,
/// all of the pool where there is no sample.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TunedOn {
    conditioning: Conditioning,
    class: Option<String>,
    /// The replicate that alone uses it.
    replicate: Option<usize>,
    /// The n whose images of that replicate it saw, and no others.
    n: Option<usize>,
}

impl TunedOn {
    /// `psoriasis`, `all`, or `psoriasis, replicate 0, n = 4`.
    fn name(&self) -> String {
        let class = self.class.as_deref().unwrap_or("all");
        let replicate =
            self.replicate.map(|replicate| format!(", replicate {replicate}")).unwrap_or_default();
        let n = self.n.map(|n| format!(", n = {n}")).unwrap_or_default();
        format!("{class}{replicate}{n}")
    }
}

/// A generator of the study, and what its models are made from and used with.
struct Recipe<'a> {
    /// Empty: the generator itself.
    variant: &'a str,
    generator: &'a Generator,
    /// By conditioning and class.
    prompts: BTreeMap<(Conditioning, String), TaskId>,
    /// By conditioning, where there is prior preservation.
    priors: BTreeMap<Conditioning, Prior>,
    /// With the steps that each takes.
    models: BTreeMap<TunedOn, (TaskId, usize)>,
}

/// What preserves the prior of a conditioning's models.
struct Prior {
    latents: TaskId,
    prompt: TaskId,
}

/// A tuned model, for the report.
pub(super) struct Model {
    pub task: TaskId,
    pub training: kinds::Training,
    /// How often it drew previews.
    pub previews: usize,
}

impl Builder<'_> {
    /// Every shard that the experiment's cells draw from, by arm and class, and the tuned models.
    pub(super) fn generators(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
    ) -> Result<(Shards, Vec<Model>), PlanError> {
        let study = self.study;
        let (mut shards, mut models) = (Shards::new(), Vec::new());
        for (variant, generator) in study.generators() {
            if generator.is_released() {
                self.released(pool, variant, generator, &mut shards)?;
                continue;
            }
            let recipe = self.recipe(base, pool, variant, generator)?;
            // Where all of the pool is sampled, and by one model for all replicates, no image is to
            // be made twice.
            let most = study.experiment.n.iter().max();
            let shared = most == Some(&study.images.pool) && !generator.per_replicate();
            let orders = if shared {
                vec![None]
            } else {
                (0..study.experiment.replicates).map(Some).collect()
            };
            for class in &study.images.classes {
                for &replicate in &orders {
                    self.shards_of(base, pool, &recipe, class, replicate, &mut shards)?;
                }
            }
            for model in Self::models(&recipe) {
                if !models.iter().any(|known: &Model| known.task == model.task) {
                    models.push(model);
                }
            }
        }
        Ok((shards, models))
    }

    /// The shards made from a replicate's images of a class, or from the whole pool's.
    fn shards_of(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
        recipe: &Recipe<'_>,
        class: &str,
        replicate: Option<usize>,
        shards: &mut Shards,
    ) -> Result<(), PlanError> {
        let study = self.study;
        let sampling = &recipe.generator.sampling;
        let dose = study.experiment.doses.iter().copied().max().unwrap_or(0);
        let most = study.experiment.n.iter().copied().max().unwrap_or(0);
        // Shards serve every n, unless their model saw the images of one n only.
        let per_n = recipe.generator.leak_free();
        let sizes = if per_n {
            study.experiment.n.iter().map(|&n| (n, Some(n))).collect()
        } else {
            vec![(most, None)]
        };
        let order = replicate.map_or((0..study.images.pool).collect(), |replicate| {
            study.sample_order(class, replicate)
        });
        for (count, n) in sizes {
            let order = if per_n { &order[..count] } else { &order[..] };
            let needed = order
                .chunks(sampling.sources_per_shard)
                .take(count.div_ceil(sampling.sources_per_shard));
            for (block, sources) in needed.enumerate() {
                for first in (0..dose).step_by(sampling.generations_per_shard) {
                    let place = Place { class, replicate, n, block, first, sources };
                    self.shards_at(base, pool, recipe, &place, shards)?;
                }
            }
        }
        Ok(())
    }

    /// The models of a recipe, but for those that another has as well.
    fn models(recipe: &Recipe<'_>) -> Vec<Model> {
        let model = |(tuned_on, &(task, steps)): (&TunedOn, &(TaskId, usize))| {
            let (mut model, conditioning) = (tuned_on.name(), tuned_on.conditioning);
            if !recipe.variant.is_empty() {
                model = format!("{model} ({})", recipe.variant);
            }
            let role = format!("training/{}/{model}", conditioning.name());
            let training = kinds::Training { role, model, conditioning, steps };
            Model { task, training, previews: recipe.generator.dreambooth.previews }
        };
        recipe.models.iter().map(model).collect()
    }

    fn recipe<'g>(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
        variant: &'g str,
        generator: &'g Generator,
    ) -> Result<Recipe<'g>, PlanError> {
        let study = self.study;
        let mut recipe = Recipe {
            variant,
            generator,
            prompts: BTreeMap::new(),
            priors: BTreeMap::new(),
            models: BTreeMap::new(),
        };
        for conditioning in conditionings(&study.experiment.strategies) {
            for class in &study.images.classes {
                let (name, prompt) = (format!("prompt/{class}"), generator.prompt_of(class));
                let prompt = self.prompt(base, &recipe, conditioning, &name, prompt)?;
                recipe.prompts.insert((conditioning, class.clone()), prompt);
            }
            if !generator.is_tuned() {
                continue;
            }
            if generator.dreambooth.prior.images > 0 {
                let prior = self.prior(base, &recipe, conditioning)?;
                recipe.priors.insert(conditioning, prior);
            }
            let mut latents = BTreeMap::new();
            for class in &study.images.classes {
                let (name, images) = (format!("latents/{class}"), study.images.pool);
                let name = (name.as_str(), class.as_str());
                let task = self.latents(base, &recipe, conditioning, name, (pool, images))?;
                latents.insert(class.clone(), task);
            }
            for tuned_on in self.tuned_on(&generator.dreambooth, conditioning) {
                let model = self.dreambooth(base, &recipe, &tuned_on, &latents)?;
                recipe.models.insert(tuned_on, model);
            }
        }
        Ok(recipe)
    }

    /// Images of the base's text-to-image model as latents of the conditioning, and their prompt.
    fn prior(
        &mut self,
        base: &BaseInputs,
        recipe: &Recipe<'_>,
        conditioning: Conditioning,
    ) -> Result<Prior, PlanError> {
        let prior = &recipe.generator.dreambooth.prior;
        let painter = base.pipeline(Conditioning::TextToImage);
        let asked = self.prompt(
            base,
            recipe,
            Conditioning::TextToImage,
            "prior/prompt",
            prior.prompt.clone(),
        )?;
        let sampling = &recipe.generator.sampling;
        let params = kinds::Prior {
            prompt: prior.prompt.clone(),
            images: prior.images,
            size: self.study.images.size,
            solver: sampling.solver,
            steps: sampling.steps,
            guidance: sampling.guidance,
            precision: sampling.precision,
        };
        let inputs = vec![
            role("autoencoder", &painter.autoencoder),
            role("text", &painter.text),
            role("prompt", asked),
            role("unet", &painter.unet),
        ];
        let seed = Some(self.seed.child("prior"));
        let images = self.add_once(recipe.label("prior"), &params, inputs, seed, params.work())?;
        Ok(Prior {
            latents: self.latents(
                base,
                recipe,
                conditioning,
                ("prior/latents", kinds::PRIOR),
                (images, prior.images),
            )?,
            prompt: self.prompt(
                base,
                recipe,
                conditioning,
                "prior/prompt",
                prior.prompt.clone(),
            )?,
        })
    }

    /// The embeddings of a prompt, in a task whose label begins with `name`.
    fn prompt(
        &mut self,
        base: &BaseInputs,
        recipe: &Recipe<'_>,
        conditioning: Conditioning,
        name: &str,
        prompt: String,
    ) -> Result<TaskId, PlanError> {
        let params = kinds::Prompt { prompt };
        let label = recipe.label(&format!("{name}/{}", conditioning.name()));
        let inputs = vec![role("text", &base.pipeline(conditioning).text)];
        self.add_once(label, &params, inputs, None, params.work())
    }

    /// The latents of the images of a class, in a task whose label begins with `name`.
    fn latents(
        &mut self,
        base: &BaseInputs,
        recipe: &Recipe<'_>,
        conditioning: Conditioning,
        (name, class): (&str, &str),
        (pool, images): (TaskId, usize),
    ) -> Result<TaskId, PlanError> {
        let dreambooth = &recipe.generator.dreambooth;
        let params = kinds::Latents {
            class: class.to_owned(),
            views: dreambooth.views,
            transforms: dreambooth.transforms.clone(),
            mask: (conditioning == Conditioning::Inpainting).then(|| dreambooth.mask.clone()),
        };
        let inputs =
            vec![role("autoencoder", &base.pipeline(conditioning).autoencoder), role("pool", pool)];
        let seed = self.seed.child("latents").child(class).child(conditioning.name());
        let label = recipe.label(&format!("{name}/{}", conditioning.name()));
        self.add_once(label, &params, inputs, Some(seed), params.work(images))
    }

    /// What the models of a conditioning are tuned on, one entry a model.
    fn tuned_on(&self, dreambooth: &DreamBooth, conditioning: Conditioning) -> Vec<TunedOn> {
        let experiment = &self.study.experiment;
        let model = |class, replicate, n| TunedOn { conditioning, class, replicate, n };
        let mut all = Vec::new();
        for class in &self.study.images.classes {
            let class = || Some(class.clone());
            let replicates = 0..experiment.replicates;
            match dreambooth.models {
                Models::PerClass => all.push(model(class(), None, None)),
                Models::PerReplicate => {
                    all.extend(replicates.map(|replicate| model(class(), Some(replicate), None)))
                }
                Models::LeakFree => all.extend(replicates.flat_map(|replicate| {
                    experiment
                        .n
                        .iter()
                        .map(move |&n| (replicate, n))
                        .map(|(replicate, n)| model(class(), Some(replicate), Some(n)))
                })),
                Models::All => return vec![model(None, None, None)],
                Models::AllPerReplicate => {
                    return replicates
                        .map(|replicate| model(None, Some(replicate), None))
                        .collect();
                }
                Models::Untuned => {}
            }
        }
        all
    }

    /// The task that tunes a model, and its steps.
    fn dreambooth(
        &mut self,
        base: &BaseInputs,
        recipe: &Recipe<'_>,
        tuned_on: &TunedOn,
        latents: &BTreeMap<String, TaskId>,
    ) -> Result<(TaskId, usize), PlanError> {
        let study = self.study;
        let dreambooth = &recipe.generator.dreambooth;
        let TunedOn { conditioning, class, replicate, n } = tuned_on;
        let pipeline = base.pipeline(*conditioning);
        let sources = |class: &str| match (replicate, n) {
            (Some(replicate), Some(n)) => study.sample_order(class, *replicate)[..*n].to_vec(),
            _ => Vec::new(),
        };
        let classes = study
            .images
            .classes
            .iter()
            .filter(|name| class.as_ref().is_none_or(|class| class == *name));
        let classes =
            classes.map(|class| (class.clone(), sources(class))).collect::<BTreeMap<_, _>>();
        let images = classes.len() * n.unwrap_or(study.images.pool);
        let params = kinds::DreamBooth {
            views: dreambooth.views,
            steps: dreambooth.steps_of(class.as_deref(), images),
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
            precision: dreambooth.precision,
            gradient_checkpointing: dreambooth.gradient_checkpointing,
            prior_weight: recipe.priors.get(conditioning).map(|_| dreambooth.prior.weight),
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
            inputs.push(role(
                &format!("prompt/{class}"),
                recipe.prompts[&(*conditioning, class.clone())],
            ));
        }
        if let Some(prior) = recipe.priors.get(conditioning) {
            inputs.push(role("prior/latents", prior.latents));
            inputs.push(role("prior/prompt", prior.prompt));
        }
        let name = class.as_deref().unwrap_or("all");
        let mut label = recipe.label(&format!("dreambooth/{name}/{}", conditioning.name()));
        let mut seed = self.seed.child("dreambooth").child(name).child(conditioning.name());
        if let Some(replicate) = replicate {
            label = format!("{label}/r{replicate}");
            seed = seed.nth(*replicate as u64);
        }
        if let Some(n) = n {
            label = format!("{label}/n={n}");
            seed = seed.nth(*n as u64);
        }
        let steps = params.steps;
        Ok((self.add_once(label, &params, inputs, Some(seed), params.work())?, steps))
    }

    fn shards_at(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
        recipe: &Recipe<'_>,
        place: &Place,
        shards: &mut Shards,
    ) -> Result<(), PlanError> {
        let strategies = &self.study.experiment.strategies;
        let mut first_pass = None;
        let most = self.study.experiment.n.iter().copied().max();
        if strategies.contains(&Strategy::TextToImage) && recipe.variant.is_empty() {
            let first = self.study.sample_order(place.class, 0);
            let shown =
                place.sources.iter().any(|source| first[..SHOWN.min(first.len())].contains(source));
            let untuned = place.replicate.is_none_or(|replicate| replicate == 0)
                && (place.n.is_none() || place.n == most);
            if untuned && shown {
                let unet = base.pipeline(Conditioning::TextToImage).unet.clone();
                let task = self.generate(
                    base,
                    pool,
                    recipe,
                    (UNTUNED, place),
                    Strategy::TextToImage,
                    (UNTUNED, unet),
                    None,
                )?;
                shards
                    .entry((None, place.class.to_owned()))
                    .or_default()
                    .push(place.shard(task, recipe.generator.sampling.generations_per_shard));
            }
        }
        for strategy in [Strategy::TextToImage, Strategy::Inpaint, Strategy::InThenOutpaint] {
            let is_first_pass =
                strategy == Strategy::Inpaint && strategies.contains(&Strategy::InThenOutpaint);
            if !strategies.contains(&strategy) && !is_first_pass {
                continue;
            }
            let model = recipe.model(base, conditioning(strategy), place);
            let start = first_pass.filter(|_| strategy == Strategy::InThenOutpaint);
            let arm = Arm::of(strategy, recipe.variant);
            let name = arm.to_string();
            let task = self.generate(base, pool, recipe, (&name, place), strategy, model, start)?;
            if strategy == Strategy::Inpaint {
                first_pass = Some(task);
            }
            shards
                .entry((Some(arm), place.class.to_owned()))
                .or_default()
                .push(place.shard(task, recipe.generator.sampling.generations_per_shard));
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "each is one input or parameter of the task")]
    fn generate(
        &mut self,
        base: &BaseInputs,
        pool: TaskId,
        recipe: &Recipe<'_>,
        (arm, place): (&str, &Place),
        strategy: Strategy,
        (model, unet): (&str, Input),
        first_pass: Option<TaskId>,
    ) -> Result<TaskId, PlanError> {
        let sampling = &recipe.generator.sampling;
        let conditioning = conditioning(strategy);
        let pipeline = base.pipeline(conditioning);
        let params = kinds::Generate {
            class: place.class.to_owned(),
            prompt: recipe.generator.prompt_of(place.class),
            strategy,
            model: model.to_owned(),
            sources: place.sources.to_vec(),
            first_generation: place.first,
            generations: sampling.generations_per_shard,
            solver: sampling.solver,
            steps: sampling.steps,
            guidance: sampling.guidance,
            precision: sampling.precision,
            strength: match strategy {
                Strategy::TextToImage => 1.0,
                Strategy::Inpaint => sampling.inpaint_strength,
                Strategy::InThenOutpaint => sampling.outpaint_strength,
            },
        };
        let mut inputs = vec![
            role("autoencoder", &pipeline.autoencoder),
            role("text", &pipeline.text),
            role("prompt", recipe.prompts[&(conditioning, place.class.to_owned())]),
            role("unet", unet),
            role("pool", pool),
        ];
        inputs.extend(first_pass.map(|task| role("first_pass", task)));
        let label = format!("generate/{arm}/{}", place.path());
        self.add_once(label, &params, inputs, Some(self.seed.child("generate")), params.work())
    }
}

impl Recipe<'_> {
    /// `what`, with the variant if it is one.
    fn label(&self, what: &str) -> String {
        if self.variant.is_empty() { what.to_owned() } else { format!("{what}@{}", self.variant) }
    }

    /// The model that makes the images of a place, and what it is called.
    fn model(
        &self,
        base: &BaseInputs,
        conditioning: Conditioning,
        place: &Place,
    ) -> (&'static str, Input) {
        if !self.generator.is_tuned() {
            return (UNTUNED, base.pipeline(conditioning).unet.clone());
        }
        let of = |model: &TunedOn| {
            model.conditioning == conditioning
                && model.class.as_deref().is_none_or(|class| class == place.class)
                && model.replicate.is_none_or(|replicate| Some(replicate) == place.replicate)
                && model.n == place.n
        };
        let model = self.models.iter().find(|(model, _)| of(model));
        let (_, (task, _)) = model.expect("every place has a model");
        ("dreambooth", Input::Task(*task))
    }
}
