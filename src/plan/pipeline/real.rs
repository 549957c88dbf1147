//! From files of images to the study's sets of real ones.

use super::{Block, Builder, Inputs, Pictures, Real, role};
use crate::plan::graph::{PlanError, TaskId};
use crate::plan::kinds;
use crate::study;
use crate::vocabulary::{Crop, Dedupe};

impl Builder<'_> {
    /// What tasks that take images from the set's files have as input; nothing for embedded sets.
    pub(super) fn imported(&mut self) -> Result<Inputs, PlanError> {
        let Some(files) = &self.files else { return Ok(Vec::new()) };
        let files = vec![role("files", files)];
        let import = match self.import {
            Some(import) => import,
            None => {
                let params = kinds::Import { source: self.study.images.source };
                self.add("import".into(), &params, files, None, params.work())?
            }
        };
        self.import = Some(import);
        Ok(vec![role("images", import)])
    }

    fn picture_set(&self, sets: Vec<(String, usize)>) -> kinds::PictureSet {
        let images = &self.study.images;
        let mut exclude = images.exclude.clone();
        exclude.sort_unstable();
        kinds::PictureSet {
            source: images.source,
            size: images.size,
            classes: images.classes.clone(),
            skin_type: images.skin_type,
            unusable: images.unusable,
            dedupe: images.dedupe,
            ignored_columns: images.ignored_columns.clone(),
            exclude,
            sets,
        }
    }

    /// The tables of the set of pictures and its decoded blocks as inputs: squares for all, or
    /// frames with shorter sides of `frame` pixels. Nothing where the set is not made of pictures.
    fn blocks(&mut self, frame: Option<usize>) -> Result<Option<Inputs>, PlanError> {
        if let Some(inputs) = self.decoded.get(&frame) {
            return Ok(Some(inputs.clone()));
        }
        let Some(Pictures { tables, blocks, packed, .. }) = self.pictures.clone() else {
            return Ok(None);
        };
        let images = &self.study.images;
        let params = kinds::Decode {
            size: frame.unwrap_or(images.size),
            fit: images.fit,
            frames: frame.is_some(),
            packed,
        };
        let mut inputs = tables;
        for Block { name, files, pictures } in blocks {
            let label = frame
                .map_or(format!("decode/{name}"), |side| format!("decode/frames/{side}/{name}"));
            let files = vec![("files".to_owned(), files)];
            let block = self.add(label, &params, files, None, params.work(pictures))?;
            inputs.push(role(&format!("pictures/{name}"), block));
        }
        self.decoded.insert(frame, inputs.clone());
        Ok(Some(inputs))
    }

    /// The decoded pictures and their tables as inputs, and their audit; nothing where the set is
    /// not made of pictures.
    pub(super) fn decoded(&mut self) -> Result<Option<(Inputs, TaskId)>, PlanError> {
        let Some(inputs) = self.blocks(None)? else { return Ok(None) };
        let (listing, missing) = self
            .pictures
            .as_ref()
            .map(|pictures| (pictures.listing.clone(), pictures.missing.clone()))
            .unwrap_or_default();
        let set = self.picture_set(self.study.images.sets());
        let params = kinds::Audit { set, listing, missing };
        let seed = Some(self.seed.child("cohort"));
        let audit = self.add_once("audit".into(), &params, inputs.clone(), seed, params.work())?;
        Ok(Some((inputs, audit)))
    }

    /// A set of real images. `start` keeps the sets apart: held-out first, so that a larger pool
    /// moves no other set.
    pub(super) fn cohort(
        &mut self,
        set: &str,
        start: usize,
        count: usize,
    ) -> Result<TaskId, PlanError> {
        if let Some((inputs, _)) = self.decoded()? {
            return self.pictures_of(set, inputs, "cohort");
        }
        let images = self.imported()?;
        self.drawn(set, (start, count), None, images, "cohort")
    }

    /// The task that draws a set: `start..start + count` of each class, or of `pictures` the last
    /// of their sets.
    fn drawn(
        &mut self,
        set: &str,
        (start, count): (usize, usize),
        pictures: Option<kinds::PictureSet>,
        inputs: Inputs,
        label: &str,
    ) -> Result<TaskId, PlanError> {
        let images = &self.study.images;
        let params = kinds::Cohort {
            source: images.source,
            size: images.size,
            classes: images.classes.clone(),
            start,
            count,
            set: set.to_owned(),
            pictures,
        };
        let seed = Some(self.seed.child("cohort"));
        self.add_once(format!("{label}/{set}"), &params, inputs, seed, params.work())
    }

    /// The sets as a classifier sees them, of which `squares` has the squares.
    pub(super) fn seen(
        &mut self,
        squares: &Real,
        classifier: &study::Classifier,
    ) -> Result<Real, PlanError> {
        let size = if classifier.size == 0 { self.study.images.size } else { classifier.size };
        let frame = (classifier.crop == Crop::Random).then_some(size);
        let Some(inputs) = frame.map(|side| self.blocks(Some(side))).transpose()?.flatten() else {
            return Ok(*squares);
        };
        let mut framed =
            |set: &str| self.pictures_of(set, inputs.clone(), &format!("frames/{size}"));
        Ok(Real {
            held_out: framed("held_out")?,
            validation: framed("validation")?,
            plentiful: squares.plentiful.map(|_| framed("plentiful")).transpose()?,
            pool: framed("pool")?,
        })
    }

    /// The pictures of a set as the blocks of `inputs` have them.
    fn pictures_of(
        &mut self,
        set: &str,
        mut inputs: Inputs,
        label: &str,
    ) -> Result<TaskId, PlanError> {
        let mut sets = self.study.images.sets();
        let last = sets.iter().position(|(name, _)| name == set).map_or(0, |at| at + 1);
        sets.truncate(last);
        let count = sets.last().map_or(0, |(_, count)| *count);
        let pictures = self.picture_set(sets);
        if self.study.images.dedupe == Dedupe::DropFromTrain {
            inputs.extend(self.decoded()?.map(|(_, audit)| role("audit", audit)));
        }
        self.drawn(set, (0, count), Some(pictures), inputs, label)
    }
}
