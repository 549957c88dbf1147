//! Comparisons of two arms on the same held-out images, and the families that they are corrected
//! in.

use serde::{Deserialize, Serialize};

use super::cells::Classifiers;
use super::held_out::{Config, HeldOut};
use crate::stats::crossed::{Basis, Components, Crossed, Inference};
use crate::stats::family::Rule;
use crate::stats::interval::Interval;
use crate::stats::paired::{mcnemar, sign_flip};
use crate::vocabulary::Design;

/// The primary analysis of a difference. It holds for new replicates on new images unless `basis`
/// is narrower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// The population that the answer generalises to.
    pub basis: Basis,
    /// Mean over replicates, -1 to 1.
    pub difference: f64,
    /// Standard error of the difference; 0 where nothing varies.
    pub standard_error: f64,
    /// Degrees of freedom of Student's t; none where nothing varies.
    pub degrees: Option<f64>,
    /// Cut at -1 and 1.
    pub interval: Option<Interval>,
    /// Two-sided, of the hypothesis of no difference; none where nothing can be tested.
    pub p: Option<f64>,
    /// Adjusted within the family.
    pub p_adjusted: Option<f64>,
    /// Whether the adjusted p is at most q, and the answer holds for reruns.
    pub rejected: bool,
}

impl Answer {
    fn new(difference: f64, inference: Inference, p_adjusted: Option<f64>, q: f64) -> Self {
        let Inference { basis, standard_error, degrees, interval, p } = inference;
        Self {
            basis,
            difference,
            standard_error,
            degrees: degrees.is_finite().then_some(degrees),
            interval: interval
                .map(|Interval { low, high }| Interval { low: low.max(-1.0), high: high.min(1.0) }),
            p,
            p_adjusted,
            rejected: basis == Basis::Reruns && p_adjusted.is_some_and(|p| p <= q),
        }
    }
}

/// A synthetic arm or a control against real images only, at the same n, transforms and regime, or
/// an arm of a variant of the generator against the generator's, at the same dose too; all
/// differences arm less baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contrast {
    /// The arm.
    #[serde(flatten)]
    pub design: Design,
    /// The primary analysis of the difference in accuracy.
    #[serde(flatten)]
    pub answer: Answer,
    /// Differences by ascending replicate.
    pub replicates: Vec<f64>,
    /// The components of the difference's variance.
    pub components: Components,
    /// Interval of the variance between replicates; none with one.
    pub rerun_interval: Option<Interval>,
    /// The probability that the arm is better in one more replicate, on all images that there could
    /// be; none with one replicate.
    pub better: Option<f64>,
    /// For these trained classifiers only: p of the exact sign-flip test over all replicates.
    pub sign_flip: f64,
    /// For these trained classifiers only: McNemar's exact p by ascending replicate.
    pub mcnemar: Vec<f64>,
    /// The same on the images of each pair of skin types, of those that there are; all of a family
    /// of contrasts are a family apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skin_types: Vec<SkinTypeContrast>,
}

/// A contrast on the held-out images of one pair of Fitzpatrick skin types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkinTypeContrast {
    /// "12", "34" or "56".
    pub skin_types: String,
    /// Held-out images of these skin types.
    pub images: usize,
    /// The primary analysis of the difference on these images.
    #[serde(flatten)]
    pub answer: Answer,
}

/// The hypotheses that are corrected together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Family {
    /// Name of the family, for reports.
    pub name: String,
    /// Null hypotheses, in the order of the contrasts.
    pub hypotheses: Vec<String>,
    /// The treatment of the mean squares between replicates.
    #[serde(flatten)]
    pub rule: Rule,
}

/// A design, its arm and what it is compared with.
pub struct Pair<'a> {
    pub design: &'a Design,
    pub arm: &'a Classifiers,
    pub baseline: &'a Classifiers,
}

impl Pair<'_> {
    /// Differences of the arms' correctness, by replicate and image.
    fn differences(&self) -> Vec<Vec<f64>> {
        let subtract =
            |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
        self.arm.correct.iter().zip(&self.baseline.correct).map(subtract).collect()
    }
}

/// The contrasts of a family, corrected together, with what they are made of; on some held-out
/// images, or on all.
pub fn family(
    pairs: &[Pair<'_>],
    among: Option<&[usize]>,
    held_out: &HeldOut,
    config: &Config,
) -> (Vec<Contrast>, Vec<Crossed>, Rule) {
    let sample = &held_out.sample;
    let differences = pairs.iter().map(Pair::differences).collect::<Vec<_>>();
    let whole = differences
        .iter()
        .map(|of| match among {
            None => Crossed::of(of, sample.units, |scores| sample.mean(scores)),
            Some(images) => {
                Crossed::of(of, sample.units_of(images), |scores| sample.mean_of(scores, images))
            }
        })
        .collect::<Vec<_>>();
    let (rule, answers) = answers(&whole, config);
    let mut by_skin_type = match among {
        None => skin_types(&differences, held_out, config),
        Some(_) => Vec::new(),
    }
    .into_iter();
    let all = (0..sample.images()).collect::<Vec<_>>();
    let images = among.unwrap_or(&all);
    let contrasts = pairs.iter().zip(&differences).zip(&whole).zip(answers).map(
        |(((pair, differences), crossed), answer)| {
            let discordant = |scores: &Vec<f64>, sign: f64| {
                images.iter().filter(|image| scores[**image] == sign).count()
            };
            let summed = images
                .iter()
                .map(|image| differences.iter().map(|scores| scores[*image] as i32).sum());
            Contrast {
                design: pair.design.clone(),
                answer,
                replicates: crossed.values.clone(),
                components: crossed.components(),
                rerun_interval: crossed.rerun_interval(config.confidence),
                better: crossed.better(),
                sign_flip: sign_flip(&summed.collect::<Vec<_>>()),
                mcnemar: differences
                    .iter()
                    .map(|scores| mcnemar(discordant(scores, 1.0), discordant(scores, -1.0)))
                    .collect(),
                skin_types: by_skin_type.next().unwrap_or_default(),
            }
        },
    );
    (contrasts.collect(), whole, rule)
}

/// The contrasts of each pair of arms by pair of skin types, corrected as one family.
fn skin_types(
    differences: &[Vec<Vec<f64>>],
    held_out: &HeldOut,
    config: &Config,
) -> Vec<Vec<SkinTypeContrast>> {
    let sample = &held_out.sample;
    let part = |of: &[Vec<f64>], images: &[usize]| {
        Crossed::of(of, sample.units_of(images), |scores| sample.mean_of(scores, images))
    };
    let parts = differences
        .iter()
        .flat_map(|of| held_out.by_pair.values().map(move |images| part(of, images)));
    let (_, answers) = answers(&parts.collect::<Vec<_>>(), config);
    let mut answers = answers.into_iter();
    let mut named = |(skin_types, images): (&&'static str, &Vec<usize>)| {
        Some(SkinTypeContrast {
            skin_types: (*skin_types).to_owned(),
            images: images.len(),
            answer: answers.next()?,
        })
    };
    differences.iter().map(|_| held_out.by_pair.iter().filter_map(&mut named).collect()).collect()
}

/// The corrected answers of a family, and the rule that gave them.
fn answers(family: &[Crossed], config: &Config) -> (Rule, Vec<Answer>) {
    let rule = Rule::of(family);
    let inferences = rule.infer(family, config.confidence);
    let adjusted = config
        .correction
        .adjust(&inferences.iter().map(|inference| inference.p).collect::<Vec<_>>());
    let answers = family.iter().zip(inferences).zip(adjusted);
    (
        rule,
        answers
            .map(|((crossed, inference), p)| Answer::new(crossed.mean(), inference, p, config.q))
            .collect(),
    )
}
