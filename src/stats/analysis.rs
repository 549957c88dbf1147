//! The study's analysis: from the predictions of every cell to accuracies, contrasts and the family that they are corrected in.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::correction::benjamini_hochberg;
use super::interval::{Interval, deviation, mean, student};
use super::paired::{bootstrap, mcnemar, sign_flip};
use super::scores::Scores;
use crate::fst;
use crate::metrics::Predictions;
use crate::seed::Seed;

/// The name of the arm that is trained on real images only; its dose is 0.
pub const REAL: &str = "real";

/// The regime that trains all of a classifier, which needs no mention.
pub const FULL: &str = "full";

/// The order of the known regimes in tables; others follow by name.
const REGIMES: [&str; 3] = [FULL, "authors", "head"];

/// The order of the known arms in tables; others follow by name.
const ARMS: [&str; 4] = [REAL, "text-to-image", "inpaint", "in-then-outpaint"];

/// One trained classifier's predictions, and what it was trained on.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Real images per class.
    pub n: usize,
    /// [`REAL`], or the strategy of the synthetic images that were added, after `@` the variant of the generator that made them.
    pub arm: String,
    /// Synthetic images per real image.
    pub dose: usize,
    /// Whether it was trained with image transforms.
    pub transforms: bool,
    /// Which part of it was trained: [`FULL`] or another.
    pub regime: String,
    /// The rerun's number; equal numbers share their real images across arms.
    pub replicate: usize,
    pub predictions: Predictions,
}

/// How the analysis is done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Coverage of the intervals, between 0 and 1.
    pub confidence: f64,
    /// False discovery rate of the family, between 0 and 1.
    pub q: f64,
    /// Sign flips of each permutation test, at least 1.
    pub permutations: usize,
    /// Resamples of each bootstrap interval, at least 1.
    pub bootstraps: usize,
    pub seed: Seed,
}

/// What is trained: a cell apart from its replicate. Ordered as tables are: by setting, n, arm and dose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Design {
    pub n: usize,
    pub arm: String,
    pub dose: usize,
    pub transforms: bool,
    #[serde(default = "full", skip_serializing_if = "is_full")]
    pub regime: String,
}

fn full() -> String {
    FULL.into()
}

fn is_full(regime: &String) -> bool {
    regime == FULL
}

/// How a design is trained, whatever on: regime and use of transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting<'a> {
    pub regime: &'a str,
    pub transforms: bool,
}

impl<'a> Setting<'a> {
    fn rank(&self) -> (usize, &'a str, bool) {
        let known = REGIMES.iter().position(|regime| *regime == self.regime).unwrap_or(REGIMES.len());
        (known, self.regime, self.transforms)
    }
}

impl PartialOrd for Setting<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Setting<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// `with transforms`, or where not all of the classifier is trained `head, with transforms`.
impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.regime != FULL {
            write!(f, "{}, ", self.regime)?;
        }
        f.write_str(if self.transforms { "with transforms" } else { "no transforms" })
    }
}

impl Design {
    pub fn setting(&self) -> Setting<'_> {
        Setting { regime: &self.regime, transforms: self.transforms }
    }

    fn rank(&self) -> (Setting<'_>, usize, usize, &str, usize) {
        let strategy = self.arm.split('@').next();
        let known = ARMS.iter().position(|arm| Some(*arm) == strategy).unwrap_or(ARMS.len());
        (self.setting(), self.n, known, &self.arm, self.dose)
    }
}

impl PartialOrd for Design {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Design {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transforms = if self.transforms { "transforms" } else { "no transforms" };
        match self.dose {
            0 => write!(f, "n = {}, {}, {transforms}", self.n, self.arm)?,
            dose => write!(f, "n = {}, {} x {dose}, {transforms}", self.n, self.arm)?,
        }
        if self.regime == FULL { Ok(()) } else { write!(f, ", {}", self.regime) }
    }
}

/// The analysis of a study; its JSON is the same bytes for the same cells in any order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    pub config: Config,
    /// Class labels, in the order of every per-class list.
    pub classes: Vec<String>,
    /// Held-out images.
    pub images: usize,
    /// Held-out images by class.
    pub images_per_class: Vec<usize>,
    /// Held-out images by Fitzpatrick skin type, of the types present; empty if unknown.
    pub images_per_fst: BTreeMap<u8, usize>,
    pub accuracy: Vec<Accuracy>,
    /// With real images only.
    pub contrasts: Vec<Contrast>,
    pub family: Family,
    /// Of each arm of a variant of the generator with the generator's own; a family apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variant_contrasts: Vec<Contrast>,
}

impl Analysis {
    /// How many of the family's hypotheses are rejected.
    pub fn rejected(&self) -> usize {
        self.contrasts.iter().filter(|contrast| contrast.rejected).count()
    }
}

/// Top-1 accuracy of one design, all rates 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    #[serde(flatten)]
    pub design: Design,
    /// Mean over replicates.
    pub mean: f64,
    /// Bootstrap interval of the mean, over images within class and replicates.
    pub interval: Interval,
    /// Standard deviation over replicates, of two or more.
    pub deviation: Option<f64>,
    /// By ascending replicate.
    pub replicates: Vec<f64>,
    /// Mean over replicates of each class's images.
    pub per_class: Vec<f64>,
    /// Mean over replicates by Fitzpatrick skin type.
    pub per_fst: BTreeMap<u8, f64>,
    /// Images by true class (row) and predicted class (column), summed over replicates.
    pub confusion: Vec<Vec<usize>>,
    /// Scores other than top-1 accuracy.
    pub scores: Scores,
}

/// A synthetic arm against real images only, at the same n, transforms and regime, or an arm of a variant of the generator against the
/// generator's, at the same dose too; all differences synthetic less real, variant less generator, -1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// The synthetic arm.
    #[serde(flatten)]
    pub design: Design,
    /// Difference in mean accuracy.
    pub difference: f64,
    /// Bootstrap interval of the difference, over images within class and replicates.
    pub interval: Interval,
    /// Student's t interval over the replicates' differences, of two or more: how far reruns differ on these held-out images.
    pub replicate_interval: Option<Interval>,
    /// Differences by ascending replicate.
    pub replicates: Vec<f64>,
    /// McNemar's exact p by ascending replicate.
    pub mcnemar: Vec<f64>,
    /// The same on the images of each pair of skin types, of those that there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skin_types: Vec<SkinTypeContrast>,
    /// p of the image-level sign-flip permutation test over all replicates.
    pub p: f64,
    /// Benjamini and Hochberg's adjusted p within the family.
    pub p_adjusted: f64,
    /// Whether the adjusted p is at most q.
    pub rejected: bool,
}

/// A contrast on the held-out images of one pair of Fitzpatrick skin types; all of a family of contrasts are a family of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkinTypeContrast {
    /// "12", "34" or "56".
    pub skin_types: String,
    pub images: usize,
    pub difference: f64,
    /// Bootstrap interval of the difference, over these images and replicates.
    pub interval: Interval,
    pub p: f64,
    pub p_adjusted: f64,
    pub rejected: bool,
}

impl Contrast {
    /// Whether the null hypothesis is rejected, and zero is in neither of the intervals: of new images and replicates, and of Student's t
    /// over replicates, which alone allows for how few those are. With one replicate nothing can be said of others.
    pub fn clear(&self) -> bool {
        let beyond = |interval: Interval| interval.low > 0.0 || interval.high < 0.0;
        self.rejected && beyond(self.interval) && self.replicate_interval.is_some_and(beyond)
    }
}

/// The hypotheses that are corrected together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Family {
    pub name: String,
    /// Null hypotheses, in the order of the contrasts.
    pub hypotheses: Vec<String>,
}

/// Cells that cannot be analysed together.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum AnalysisError {
    #[error("analysis of no cells")]
    Empty,
    #[error("{name} is {found}, expected {expected}")]
    Config { name: &'static str, found: String, expected: &'static str },
    #[error("cell {design}, replicate {replicate} is given twice")]
    Twice { design: Design, replicate: usize },
    #[error("cell {design}, replicate {replicate} has other held-out images than the others: {difference}")]
    Unpaired { design: Design, replicate: usize, difference: String },
    #[error("{design} has no arm `{baseline}` at the same n and transforms to be compared with")]
    NoBaseline { design: Design, baseline: String },
    #[error("{design} has replicates {found:?}, but the arm that it is compared with has {expected:?}: they pair by replicate")]
    Replicates { design: Design, found: Vec<usize>, expected: Vec<usize> },
}

/// A design's classifiers by replicate: predictions, and for each image whether it is right (1) or not (0).
struct Arm {
    replicates: Vec<usize>,
    predictions: Vec<Predictions>,
    correct: Vec<Vec<i8>>,
}

/// Held-out images by what they are counted by.
struct HeldOut {
    images: usize,
    by_class: Vec<Vec<usize>>,
    by_fst: BTreeMap<u8, Vec<usize>>,
    /// By pair of skin types, of the images of known ones.
    by_pair: BTreeMap<&'static str, Vec<usize>>,
}

/// Analyses `cells`, whose predictions must be of the same held-out images. Every synthetic design is compared with the real-only one
/// of the same n and transforms, and all these comparisons are one family.
pub fn analyse(cells: Vec<Cell>, config: Config) -> Result<Analysis, AnalysisError> {
    check_config(&config)?;
    let arms = arms(cells)?;
    let first = arms.values().next().ok_or(AnalysisError::Empty)?;
    let held_out = HeldOut::of(&first.predictions[0]);
    let accuracy = arms.iter().map(|(design, arm)| accuracy(design, arm, &held_out, &config)).collect();
    let real = |design: &Design| (design.arm != REAL).then(|| Design { arm: REAL.into(), dose: 0, ..design.clone() });
    let contrasts = contrasts_of(&arms, real, "contrast", &held_out, &config)?;
    let generator = |design: &Design| {
        let (strategy, _) = design.arm.split_once('@')?;
        Some(Design { arm: strategy.into(), ..design.clone() })
    };
    let variant_contrasts = contrasts_of(&arms, generator, "variant contrast", &held_out, &config)?;
    let hypotheses = contrasts.iter().map(|contrast| format!("{}: as accurate as real only", contrast.design)).collect();
    Ok(Analysis {
        config,
        classes: first.predictions[0].classes().to_vec(),
        images: held_out.images,
        images_per_class: held_out.by_class.iter().map(Vec::len).collect(),
        images_per_fst: held_out.by_fst.iter().map(|(fst, images)| (*fst, images.len())).collect(),
        accuracy,
        contrasts,
        variant_contrasts,
        family: Family { name: family_name(&arms), hypotheses },
    })
}

/// What the contrasts with real only are called together.
fn family_name(arms: &BTreeMap<Design, Arm>) -> String {
    let alike = if arms.keys().all(|design| design.regime == FULL) { "n and transforms" } else { "n, transforms and regime" };
    format!("every synthetic arm against real only, at the same {alike}")
}

/// Each design's contrast with its baseline, if it has one, corrected together. `name` is of their streams.
fn contrasts_of(
    arms: &BTreeMap<Design, Arm>,
    baseline: impl Fn(&Design) -> Option<Design>,
    name: &str,
    held_out: &HeldOut,
    config: &Config,
) -> Result<Vec<Contrast>, AnalysisError> {
    let mut contrasts = Vec::new();
    for (design, arm) in arms {
        let Some(other) = baseline(design) else { continue };
        let no_baseline = || AnalysisError::NoBaseline { design: design.clone(), baseline: other.arm.clone() };
        let against = arms.get(&other).ok_or_else(no_baseline)?;
        if arm.replicates != against.replicates {
            let (found, expected) = (arm.replicates.clone(), against.replicates.clone());
            return Err(AnalysisError::Replicates { design: design.clone(), found, expected });
        }
        let seed = config.seed.child(name).child(&design.to_string());
        contrasts.push(contrast(design, arm, against, held_out, config, &seed));
    }
    let whole = contrasts.iter_mut().map(|contrast| (contrast.p, &mut contrast.p_adjusted, &mut contrast.rejected));
    adjust(whole.collect(), config.q);
    let parts = contrasts.iter_mut().flat_map(|contrast| &mut contrast.skin_types);
    adjust(parts.map(|part| (part.p, &mut part.p_adjusted, &mut part.rejected)).collect(), config.q);
    Ok(contrasts)
}

/// Corrects one family: of each hypothesis the raw p, and where the adjusted one goes and whether it is rejected.
fn adjust(family: Vec<(f64, &mut f64, &mut bool)>, q: f64) {
    let adjusted = benjamini_hochberg(&family.iter().map(|(p, ..)| *p).collect::<Vec<_>>());
    for ((_, p_adjusted, rejected), adjusted) in family.into_iter().zip(adjusted) {
        (*p_adjusted, *rejected) = (adjusted, adjusted <= q);
    }
}

fn check_config(config: &Config) -> Result<(), AnalysisError> {
    let inside = |rate: f64| rate > 0.0 && rate < 1.0;
    let rate = "a number between 0 and 1";
    let checks = [
        ("confidence", inside(config.confidence), config.confidence.to_string(), rate),
        ("q", inside(config.q), config.q.to_string(), rate),
        ("permutations", config.permutations > 0, config.permutations.to_string(), "at least 1"),
        ("bootstraps", config.bootstraps > 0, config.bootstraps.to_string(), "at least 1"),
    ];
    match checks.into_iter().find(|(_, valid, _, _)| !valid) {
        Some((name, _, found, expected)) => Err(AnalysisError::Config { name, found, expected }),
        None => Ok(()),
    }
}

/// The cells by design and ascending replicate, checked for repeats and for pairing.
fn arms(mut cells: Vec<Cell>) -> Result<BTreeMap<Design, Arm>, AnalysisError> {
    cells.sort_by_key(|cell| cell.replicate);
    let mut arms = BTreeMap::<Design, Arm>::new();
    for cell in cells {
        let Cell { n, arm, dose, transforms, regime, replicate, predictions } = cell;
        let design = Design { n, arm, dose, transforms, regime };
        if let Some(first) = arms.values().next()
            && let Some(difference) = first.predictions[0].unpaired(&predictions)
        {
            return Err(AnalysisError::Unpaired { design, replicate, difference });
        }
        let empty = || Arm { replicates: vec![], predictions: vec![], correct: vec![] };
        let arm = arms.entry(design.clone()).or_insert_with(empty);
        if arm.replicates.contains(&replicate) {
            return Err(AnalysisError::Twice { design, replicate });
        }
        arm.replicates.push(replicate);
        arm.correct.push(predictions.images().iter().map(|image| i8::from(image.correct())).collect());
        arm.predictions.push(predictions);
    }
    Ok(arms)
}

impl HeldOut {
    fn of(predictions: &Predictions) -> Self {
        let mut by_class = vec![Vec::new(); predictions.classes().len()];
        let mut by_fst = BTreeMap::<u8, Vec<usize>>::new();
        let mut by_pair = BTreeMap::<_, Vec<usize>>::new();
        for (index, image) in predictions.images().iter().enumerate() {
            by_class[image.label].push(index);
            if let Some(fst) = image.fst {
                by_fst.entry(fst).or_default().push(index);
            }
            if let Some(pair) = image.fst.and_then(fst::bin) {
                by_pair.entry(pair).or_default().push(index);
            }
        }
        Self { images: predictions.images().len(), by_class, by_fst, by_pair }
    }

    fn per_class(&self, scores: &[Vec<i8>]) -> Vec<f64> {
        self.by_class.iter().map(|images| mean_score(scores, images)).collect()
    }

    fn per_fst(&self, scores: &[Vec<i8>]) -> BTreeMap<u8, f64> {
        self.by_fst.iter().map(|(fst, images)| (*fst, mean_score(scores, images))).collect()
    }

    fn per_replicate(&self, scores: &[Vec<i8>]) -> Vec<f64> {
        let rate = |scores: &Vec<i8>| sum(scores) as f64 / self.images as f64;
        scores.iter().map(rate).collect()
    }
}

/// The mean of `scores[replicate][image]` over all replicates and the `images`; 0 without images.
fn mean_score(scores: &[Vec<i8>], images: &[usize]) -> f64 {
    let total = scores.iter().flat_map(|scores| images.iter().map(|image| i64::from(scores[*image]))).sum::<i64>();
    total as f64 / (scores.len() * images.len()).max(1) as f64
}

fn sum(scores: &[i8]) -> i64 {
    scores.iter().map(|score| i64::from(*score)).sum()
}

fn accuracy(design: &Design, arm: &Arm, held_out: &HeldOut, config: &Config) -> Accuracy {
    let replicates = held_out.per_replicate(&arm.correct);
    let mut confusion = vec![vec![0; held_out.by_class.len()]; held_out.by_class.len()];
    for predictions in &arm.predictions {
        for (sums, counts) in confusion.iter_mut().zip(predictions.confusion()) {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    let seed = config.seed.child("accuracy").child(&design.to_string());
    Accuracy {
        design: design.clone(),
        mean: mean(&replicates),
        interval: bootstrap(&arm.correct, &held_out.by_class, config.confidence, config.bootstraps, seed),
        deviation: deviation(&replicates),
        per_class: held_out.per_class(&arm.correct),
        per_fst: held_out.per_fst(&arm.correct),
        replicates,
        confusion,
        scores: Scores::of(&arm.predictions),
    }
}

/// The contrast before correction: the adjusted p is the raw one and nothing is rejected.
fn contrast(design: &Design, arm: &Arm, baseline: &Arm, held_out: &HeldOut, config: &Config, seed: &Seed) -> Contrast {
    let subtract = |(a, b): (&Vec<i8>, &Vec<i8>)| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
    let differences = arm.correct.iter().zip(&baseline.correct).map(subtract).collect::<Vec<_>>();
    let replicates = held_out.per_replicate(&differences);
    let discordant = |scores: &Vec<i8>, sign: i8| scores.iter().filter(|score| **score == sign).count();
    let p_of = |images: &mut dyn Iterator<Item = usize>, seed: Seed| {
        let combined = images.map(|image| differences.iter().map(|scores| i32::from(scores[image])).sum());
        sign_flip(&combined.collect::<Vec<_>>(), config.permutations, seed.child("sign flips"))
    };
    let p = p_of(&mut (0..held_out.images), *seed);
    let bootstraps = seed.child("bootstrap");
    let part = |(skin_types, images): (&&'static str, &Vec<usize>)| {
        let seed = seed.child("skin types").child(skin_types);
        let stratum = std::slice::from_ref(images);
        let p = p_of(&mut images.iter().copied(), seed);
        SkinTypeContrast {
            skin_types: (*skin_types).to_owned(),
            images: images.len(),
            difference: mean_score(&differences, images),
            interval: bootstrap(&differences, stratum, config.confidence, config.bootstraps, seed.child("bootstrap")),
            p,
            p_adjusted: p,
            rejected: false,
        }
    };
    Contrast {
        design: design.clone(),
        difference: mean(&replicates),
        interval: bootstrap(&differences, &held_out.by_class, config.confidence, config.bootstraps, bootstraps),
        replicate_interval: student(&replicates, config.confidence),
        mcnemar: differences.iter().map(|scores| mcnemar(discordant(scores, 1), discordant(scores, -1))).collect(),
        skin_types: held_out.by_pair.iter().map(part).collect(),
        replicates,
        p,
        p_adjusted: p,
        rejected: false,
    }
}

#[cfg(test)]
#[path = "analysis_tests.rs"]
mod tests;
