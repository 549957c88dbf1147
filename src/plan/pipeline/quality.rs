//! Which images the comparison of synthetic with real ones is about.

use std::collections::BTreeMap;

use super::place::{Shard, Shards};
use super::{BaseInputs, Builder, Real, role};
use crate::plan::graph::{Input, PlanError, TaskId};
use crate::plan::kinds::{self, ShardSet};
use crate::study::Study;
use crate::vocabulary::Arm;

/// Of an arm and class the shards with the first generations that the first replicate may use; of
/// leak-free models those of the ones that saw most.
fn first_shards(shards: &[Shard]) -> impl Iterator<Item = &Shard> {
    let most = shards.iter().filter_map(|shard| shard.n).max();
    shards.iter().filter(move |shard| {
        shard.first == 0
            && shard.replicate.is_none_or(|replicate| replicate == 0)
            && shard.n.is_none_or(|n| Some(n) == most)
    })
}

/// The shards of an arm and class; none where no cell has images of it.
fn shards_of<'a>(shards: &'a Shards, arm: &Arm, class: &str) -> &'a [Shard] {
    let key = (Some(arm.clone()), class.to_owned());
    shards.get(&key).map(Vec::as_slice).unwrap_or_default()
}

/// Whether images of a shard of an arm and class are compared: those made from `sources`, by class.
pub(super) fn is_compared(
    shards: &Shards,
    sources: &BTreeMap<String, Vec<usize>>,
    (arm, class): (&Option<Arm>, &str),
    shard: &Shard,
) -> bool {
    let mut first = arm.iter().flat_map(|arm| first_shards(shards_of(shards, arm, class)));
    let is_first = first.any(|first| std::ptr::eq(first, shard));
    is_first && sources.get(class).is_some_and(|sources| shard.is_of(sources))
}

/// The first `quality.sources` pool positions in the first replicate's order of which every arm has
/// images, by class; classes without any are left out.
pub(super) fn shown_sources(study: &Study, shards: &Shards) -> BTreeMap<String, Vec<usize>> {
    let arms = study.arms();
    let of_class = |class: &String| {
        let has = |arm: &Arm, source: usize| {
            first_shards(shards_of(shards, arm, class)).any(|shard| shard.is_of(&[source]))
        };
        let order = study.sample_order(class, 0).into_iter();
        let all_have = order.filter(|source| arms.iter().all(|arm| has(arm, *source)));
        (class.clone(), all_have.take(study.quality.sources).collect::<Vec<_>>())
    };
    let sources = study.images.classes.iter().map(of_class);
    sources.filter(|(_, sources)| !sources.is_empty()).collect()
}

/// Images of each set that t-SNE shows, at most.
const SHOWN: usize = 200;

/// Where the images that are compared are.
pub(super) struct Compared {
    params: kinds::Quality,
    inputs: Vec<(String, Input)>,
}

impl Builder<'_> {
    /// None without synthetic images, where the study asks for none, or where no class has images
    /// by every arm.
    pub(super) fn compared(
        &mut self,
        base: &BaseInputs,
        real: &Real,
        shards: &Shards,
    ) -> Result<Option<Compared>, PlanError> {
        let study = self.study;
        let (arms, sources) = (study.arms(), shown_sources(study, shards));
        if arms.is_empty() || sources.is_empty() {
            return Ok(None);
        }
        let images = &study.images;
        let count = |of_each: usize| of_each * images.classes.len();
        let (pool, held_out) =
            ((real.pool, count(images.pool)), (real.held_out, count(images.held_out)));
        let mut inputs = vec![
            role("pool", self.features(base, pool, "pool", false)?),
            role("held_out", self.features(base, held_out, "held_out", false)?),
        ];
        let (mut sets, mut generations) = (Vec::new(), usize::MAX);
        for arm in &arms {
            for (class, shown) in &sources {
                let mut roles = Vec::new();
                for shard in first_shards(shards_of(shards, arm, class)) {
                    if !shard.is_of(shown) {
                        continue;
                    }
                    let name = shard.role(&arm.to_string(), class);
                    let features = self.features(base, (shard.task, shard.images), &name, false)?;
                    inputs.push(role(&name, features));
                    roles.push(name);
                    let sources = shard.sources.as_ref().map_or(images.pool, Vec::len);
                    generations = generations.min(shard.images / sources);
                }
                sets.push(ShardSet { arm: Some(arm.clone()), class: class.clone(), roles });
            }
        }
        let params = kinds::Quality { arms, shards: sets, sources, generations };
        Ok(Some(Compared { params, inputs }))
    }

    pub(super) fn quality(&mut self, compared: &Compared) -> Result<TaskId, PlanError> {
        let Compared { params, inputs } = compared;
        let seed = Some(self.seed.child("quality"));
        self.add("quality".into(), params, inputs.clone(), seed, params.work())
    }

    pub(super) fn tsne(&mut self, compared: &Compared) -> Result<TaskId, PlanError> {
        let params = kinds::Tsne {
            compared: compared.params.clone(),
            most: SHOWN,
            perplexity: self.study.quality.perplexity,
        };
        self.add("tsne".into(), &params, compared.inputs.clone(), None, params.work())
    }
}
