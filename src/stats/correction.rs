//! Correction of a family of p values for multiple comparisons.

/// Benjamini and Hochberg's adjusted p values (1995, the step-up procedure), in the order of `p`: a
/// hypothesis is rejected at false discovery rate q exactly if its adjusted p is at most q. Equal p
/// values get equal adjusted ones.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order = (0..p.len()).collect::<Vec<_>>();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut smallest = 1.0f64;
    for (rank, index) in order.iter().enumerate().rev() {
        smallest = smallest.min(p[*index] * p.len() as f64 / (rank + 1) as f64);
        adjusted[*index] = smallest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::paired::tests::{close, references};

    #[test]
    fn adjusted_values_agree_with_scipy() {
        for case in &references().benjamini_hochberg {
            close(&benjamini_hochberg(&case.p), &case.adjusted, 1e-12);
        }
    }

    #[test]
    fn order_does_not_matter_and_equals_stay_equal() {
        let p = [0.04, 0.01, 0.04, 0.5];
        let adjusted = benjamini_hochberg(&p);
        assert_eq!(adjusted[0], adjusted[2]);
        let reversed = benjamini_hochberg(&p.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(adjusted, reversed.into_iter().rev().collect::<Vec<_>>());
        assert!(benjamini_hochberg(&[]).is_empty());
    }
}
