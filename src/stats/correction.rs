//! Correction of a family of p values for multiple comparisons.

use crate::vocabulary::Correction;

impl Correction {
    /// The adjusted p of each hypothesis, in the order of `p`: at level q those are rejected whose
    /// adjusted p is at most q. A hypothesis without a p takes no part and has none after. Equal p
    /// values get equal adjusted ones.
    pub fn adjust(&self, p: &[Option<f64>]) -> Vec<Option<f64>> {
        let known = p.iter().flatten().copied().collect::<Vec<_>>();
        let count = known.len();
        let adjusted = match self {
            Self::BenjaminiHochberg => step_up(&known, count as f64),
            Self::BenjaminiYekutieli => {
                let harmonic = (1..=count).map(|rank| 1.0 / rank as f64).sum::<f64>();
                step_up(&known, count as f64 * harmonic)
            }
            Self::Holm => step_down(&known),
        };
        let mut adjusted = adjusted.into_iter();
        p.iter().map(|p| p.and_then(|_| adjusted.next())).collect()
    }
}

/// The places of `p`, smallest first.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order = (0..p.len()).collect::<Vec<_>>();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

/// Each p times `factor` by its rank, or what a larger one has if that is less.
fn step_up(p: &[f64], factor: f64) -> Vec<f64> {
    let mut adjusted = vec![1.0; p.len()];
    let mut smallest = 1.0f64;
    for (rank, index) in ascending(p).iter().enumerate().rev() {
        smallest = smallest.min(p[*index] * factor / (rank + 1) as f64);
        adjusted[*index] = smallest;
    }
    adjusted
}

/// Each p times the number of those not below it, or what a smaller one has if that is more.
fn step_down(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, index) in ascending(p).iter().enumerate() {
        largest = largest.max(p[*index] * (p.len() - rank) as f64).min(1.0);
        adjusted[*index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::stats::linear::tests::references;
    use crate::stats::paired::tests::{self, close};

    fn adjust(correction: Correction, p: &[f64]) -> Vec<f64> {
        let known = p.iter().copied().map(Some).collect::<Vec<_>>();
        correction.adjust(&known).into_iter().flatten().collect()
    }

    #[test]
    fn adjusted_values_agree_with_scipy() {
        for case in &tests::references().benjamini_hochberg {
            close(&adjust(Correction::BenjaminiHochberg, &case.p), &case.adjusted, 1e-12);
        }
    }

    /// Reference values, made by tests/fixtures/claims.py.
    #[derive(Deserialize)]
    struct Case {
        correction: Correction,
        p: Vec<f64>,
        adjusted: Vec<f64>,
    }

    #[test]
    fn adjusted_values_agree_with_statsmodels() {
        for Case { correction, p, adjusted } in references::<Case>("corrections") {
            close(&adjust(correction, &p), &adjusted, 1e-12);
        }
    }

    #[test]
    fn order_does_not_matter_and_equals_stay_equal() {
        let p = [0.04, 0.01, 0.04, 0.5];
        for correction in Correction::ALL {
            let adjusted = adjust(correction, &p);
            assert_eq!(adjusted[0], adjusted[2], "{}", correction.name());
            let reversed = adjust(correction, &p.iter().rev().copied().collect::<Vec<_>>());
            assert_eq!(adjusted, reversed.into_iter().rev().collect::<Vec<_>>());
            assert!(correction.adjust(&[]).is_empty());
            assert_eq!(correction.adjust(&[None, Some(0.2)]), [None, Some(0.2)]);
        }
    }

    #[test]
    fn names_are_those_of_study_files() {
        for correction in Correction::ALL {
            let written = serde_json::to_value(correction).unwrap();
            assert_eq!(written, correction.name());
        }
    }
}
