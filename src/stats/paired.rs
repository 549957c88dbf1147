//! Comparisons of two arms' trained classifiers on the same held-out images. They hold for these
//! classifiers, not for reruns.
//!
//! Scores are whole numbers (correct = 1), so that sums are exact and no order of addition can
//! change a count.

use statrs::distribution::{Binomial, DiscreteCDF};

/// McNemar's exact test of two classifiers: the two-sided binomial p of the discordant images,
/// where `first` and `second` count the images that only the one or the other has right. 1 without
/// any.
pub fn mcnemar(first: usize, second: usize) -> f64 {
    let discordant = (first + second) as u64;
    if discordant == 0 {
        return 1.0;
    }
    let fair = Binomial::new(0.5, discordant).expect("one half is a probability");
    (2.0 * fair.cdf(first.min(second) as u64)).min(1.0)
}

/// Two-sided p of the exact sign-flip test on `differences`, each image's difference of two arms
/// summed over replicates.
///
/// Under the null hypothesis the two arms' scores of an image may be swapped, in all its replicates
/// together. The distribution of the sum over all swaps is the convolution of one two-point
/// distribution an image; p is the share of sums at least as far from 0.
///
/// The images are the sampled units: p does not cover how far other training runs would differ.
pub fn sign_flip(differences: &[i32]) -> f64 {
    let observed = differences.iter().sum::<i32>().unsigned_abs() as usize;
    // Shifted by the sum so far of the magnitudes m and halved: an image adds 0 or its m.
    let mut chances = vec![1.0];
    for magnitude in differences
        .iter()
        .map(|difference| difference.unsigned_abs() as usize)
        .filter(|magnitude| *magnitude > 0)
    {
        let mut next = vec![0.0; chances.len() + magnitude];
        for (place, chance) in chances.iter().enumerate() {
            next[place] += 0.5 * chance;
            next[place + magnitude] += 0.5 * chance;
        }
        chances = next;
    }
    let reach = chances.len() - 1;
    let extreme = |place: usize| (2 * place).abs_diff(reach) >= observed;
    chances
        .iter()
        .enumerate()
        .filter(|(place, _)| extreme(*place))
        .map(|(_, chance)| chance)
        .sum::<f64>()
        .min(1.0)
}

#[cfg(test)]
pub(super) mod tests {
    use serde::Deserialize;

    use super::*;

    /// Reference values, made by tests/fixtures/statistics.py.
    #[derive(Deserialize)]
    pub struct References {
        pub wilson: Vec<Proportion>,
        pub quantile: Vec<Quantile>,
        pub benjamini_hochberg: Vec<Family>,
        mcnemar: Vec<Discordant>,
        sign_flip: Vec<Flips>,
    }

    #[derive(Deserialize)]
    pub struct Proportion {
        pub successes: usize,
        pub trials: usize,
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

    pub fn references() -> References {
        serde_json::from_str(include_str!("../../tests/fixtures/statistics.json")).unwrap()
    }

    #[track_caller]
    pub fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        let near = found.len() == expected.len()
            && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance);
        assert!(near, "{found:?} is not {expected:?} within {tolerance}");
    }

    #[test]
    fn mcnemar_agrees_with_scipy() {
        for case in references().mcnemar {
            close(&[mcnemar(case.first, case.second)], &[case.p], 1e-9);
        }
    }

    #[test]
    fn sign_flips_are_exact() {
        let wider = crate::stats::crossed::tests::references::<Flips>("sign_flips");
        for case in references().sign_flip.into_iter().chain(wider) {
            close(&[sign_flip(&case.differences)], &[case.p], 1e-12);
        }
        assert_eq!(sign_flip(&[0; 100]), 1.0);
        assert_eq!(sign_flip(&[]), 1.0);
    }
}
