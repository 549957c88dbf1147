//! The generators of a study: their models, and the shards that its cells draw from.

use super::place::Shards;
use super::recipe::{Model, Recipe, TunedOn};
use super::{BaseInputs, Builder};
use crate::plan::graph::{PlanError, TaskId};
use crate::plan::kinds;

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
            let most = self.demand.most_sources(variant);
            let shared = most == study.images.pool && !generator.per_replicate();
            let orders = if shared {
                vec![None]
            } else {
                self.demand.replicates(variant).into_iter().map(Some).collect()
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
}
