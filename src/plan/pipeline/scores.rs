//! The probe, and the scores of synthetic images by which arms choose among them.

use super::place::Shard;
use super::{BaseInputs, Builder, Real, role};
use crate::plan::graph::{Input, PlanError, TaskId};
use crate::plan::kinds;
use crate::study::{self, Cell};
use crate::vocabulary::{Choice, Crop};

/// What synthetic images are held against.
pub(super) struct Judges {
    /// None where no arm chooses by it.
    probe: Option<TaskId>,
    pool: TaskId,
}

/// What a classifier's step reads: where its squares lie is in which images it is given.
pub(super) fn of_steps(classifier: &study::Classifier) -> study::Classifier {
    study::Classifier { crop: Crop::Centre, ..classifier.clone() }
}

impl Builder<'_> {
    /// Those that the study's arms choose by.
    pub(super) fn judges(&mut self, base: &BaseInputs, real: &Real) -> Result<Judges, PlanError> {
        let study = self.study;
        let cells = study.cells();
        let mut chosen = cells.iter().filter_map(|cell| study.usage_of(&cell.arm));
        let by_probe = chosen.any(|usage| usage.choose == Choice::Confident);
        let plentiful = real.plentiful.filter(|_| by_probe);
        let probe = plentiful.map(|plentiful| self.probe(base, real, plentiful)).transpose()?;
        Ok(Judges { probe, pool: real.pool })
    }

    /// The probe, whoever asked for it first.
    pub(super) fn probe(
        &mut self,
        base: &BaseInputs,
        real: &Real,
        plentiful: TaskId,
    ) -> Result<TaskId, PlanError> {
        let study = self.study;
        let seen = self.seen(real, &study.probe)?;
        let params = kinds::Probe {
            training: of_steps(&study.probe),
            transforms: study.transforms.clone(),
            classes: study.images.classes.clone(),
        };
        let inputs = vec![
            role("backbone", &base.backbone),
            role("plentiful", seen.plentiful.unwrap_or(plentiful)),
            role("validation", seen.validation),
            role("held_out", seen.held_out),
        ];
        let work = params.work(study.images.plentiful * study.images.classes.len());
        let seed = Some(self.seed.child("probe"));
        self.add_once("probe".into(), &params, inputs, seed, work)
    }

    /// The scores of a shard by which a cell chooses among its images, if it does.
    pub(super) fn scores(
        &mut self,
        base: &BaseInputs,
        judges: &Judges,
        cell: &Cell,
        class: &str,
        shard: &Shard,
    ) -> Result<Option<(String, Input)>, PlanError> {
        let study = self.study;
        let choose = study.usage_of(&cell.arm).map_or(Choice::First, |usage| usage.choose);
        let name = shard.role(&cell.arm.plain().to_string(), class);
        let (inputs, classes, size) = match choose {
            Choice::First => return Ok(None),
            Choice::Confident => {
                let probe = judges.probe.expect("validation asks for the probe's images");
                let inputs = vec![role("probe", probe), role("images", shard.task)];
                (inputs, Some(study.images.classes.clone()), Some(study.probe.size))
            }
            Choice::Nearest | Choice::Farthest => {
                let pool = (judges.pool, study.images.pool * study.images.classes.len());
                let pool = self.features(base, pool, "pool", false)?;
                let made = self.features(base, (shard.task, shard.images), &name, false)?;
                (vec![role("pool", pool), role("images", made)], None, None)
            }
        };
        let params = kinds::Scores { choose, classes, size };
        let label = format!("scores/{}/{name}", choose.name());
        let task = self.add_once(label, &params, inputs, None, params.work(shard.images))?;
        Ok(Some(role(&shard.role("scores", class), task)))
    }
}
