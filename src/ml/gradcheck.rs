//! Gradients against central differences, for the tests of trainable models.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::params::Params;

/// Checks that each variable of `params` (f64) gets a gradient of `loss`, and that it agrees with
/// central differences at `probes` entries of each. Tolerance: `1e-6` of the larger of the two, or
/// `1e-9`.
pub fn check_gradients(params: &Params, probes: usize, loss: impl Fn() -> Result<Tensor>) {
    let grads = loss().unwrap().backward().unwrap();
    let variables = params.trainable();
    assert!(!variables.is_empty());
    for (name, var) in variables {
        let gradient = grads.get(&var).unwrap_or_else(|| panic!("{name} got no gradient"));
        let gradient = gradient.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert!(gradient.iter().any(|g| *g != 0.0), "the gradient of {name} is zero");
        let largest = (0..gradient.len())
            .max_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs()))
            .unwrap();
        for probe in 0..probes.min(gradient.len()) {
            let at = if probe == 0 { largest } else { probe * 7919 % gradient.len() };
            let expected = central_difference(&var, at, &loss);
            let error = (gradient[at] - expected).abs();
            assert!(
                error < (1e-6 * expected.abs()).max(1e-9),
                "{name}[{at}]: {} by backward, {expected} by differences",
                gradient[at]
            );
        }
    }
}

fn central_difference(var: &Var, at: usize, loss: impl Fn() -> Result<Tensor>) -> f64 {
    const STEP: f64 = 1e-5;
    let before = var.as_detached_tensor().copy().unwrap();
    let mut values = before.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let centre = values[at];
    let mut moved = |to: f64| {
        values[at] = to;
        var.set(&Tensor::from_slice(&values, var.shape(), &Device::Cpu).unwrap()).unwrap();
        loss().unwrap().to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
    };
    let (up, down) = (moved(centre + STEP), moved(centre - STEP));
    var.set(&before).unwrap();
    (up - down) / (2.0 * STEP)
}
