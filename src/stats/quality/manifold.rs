//! Precision and recall: how much of each set lies where the other does.

use super::sample::distance;

/// Neighbours whose distance bounds the surroundings of an image, as in the paper.
pub const NEIGHBOURS: usize = 3;

/// Improved precision and recall (Kynkäänniemi et al. 2019, k = 3), each 0 to 1: the share of
/// `made` that lies in the surroundings of an image of `real`, and the share of `real` that lies in
/// the surroundings of an image of `made`. The surroundings of an image reach to its third nearest
/// neighbour in its own set, which is counted in.
///
/// Rows are images, at least four a set.
///
/// # Panics
/// If a set has three images or fewer.
pub fn precision_recall(real: &[&[f64]], made: &[&[f64]]) -> (f64, f64) {
    (covered(made, real), covered(real, made))
}

/// The share of `points` in the surroundings of one of `centres`.
fn covered(points: &[&[f64]], centres: &[&[f64]]) -> f64 {
    let radii = radii(centres);
    let is_covered = |point: &&&[f64]| {
        centres.iter().zip(&radii).any(|(centre, radius)| distance(point, centre) <= *radius)
    };
    points.iter().filter(is_covered).count() as f64 / points.len() as f64
}

/// From each image to its third nearest neighbour.
fn radii(rows: &[&[f64]]) -> Vec<f64> {
    assert!(rows.len() > NEIGHBOURS, "{} images have no third neighbour", rows.len());
    let radius = |(place, row): (usize, &&[f64])| {
        let others = rows.iter().enumerate().filter(|(other, _)| *other != place);
        let mut distances = others.map(|(_, other)| distance(row, other)).collect::<Vec<_>>();
        *distances.select_nth_unstable_by(NEIGHBOURS - 1, f64::total_cmp).1
    };
    rows.iter().enumerate().map(radius).collect()
}
