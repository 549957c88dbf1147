//! From models to shards of synthetic images.

use super::place::{Place, SHOWN, Shards, UNTUNED};
use super::recipe::Recipe;
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
        let dose = self.demand.most_dose(recipe.variant);
        let most = self.demand.most_sources(recipe.variant);
        // Shards serve every n, unless their model saw the images of one n only.
        let per_n = recipe.generator.leak_free();
        let sizes = if per_n {
            self.demand.sizes(recipe.variant).into_iter().map(|n| (n, Some(n))).collect()
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
        let takes = [Strategy::TextToImage, Strategy::Inpaint, Strategy::InThenOutpaint]
            .map(|strategy| (strategy, self.demand.takes(strategy, recipe.variant, place)));
        let [(_, text_to_image), _, (_, in_then_outpaint)] = takes;
        if text_to_image && self.shows_untuned(recipe, place) {
            let unet = base.pipeline(Conditioning::TextToImage).unet.clone();
            let (arm, model) = ((UNTUNED, place), (UNTUNED, unet));
            let strategy = Strategy::TextToImage;
            let task = self.generate(base, pool, recipe, arm, strategy, model, None)?;
            let shard = place.shard(task, recipe.generator.sampling.generations_per_shard);
            shards.entry((None, place.class.to_owned())).or_default().push(shard);
        }
        let mut first_pass = None;
        for (strategy, taken) in takes {
            let is_first_pass = strategy == Strategy::Inpaint && in_then_outpaint;
            if !taken && !is_first_pass {
                continue;
            }
            let model = recipe.model(base, strategy.conditioning(), place);
            let start = first_pass.filter(|_| strategy == Strategy::InThenOutpaint);
            let arm = Arm::of(strategy, recipe.variant);
            let name = arm.to_string();
            let task = self.generate(base, pool, recipe, (&name, place), strategy, model, start)?;
            if strategy == Strategy::Inpaint {
                first_pass = Some(task);
            }
            if taken {
                let shard = place.shard(task, recipe.generator.sampling.generations_per_shard);
                shards.entry((Some(arm), place.class.to_owned())).or_default().push(shard);
            }
        }
        Ok(())
    }

    /// Whether the untuned model makes images at a place: the first of those that contact sheets
    /// show and the generator check judges.
    fn shows_untuned(&self, recipe: &Recipe<'_>, place: &Place) -> bool {
        let first = self.study.sample_order(place.class, 0);
        let shown = &first[..SHOWN.min(first.len())];
        let most = self.demand.most_sources(recipe.variant);
        recipe.variant.is_empty()
            && place.first == 0
            && place.replicate.is_none_or(|replicate| replicate == 0)
            && place.n.is_none_or(|n| n == most)
            && place.sources.iter().any(|source| shown.contains(source))
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
        let conditioning = strategy.conditioning();
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
