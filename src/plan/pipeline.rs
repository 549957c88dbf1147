//! The graph of a study: which tasks it takes, from image sets to the report.

use std::collections::{BTreeMap, HashMap};

use super::graph::{Graph, Input, PlanError, Task, TaskId};
use super::kinds::{self, Spec};
use super::work::Work;
use crate::seed::Seed;
use crate::study::{Goal, Study};
use crate::vocabulary::Conditioning;

mod base;
mod demand;
mod generators;
mod judge;
mod lineage;
mod place;
mod quality;
mod real;
mod recipe;
mod released;
mod sampling;
mod scores;
mod tuning;

use demand::Demand;
use place::Shards;

/// The models that a generator is made of.
#[derive(Clone)]
pub struct Pipeline {
    /// Entries vae/*.
    pub autoencoder: Input,
    /// Entries text_encoder/*, tokenizer/*, scheduler/*.
    pub text: Input,
    /// Entries unet/*.
    pub unet: Input,
}

/// Base weights as inputs of other tasks, trained here or imported.
#[derive(Clone)]
pub struct BaseInputs {
    /// Those that the study needs, at least.
    pub pipelines: BTreeMap<Conditioning, Pipeline>,
    /// Entries backbone/*.
    pub backbone: Input,
}

impl BaseInputs {
    /// The outputs of the tasks that train a base.
    pub fn of_tasks(
        autoencoder: impl Into<Input>,
        unet: impl Into<Input>,
        inpainting: impl Into<Input>,
        backbone: impl Into<Input>,
    ) -> Self {
        let unet = unet.into();
        let text_to_image = Pipeline { autoencoder: autoencoder.into(), text: unet.clone(), unet };
        let inpainting = Pipeline { unet: inpainting.into(), ..text_to_image.clone() };
        let pipelines =
            [(Conditioning::TextToImage, text_to_image), (Conditioning::Inpainting, inpainting)];
        Self { pipelines: BTreeMap::from(pipelines), backbone: backbone.into() }
    }

    /// The models that make images under this conditioning.
    pub fn pipeline(&self, conditioning: Conditioning) -> &Pipeline {
        self.pipelines
            .get(&conditioning)
            .expect("a study that generates has the pipelines that it needs")
    }
}

/// Everything from outside a study that its graph depends on.
pub struct Outside {
    /// The image set's files; None for embedded sets and those of pictures.
    pub files: Option<Input>,
    /// The files of a set of pictures.
    pub pictures: Option<Pictures>,
    /// Imported base weights; None where the study trains its own.
    pub base: Option<BaseInputs>,
    /// The shards of released synthetic sets, by the generator's variant.
    pub released: BTreeMap<String, Vec<Block>>,
    /// The files of pretrained pipelines that generators start from instead.
    pub pretrained: Vec<(Conditioning, Input)>,
    /// The file of weights that classifiers start from instead.
    pub backbone: Option<Input>,
    /// The table of readers' ratings.
    pub ratings: Option<Input>,
    /// The study file's stem and the resolved study, for the report.
    pub name: String,
    /// The resolved study's text.
    pub resolved: String,
}

/// The files of a set of pictures.
#[derive(Clone, Debug, Default)]
pub struct Pictures {
    /// The tables, by the role that they have.
    pub tables: Vec<(String, Input)>,
    /// Files that are decoded together, by the block's name.
    pub blocks: Vec<Block>,
    /// Whether the files are shards.
    pub packed: bool,
    /// How tables and files fit together, and which of them are not used; a sentence each.
    pub listing: Vec<String>,
    /// Files that the set lists and that are not there.
    pub missing: Vec<String>,
}

/// Files of pictures that one task decodes.
#[derive(Clone, Debug)]
pub struct Block {
    /// Name of the block.
    pub name: String,
    /// Its files.
    pub files: Input,
    /// Pictures in it, about.
    pub pictures: usize,
}

/// Every task of `study`, the report last.
///
/// # Errors
/// If two tasks get the same label, or a parameter is not finite.
pub fn tasks(study: &Study, outside: Outside) -> Result<Graph, PlanError> {
    let mut builder = Builder {
        study,
        demand: Demand::of(study),
        graph: Graph::new(super::Numerics::cpu()),
        seed: study.root_seed(),
        files: outside.files,
        pictures: outside.pictures,
        released: outside.released,
        ratings: outside.ratings,
        import: None,
        decoded: HashMap::new(),
        shared: HashMap::new(),
    };
    let mut pretrained = BTreeMap::new();
    for (conditioning, files) in outside.pretrained {
        pretrained.insert(conditioning, builder.pretrained(conditioning, files)?);
    }
    let backbone = outside.backbone.map(|file| builder.pretrained_backbone(file)).transpose()?;
    let mut base = match outside.base {
        Some(base) => base,
        None => builder.base(&pretrained, backbone.as_ref())?,
    };
    base.backbone = backbone.unwrap_or(base.backbone);
    base.pipelines.extend(pretrained);
    if study.goal == Goal::Report {
        builder.experiments(&base, outside.name, outside.resolved)?;
    }
    Ok(builder.graph)
}

struct Builder<'a> {
    study: &'a Study,
    demand: Demand<'a>,
    graph: Graph,
    seed: Seed,
    files: Option<Input>,
    pictures: Option<Pictures>,
    released: BTreeMap<String, Vec<Block>>,
    ratings: Option<Input>,
    /// The task that imports them, once there is one.
    import: Option<TaskId>,
    /// What tasks that draw from a set of pictures have as inputs, by the frames' shorter side,
    /// once there are any.
    decoded: HashMap<Option<usize>, Inputs>,
    /// Tasks that several parts of a study may ask for, by all that is in their keys.
    shared: HashMap<(&'static str, String, Inputs, Option<Seed>), TaskId>,
}

/// Inputs by role.
type Inputs = Vec<(String, Input)>;

/// The study's sets of real images.
#[derive(Clone, Copy)]
struct Real {
    held_out: TaskId,
    validation: TaskId,
    plentiful: Option<TaskId>,
    pool: TaskId,
}

fn role(name: &str, input: impl Into<Input>) -> (String, Input) {
    (name.to_owned(), input.into())
}

impl From<TaskId> for Input {
    fn from(task: TaskId) -> Self {
        Self::Task(task)
    }
}

impl From<&Input> for Input {
    fn from(input: &Input) -> Self {
        input.clone()
    }
}

impl Builder<'_> {
    fn add<S: Spec>(
        &mut self,
        label: String,
        params: &S,
        inputs: Inputs,
        seed: Option<Seed>,
        work: Work,
    ) -> Result<TaskId, PlanError> {
        let memory = params.memory(self.study.images.size);
        let params = serde_json::to_value(params).expect("parameters are plain data");
        self.graph.add(Task { label, kind: &S::KIND, params, inputs, seed, work, memory })
    }

    /// The task that does the same already, under the label that it was first asked for by, or a
    /// new one.
    fn add_once<S: Spec>(
        &mut self,
        label: String,
        params: &S,
        inputs: Inputs,
        seed: Option<Seed>,
        work: Work,
    ) -> Result<TaskId, PlanError> {
        let text = serde_json::to_string(params).expect("parameters are plain data");
        let asked = (S::KIND.name, text, inputs, seed);
        if let Some(task) = self.shared.get(&asked) {
            return Ok(*task);
        }
        let task = self.add(label, params, asked.2.clone(), seed, work)?;
        self.shared.insert(asked, task);
        Ok(task)
    }

    /// What the report says beside the outputs of other tasks.
    fn report(
        &self,
        name: String,
        resolved: String,
        trainings: Vec<kinds::Training>,
    ) -> kinds::Report {
        let study = self.study;
        let images = &study.images;
        let sizes = [
            ("classes", images.classes.len()),
            ("images in the pool, per class", images.pool),
            ("validation images, per class", images.validation),
            ("held-out images, per class", images.held_out),
            ("replicates", study.most_replicates()),
        ];
        kinds::Report {
            name,
            title: study.title.clone(),
            about: study.about.clone(),
            seed: study.seed,
            source: images.source,
            sizes: sizes.into_iter().map(|(what, count)| (what.to_owned(), count)).collect(),
            experiments: study
                .experiments()
                .map(|(name, it)| kinds::ReportedExperiment::of(study, name, it))
                .collect(),
            claims: study.claims.clone(),
            shared: study.shared_by_replicates(),
            study: resolved,
            tasks: self.counts(),
            trainings,
        }
    }

    fn experiments(
        &mut self,
        base: &BaseInputs,
        name: String,
        resolved: String,
    ) -> Result<(), PlanError> {
        let study = self.study;
        let images = &study.images;
        let mut start = 0;
        let mut next = |count: usize| {
            let from = start;
            start += count;
            from
        };
        let held_out = self.cohort("held_out", next(images.held_out), images.held_out)?;
        let validation = self.cohort("validation", next(images.validation), images.validation)?;
        // Without synthetic arms there is no generator to check and nothing to show; the pool is
        // the same.
        let has_synthetic = !study.arms().is_empty();
        let from = next(images.plentiful);
        let is_checked = has_synthetic && images.plentiful > 0;
        let plentiful =
            is_checked.then(|| self.cohort("plentiful", from, images.plentiful)).transpose()?;
        let pool = self.cohort("pool", next(images.pool), images.pool)?;
        let real = Real { held_out, validation, plentiful, pool };

        let (shards, models) = self.generators(base, pool)?;
        let classifiers = self.classifiers(base, &real, &shards)?;
        let check = real
            .plentiful
            .map(|plentiful| self.check(base, &real, plentiful, &shards))
            .transpose()?;
        let compared = self.compared(base, &real, &shards)?;
        let quality = compared.as_ref().map(|compared| self.quality(compared)).transpose()?;
        let tsne = compared.as_ref().map(|compared| self.tsne(compared)).transpose()?;
        let contact =
            has_synthetic.then(|| self.contact(pool, &shards, &models, quality)).transpose()?;
        let mut inputs = Vec::new();
        for (name, experiment) in study.experiments() {
            let analysis = self.analysis(name, experiment, &classifiers)?;
            inputs.push(role(&format!("analysis/{name}"), analysis));
        }
        inputs.push(role("predictions", self.predictions(&classifiers)?));

        let trainings = models.iter().map(|model| model.training.clone()).collect();
        let params = self.report(name, resolved, trainings);
        inputs.extend(contact.map(|contact| role("contact", contact)));
        inputs.extend(check.map(|check| role("check", check)));
        inputs.extend(quality.map(|quality| role("quality", quality)));
        inputs.extend(tsne.map(|tsne| role("tsne", tsne)));
        inputs.extend(self.decoded()?.map(|(_, audit)| role("audit", audit)));
        inputs.extend(models.iter().map(|model| role(&model.training.role, model.task)));
        inputs.push(role("lineage", self.lineage(&classifiers)?));
        self.add("report".into(), &params, inputs, None, params.work())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
