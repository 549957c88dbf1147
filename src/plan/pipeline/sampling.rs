//! From models to shards of synthetic images.

use super::place::{Place, SHOWN, Shards, UNTUNED};
use super::recipe::{Recipe, conditioning};
use super::{BaseInputs, Builder, role};
use crate::plan::graph::{Input, PlanError, TaskId};
use crate::plan::kinds;
use crate::vocabulary::{Arm, Conditioning, Strategy};

impl Builder<'_> {
    /// The shards made from a replicate's images of a class, or from the whole pool's.
    pub(super) fn shards_of(
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
