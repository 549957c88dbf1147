//! Rank correlation of pairs, such as how real an image set looks and how much it gains.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::interval::{Interval, mean, quantile};
use crate::seed::Seed;

/// Resamples of an interval.
const RESAMPLES: usize = 10_000;

/// Pairs from which there is an interval: of fewer, most resamples repeat one of them too often.
pub const INTERVAL_FROM: usize = 5;

/// Spearman's rank correlation of pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum RankCorrelation {
    /// It is defined.
    Defined {
        /// Spearman's rho, -1 to 1; equal values have the mean of their ranks.
        rho: f64,
        /// Number of pairs.
        pairs: usize,
        /// For new pairs, by quantiles of the bootstrap over pairs; none with fewer than
        /// [`INTERVAL_FROM`].
        interval: Option<Interval>,
    },
    /// There are fewer than three pairs.
    TooFewPairs {
        /// Number of pairs.
        pairs: usize,
    },
    /// All pairs have the same value on one side, so there are no ranks to correlate.
    Constant,
    /// A value is not finite.
    NotFinite,
}

impl RankCorrelation {
    /// Of `pairs`, with an interval of coverage `confidence` (0 to 1) whose resamples are a stream
    /// of `seed`: the same pairs and seed have the same interval.
    pub fn of(pairs: &[(f64, f64)], confidence: f64, seed: Seed) -> Self {
        if pairs.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
            return Self::NotFinite;
        }
        if pairs.len() < 3 {
            return Self::TooFewPairs { pairs: pairs.len() };
        }
        let Some(rho) = spearman(pairs) else { return Self::Constant };
        let interval =
            (pairs.len() >= INTERVAL_FROM).then(|| bootstrap(pairs, confidence, seed)).flatten();
        Self::Defined { rho, pairs: pairs.len(), interval }
    }
}

/// Spearman's rho: Pearson's correlation of the ranks (Spearman 1904). None where one side has no
/// two different values.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let (x, y): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let (x, y) = (centred(ranks(&x)), centred(ranks(&y)));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (dot(&x, &x) * dot(&y, &y)).sqrt();
    (scale > 0.0).then(|| (dot(&x, &y) / scale).clamp(-1.0, 1.0))
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order = (0..values.len()).collect::<Vec<_>>();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let shared = first as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|place| ranks[*place] = shared);
        first += equal.len();
    }
    ranks
}

fn centred(mut values: Vec<f64>) -> Vec<f64> {
    if let Some(centre) = (!values.is_empty()).then(|| mean(&values)) {
        values.iter_mut().for_each(|value| *value -= centre);
    }
    values
}

/// Quantiles of rho over resamples of the pairs; those that are constant on one side have no rho
/// and are left out. None where all are.
fn bootstrap(pairs: &[(f64, f64)], confidence: f64, seed: Seed) -> Option<Interval> {
    let mut rng = seed.child("rank-bootstrap").rng();
    let mut resample = || {
        let draw = |_| pairs[rng.random_range(0..pairs.len())];
        spearman(&(0..pairs.len()).map(draw).collect::<Vec<_>>())
    };
    let mut found = (0..RESAMPLES).filter_map(|_| resample()).collect::<Vec<_>>();
    found.sort_by(f64::total_cmp);
    let end = |probability: f64| quantile(&found, probability);
    (!found.is_empty())
        .then(|| Interval { low: end(0.5 - confidence / 2.0), high: end(0.5 + confidence / 2.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::linear::tests::references;
    use crate::stats::paired::tests::close;

    /// Reference values, made by tests/fixtures/claims.py.
    #[derive(Deserialize)]
    struct Case {
        x: Vec<f64>,
        y: Vec<f64>,
        rho: f64,
        /// Of all resamples that there are: a little below and above each end.
        interval: Option<Ends>,
    }

    #[derive(Deserialize)]
    struct Ends {
        confidence: f64,
        low: [f64; 2],
        high: [f64; 2],
    }

    #[test]
    fn rho_agrees_with_scipy_and_its_interval_with_all_resamples() {
        for Case { x, y, rho, interval } in references::<Case>("ranks") {
            let pairs = x.into_iter().zip(y).collect::<Vec<_>>();
            close(&[spearman(&pairs).unwrap()], &[rho], 1e-12);
            let Some(Ends { confidence, low, high }) = interval else { continue };
            let found = RankCorrelation::of(&pairs, confidence, Seed::of_study(3));
            let RankCorrelation::Defined { interval: Some(found), .. } = found else {
                panic!("{found:?}")
            };
            let within = |[least, most]: [f64; 2], end| least - 1e-9 <= end && end <= most + 1e-9;
            assert!(
                within(low, found.low) && within(high, found.high),
                "{found:?} {low:?} {high:?}"
            );
        }
    }

    fn of(pairs: &[(f64, f64)]) -> RankCorrelation {
        RankCorrelation::of(pairs, 0.95, Seed::of_study(1))
    }

    #[test]
    fn what_has_no_rank_correlation_is_told_apart() {
        assert_eq!(of(&[(1.0, 2.0), (2.0, 1.0)]), RankCorrelation::TooFewPairs { pairs: 2 });
        assert_eq!(of(&[(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]), RankCorrelation::Constant);
        assert_eq!(of(&[(1.0, 2.0), (f64::NAN, 2.0), (3.0, 2.0)]), RankCorrelation::NotFinite);
        let four = (0..4).map(|i| (f64::from(i), f64::from(i * i))).collect::<Vec<_>>();
        let expected = RankCorrelation::Defined { rho: 1.0, pairs: 4, interval: None };
        assert_eq!(of(&four), expected);
    }

    #[test]
    fn the_interval_is_that_of_the_seed_and_can_be_stored() {
        let pair = |i: u8| (f64::from(i), f64::from(i * 7 % 23));
        let pairs = (0..30).map(pair).collect::<Vec<_>>();
        let found = of(&pairs);
        assert_eq!(found, of(&pairs));
        assert_ne!(found, RankCorrelation::of(&pairs, 0.95, Seed::of_study(2)));
        let written = serde_json::to_string(&found).unwrap();
        assert!(written.starts_with(r#"{"outcome":"defined""#), "{written}");
        assert_eq!(serde_json::from_str::<RankCorrelation>(&written).unwrap(), found);
    }
}
