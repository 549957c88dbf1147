//! What the models of a generator are made from, and what they are tuned on.

use std::collections::BTreeMap;

use super::BaseInputs;
use super::place::{Place, UNTUNED};
use crate::plan::graph::{Input, TaskId};
use crate::plan::kinds;
use crate::seed::Seed;
use crate::study::Generator;
use crate::vocabulary::{Conditioning, Strategy};

/// What the strategies' UNets are conditioned on, each once.
pub fn conditionings(strategies: &[Strategy]) -> Vec<Conditioning> {
    let mut all = strategies.iter().map(|strategy| strategy.conditioning()).collect::<Vec<_>>();
    all.sort_unstable();
    all.dedup();
    all
}

/// Which real images a model was tuned on: those of all classes together where there is no class,
/// all of the pool where there is no sample.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TunedOn {
    pub conditioning: Conditioning,
    pub class: Option<String>,
    /// The replicate that alone uses it.
    pub replicate: Option<usize>,
    /// The n whose images of that replicate it saw, and no others.
    pub n: Option<usize>,
}

impl TunedOn {
    /// The class, or `all`.
    fn class(&self) -> &str {
        self.class.as_deref().unwrap_or("all")
    }

    /// `psoriasis/text-to-image`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.class(), self.conditioning.name())
    }

    /// `/r0` for a replicate's own, and `/n=4` for one n's.
    pub fn suffix(&self) -> String {
        let replicate = self.replicate.map(|replicate| format!("/r{replicate}"));
        let n = self.n.map(|n| format!("/n={n}"));
        replicate.unwrap_or_default() + &n.unwrap_or_default()
    }

    /// The stream of its tuning, of those of a study's tunings.
    pub fn stream(&self, tunings: &Seed) -> Seed {
        let stream = tunings.child(self.class()).child(self.conditioning.name());
        let stream = self.replicate.map_or(stream, |replicate| stream.nth(replicate as u64));
        self.n.map_or(stream, |n| stream.nth(n as u64))
    }

    /// `psoriasis`, `all`, or `psoriasis, replicate 0, n = 4`.
    pub fn name(&self) -> String {
        let class = self.class.as_deref().unwrap_or("all");
        let replicate =
            self.replicate.map(|replicate| format!(", replicate {replicate}")).unwrap_or_default();
        let n = self.n.map(|n| format!(", n = {n}")).unwrap_or_default();
        format!("{class}{replicate}{n}")
    }
}

/// A generator of the study, and what its models are made from and used with.
pub struct Recipe<'a> {
    /// Empty: the generator itself.
    pub variant: &'a str,
    pub generator: &'a Generator,
    /// By conditioning and class.
    pub prompts: BTreeMap<(Conditioning, String), TaskId>,
    /// By conditioning, where there is prior preservation.
    pub priors: BTreeMap<Conditioning, Prior>,
    /// With the steps that each takes.
    pub models: BTreeMap<TunedOn, (TaskId, usize)>,
}

/// What preserves the prior of a conditioning's models.
pub struct Prior {
    pub latents: TaskId,
    pub prompt: TaskId,
}

/// A tuned model, for the report.
pub struct Model {
    pub task: TaskId,
    pub training: kinds::Training,
    /// How often it drew previews.
    pub previews: usize,
}

impl Recipe<'_> {
    /// `what`, with the variant if it is one.
    pub fn label(&self, what: &str) -> String {
        if self.variant.is_empty() { what.to_owned() } else { format!("{what}@{}", self.variant) }
    }

    /// The model that makes the images of a place, and what it is called.
    pub fn model(
        &self,
        base: &BaseInputs,
        conditioning: Conditioning,
        place: &Place,
    ) -> (&'static str, Input) {
        if !self.generator.is_tuned() {
            return (UNTUNED, base.pipeline(conditioning).unet.clone());
        }
        let of = |model: &TunedOn| {
            model.conditioning == conditioning
                && model.class.as_deref().is_none_or(|class| class == place.class)
                && model.replicate.is_none_or(|replicate| Some(replicate) == place.replicate)
                && model.n == place.n
        };
        let model = self.models.iter().find(|(model, _)| of(model));
        let (_, (task, _)) = model.expect("every place has a model");
        ("dreambooth", Input::Task(*task))
    }
}
