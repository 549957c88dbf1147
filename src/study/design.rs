//! From a study's experiment to its cells, and the real images that each replicate samples.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::schema::{Models, Strategy, Study};
use crate::seed::Seed;

/// What the synthetic images of an arm are: how made and how many a real image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Synthetic {
    pub strategy: Strategy,
    /// Synthetic images per real image.
    pub dose: usize,
}

/// One classifier: cohort x arm x dose x n, once per replicate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// Real images per class.
    pub n: usize,
    /// None: real images only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Synthetic>,
    pub transforms: bool,
    pub replicate: usize,
}

impl Cell {
    /// `n=8/text-to-image-x10/transforms/r0`.
    pub fn label(&self) -> String {
        let arm = match &self.synthetic {
            None => "real".to_owned(),
            Some(synthetic) => format!("{}-x{}", synthetic.strategy.name(), synthetic.dose),
        };
        let transforms = if self.transforms { "transforms" } else { "plain" };
        format!("n={}/{arm}/{transforms}/r{}", self.n, self.replicate)
    }
}

impl Strategy {
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

    /// Every classifier of the experiment, real only first at each n.
    pub fn cells(&self) -> Vec<Cell> {
        let experiment = &self.experiment;
        let mut arms = vec![None];
        for &strategy in &experiment.strategies {
            arms.extend(experiment.doses.iter().map(|&dose| Some(Synthetic { strategy, dose })));
        }
        let mut cells = Vec::new();
        for &n in &experiment.n {
            for &synthetic in &arms {
                for &transforms in &experiment.transforms {
                    cells.extend((0..experiment.replicates).map(|replicate| Cell { n, synthetic, transforms, replicate }));
                }
            }
        }
        cells
    }

    /// The order in which `replicate` draws the real images of class number `class` from the pool: n images are the first n, so
    /// that samples are nested in n and shared by all arms.
    pub fn sample_order(&self, class: &str, replicate: usize) -> Vec<usize> {
        let mut order = (0..self.images.pool).collect::<Vec<_>>();
        let seed = self.root_seed().child("sample").child(class).nth(replicate as u64);
        order.shuffle(&mut seed.rng());
        order
    }

    /// The prompt of a class.
    pub fn prompt(&self, class: &str) -> String {
        self.generator.prompt.replace("{label}", class)
    }

    /// Whether each generator has seen the images that its classifiers see, and no other.
    pub fn leak_free(&self) -> bool {
        self.generator.dreambooth.models == Models::LeakFree
    }

    /// DreamBooth steps of a class, or of all together, on so many images.
    pub fn dreambooth_steps(&self, class: Option<&str>, images: usize) -> usize {
        let dreambooth = &self.generator.dreambooth;
        let own = class.and_then(|class| dreambooth.steps_by_class.get(class)).copied();
        let passes = (images * dreambooth.epochs).div_ceil(dreambooth.batch * dreambooth.accumulate);
        own.unwrap_or(if dreambooth.steps > 0 { dreambooth.steps } else { passes })
    }
}
