//! From a released synthetic set to the shards that generators of the study would have made.

use super::place::{Shard, Shards};
use super::{Block, Builder, Inputs, role};
use crate::plan::graph::{PlanError, TaskId};
use crate::plan::kinds;
use crate::study::Generator;
use crate::vocabulary::Arm;

impl Builder<'_> {
    /// The shards of released images, which serve all replicates.
    pub(super) fn released(
        &mut self,
        pool: TaskId,
        variant: &str,
        generator: &Generator,
        shards: &mut Shards,
    ) -> Result<(), PlanError> {
        let study = self.study;
        let images = &study.images;
        let dose = self.demand.most_dose(variant);
        let unpacked = self.unpacked(pool, variant, dose)?;
        for strategy in study.strategies_of(variant) {
            for class in &images.classes {
                for first in (0..dose).step_by(generator.sampling.generations_per_shard) {
                    let generations = generator.sampling.generations_per_shard.min(dose - first);
                    let params =
                        kinds::Released { class: class.clone(), strategy, first, generations };
                    let label = format!(
                        "released/{}/{class}/generations-{first}",
                        Arm::of(strategy, variant)
                    );
                    let task =
                        self.add(label, &params, unpacked.clone(), None, params.work(images.pool))?;
                    let shard = Shard {
                        task,
                        replicate: None,
                        n: None,
                        block: 0,
                        sources: None,
                        first,
                        images: images.pool * generations,
                    };
                    shards
                        .entry((Some(Arm::of(strategy, variant)), class.clone()))
                        .or_default()
                        .push(shard);
                }
            }
        }
        Ok(())
    }

    /// The pool, and the unpacked shards of a generator's released images, as inputs.
    fn unpacked(&mut self, pool: TaskId, variant: &str, dose: usize) -> Result<Inputs, PlanError> {
        let images = &self.study.images;
        let at = |what: &str| {
            if variant.is_empty() { what.to_owned() } else { format!("{what}@{variant}") }
        };
        let mut unpacked = vec![role("pool", pool)];
        for Block { name, files, pictures } in self.released.remove(variant).unwrap_or_default() {
            let params = kinds::Unpack {
                size: images.size,
                fit: images.fit,
                unusable: images.unusable,
                classes: images.classes.clone(),
                strategies: self.study.strategies_of(variant),
                generations: dose,
            };
            let inputs = vec![("files".to_owned(), files)];
            let task = self.add_once(
                at(&format!("unpack/{name}")),
                &params,
                inputs,
                None,
                params.work(pictures),
            )?;
            unpacked.push(role(&format!("unpacked/{name}"), task));
        }
        Ok(unpacked)
    }
}
