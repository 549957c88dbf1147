//! From a study's experiment to its cells, and the real images that each replicate samples.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::schema::{DreamBooth, Generator, Models, Study};
use crate::seed::Seed;
use crate::vocabulary::{Arm, Regime, Strategy, WeightsKept};

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
}

impl Cell {
    /// `n=8/text-to-image-x10/transforms/r0`, with the regime before the replicate where it is not
    /// the full one.
    pub fn label(&self) -> String {
        let Self { n, arm, dose, transforms, regime, replicate } = self;
        let dose = if *dose == 0 { String::new() } else { format!("-x{dose}") };
        let transforms = if *transforms { "transforms" } else { "plain" };
        let regime = match regime {
            Regime::Full => String::new(),
            regime => format!("{}/", regime.name()),
        };
        format!("n={n}/{arm}{dose}/{transforms}/{regime}r{replicate}")
    }
}

impl Study {
    /// The root of the study's random streams.
    pub fn root_seed(&self) -> Seed {
        Seed::of_study(self.seed)
    }

    /// Every classifier of the experiment, real only first at each n, then the controls.
    pub fn cells(&self) -> Vec<Cell> {
        let experiment = &self.experiment;
        let mut arms = vec![(Arm::Real, 0)];
        arms.extend(experiment.controls.iter().map(|control| (Arm::Control(*control), 0)));
        for arm in self.arms() {
            arms.extend(experiment.doses.iter().map(|dose| (arm.clone(), *dose)));
        }
        let mut cells = Vec::new();
        for &n in &experiment.n {
            for (arm, dose) in &arms {
                for &transforms in &experiment.transforms {
                    for &regime in &experiment.regimes {
                        let cell = |replicate| Cell {
                            n,
                            arm: arm.clone(),
                            dose: *dose,
                            transforms,
                            regime,
                            replicate,
                        };
                        cells.extend((0..experiment.replicates).map(cell));
                    }
                }
            }
        }
        cells
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
    /// variants under theirs. Without a strategy there are none.
    pub fn generators(&self) -> impl Iterator<Item = (&str, &Generator)> {
        let variants =
            self.generator.variants.iter().map(|(name, generator)| (name.as_str(), generator));
        let all = std::iter::once(("", &self.generator)).chain(variants);
        all.filter(|_| !self.experiment.strategies.is_empty())
    }

    /// Whether images are generated at all.
    pub fn generates(&self) -> bool {
        self.generators().any(|(_, generator)| !generator.is_released())
    }

    /// Whether a text-to-image and an inpainting model make images.
    pub fn pipelines(&self) -> [bool; 2] {
        let strategies = &self.experiment.strategies;
        let text_to_image = strategies.contains(&Strategy::TextToImage);
        let has_prior = self
            .generators()
            .any(|(_, generator)| generator.is_tuned() && generator.dreambooth.prior.images > 0);
        let inpainting = strategies.iter().any(|&strategy| strategy != Strategy::TextToImage);
        [text_to_image || has_prior, inpainting].map(|needed| needed && self.generates())
    }

    /// The things that all replicates share, in words for the report. An analysis over replicates
    /// does not cover other choices of them.
    pub fn shared_by_replicates(&self) -> Vec<String> {
        let mut shared = vec!["the pool".to_owned(), "the pretrained weights".to_owned()];
        if self.classifier.patience > 0 || self.classifier.keep == WeightsKept::Best {
            shared.insert(1, "the validation images".to_owned());
        }
        let experiment = &self.experiment;
        if experiment.regimes.contains(&Regime::Head) && experiment.transforms.contains(&true) {
            shared.push("the transformed views of each image that heads train on".to_owned());
        }
        if experiment.strategies.is_empty() {
            return shared;
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

    /// The arms with synthetic images, whatever their doses.
    pub fn arms(&self) -> Vec<Arm> {
        let strategies = &self.experiment.strategies;
        self.generators()
            .flat_map(|(variant, _)| {
                strategies.iter().map(move |strategy| Arm::of(*strategy, variant))
            })
            .collect()
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
