//! The generator check's results: do synthetic images carry their class, and are they copies?

use serde::{Deserialize, Serialize};

use super::interval::{Interval, quantile, wilson};

/// The generator check: a probe, trained on plentiful real images, judges the synthetic ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The rate of recognition by guessing, one over the number of classes.
    pub chance: f64,
    /// The judging classifier's own accuracy on the held-out images, 0 to 1.
    pub judge: f64,
    /// Measure of the nearest-image distances, e.g. "root mean square of pixel differences, 0 to
    /// 1".
    pub distance: String,
    /// One entry a class, in the order of the classes.
    pub classes: Vec<ClassCheck>,
    /// Of studies that generate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconstruction: Option<Reconstruction>,
}

impl Check {
    /// Classes whose images by `strategy` are recognised above chance and above the base model's,
    /// if there is one: the low end of their interval is above both chance and the high end of the
    /// base model's interval.
    pub fn count_carried(&self, strategy: &str) -> usize {
        let carried = |class: &&ClassCheck| {
            let base = class.base.map_or(0.0, |base| base.interval.high);
            let threshold = self.chance.max(base);
            class.strategies.iter().any(|check| {
                check.strategy == strategy && check.recognition.interval.low > threshold
            })
        };
        self.classes.iter().filter(carried).count()
    }

    /// Classes whose closest text-to-image ones lie nearer to a real image than the closest
    /// held-out real ones do, at the 5th percentile of each; none where there are no such images.
    pub fn nearer(&self) -> Option<usize> {
        let compared = self
            .classes
            .iter()
            .filter_map(|class| Some(class.nearest_real?.p5 < class.held_out.p5))
            .collect::<Vec<_>>();
        (!compared.is_empty()).then(|| compared.into_iter().filter(|nearer| *nearer).count())
    }
}

/// The generator check of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassCheck {
    /// Name of the class.
    pub label: String,
    /// The class's fine-tuned model, by each strategy, in the order of the study.
    pub strategies: Vec<StrategyCheck>,
    /// The base model before fine-tuning, asked for the class by the same prompt; of studies that
    /// generate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Recognition>,
    /// From each image made by text-to-image to the nearest real image of the pool; of studies that
    /// have such images. Inpainted ones keep parts of an image of the pool, and would say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest_real: Option<Distances>,
    /// From each held-out real image to the nearest of the same real images: what independent
    /// images look like.
    pub held_out: Distances,
}

/// Recognition of one strategy's images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StrategyCheck {
    /// E.g. "text-to-image".
    pub strategy: String,
    /// Its recognition by the probe.
    pub recognition: Recognition,
}

/// Number of images recognised as the class that they were made for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Recognition {
    /// Rate, 0 to 1.
    pub recognised: f64,
    /// Images that the probe judged.
    pub images: usize,
    /// Wilson's interval of the rate.
    pub interval: Interval,
}

impl Recognition {
    /// `recognised` of `images` (at least one), with Wilson's interval at `confidence`.
    pub fn of(recognised: usize, images: usize, confidence: f64) -> Self {
        Self {
            recognised: recognised as f64 / images as f64,
            images,
            interval: wilson(recognised, images, confidence),
        }
    }
}

/// Nearest-image distances of a set of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Distances {
    /// The median distance.
    pub median: f64,
    /// The 5th percentile: the distance of the closest images, rare exceptions aside.
    pub p5: f64,
}

impl Distances {
    /// The summary of at least one distance.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(distances: &[f64]) -> Self {
        let mut ascending = distances.to_vec();
        ascending.sort_by(f64::total_cmp);
        Self { median: quantile(&ascending, 0.5), p5: quantile(&ascending, 0.05) }
    }
}

/// Whether images keep their class through the autoencoder: top-1 accuracy, 0 to 1, on the same
/// held-out study images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reconstruction {
    /// Accuracy on the real images.
    pub accuracy_real: f64,
    /// Accuracy on the same images, encoded and decoded.
    pub accuracy_reconstructed: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_carried_above_chance_and_base() {
        let class = |recognised, base| ClassCheck {
            label: "a".into(),
            strategies: vec![StrategyCheck {
                strategy: "inpaint".into(),
                recognition: Recognition::of(recognised, 40, 0.95),
            }],
            base: Some(Recognition::of(base, 40, 0.95)),
            nearest_real: Some(Distances { median: 0.2, p5: 0.1 }),
            held_out: Distances { median: 0.2, p5: 0.1 + base as f64 / 100.0 },
        };
        let reconstruction =
            Some(Reconstruction { accuracy_real: 0.9, accuracy_reconstructed: 0.88 });
        let classes = vec![class(30, 2), class(30, 28), class(6, 0)];
        let check =
            Check { chance: 0.111, judge: 0.9, distance: "pixels".into(), classes, reconstruction };
        assert_eq!(
            (check.count_carried("inpaint"), check.count_carried("text-to-image"), check.nearer()),
            (1, 0, Some(2))
        );
    }

    #[test]
    fn distances_are_summarised_in_any_order() {
        let found = Distances::of(&[0.4, 0.2, 0.3]);
        assert_eq!(found.median, 0.3);
        assert!((found.p5 - 0.21).abs() < 1e-12);
    }
}
