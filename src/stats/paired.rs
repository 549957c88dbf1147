//! Comparisons of two arms on the same held-out images, and resampling of one arm's.
//!
//! Scores are whole numbers (correct = 1), so that sums are exact and no order of addition can change a count.

use rand::Rng;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::interval::{Interval, quantile};
use crate::seed::Seed;

/// McNemar's exact test of two classifiers: the two-sided binomial p of the discordant images, where `first` and `second` count
/// the images that only the one or the other has right. 1 without any.
pub fn mcnemar(first: usize, second: usize) -> f64 {
    let discordant = (first + second) as u64;
    if discordant == 0 {
        return 1.0;
    }
    let fair = Binomial::new(0.5, discordant).expect("one half is a probability");
    (2.0 * fair.cdf(first.min(second) as u64)).min(1.0)
}

/// Two-sided p of a sign-flip permutation test on `differences`, each image's difference of two arms summed over replicates.
///
/// Under the null hypothesis the two arms' scores of an image may be swapped, in all its replicates together. A swap never moves an
/// image out of its class, so the test is stratified by class as it stands. The statistic is the sum's magnitude, and
/// p = (1 + flips at least as extreme) / (1 + `permutations`) (Phipson and Smyth 2010).
///
/// The images are the sampled units: p says nothing of how far other training runs would differ.
pub fn sign_flip(differences: &[i32], permutations: usize, seed: Seed) -> f64 {
    let moving = differences.iter().copied().filter(|difference| *difference != 0).collect::<Vec<_>>();
    let observed = moving.iter().sum::<i32>().abs();
    let mut rng = seed.rng();
    let mut extreme = 0usize;
    for _ in 0..permutations {
        let mut sum = 0;
        for chunk in moving.chunks(64) {
            let signs = rng.random::<u64>();
            for (place, difference) in chunk.iter().enumerate() {
                sum += if signs >> place & 1 == 1 { *difference } else { -*difference };
            }
        }
        extreme += usize::from(sum.abs() >= observed);
    }
    (1 + extreme) as f64 / (1 + permutations) as f64
}

/// Percentile bootstrap interval of the mean score over replicates and images.
///
/// `scores[replicate][image]` are whole scores (1 and 0 for one arm, or the difference of two); `strata` lists the images of each
/// class. A resample draws replicates with replacement and, apart from them, images with replacement within each class: the
/// pigeonhole bootstrap, whose variance errs on the large side for the interaction of the two (Owen 2007). That between `R` replicates
/// comes out short by `(R - 1) / R`, and percentiles know no t: with few replicates that differ, the interval is too narrow. With one only
/// images vary.
///
/// # Panics
/// If there are no replicates, images or `resamples`.
pub fn bootstrap(scores: &[Vec<i8>], strata: &[Vec<usize>], confidence: f64, resamples: usize, seed: Seed) -> Interval {
    let images = strata.iter().map(Vec::len).sum::<usize>();
    let divisor = (images * scores.len()) as f64;
    let mut rng = seed.rng();
    let mut combined = vec![0i32; scores[0].len()];
    let mut means = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        combined.fill(0);
        for _ in scores {
            let replicate = &scores[below(&mut rng, scores.len())];
            combined.iter_mut().zip(replicate).for_each(|(sum, score)| *sum += i32::from(*score));
        }
        let mut total = 0i64;
        for stratum in strata {
            for _ in stratum {
                total += i64::from(combined[stratum[below(&mut rng, stratum.len())]]);
            }
        }
        means.push(total as f64 / divisor);
    }
    means.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Interval { low: quantile(&means, tail), high: quantile(&means, 1.0 - tail) }
}

/// A uniform index below `bound`, the same on machines of any word size.
fn below(rng: &mut impl Rng, bound: usize) -> usize {
    rng.random_range(0..bound as u32) as usize
}

#[cfg(test)]
pub(super) mod tests {
    use serde::Deserialize;

    use super::*;

    /// Reference values, made by tests/fixtures/statistics.py.
    #[derive(Deserialize)]
    pub struct References {
        pub wilson: Vec<Proportion>,
        pub student: Vec<Mean>,
        pub quantile: Vec<Quantile>,
        pub benjamini_hochberg: Vec<Family>,
        mcnemar: Vec<Discordant>,
        sign_flip: Vec<Flips>,
        bootstrap: Vec<Resampled>,
    }

    #[derive(Deserialize)]
    pub struct Proportion {
        pub successes: usize,
        pub trials: usize,
        pub confidence: f64,
        pub interval: [f64; 2],
    }

    #[derive(Deserialize)]
    pub struct Mean {
        pub values: Vec<f64>,
        pub confidence: f64,
        pub interval: [f64; 2],
    }

    #[derive(Deserialize)]
    pub struct Quantile {
        pub ascending: Vec<f64>,
        pub probability: f64,
        pub value: f64,
    }

    #[derive(Deserialize)]
    pub struct Family {
        pub p: Vec<f64>,
        pub adjusted: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Discordant {
        first: usize,
        second: usize,
        p: f64,
    }

    #[derive(Deserialize)]
    struct Flips {
        differences: Vec<i32>,
        p: f64,
    }

    #[derive(Deserialize)]
    struct Resampled {
        scores: Vec<Vec<i8>>,
        strata: Vec<Vec<usize>>,
        confidence: f64,
        interval: [f64; 2],
    }

    pub fn references() -> References {
        serde_json::from_str(include_str!("../../tests/fixtures/statistics.json")).unwrap()
    }

    #[track_caller]
    pub fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        let near = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance);
        assert!(near, "{found:?} is not {expected:?} within {tolerance}");
    }

    #[test]
    fn mcnemar_agrees_with_scipy() {
        for case in references().mcnemar {
            close(&[mcnemar(case.first, case.second)], &[case.p], 1e-9);
        }
    }

    #[test]
    fn sign_flips_approach_the_exact_distribution() {
        for case in references().sign_flip {
            let found = sign_flip(&case.differences, 20_000, Seed::of_study(1));
            close(&[found], &[case.p], 4.0 * (case.p * (1.0 - case.p) / 20_000.0).sqrt() + 1e-4);
        }
    }

    #[test]
    fn a_permutation_p_is_never_zero() {
        assert_eq!(sign_flip(&[1; 100], 99, Seed::of_study(1)), 0.01);
        assert_eq!(sign_flip(&[0; 100], 99, Seed::of_study(1)), 1.0);
    }

    #[test]
    fn resampling_agrees_with_an_independent_one() {
        for case in references().bootstrap {
            let found = bootstrap(&case.scores, &case.strata, case.confidence, 20_000, Seed::of_study(1));
            close(&[found.low, found.high], &case.interval, 0.01);
        }
    }

    #[test]
    fn classes_are_resampled_apart() {
        // One class is always right and the other never: only mixing the strata could vary the mean.
        let found = bootstrap(&[vec![1, 1, 0, 0]], &[vec![0, 1], vec![2, 3]], 0.95, 500, Seed::of_study(1));
        assert_eq!(found, Interval { low: 0.5, high: 0.5 });
    }
}
