//! Quality and copying: synthetic beside real images in the space of a backbone's features.

use super::context::{Context, json_output};
use super::features::read;
use super::training_set::{Entry, reals, wanted};
use super::{Outputs, StepError};
use crate::plan::kinds::{self, ShardSet};
use crate::stats::quality::{Images, Sample, assess};
use crate::vocabulary::Arm;

/// Output: quality.json.
pub fn run(params: kinds::Quality, context: &mut Context) -> Result<Outputs, StepError> {
    let seed = context.seed()?;
    let sets = Sets::read(&params, context)?;
    Ok(vec![json_output("quality.json", &assess(&sets.images(), &seed))])
}

/// The images that are compared.
pub(super) struct Sets {
    classes: Vec<String>,
    generations: usize,
    pool: Vec<Sample>,
    held_out: Vec<Sample>,
    arms: Vec<(String, Vec<Sample>)>,
}

impl Sets {
    pub fn read(params: &kinds::Quality, context: &mut Context) -> Result<Self, StepError> {
        let classes = params.sources.keys().cloned().collect::<Vec<_>>();
        let (_, known) = read(context, "pool")?;
        let sources = reals(&known, &classes, &params.sources)?;
        let sources = sources.into_iter().map(|at| &known[at]).collect::<Vec<_>>();
        let real = |role: &str| samples(context, role, &classes, |_| true);
        let (pool, held_out) = (real("pool")?, real("held_out")?);
        let mut arms = Vec::new();
        for (done, arm) in params.arms.iter().enumerate() {
            let made = made_by(context, arm, params, &classes, &sources)?;
            arms.push((arm.to_string(), made));
            context.images(done + 1, params.arms.len());
        }
        Ok(Self { classes, generations: params.generations, pool, held_out, arms })
    }

    pub fn images(&self) -> Images<'_> {
        Images {
            classes: &self.classes,
            generations: self.generations,
            pool: &self.pool,
            held_out: &self.held_out,
            arms: &self.arms,
        }
    }
}

/// The first generations of an arm's images of the sources.
fn made_by(
    context: &Context,
    arm: &Arm,
    params: &kinds::Quality,
    classes: &[String],
    sources: &[&Entry<'static>],
) -> Result<Vec<Sample>, StepError> {
    let wanted = wanted(sources.iter().copied().cloned(), |_| params.generations);
    let mut made = Vec::new();
    for class in classes {
        for role in ShardSet::roles(&params.shards, Some(arm), class) {
            made.extend(samples(context, role, classes, |entry| wanted.takes(entry))?);
        }
    }
    wanted.check(made.len()).map_err(|error| format!("arm `{arm}`: {error}"))?;
    Ok(made)
}

/// The images of an input that are of one of the classes and `chosen`, in the input's order.
fn samples(
    context: &Context,
    role: &str,
    classes: &[String],
    chosen: impl Fn(&Entry<'_>) -> bool,
) -> Result<Vec<Sample>, StepError> {
    let (features, entries) = read(context, role)?;
    let mut samples = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let class = classes.iter().position(|class| *class == entry.label);
        let Some(class) = class.filter(|_| chosen(&entry)) else { continue };
        let values = features.item(at).iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!(
                "image `{}` of input `{role}` has features that are no finite numbers: the \
                 backbone's weights are damaged, or too large for single precision",
                entry.id
            )
            .into());
        }
        let source = entry.made_from.map(|(source, _)| source.into_owned());
        samples.push(Sample { id: entry.id.into_owned(), class, source, features: values });
    }
    Ok(samples)
}
