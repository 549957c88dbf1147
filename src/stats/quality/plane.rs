//! The plane in which a set of images varies most.

use nalgebra::{DMatrix, SymmetricEigen};

use super::frechet::mean;

/// The first two principal components of a set of images.
pub struct Plane {
    mean: Vec<f64>,
    /// Two unit vectors; zeros where the set varies in fewer directions.
    axes: [Vec<f64>; 2],
    /// Share of the set's variance along each axis, 0 to 1.
    pub shares: [f64; 2],
}

impl Plane {
    /// The principal components (Pearson 1901) of the rows, which are images. Each axis points to
    /// where its largest component is positive, the first of equally large ones.
    ///
    /// # Panics
    /// If there is no image.
    pub fn fit(rows: &[&[f64]]) -> Self {
        let mean = mean(rows);
        let centred = DMatrix::from_fn(rows.len(), mean.len(), |row, column| {
            rows[row][column] - mean[column]
        });
        // Both products have the same eigenvalues but for zeros; the smaller one is decomposed.
        let is_wide = rows.len() < mean.len();
        let product =
            if is_wide { &centred * centred.transpose() } else { centred.transpose() * &centred };
        let total = product.trace();
        let eigen = SymmetricEigen::new(product);
        let mut order = (0..eigen.eigenvalues.len()).collect::<Vec<_>>();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let axis = |number: usize| {
            let varies = |&&at: &&usize| eigen.eigenvalues[at] > total * 1e-12;
            let Some(&at) = order.get(number).filter(varies) else {
                return (vec![0.0; mean.len()], 0.0);
            };
            let vector = eigen.eigenvectors.column(at);
            let vector = if is_wide { centred.tr_mul(&vector) } else { vector.into_owned() };
            (oriented(vector.as_slice()), eigen.eigenvalues[at] / total)
        };
        let (first, second) = (axis(0), axis(1));
        Self { axes: [first.0, second.0], shares: [first.1, second.1], mean }
    }

    /// Where an image lies in the plane, in units of the features from the set's mean.
    pub fn project(&self, features: &[f64]) -> [f64; 2] {
        let centred = || features.iter().zip(&self.mean).map(|(value, mean)| value - mean);
        [0, 1].map(|axis| centred().zip(&self.axes[axis]).map(|(value, along)| value * along).sum())
    }
}

/// A vector of the same direction or the opposite one, with length 1.
fn oriented(vector: &[f64]) -> Vec<f64> {
    let largest = vector.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    // Rounding does not decide between components that are equally large.
    let first = vector.iter().find(|value| value.abs() >= largest * (1.0 - 1e-9));
    let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    let scale = if first.is_some_and(|first| *first < 0.0) { -norm } else { norm };
    vector.iter().map(|value| value / scale).collect()
}
