//! From a study's experiment to its cells, and the real images that each replicate samples.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::schema::{Control, DreamBooth, Generator, Keep, Models, Regime, Strategy, Study};
use crate::seed::Seed;

/// What the synthetic images of an arm are: how made and how many a real image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Synthetic {
    pub strategy: Strategy,
    /// The generator's variant; empty: the generator itself.
    pub variant: String,
    /// Synthetic images per real image.
    pub dose: usize,
}

/// One classifier: cohort x arm x dose x n, once per replicate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// Real images per class.
    pub n: usize,
    /// None: real images only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Synthetic>,
    /// Which control it is of, if it is of one; then there are real images only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    pub transforms: bool,
    pub regime: Regime,
    pub replicate: usize,
}

impl Cell {
    /// `n=8/text-to-image-x10/transforms/r0`, with the regime before the replicate where it is not
    /// the full one.
    pub fn label(&self) -> String {
        let arm = match (&self.synthetic, self.control) {
            (Some(synthetic), _) => format!("{}-x{}", synthetic.arm(), synthetic.dose),
            (None, Some(control)) => control.name().to_owned(),
            (None, None) => "real".to_owned(),
        };
        let transforms = if self.transforms { "transforms" } else { "plain" };
        let regime =
            if self.regime.is_full() { String::new() } else { format!("{}/", self.regime.name()) };
        format!("n={}/{arm}/{transforms}/{regime}r{}", self.n, self.replicate)
    }
}

impl Control {
    /// The name in study files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reseeded => "reseeded",
        }
    }
}

impl Synthetic {
    /// The arm's name: the strategy, with a variant `text-to-image@lora`.
    pub fn arm(&self) -> String {
        self.strategy.arm(&self.variant)
    }
}

impl Strategy {
    /// The name of the arm of this strategy and a variant of the generator (empty: the generator
    /// itself).
    pub fn arm(self, variant: &str) -> String {
        if variant.is_empty() {
            self.name().to_owned()
        } else {
            format!("{}@{variant}", self.name())
        }
    }

    /// The name in study files, labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextToImage => "text-to-image",
            Self::Inpaint => "inpaint",
            Self::InThenOutpaint => "in-then-outpaint",
        }
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
        let mut arms = vec![(None, None)];
        arms.extend(experiment.controls.iter().map(|&control| (Some(control), None)));
        for (variant, _) in self.generators() {
            for &strategy in &experiment.strategies {
                let synthetic =
                    |&dose| (None, Some(Synthetic { strategy, variant: variant.to_owned(), dose }));
                arms.extend(experiment.doses.iter().map(synthetic));
            }
        }
        let mut cells = Vec::new();
        for &n in &experiment.n {
            for (control, synthetic) in &arms {
                for &transforms in &experiment.transforms {
                    for &regime in &experiment.regimes {
                        let (synthetic, control) = (synthetic.clone(), *control);
                        let cell = |replicate| Cell {
                            n,
                            synthetic: synthetic.clone(),
                            control,
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

    /// What all replicates have in common, so that an analysis over replicates says nothing of
    /// other choices of it.
    pub fn shared_by_replicates(&self) -> Vec<String> {
        let mut shared = vec!["the pool".to_owned(), "the pretrained weights".to_owned()];
        if self.classifier.patience > 0 || self.classifier.keep == Keep::Best {
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

    /// The names of the synthetic arms, whatever their doses.
    pub fn arms(&self) -> Vec<String> {
        let strategies = &self.experiment.strategies;
        self.generators()
            .flat_map(|(variant, _)| strategies.iter().map(move |strategy| strategy.arm(variant)))
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
    /// Steps for a class, or for all together, on so many images.
    pub fn steps_of(&self, class: Option<&str>, images: usize) -> usize {
        let own = class.and_then(|class| self.steps_by_class.get(class)).copied();
        let passes = (images * self.epochs).div_ceil(self.batch * self.accumulate);
        own.unwrap_or(if self.steps > 0 { self.steps } else { passes })
    }
}
