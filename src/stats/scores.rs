//! Scores of a design with their intervals: each a mean over replicates, for new replicates and new
//! images.

use serde::{Deserialize, Serialize};

use super::crossed::{Basis, Crossed};
use super::distribution::t_quantile;
use super::influence::{Influence, Sample};
use super::interval::{Interval, wilson};
use crate::metrics::{Prediction, Predictions};

/// A right answer is among this many.
pub const AMONG: usize = 3;

/// Bins of the calibration error, as Guo et al. 2017 have them.
pub const BINS: usize = 15;

/// What a probability of the log loss counts as at least, as in scikit-learn for single precision:
/// one image of which a classifier is wrongly certain would make it infinite.
pub const LEAST: f32 = f32::EPSILON;

/// An image is called malignant where its malignant classes have this probability together.
pub const THRESHOLD: f64 = 0.5;

/// A mean over replicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// None where too little varies for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

impl Estimate {
    /// A rate or an area, 0 to 1. Its interval is made on the scale of log odds, so that it stays
    /// inside. Where all images of all replicates agree, it is Wilson's for as many trials as there
    /// are units.
    pub fn of_rate(crossed: &Crossed, confidence: f64) -> Self {
        let mean = crossed.mean();
        let inference = crossed.infer(crossed.floor(), confidence);
        let inside = mean > 1e-12 && mean < 1.0 - 1e-12;
        let interval = match inference.basis {
            _ if crossed.units < 2 => None,
            Basis::Identical | Basis::Constant if inside => None,
            _ if !inside => {
                let right = if mean > 0.5 { crossed.units } else { 0 };
                Some(wilson(right, crossed.units, confidence))
            }
            _ => {
                let t = t_quantile(0.5 + confidence / 2.0, inference.degrees);
                let half = t * inference.standard_error / (mean * (1.0 - mean));
                let odds = (mean / (1.0 - mean)).ln();
                let rate = |odds: f64| 1.0 / (1.0 + (-odds).exp());
                Some(Interval { low: rate(odds - half), high: rate(odds + half) })
            }
        };
        Self { mean, interval }
    }

    /// The root of a mean square, such as the calibration error, from the square's. Squares are
    /// skewed, so that their interval alone is too short: each end is the farther one of the
    /// square's interval and of the root's.
    fn of_square(crossed: &Crossed, confidence: f64) -> Self {
        let root = |square: f64| square.max(0.0).sqrt();
        let mean = root(crossed.mean());
        let inference = crossed.infer(crossed.floor(), confidence);
        let ends = |Interval { low, high }: Interval| {
            let half = 0.5 * (high - low) / (2.0 * mean);
            Interval {
                low: root(low).min((mean - half).max(0.0)),
                high: root(high).max(mean + half),
            }
        };
        let interval = inference.interval.map(|interval| match mean {
            0.0 => Interval { low: 0.0, high: root(interval.high) },
            _ => ends(interval),
        });
        Self { mean, interval }
    }
}

/// Scores of the replicates of one design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// The true class is among the [`AMONG`] most probable.
    pub top_3: Estimate,
    /// One class against the rest, averaged over classes; none where a class has fewer than two
    /// images or units.
    pub auroc: Option<Estimate>,
    /// Brier's score: the squared distance of the probabilities from the truth, summed over
    /// classes; 0 to 2.
    pub brier: Estimate,
    /// Mean of the negative natural logarithm of the true class's probability, which counts as
    /// [`LEAST`] at least; 0 or more.
    pub log_loss: Estimate,
    /// Root mean square distance between confidence and accuracy over [`BINS`] bins, without the
    /// bias that binning few images has (Kumar, Liang and Ma 2019); 0 to 1.
    pub calibration_error: Estimate,
    /// Where malignant and benign classes are known.
    pub malignancy: Option<Malignancy>,
}

/// How well malignant classes are told from benign ones, by the sum of the malignant classes'
/// probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Malignancy {
    /// Area under the receiver operating characteristic, 0 to 1.
    pub auroc: Estimate,
    /// Average precision, 0 to 1.
    pub average_precision: Estimate,
    /// Share of malignant images whose sum is at least [`THRESHOLD`].
    pub sensitivity: Estimate,
    /// Share of benign images whose sum is below it.
    pub specificity: Estimate,
}

impl Scores {
    /// The scores of one design's `replicates`, of which there is at least one.
    pub fn of(replicates: &[Predictions], sample: &Sample, confidence: f64) -> Self {
        let rate = |score: &dyn Fn(&Prediction) -> bool| {
            let scores = |one: &Predictions| {
                sample.mean(&score_images(one, |image| f64::from(score(image))))
            };
            Estimate::of_rate(
                &crossed(replicates, sample.units, |one| Some(scores(one))).expect("defined"),
                confidence,
            )
        };
        let mean = |score: fn(&Prediction) -> f64| {
            let of = |one: &Predictions| Some(sample.mean(&score_images(one, score)));
            let crossed = crossed(replicates, sample.units, of).expect("defined");
            let interval = crossed.infer(crossed.floor(), confidence).interval;
            Estimate { mean: crossed.mean(), interval }
        };
        let calibration = crossed(replicates, sample.units, |one| Some(calibration(one, sample)))
            .expect("defined");
        Self {
            top_3: rate(&|image| image.within(AMONG)),
            auroc: crossed(replicates, sample.units, |one| macro_auroc(one, sample))
                .map(|crossed| Estimate::of_rate(&crossed, confidence)),
            brier: mean(brier),
            log_loss: mean(log_loss),
            calibration_error: Estimate::of_square(&calibration, confidence),
            malignancy: Malignancy::of(replicates, sample, confidence),
        }
    }
}

impl Malignancy {
    fn of(replicates: &[Predictions], sample: &Sample, confidence: f64) -> Option<Self> {
        let malignant = replicates.first()?.malignant_classes()?;
        let images = replicates[0].images();
        let of = |wanted: bool| {
            (0..images.len())
                .filter(|place| malignant[images[*place].label] == wanted)
                .collect::<Vec<_>>()
        };
        let (positives, negatives) = (of(true), of(false));
        if positives.is_empty() || negatives.is_empty() {
            return None;
        }
        let called = |one: &Predictions, is: bool| {
            let scores = malignant_scores(one, &malignant);
            scores
                .into_iter()
                .map(|score| f64::from((score >= THRESHOLD) == is))
                .collect::<Vec<_>>()
        };
        let share = |images: &[usize], is: bool| {
            let crossed = crossed(replicates, sample.units_of(images), |one| {
                Some(sample.mean_of(&called(one, is), images))
            });
            Estimate::of_rate(&crossed.expect("defined"), confidence)
        };
        let positive = images.iter().map(|image| malignant[image.label]).collect::<Vec<_>>();
        let scores = |one: &Predictions| malignant_scores(one, &malignant);
        let area = crossed(replicates, sample.units, |one| area(&scores(one), &positive, sample))?;
        let precision = crossed(replicates, sample.units, |one| {
            average_precision(&scores(one), &positive, sample)
        })?;
        Some(Self {
            auroc: Estimate::of_rate(&area, confidence),
            average_precision: Estimate::of_rate(&precision, confidence),
            sensitivity: share(&positives, true),
            specificity: share(&negatives, false),
        })
    }
}

/// A statistic of every replicate; none where one of them has none.
pub fn crossed(
    replicates: &[Predictions],
    units: usize,
    statistic: impl Fn(&Predictions) -> Option<Influence>,
) -> Option<Crossed> {
    let (mut values, mut influence) = (Vec::new(), Vec::new());
    for one in replicates {
        let Influence { value, units } = statistic(one)?;
        values.push(value);
        influence.push(units);
    }
    Some(Crossed::new(values, &influence, units))
}

fn score_images(predictions: &Predictions, score: impl Fn(&Prediction) -> f64) -> Vec<f64> {
    predictions.images().iter().map(score).collect()
}

fn brier(image: &Prediction) -> f64 {
    let of = |(class, probability): (usize, &f32)| {
        (f64::from(*probability) - f64::from(class == image.label)).powi(2)
    };
    image.probabilities.iter().enumerate().map(of).sum()
}

fn log_loss(image: &Prediction) -> f64 {
    -f64::from(image.probabilities[image.label].max(LEAST)).ln()
}

/// The sum of each image's probabilities of the classes in a set.
fn malignant_scores(predictions: &Predictions, set: &[bool]) -> Vec<f64> {
    score_images(predictions, |image| {
        let members = image.probabilities.iter().zip(set).filter(|(_, member)| **member);
        members.map(|(probability, _)| f64::from(*probability)).sum()
    })
}

/// The area under the ROC curve.
fn area(scores: &[f64], positive: &[bool], sample: &Sample) -> Option<Influence> {
    auroc(scores, positive, sample).map(|(value, without)| sample.jackknife(value, &without))
}

/// The area under the ROC curve, and what it is without each unit; none where it is not defined, or
/// would not be without one.
///
/// Without a unit it is the sum over pairs, less those that have one of the unit's images, over the
/// pairs that are left.
pub fn auroc(scores: &[f64], positive: &[bool], sample: &Sample) -> Option<(f64, Vec<f64>)> {
    let count = |wanted: bool| positive.iter().filter(|positive| **positive == wanted).count();
    let (positives, negatives) = (count(true), count(false));
    if positives == 0 || negatives == 0 {
        return None;
    }
    let pairs = pair_sums(scores, positive);
    let total = pairs
        .iter()
        .zip(positive)
        .filter(|(_, positive)| **positive)
        .map(|(sum, _)| sum)
        .sum::<f64>();
    let mut without = Vec::with_capacity(sample.units);
    for members in sample.members() {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            members.iter().partition(|image| positive[**image]);
        let left = (positives - inside.len()) * (negatives - outside.len());
        if left == 0 {
            return None;
        }
        let both = inside
            .iter()
            .flat_map(|a| outside.iter().map(move |b| won(scores[*a], scores[*b])))
            .sum::<f64>();
        let lost = members.iter().map(|image| pairs[*image]).sum::<f64>() - both;
        without.push((total - lost) / left as f64);
    }
    Some((total / (positives * negatives) as f64, without))
}

/// 1 where a positive image scores higher than a negative one, a half where both score alike.
fn won(positive: f64, negative: f64) -> f64 {
    if positive == negative { 0.5 } else { f64::from(positive > negative) }
}

/// Of each image the pairs with one of the other kind in which the positive one ranks higher, equal
/// scores counting half.
fn pair_sums(scores: &[f64], positive: &[bool]) -> Vec<f64> {
    let mut order = (0..scores.len()).collect::<Vec<_>>();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let all = positive.iter().filter(|positive| **positive).count() as f64;
    let (mut below, mut passed) = (0.0, 0.0);
    let mut sums = vec![0.0; scores.len()];
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let ones = tied.iter().filter(|image| positive[**image]).count() as f64;
        let zeros = tied.len() as f64 - ones;
        for image in tied {
            sums[*image] =
                if positive[*image] { below + zeros / 2.0 } else { all - passed - ones / 2.0 };
        }
        below += zeros;
        passed += ones;
    }
    sums
}

/// The unweighted mean of the classes' areas, one class against the rest.
fn macro_auroc(predictions: &Predictions, sample: &Sample) -> Option<Influence> {
    let classes = predictions.classes().len();
    let (mut value, mut without) = (0.0, vec![0.0; sample.units]);
    for class in 0..classes {
        let scores = score_images(predictions, |image| f64::from(image.probabilities[class]));
        let positive =
            predictions.images().iter().map(|image| image.label == class).collect::<Vec<_>>();
        let (area, areas) = auroc(&scores, &positive, sample)?;
        value += area / classes as f64;
        without.iter_mut().zip(areas).for_each(|(mean, area)| *mean += area / classes as f64);
    }
    Some(sample.jackknife(value, &without))
}

/// Average precision: the precision at each distinct score, weighted by the recall gained there;
/// none where it is not defined, or would not be without one unit.
fn average_precision(scores: &[f64], positive: &[bool], sample: &Sample) -> Option<Influence> {
    let mut order = (0..scores.len()).collect::<Vec<_>>();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let without = |unit: Option<usize>| {
        let kept = order.iter().filter(|image| Some(sample.unit[**image]) != unit);
        precision(&kept.map(|image| (scores[*image], positive[*image])).collect::<Vec<_>>())
    };
    let value = without(None)?;
    let without = (0..sample.units).map(|unit| without(Some(unit))).collect::<Option<Vec<_>>>()?;
    Some(sample.jackknife(value, &without))
}

/// The average precision of scores in descending order, each of a positive image or not; none
/// without a positive one.
fn precision(ranked: &[(f64, bool)]) -> Option<f64> {
    let (mut found, mut named, mut sum) = (0, 0, 0.0);
    for tied in ranked.chunk_by(|(a, _), (b, _)| a == b) {
        let positives = tied.iter().filter(|(_, positive)| *positive).count();
        found += positives;
        named += tied.len();
        sum += positives as f64 * found as f64 / named as f64;
    }
    (found > 0).then(|| sum / found as f64)
}

/// The squared calibration error without bias: in each bin the product of two images' gaps, mean
/// over pairs of images.
fn calibration(predictions: &Predictions, sample: &Sample) -> Influence {
    let mut bins = [Gaps::default(); BINS];
    let gaps = score_images(predictions, |image| {
        f64::from(image.confidence()) - f64::from(image.correct())
    });
    let bin = predictions.images().iter().map(|image| image.bin(BINS)).collect::<Vec<_>>();
    bin.iter().zip(&gaps).for_each(|(bin, gap)| bins[*bin].add(*gap));
    let total = bins.iter().map(Gaps::square).sum::<f64>();
    let images = gaps.len() as f64;
    let without = sample.members().into_iter().map(|members| {
        let (mut left, mut total) = (bins, total);
        for image in &members {
            total -= left[bin[*image]].square();
            left[bin[*image]].take(gaps[*image]);
            total += left[bin[*image]].square();
        }
        total / (images - members.len() as f64).max(1.0)
    });
    sample.jackknife(total / images, &without.collect::<Vec<_>>())
}

/// Gaps between confidence and truth in one bin.
#[derive(Clone, Copy, Default)]
struct Gaps {
    images: usize,
    sum: f64,
    squares: f64,
}

impl Gaps {
    fn add(&mut self, gap: f64) {
        self.images += 1;
        self.sum += gap;
        self.squares += gap * gap;
    }

    fn take(&mut self, gap: f64) {
        self.images -= 1;
        self.sum -= gap;
        self.squares -= gap * gap;
    }

    /// The squared mean gap, times the images; 0 with fewer than two, which say nothing of it.
    fn square(&self) -> f64 {
        if self.images < 2 {
            0.0
        } else {
            (self.sum * self.sum - self.squares) / (self.images - 1) as f64
        }
    }
}

#[cfg(test)]
#[path = "scores_tests.rs"]
mod tests;
