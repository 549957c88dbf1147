//! Are claims about several arms as rarely wrong as they say? Equivalence, a gain that differs
//! between groups of images, the group that gains most, exchange rates and dose curves.

use rayon::prelude::*;
use titrate::seed::Seed;
use titrate::stats::Interval;
use titrate::stats::dose_curve::{DoseCurve, MostOfPlateau, Shape};
use titrate::stats::equivalence::Equivalence;
use titrate::stats::exchange::{Exchange, RateInterval, RealOnly, WithSynthetic};
use titrate::stats::groups::{End, Gap, Leader, Simultaneous};
use titrate::stats::rank::RankCorrelation;

use crate::arms::{Arms, CLASSES, Noise, together};

const LEVEL: f64 = 0.05;
const CONFIDENCE: f64 = 1.0 - LEVEL;

pub const NOISES: [(&str, Noise); 3] = [
    ("arms alike", Noise { rerun: 0.0, interaction: false }),
    ("both", Noise { rerun: 1.0, interaction: true }),
    ("reruns vary by 3 points (quick)", Noise { rerun: 3.0, interaction: true }),
];

/// Means of `count` shares over simulated studies.
fn shares<const N: usize>(studies: usize, one: impl Fn(usize) -> [f64; N] + Sync) -> [f64; N] {
    let add = |a: [f64; N], b: [f64; N]| std::array::from_fn(|at| a[at] + b[at]);
    let sums = (0..studies).into_par_iter().map(&one).reduce(|| [0.0; N], add);
    sums.map(|sum| sum / studies as f64)
}

fn holds(interval: Option<Interval>, truth: f64) -> bool {
    interval.is_some_and(|interval| interval.low <= truth && truth <= interval.high)
}

/// Margin of equivalence.
const MARGIN: f64 = 0.05;

/// How often equivalence is claimed of an arm whose gain is this.
pub fn equivalence(noise: Noise, replicates: usize, gain: f64, studies: usize) -> f64 {
    let accuracies = vec![vec![0.7], vec![0.7 + gain]];
    let arms = Arms { noise, replicates, per_patient: 1, group: &together, accuracies };
    let one = |study| {
        let crossed = arms.draw(study, "equivalence").gain().crossed();
        [f64::from(Equivalence::of(&crossed, crossed.floor(), MARGIN, LEVEL).shown)]
    };
    shares(studies, one)[0]
}

/// Two groups of images, over which a gain is the same.
#[derive(Clone, Copy)]
pub enum Pair {
    /// Halves.
    Halves,
    /// A sixth and the rest.
    Sixth,
    /// Halves, each patient having two images in either.
    Spanned,
}

/// Of a gain that is the same on two groups of images: how often a difference is claimed.
pub fn interaction(noise: Noise, replicates: usize, pair: Pair, studies: usize) -> f64 {
    let group = move |image: usize| match pair {
        Pair::Halves => image / CLASSES % 2,
        Pair::Sixth => usize::from(!(image / CLASSES).is_multiple_of(6)),
        Pair::Spanned => image % 2,
    };
    let per_patient = if let Pair::Spanned = pair { 4 } else { 1 };
    let accuracies = vec![vec![0.8, 0.6], vec![0.85, 0.65]];
    let arms = Arms { noise, replicates, per_patient, group: &group, accuracies };
    let one = |study| {
        let gains = arms.draw(study, "interaction").gains();
        let crossed = gains[0].minus(&gains[1]).expect("gains of one study").crossed();
        let answer = crossed.infer(crossed.floor(), CONFIDENCE);
        [f64::from(answer.p.is_some_and(|p| p <= LEVEL))]
    };
    shares(studies, one)[0]
}

/// What is found of the groups of simulated studies, as shares of them.
pub struct Groups {
    /// The group claimed to gain most does not, or is not the only one.
    pub wrong: f64,
    /// The right group is claimed.
    pub right: f64,
    /// All groups' intervals hold at once.
    pub all: f64,
    /// The interval of the smallest gain holds.
    pub smallest: f64,
    /// The interval of the gap between the largest and the smallest gain holds.
    pub gap: f64,
}

/// Of classes, a ninth of the images each, or thirds, with these gains.
pub fn groups(noise: Noise, replicates: usize, gains: &[f64], studies: usize) -> Groups {
    let count = gains.len();
    let group = move |image: usize| (image % CLASSES) % count;
    let accuracies = vec![vec![0.6; count], gains.iter().map(|gain| 0.6 + gain).collect()];
    let arms = Arms { noise, replicates, per_patient: 1, group: &group, accuracies };
    let most = gains.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = gains.iter().copied().fold(f64::INFINITY, f64::min);
    let best = (0..count).filter(|place| gains[*place] == most).collect::<Vec<_>>();
    let one = |study| {
        let found = arms.draw(study, "groups").gains();
        let leader = Leader::of(&found, End::Largest, CONFIDENCE).expect("gains of one study");
        let claimed = if let Leader::Shown { group, .. } = leader { Some(group) } else { None };
        let right = claimed.is_some_and(|group| best == [group]);
        let all = Simultaneous::of(&found, CONFIDENCE).expect("gains of one study");
        let each = all.groups.iter().zip(gains).all(|(group, gain)| holds(group.interval, *gain));
        let gap = Gap::of(&found, CONFIDENCE).expect("gains of one study");
        let gap = holds(gap.and_then(|gap| gap.interval), most - least);
        let wrong = claimed.is_some() && !right;
        [wrong, right, each, holds(all.smallest(), least), gap].map(f64::from)
    };
    let [wrong, right, all, smallest, gap] = shares(studies, one);
    Groups { wrong, right, all, smallest, gap }
}

/// Sizes of the real-only arms, real and synthetic images of the other, and what it is worth.
const SIZES: [usize; 5] = [4, 8, 16, 32, 64];
const REAL: usize = 8;
const SYNTHETIC: usize = 40;
const WORTH: f64 = 20.0;

/// Of an exchange rate: coverage of the interval, and the share of intervals with an open end.
pub fn exchange(noise: Noise, replicates: usize, studies: usize) -> [f64; 2] {
    let accuracy = |n: usize| 0.8 - 0.5 / (n as f64).sqrt();
    // Between the sizes the curve is linear in the logarithm.
    let share = (WORTH / 16.0).ln() / 2f64.ln();
    let arm = (1.0 - share) * accuracy(16) + share * accuracy(32);
    let accuracies = SIZES.map(accuracy).into_iter().chain([arm]);
    let accuracies = accuracies.map(|accuracy| vec![accuracy]).collect();
    let arms = Arms { noise, replicates, per_patient: 1, group: &together, accuracies };
    let rate = (WORTH - REAL as f64) / SYNTHETIC as f64;
    let one = |study| {
        let study = arms.draw(study, "exchange");
        let found = (0..=SIZES.len()).map(|arm| study.accuracy(arm)).collect::<Vec<_>>();
        let curve = SIZES.iter().zip(&found).map(|(n, accuracy)| RealOnly { n: *n, accuracy });
        let arm = WithSynthetic { real: REAL, synthetic: SYNTHETIC, accuracy: &found[SIZES.len()] };
        let exchange = Exchange::of(&curve.collect::<Vec<_>>(), arm, CONFIDENCE);
        let Ok(Exchange::Rate { interval, .. }) = exchange else { return [0.0, 1.0] };
        let (holds, open) = match interval {
            RateInterval::Bounded { low, high } => (low <= rate && rate <= high, false),
            RateInterval::AtLeast { low } => (low <= rate, true),
            RateInterval::AtMost { high } => (rate <= high, true),
            RateInterval::Unbounded => (true, true),
            RateInterval::MoreThan { .. } | RateInterval::LessThan { .. } => (false, true),
        };
        [holds, open].map(f64::from)
    };
    shares(studies, one)
}

const DOSES: [f64; 7] = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

/// A shape and the accuracy at a dose.
pub type Curve = (Shape, fn(f64) -> f64);

/// Truths of dose curves. Those with a plateau are at 90% of it at dose 9.
pub const CURVES: [Curve; 4] = [
    (Shape::Flat, |_| 0.7),
    (Shape::Linear, |dose| 0.6 + 0.15 * dose / 32.0),
    (Shape::Emax, |dose| 0.6 + 0.15 * dose / (dose + 1.0)),
    (Shape::BrokenStick, |dose| 0.6 + 0.15 * dose.min(10.0) / 10.0),
];

/// What is found of dose curves, as shares of simulated studies.
pub struct Doses {
    /// The right shape has the best AICc.
    pub shape: f64,
    /// A dose of most of the plateau is claimed, reached or not.
    pub claimed: f64,
    /// Of the claimed ones: the interval holds.
    pub coverage: f64,
    /// Of those by the right shape.
    pub right_coverage: f64,
    /// No shape is said to fit.
    pub none: f64,
}

pub fn doses(noise: Noise, replicates: usize, (shape, curve): Curve, studies: usize) -> Doses {
    let accuracies = DOSES.map(|dose| vec![curve(dose)]).to_vec();
    let arms = Arms { noise, replicates, per_patient: 1, group: &together, accuracies };
    let truth = 9.0;
    let one = |study| {
        let study = arms.draw(study, "doses");
        let found = (0..DOSES.len()).map(|arm| study.accuracy(arm)).collect::<Vec<_>>();
        let found = DOSES.into_iter().zip(&found).collect::<Vec<_>>();
        let Ok(DoseCurve::Fitted { best, most, .. }) = DoseCurve::of(&found, CONFIDENCE) else {
            return [0.0; 6];
        };
        let (claimed, held) = match most {
            MostOfPlateau::At { low, high, .. } => {
                (true, low <= truth && high.is_none_or(|high| truth <= high))
            }
            MostOfPlateau::NotReached { low, .. } => (true, low <= truth),
            MostOfPlateau::NoPlateau | MostOfPlateau::NoShape { .. } => (false, false),
        };
        let none = matches!(most, MostOfPlateau::NoShape { .. });
        let right = best == shape;
        [right, claimed, held, none, right && claimed, right && held].map(f64::from)
    };
    let [shape, claimed, held, none, right, right_held] = shares(studies, one);
    let (coverage, right_coverage) = (held / claimed, right_held / right);
    Doses { shape, claimed, coverage, right_coverage, none }
}

/// Coverage of the interval of a rank correlation, of normal pairs with this correlation.
pub fn rank(pairs: usize, correlation: f64, studies: usize) -> f64 {
    // Of normal pairs (Pearson 1907).
    let truth = 6.0 / std::f64::consts::PI * (correlation / 2.0).asin();
    let one = |study: usize| {
        let seed = Seed::of_study(study as u64).child("rank");
        let draws = seed.normal_draws().take(2 * pairs).collect::<Vec<_>>();
        let other = |a: f64, b: f64| correlation * a + (1.0 - correlation.powi(2)).sqrt() * b;
        let drawn = draws.chunks(2).map(|two| (two[0], other(two[0], two[1])));
        let found = RankCorrelation::of(&drawn.collect::<Vec<_>>(), CONFIDENCE, seed);
        let RankCorrelation::Defined { interval, .. } = found else { return [0.0] };
        [f64::from(holds(interval, truth))]
    };
    shares(studies, one)[0]
}
