//! Simulated studies of several arms whose accuracies are known on each group of images.
//!
//! The model is that of `simulation.rs`: an image is right where a sum of normal draws, whose
//! variance is 1, is below a bound.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};
use titrate::seed::Seed;
use titrate::stats::influence::Sample;
use titrate::stats::linear::{Statistic, Term};

pub const CLASSES: usize = 9;
pub const IMAGES: usize = 540;

/// What differs between replicates.
#[derive(Clone, Copy)]
pub struct Noise {
    /// Standard deviation of each arm's accuracy between replicates, in points.
    pub rerun: f64,
    /// Whether images are easier in one arm than in another.
    pub interaction: bool,
}

/// The arms of a study.
pub struct Arms<'a> {
    pub noise: Noise,
    pub replicates: usize,
    /// Images of a patient, which follow each other; half of the variance by image is the
    /// patient's. 1: nothing is known of patients.
    pub per_patient: usize,
    /// The group of an image by its place.
    pub group: &'a (dyn Fn(usize) -> usize + Sync),
    /// Accuracy over all images and replicates that there could be, by arm and group.
    pub accuracies: Vec<Vec<f64>>,
}

/// One simulated study.
pub struct Study {
    pub sample: Sample,
    /// By arm, replicate and image, 1 where right.
    pub scores: Vec<Vec<Vec<f64>>>,
    /// The images of each group.
    pub groups: Vec<Vec<usize>>,
}

/// All images in one group.
pub fn together(_: usize) -> usize {
    0
}

impl Arms<'_> {
    pub fn draw(&self, study: usize, name: &str) -> Study {
        let normal = Normal::standard();
        let mut draws = Seed::of_study(study as u64).child("claims").child(name).normal_draws();
        let mut draw = |count: usize, scale: f64| -> Vec<f64> {
            (&mut draws).take(count).map(|z| scale * z).collect()
        };
        let slope = normal.pdf(normal.inverse_cdf(0.7)) * 100.0;
        let (difficulty, common) = (0.6f64, 2.0 / slope);
        let interaction = if self.noise.interaction { 0.3f64 } else { 0.0 };
        let rerun = self.noise.rerun / slope;
        let known = [difficulty, common, interaction, rerun].map(|scale| scale * scale);
        let rest = (1.0 - known.iter().sum::<f64>()).sqrt();
        let images = self.by_image(&mut draw, difficulty);
        let luck = draw(self.replicates, common);
        let mut arm = |accuracies: &Vec<f64>| {
            let bounds = accuracies.iter().map(|accuracy| normal.inverse_cdf(*accuracy));
            let bounds = bounds.collect::<Vec<_>>();
            let own = self.by_image(&mut draw, interaction);
            let replicate = |luck: &f64| {
                let skill = luck + draw(1, rerun)[0];
                let noise = draw(IMAGES, rest);
                let right =
                    |at: usize| images[at] + own[at] + noise[at] < bounds[(self.group)(at)] - skill;
                (0..IMAGES).map(|at| f64::from(right(at))).collect()
            };
            luck.iter().map(replicate).collect()
        };
        let scores = self.accuracies.iter().map(&mut arm).collect();
        let classes = (0..IMAGES).map(|image| image % CLASSES).collect::<Vec<_>>();
        let of = |group: usize| (0..IMAGES).filter(|at| (self.group)(*at) == group).collect();
        let groups = (0..self.accuracies[0].len()).map(of).collect();
        let mut sample = Sample::of_classes(&classes);
        if self.per_patient > 1 {
            sample.unit = (0..IMAGES).map(|image| image / self.per_patient).collect();
            (sample.units, sample.patients) = (IMAGES.div_ceil(self.per_patient), true);
        }
        Study { sample, scores, groups }
    }

    /// What an image has of its own and of its patient.
    fn by_image(&self, draw: &mut impl FnMut(usize, f64) -> Vec<f64>, scale: f64) -> Vec<f64> {
        if self.per_patient == 1 {
            return draw(IMAGES, scale);
        }
        let half = scale / 2f64.sqrt();
        let (patients, images) =
            (draw(IMAGES.div_ceil(self.per_patient), half), draw(IMAGES, half));
        let sum = |(at, image): (usize, f64)| image + patients[at / self.per_patient];
        images.into_iter().enumerate().map(sum).collect()
    }
}

impl Study {
    /// Accuracy of an arm.
    pub fn accuracy(&self, arm: usize) -> Statistic {
        self.contrast(&[Term::whole(1.0, &self.scores[arm])])
    }

    /// The gain of arm 1 over arm 0.
    pub fn gain(&self) -> Statistic {
        self.contrast(&[Term::whole(1.0, &self.scores[1]), Term::whole(-1.0, &self.scores[0])])
    }

    /// The gain of arm 1 over arm 0 on each group of images.
    pub fn gains(&self) -> Vec<Statistic> {
        let gain = |images: &Vec<usize>| {
            let term = |weight, arm: usize| Term::on(images, weight, &self.scores[arm]);
            self.contrast(&[term(1.0, 1), term(-1.0, 0)])
        };
        self.groups.iter().map(gain).collect()
    }

    fn contrast(&self, terms: &[Term<'_>]) -> Statistic {
        Statistic::of(terms, &self.sample).expect("arms of one study")
    }
}
