//! The Fréchet distance of two sets of images, each taken for a normal distribution of features.

use nalgebra::DMatrix;

/// Squared Fréchet distance (Dowson and Landau 1982) of the normal distributions with the means and
/// covariances (divisor one less than the count) of `a` and `b`, as Heusel et al. (2017) use it; 0
/// or more, in squared units of the features.
///
/// Rows are images, at least two a set. The trace of the root of the covariances' product is the
/// sum of the singular values of A Bᵀ, where A and B are the centred sets over the root of their
/// divisors. They are the positive eigenvalues of the symmetric matrix that has A Bᵀ and its
/// transpose beside its diagonal. So no root of a number is taken that rounding alone keeps from
/// being 0, as would happen where images are fewer than features.
///
/// # Panics
/// If a set has fewer than two images.
pub fn frechet(a: &[&[f64]], b: &[&[f64]]) -> f64 {
    let (a, b) = (Moments::of(a), Moments::of(b));
    let apart = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let root = sum_singular_values(&(&a.root * b.root.transpose()));
    (apart + a.root.norm_squared() + b.root.norm_squared() - 2.0 * root).max(0.0)
}

struct Moments {
    mean: Vec<f64>,
    /// A triangular R whose Rᵀ R is the covariance; its trace is the sum of R's squares.
    root: DMatrix<f64>,
}

impl Moments {
    fn of(rows: &[&[f64]]) -> Self {
        assert!(rows.len() > 1, "a covariance of fewer than two images");
        let mean = mean(rows);
        let scale = ((rows.len() - 1) as f64).sqrt();
        let centred = DMatrix::from_fn(rows.len(), mean.len(), |row, column| {
            (rows[row][column] - mean[column]) / scale
        });
        Self { mean, root: centred.qr().r() }
    }
}

/// The mean of each feature.
pub fn mean(rows: &[&[f64]]) -> Vec<f64> {
    let mut sums = vec![0.0; rows[0].len()];
    for row in rows {
        sums.iter_mut().zip(*row).for_each(|(sum, value)| *sum += value);
    }
    sums.into_iter().map(|sum| sum / rows.len() as f64).collect()
}

/// By a symmetric eigendecomposition: nalgebra 0.35 gets the singular values of some matrices wrong
/// (its issue 1172).
fn sum_singular_values(matrix: &DMatrix<f64>) -> f64 {
    let (rows, columns) = matrix.shape();
    let mut symmetric = DMatrix::zeros(rows + columns, rows + columns);
    symmetric.view_mut((0, rows), (rows, columns)).copy_from(matrix);
    symmetric.view_mut((rows, 0), (columns, rows)).copy_from(&matrix.transpose());
    symmetric.symmetric_eigenvalues().iter().filter(|value| **value > 0.0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Matrices whose singular values nalgebra's own decomposition gets wrong.
    #[test]
    fn singular_values_are_those_of_known_matrices() {
        for (rows, columns) in [(3, 5), (6, 21), (1, 1), (30, 30)] {
            let found = sum_singular_values(&DMatrix::from_element(rows, columns, 1.0));
            let exact = ((rows * columns) as f64).sqrt();
            assert!((found - exact).abs() < 1e-12 * exact, "{rows} x {columns}: {found}");
        }
        let diagonal = DMatrix::from_diagonal(&vec![3.0, -1.0, 0.0, 2.5].into());
        assert!((sum_singular_values(&diagonal) - 6.5).abs() < 1e-12);
    }
}
