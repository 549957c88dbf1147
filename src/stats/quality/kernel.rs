//! The kernel distance of two sets of images.

/// Unbiased squared maximum mean discrepancy with the kernel (x·y / d + 1)³ of d features
/// (Bińkowski et al. 2018), over all images at once; about 0, and as often below as above it, where
/// both sets are of one distribution.
///
/// Rows are images, at least two a set. Has no unit, but depends on the scale of the features.
///
/// # Panics
/// If a set has fewer than two images.
pub fn kernel(a: &[&[f64]], b: &[&[f64]]) -> f64 {
    assert!(a.len() > 1 && b.len() > 1, "a kernel distance of fewer than two images");
    within(a) + within(b) - 2.0 * between(a, b)
}

fn cubic(a: &[f64], b: &[f64]) -> f64 {
    let product = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    (product / a.len() as f64 + 1.0).powi(3)
}

/// The mean over all pairs of different images.
fn within(rows: &[&[f64]]) -> f64 {
    let mut sum = 0.0;
    for (place, row) in rows.iter().enumerate() {
        sum += rows[..place].iter().map(|other| cubic(row, other)).sum::<f64>();
    }
    2.0 * sum / (rows.len() * (rows.len() - 1)) as f64
}

/// The mean over all pairs of an image of each set.
fn between(a: &[&[f64]], b: &[&[f64]]) -> f64 {
    let sums = a.iter().map(|row| b.iter().map(|other| cubic(row, other)).sum::<f64>());
    sums.sum::<f64>() / (a.len() * b.len()) as f64
}
