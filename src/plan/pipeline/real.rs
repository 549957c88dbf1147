//! From files of images to the study's sets of real ones.

use super::{Block, Builder, Inputs, Pictures, cost, role};
use crate::plan::graph::{Input, PlanError, TaskId};
use crate::plan::{kind, params};
use crate::study::Dedupe;

impl Builder<'_> {
    /// What tasks that take images from the set's files have as input; nothing for embedded sets.
    pub(super) fn imported(&mut self) -> Result<Inputs, PlanError> {
        if self.files.is_empty() {
            return Ok(Vec::new());
        }
        let files = vec![("files".to_owned(), Input::Files(self.files.clone()))];
        let import = match self.import {
            Some(import) => import,
            None => self.add(&kind::IMPORT, "import".into(), &params::Import {}, files, None, cost::SMALL)?,
        };
        self.import = Some(import);
        Ok(vec![role("images", import)])
    }

    /// The study's sets and their counts, in the order in which they draw.
    fn sets(&self) -> Vec<(String, usize)> {
        let images = &self.study.images;
        let sets = [
            ("held_out", images.held_out),
            ("validation", images.validation),
            ("plentiful", images.plentiful),
            ("pool", images.pool),
        ];
        sets.into_iter().filter(|(_, count)| *count > 0).map(|(set, count)| (set.to_owned(), count)).collect()
    }

    fn picture_set(&self, sets: Vec<(String, usize)>) -> params::PictureSet {
        let images = &self.study.images;
        params::PictureSet {
            source: images.source,
            size: images.size,
            classes: images.classes.clone(),
            skin_type: images.skin_type,
            unusable: images.unusable,
            dedupe: images.dedupe,
            sets,
        }
    }

    /// The decoded pictures and their tables as inputs, and their audit; nothing where the set is not made of pictures.
    pub(super) fn decoded(&mut self) -> Result<Option<(Inputs, TaskId)>, PlanError> {
        let Some(Pictures { tables, blocks, packed }) = self.pictures.take() else { return Ok(self.decoded.clone()) };
        let images = &self.study.images;
        let mut inputs = tables;
        for Block { name, files, pictures } in blocks {
            let params = params::Decode { size: images.size, fit: images.fit, packed };
            let cost = pictures as f64 * cost::DECODE;
            let files = vec![("files".to_owned(), files)];
            let block = self.add(&kind::DECODE, format!("decode/{name}"), &params, files, None, cost)?;
            inputs.push(role(&format!("pictures/{name}"), block));
        }
        let params = self.picture_set(self.sets());
        let seed = Some(self.seed.child("cohort"));
        let audit = self.add(&kind::AUDIT, "audit".into(), &params, inputs.clone(), seed, cost::SMALL)?;
        self.decoded = Some((inputs, audit));
        Ok(self.decoded.clone())
    }

    /// A set of real images. `start` keeps the sets apart: held-out first, so that a larger pool moves no other set.
    pub(super) fn cohort(&mut self, set: &str, start: usize, count: usize) -> Result<TaskId, PlanError> {
        let images = &self.study.images;
        let params = params::Cohort {
            source: images.source,
            size: images.size,
            classes: images.classes.clone(),
            start,
            count,
            set: set.to_owned(),
            pictures: None,
        };
        let cost = (count * images.classes.len()) as f64 * cost::RENDER;
        if let Some((mut inputs, audit)) = self.decoded()? {
            let mut sets = self.sets();
            let last = sets.iter().position(|(name, _)| name == set).map_or(0, |at| at + 1);
            sets.truncate(last);
            let params = params::Cohort { start: 0, pictures: Some(self.picture_set(sets)), ..params };
            if self.study.images.dedupe == Dedupe::DropFromTrain {
                inputs.push(role("audit", audit));
            }
            return self.add(&kind::COHORT, format!("cohort/{set}"), &params, inputs, Some(self.seed.child("cohort")), cost);
        }
        let images = self.imported()?;
        self.add(&kind::COHORT, format!("cohort/{set}"), &params, images, Some(self.seed.child("cohort")), cost)
    }
}
