//! Studies of which arm has which image right, drawn from a model with known accuracies.
//!
//! An image is right in an arm and replicate where a sum of normal draws is below a bound: the
//! image's difficulty, the same for all; the image's difficulty for the arm; the replicate's luck;
//! the arm's luck in the replicate; and the rest. The sum's variance is 1, so the arm's accuracy
//! over all images and replicates that there could be is the normal distribution function of the
//! bound.

use rayon::prelude::*;
use statrs::distribution::{Continuous, ContinuousCDF, Normal};
use titrate::seed::Seed;
use titrate::stats::crossed::{Components, Crossed};
use titrate::stats::family::Rule;
use titrate::stats::influence::Sample;
use titrate::vocabulary::Correction;

/// Groups of arms (settings) with a real-only arm each, and the arms compared with it.
const SETTINGS: usize = 4;
const ARMS: usize = 3;
pub const CONTRASTS: usize = SETTINGS * ARMS;

/// Accuracy of an arm without effect.
const ACCURACY: f64 = 0.7;
/// Gains that accuracy leaves room for.
pub const MOST_GAIN: f64 = 0.28;
const CLASSES: usize = 9;
const LEVEL: f64 = 0.05;

/// What varies beside images and single predictions.
#[derive(Clone, Copy)]
pub struct Variances {
    /// Standard deviation of each arm's accuracy between replicates, in points; real only has the
    /// first.
    pub reruns: [f64; ARMS],
    /// Whether images are easier in one arm than in another.
    pub interaction: bool,
}

#[derive(Clone)]
pub struct Scenario {
    pub variances: Variances,
    pub replicates: usize,
    pub images: usize,
    /// True gains of the first contrasts; the others have none.
    pub gains: Vec<f64>,
}

/// What became of the simulated studies of a scenario.
#[derive(Clone, Default)]
pub struct Counts {
    studies: usize,
    any: usize,
    single: usize,
    covered: usize,
    part_covered: usize,
    planted_alone: usize,
    planted_rejected: usize,
    planted_covered: usize,
}

impl Counts {
    fn share(&self, count: usize, of: usize) -> f64 {
        count as f64 / (self.studies * of) as f64
    }

    /// Studies in which something is rejected.
    pub fn any_rejection(&self) -> f64 {
        self.share(self.any, 1)
    }

    /// Contrasts with a raw p below the level.
    pub fn single(&self) -> f64 {
        self.share(self.single, CONTRASTS)
    }

    /// Intervals that hold the true difference.
    pub fn coverage(&self) -> f64 {
        self.share(self.covered, CONTRASTS)
    }

    /// The same on a sixth of the images.
    pub fn part_coverage(&self) -> f64 {
        self.share(self.part_covered, CONTRASTS)
    }

    /// Of the first contrast: raw p below the level.
    pub fn planted_alone(&self) -> f64 {
        self.share(self.planted_alone, 1)
    }

    /// Of the first contrast: rejected after correction.
    pub fn planted_rejected(&self) -> f64 {
        self.share(self.planted_rejected, 1)
    }

    /// Of the first contrast: its interval holds the gain.
    pub fn planted_coverage(&self) -> f64 {
        self.share(self.planted_covered, 1)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            studies: self.studies + other.studies,
            any: self.any + other.any,
            single: self.single + other.single,
            covered: self.covered + other.covered,
            part_covered: self.part_covered + other.part_covered,
            planted_alone: self.planted_alone + other.planted_alone,
            planted_rejected: self.planted_rejected + other.planted_rejected,
            planted_covered: self.planted_covered + other.planted_covered,
        }
    }
}

/// One study's contrasts on all images and on a sixth of them, by contrast.
struct Study {
    whole: Vec<Crossed>,
    part: Vec<Crossed>,
}

impl Scenario {
    pub fn simulate(&self, studies: usize) -> Counts {
        let one = |study: usize| {
            self.counts(&self.study(Seed::of_study(study as u64).child("calibrate")))
        };
        (0..studies).into_par_iter().map(one).reduce(Counts::default, Counts::plus)
    }

    /// The true variance components of a contrast, as means over many studies.
    pub fn components(&self) -> Components {
        let one = |study: usize| {
            let crossed = self.study(Seed::of_study(study as u64).child("components")).whole;
            Components::pool(&crossed.iter().collect::<Vec<_>>())
        };
        // Differences of accuracies without a replicate effect have mean squares above and below
        // the error: averaged, they meet it.
        let all = (0..600).into_par_iter().map(one).collect::<Vec<_>>();
        let mean = |of: fn(&Components) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        let varies = self.variances.reruns.iter().any(|points| *points > 0.0);
        Components {
            rerun: if varies { mean(|of| of.rerun) } else { 0.0 },
            image: if self.variances.interaction { mean(|of| of.image) } else { 0.0 },
            residual: mean(|of| of.residual),
        }
    }

    fn gain(&self, contrast: usize) -> f64 {
        self.gains.get(contrast).copied().unwrap_or(0.0)
    }

    fn counts(&self, study: &Study) -> Counts {
        let mut counts = Counts { studies: 1, ..Counts::default() };
        let answers = Rule::of(&study.whole).infer(&study.whole, 1.0 - LEVEL);
        let adjusted = Correction::BenjaminiHochberg
            .adjust(&answers.iter().map(|answer| answer.p).collect::<Vec<_>>());
        let parts = Rule::of(&study.part).infer(&study.part, 1.0 - LEVEL);
        for (contrast, ((answer, adjusted), part)) in
            answers.iter().zip(&adjusted).zip(&parts).enumerate()
        {
            let gain = self.gain(contrast);
            let holds = |interval: Option<titrate::stats::Interval>| {
                interval.is_some_and(|i| i.low <= gain && gain <= i.high)
            };
            let (single, rejected) =
                (answer.p.is_some_and(|p| p < LEVEL), adjusted.is_some_and(|p| p <= LEVEL));
            counts.any = counts.any.max(usize::from(rejected));
            counts.single += usize::from(single);
            counts.covered += usize::from(holds(answer.interval));
            counts.part_covered += usize::from(holds(part.interval));
            if contrast == 0 {
                counts.planted_alone = usize::from(single);
                counts.planted_rejected = usize::from(rejected);
                counts.planted_covered = usize::from(holds(answer.interval));
            }
        }
        counts
    }

    fn study(&self, seed: Seed) -> Study {
        let normal = Normal::standard();
        let mut draws = seed.normal_draws();
        let mut draw = |count: usize, scale: f64| {
            (&mut draws).take(count).map(|z| scale * z).collect::<Vec<_>>()
        };
        let slope = normal.pdf(normal.inverse_cdf(ACCURACY)) * 100.0;
        let (difficulty, interaction) = (0.6, if self.variances.interaction { 0.3 } else { 0.0 });
        let common = 2.0 / slope;
        let sample =
            Sample::of_classes(&(0..self.images).map(|image| image % CLASSES).collect::<Vec<_>>());
        let sixth = (0..self.images)
            .filter(|image| (image / CLASSES).is_multiple_of(6))
            .collect::<Vec<_>>();
        let images = draw(self.images, difficulty);
        let mut study = Study { whole: Vec::new(), part: Vec::new() };
        for setting in 0..SETTINGS {
            let luck = draw(self.replicates, common);
            // Real only, then the arms: by replicate and image, 1 where right.
            let mut arms = Vec::new();
            for arm in 0..=ARMS {
                let rerun = self.variances.reruns[arm.saturating_sub(1)] / slope;
                let rest = (1.0
                    - difficulty * difficulty
                    - interaction * interaction
                    - common * common
                    - rerun * rerun)
                    .sqrt();
                let gain = if arm > 0 { self.gain(setting * ARMS + arm - 1) } else { 0.0 };
                let bound = normal.inverse_cdf(ACCURACY + gain);
                let own = draw(self.images, interaction);
                let replicate = |luck: &f64| {
                    let level = bound - luck - draw(1, rerun)[0];
                    let noise = draw(self.images, rest);
                    (0..self.images)
                        .map(|at| f64::from(images[at] + own[at] + noise[at] < level))
                        .collect::<Vec<_>>()
                };
                arms.push(luck.iter().map(replicate).collect::<Vec<_>>());
            }
            for arm in &arms[1..] {
                let differences = arm.iter().zip(&arms[0]);
                let differences = differences
                    .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>());
                let differences = differences.collect::<Vec<_>>();
                study
                    .whole
                    .push(Crossed::of(&differences, sample.units, |scores| sample.mean(scores)));
                study.part.push(Crossed::of(&differences, sixth.len(), |scores| {
                    sample.mean_of(scores, &sixth)
                }));
            }
        }
        study
    }
}
