//! From a study's experiment to its cells, and the real images that each replicate samples.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::schema::{DreamBooth, Experiment, Generator, Images, Models, Rare, Study};
use crate::seed::Seed;
use crate::vocabulary::{Arm, Design, Regime, Rule, Strategy, Usage, WeightsKept};

/// One classifier: cohort x arm x dose x n, once per replicate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Real images per class.
    pub n: usize,
    /// The images added to the real ones.
    pub arm: Arm,
    /// Synthetic images per real image; 0 where the arm has none.
    pub dose: usize,
    /// Whether training images are transformed.
    pub transforms: bool,
    /// Which part of the classifier is trained.
    pub regime: Regime,
    /// Number of the replicate, from 0.
    pub replicate: usize,
    /// The class that has fewer real images, and that alone gets what the arm adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rare: Option<Rare>,
}

impl Images {
    /// The sets of real images by their keys, with their counts, in the order in which they draw:
    /// held-out first, so that a larger pool moves no other set. Those of no image are left out.
    pub fn sets(&self) -> Vec<(String, usize)> {
        let sets = [
            ("held_out", self.held_out),
            ("validation", self.validation),
            ("plentiful", self.plentiful),
            ("pool", self.pool),
        ];
        let asked = sets.into_iter().filter(|(_, count)| *count > 0);
        asked.map(|(set, count)| (set.to_owned(), count)).collect()
    }
}

impl Cell {
    /// The cell without its replicate.
    pub fn design(&self) -> Design {
        let Self { n, ref arm, dose, transforms, regime, .. } = *self;
        Design { n, arm: arm.clone(), dose, transforms, regime }
    }

    /// `n=8/text-to-image-x10/transforms/r0`, with the regime before the replicate where it is not
    /// the full one, and the rare class with its images after n.
    pub fn label(&self) -> String {
        let Self { n, arm, dose, transforms, regime, replicate, rare } = self;
        let dose = if *dose == 0 { String::new() } else { format!("-x{dose}") };
        let transforms = if *transforms { "transforms" } else { "plain" };
        let regime = match regime {
            Regime::Full => String::new(),
            regime => format!("{}/", regime.name()),
        };
        let rare = rare.as_ref().map(|Rare { class, n }| format!("{class}={n}/"));
        let rare = rare.unwrap_or_default();
        format!("n={n}/{rare}{arm}{dose}/{transforms}/{regime}r{replicate}")
    }

    /// Real images of a class that it trains on.
    pub fn reals_of(&self, class: &str) -> usize {
        self.rare.as_ref().filter(|rare| rare.class == class).map_or(self.n, |rare| rare.n)
    }

    /// Whether the arm adds images of a class.
    pub fn adds_to(&self, class: &str) -> bool {
        self.rare.as_ref().is_none_or(|rare| rare.class == class)
    }
}

impl Study {
    /// The root of the study's random streams.
    pub fn root_seed(&self) -> Seed {
        Seed::of_study(self.seed)
    }

    /// The experiments by name; the only one of a study that names none is called `sweep`.
    pub fn experiments(&self) -> impl Iterator<Item = (&str, &Experiment)> {
        let named = self.experiments.iter().map(|(name, experiment)| (name.as_str(), experiment));
        let only = self.experiments.is_empty().then_some(("sweep", &self.experiment));
        named.chain(only)
    }

    /// Every classifier of the study, each once, in the order of the experiments.
    pub fn cells(&self) -> Vec<Cell> {
        let mut known = BTreeSet::new();
        let all = self.experiments().flat_map(|(_, experiment)| experiment.cells());
        all.filter(|cell| known.insert(cell.clone())).collect()
    }

    /// How an arm's synthetic images are used; none: like real ones.
    pub fn usage_of(&self, arm: &Arm) -> Option<&Usage> {
        self.usages.get(&arm.synthetic()?.usage)
    }

    /// Synthetic images of a class for each real one of it that a cell trains on.
    pub fn dose_of(&self, cell: &Cell, class: &str) -> usize {
        if cell.arm.synthetic().is_none() || !cell.adds_to(class) {
            return 0;
        }
        let own = self.usage_of(&cell.arm).and_then(|usage| usage.doses.get(class));
        own.copied().unwrap_or(cell.dose)
    }

    /// The rules of the claims that an experiment's classifiers decide, by the claim's name.
    pub fn rules_of(&self, experiment: &str) -> BTreeMap<String, Rule> {
        let own = self.claims.iter().filter(|(_, claim)| claim.experiment == experiment);
        own.map(|(name, claim)| (name.clone(), claim.rule.clone())).collect()
    }

    /// Replicates of the experiment that has most.
    pub fn most_replicates(&self) -> usize {
        self.experiments().map(|(_, experiment)| experiment.replicates).max().unwrap_or(0)
    }

    /// The order in which `replicate` draws the real images of class number `class` from the pool:
    /// n images are the first n, so that samples are nested in n and shared by all arms.
    pub fn sample_order(&self, class: &str, replicate: usize) -> Vec<usize> {
        let mut order = (0..self.images.pool).collect::<Vec<_>>();
        let seed = self.root_seed().child("sample").child(class).nth(replicate as u64);
        order.shuffle(&mut seed.rng());
        order
    }

    /// The generators that arms have their images from: the generator, under an empty name, and its
    /// variants under theirs. Those whose images no arm has are left out.
    pub fn generators(&self) -> impl Iterator<Item = (&str, &Generator)> {
        let variants =
            self.generator.variants.iter().map(|(name, generator)| (name.as_str(), generator));
        let arms = self.arms();
        std::iter::once(("", &self.generator)).chain(variants).filter(move |(name, _)| {
            arms.iter().filter_map(Arm::synthetic).any(|synthetic| synthetic.variant == *name)
        })
    }

    /// The strategies of the arms that have their images from the generator's variant (empty: from
    /// itself), in the order of tables.
    pub fn strategies_of(&self, variant: &str) -> Vec<Strategy> {
        let arms = self.arms();
        let of = |strategy: &Strategy| arms.contains(&Arm::of(*strategy, variant));
        Strategy::ALL.into_iter().filter(of).collect()
    }

    /// Whether images are generated at all.
    pub fn generates(&self) -> bool {
        self.generators().any(|(_, generator)| !generator.is_released())
    }

    /// Whether a text-to-image and an inpainting model make images.
    pub fn pipelines(&self) -> [bool; 2] {
        let mut needed = [false; 2];
        for (variant, generator) in self.generators().filter(|(_, it)| !it.is_released()) {
            let has_prior = generator.is_tuned() && generator.dreambooth.prior.images > 0;
            let strategies = self.strategies_of(variant);
            needed[0] |= has_prior || strategies.contains(&Strategy::TextToImage);
            needed[1] |= strategies.iter().any(|&strategy| strategy != Strategy::TextToImage);
        }
        needed
    }

    /// The things that all replicates share, in words for the report. An analysis over replicates
    /// does not cover other choices of them.
    pub fn shared_by_replicates(&self) -> Vec<String> {
        let mut shared = vec!["the pool".to_owned(), "the pretrained weights".to_owned()];
        if self.classifier.patience > 0 || self.classifier.keep == WeightsKept::Best {
            shared.insert(1, "the validation images".to_owned());
        }
        let sees_views = |(_, experiment): (&str, &Experiment)| {
            experiment.regimes.contains(&Regime::Head) && experiment.transforms.contains(&true)
        };
        if self.experiments().any(sees_views) {
            shared.push("the transformed views of each image that heads train on".to_owned());
        }
        for (variant, generator) in self.generators() {
            let of = if variant.is_empty() {
                String::new()
            } else {
                format!(" of the variant {variant}")
            };
            if generator.is_released() {
                shared.push(format!("the released images{of}"));
            } else if generator.is_tuned() && !generator.per_replicate() {
                shared.push(format!("the fine-tuned generators{of} (generator.dreambooth.models)"));
            }
        }
        shared
    }

    /// The arms with synthetic images, whatever their doses and uses: the generator's and then each
    /// variant's, in the order of tables.
    pub fn arms(&self) -> Vec<Arm> {
        let all = self.experiments().flat_map(|(_, experiment)| &experiment.arms);
        let made = all.filter(|arm| arm.synthetic().is_some());
        let mut arms = made.map(Arm::plain).collect::<Vec<_>>();
        let rank = |arm: &Arm| {
            arm.synthetic().map(|synthetic| (synthetic.variant.clone(), synthetic.strategy))
        };
        arms.sort_by_key(rank);
        arms.dedup();
        arms
    }
}

impl Experiment {
    /// Every classifier of the experiment, real only first at each n, then the controls.
    pub fn cells(&self) -> Vec<Cell> {
        let mut arms = vec![(Arm::Real, 0)];
        let mut ordered = self.arms.iter().collect::<Vec<_>>();
        ordered.sort_by_key(|arm| arm.synthetic().is_some());
        for arm in ordered {
            let doses = if arm.has_dose() { &self.doses[..] } else { &[0] };
            arms.extend(doses.iter().map(|dose| (arm.clone(), *dose)));
        }
        let rare = (!self.rare.class.is_empty()).then(|| self.rare.clone());
        let mut cells = Vec::new();
        for &n in &self.n {
            for (arm, dose) in &arms {
                for &transforms in &self.transforms {
                    for &regime in &self.regimes {
                        let (arm, dose, rare) = (arm.clone(), *dose, rare.clone());
                        let cell = Cell { n, arm, dose, transforms, regime, replicate: 0, rare };
                        cells.extend(
                            (0..self.replicates)
                                .map(|replicate| Cell { replicate, ..cell.clone() }),
                        );
                    }
                }
            }
        }
        cells
    }
}

impl Generator {
    /// The prompt of a class.
    pub fn prompt_of(&self, class: &str) -> String {
        self.prompt.replace("{label}", class)
    }

    /// Whether its images come from elsewhere.
    pub fn is_released(&self) -> bool {
        !self.released.is_empty()
    }

    /// Whether its models are fine-tuned in the study.
    pub fn is_tuned(&self) -> bool {
        !self.is_released() && self.dreambooth.models != Models::Untuned
    }

    /// Whether each replicate has models of its own.
    pub fn per_replicate(&self) -> bool {
        matches!(
            self.dreambooth.models,
            Models::PerReplicate | Models::AllPerReplicate | Models::LeakFree
        )
    }

    /// Whether each model has seen the images that its classifiers see, and no other.
    pub fn leak_free(&self) -> bool {
        self.dreambooth.models == Models::LeakFree
    }
}

impl DreamBooth {
    /// Optimiser steps on `images` images of a class, or of all classes together.
    pub fn steps_of(&self, class: Option<&str>, images: usize) -> usize {
        let own = class.and_then(|class| self.steps_by_class.get(class)).copied();
        let passes = (images * self.epochs).div_ceil(self.batch * self.accumulate);
        own.unwrap_or(if self.steps > 0 { self.steps } else { passes })
    }
}
