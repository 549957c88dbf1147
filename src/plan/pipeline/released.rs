//! From a released synthetic set to the shards that generators of the study would have made.

use super::place::{Shard, Shards};
use super::{Block, Builder, cost, role};
use crate::plan::graph::{PlanError, TaskId};
use crate::plan::{kind, params};
use crate::study::Generator;

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
        let (images, experiment) = (&study.images, &study.experiment);
        let dose = experiment.doses.iter().copied().max().unwrap_or(0);
        let at = |what: &str| {
            if variant.is_empty() { what.to_owned() } else { format!("{what}@{variant}") }
        };
        let mut unpacked = vec![role("pool", pool)];
        for Block { name, files, pictures } in self.released.remove(variant).unwrap_or_default() {
            let params = params::Unpack {
                size: images.size,
                fit: images.fit,
                unusable: images.unusable,
                classes: images.classes.clone(),
                strategies: experiment.strategies.clone(),
                generations: dose,
            };
            let (inputs, cost) =
                (vec![("files".to_owned(), files)], pictures as f64 * cost::DECODE);
            let task = self.add_once(
                &kind::UNPACK,
                at(&format!("unpack/{name}")),
                &params,
                inputs,
                None,
                cost,
            )?;
            unpacked.push(role(&format!("unpacked/{name}"), task));
        }
        for &strategy in &experiment.strategies {
            for class in &images.classes {
                for first in (0..dose).step_by(generator.sampling.generations_per_shard) {
                    let generations = generator.sampling.generations_per_shard.min(dose - first);
                    let params =
                        params::Released { class: class.clone(), strategy, first, generations };
                    let label =
                        format!("released/{}/{class}/generations-{first}", strategy.arm(variant));
                    let cost = (images.pool * generations) as f64 * cost::RENDER;
                    let task =
                        self.add(&kind::RELEASED, label, &params, unpacked.clone(), None, cost)?;
                    let shard =
                        Shard { task, replicate: None, n: None, block: 0, sources: None, first };
                    shards.entry((strategy.arm(variant), class.clone())).or_default().push(shard);
                }
            }
        }
        Ok(())
    }
}
