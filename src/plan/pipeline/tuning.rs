//! From the pool to tuned models: prompts, latents, prior preservation, DreamBooth.

use std::collections::{BTreeMap, BTreeSet};

use super::recipe::{Prior, Recipe, TunedOn, conditionings};
use super::{BaseInputs, Builder, Inputs, role};
use crate::plan::graph::{PlanError, TaskId};
use crate::plan::kinds;
use crate::study::{Generator, Models};
use crate::vocabulary::Conditioning;

impl Builder<'_> {
    pub(super) fn recipe<'g>(
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
        for conditioning in conditionings(&study.strategies_of(variant)) {
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
            for tuned_on in self.tuned_on(&recipe, conditioning) {
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
    fn tuned_on(&self, recipe: &Recipe<'_>, conditioning: Conditioning) -> Vec<TunedOn> {
        let samples = self.demand.samples(recipe.variant, conditioning);
        let replicates =
            || samples.iter().map(|(replicate, _)| *replicate).collect::<BTreeSet<_>>();
        let model = |class, replicate, n| TunedOn { conditioning, class, replicate, n };
        let classes = || self.study.images.classes.iter().cloned().map(Some);
        match recipe.generator.dreambooth.models {
            Models::PerClass => classes().map(|class| model(class, None, None)).collect(),
            Models::PerReplicate => {
                let all = classes().flat_map(|class| {
                    replicates().into_iter().map(move |replicate| (class.clone(), replicate))
                });
                all.map(|(class, replicate)| model(class, Some(replicate), None)).collect()
            }
            Models::LeakFree => {
                let all = classes()
                    .flat_map(|class| samples.iter().map(move |sample| (class.clone(), *sample)));
                all.map(|(class, (replicate, n))| model(class, Some(replicate), Some(n))).collect()
            }
            Models::All => vec![model(None, None, None)],
            Models::AllPerReplicate => replicates()
                .into_iter()
                .map(|replicate| model(None, Some(replicate), None))
                .collect(),
            Models::Untuned => Vec::new(),
        }
    }

    /// The task that tunes a model, and its steps.
    fn dreambooth(
        &mut self,
        base: &BaseInputs,
        recipe: &Recipe<'_>,
        tuned_on: &TunedOn,
        latents: &BTreeMap<String, TaskId>,
    ) -> Result<(TaskId, usize), PlanError> {
        let params = self.tuning(recipe, tuned_on);
        let pipeline = base.pipeline(tuned_on.conditioning);
        let mut inputs: Inputs = vec![role("text", &pipeline.text), role("unet", &pipeline.unet)];
        if params.previews > 0 {
            inputs.push(role("autoencoder", &pipeline.autoencoder));
        }
        for class in params.classes.keys() {
            let prompt = recipe.prompts[&(tuned_on.conditioning, class.clone())];
            inputs.push(role(&format!("latents/{class}"), latents[class]));
            inputs.push(role(&format!("prompt/{class}"), prompt));
        }
        if let Some(prior) = recipe.priors.get(&tuned_on.conditioning) {
            inputs.push(role("prior/latents", prior.latents));
            inputs.push(role("prior/prompt", prior.prompt));
        }
        let label = recipe.label(&format!("dreambooth/{}", tuned_on.path()));
        let seed = Some(tuned_on.stream(&self.seed.child("dreambooth")));
        let task =
            self.add_once(label + &tuned_on.suffix(), &params, inputs, seed, params.work())?;
        Ok((task, params.steps))
    }

    /// How a model is tuned, and on what.
    fn tuning(&self, recipe: &Recipe<'_>, tuned_on: &TunedOn) -> kinds::DreamBooth {
        let study = self.study;
        let dreambooth = &recipe.generator.dreambooth;
        let TunedOn { conditioning, class, replicate, n } = tuned_on;
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
        kinds::DreamBooth {
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
        }
    }
}
