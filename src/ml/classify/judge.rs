//! Inference: class probabilities and validation loss.

use candle_core::{DType, Result, Tensor};

use super::efficientnet::Mode;
use super::examples::{Examples, Inputs};
use super::model::Network;
use crate::ml::loss::log_softmax;

/// The class probabilities of every item.
pub fn predict(network: &dyn Network, inputs: &dyn Inputs) -> Result<Vec<Vec<f32>>> {
    rows(network, inputs, |logits| log_softmax(logits)?.exp())
}

/// The logarithms of the class probabilities of every item, finite however small those are.
pub fn log_probabilities(network: &dyn Network, inputs: &dyn Inputs) -> Result<Vec<Vec<f32>>> {
    rows(network, inputs, log_softmax)
}

fn rows(
    network: &dyn Network,
    inputs: &dyn Inputs,
    of: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<Vec<f32>>> {
    let mut rows = Vec::with_capacity(inputs.count());
    for chunk in (0..inputs.count()).collect::<Vec<_>>().chunks(inputs.chunk()) {
        let logits = network.forward(&inputs.plain(chunk)?, Mode::Eval)?;
        rows.extend(of(&logits)?.to_dtype(DType::F32)?.to_vec2::<f32>()?);
    }
    Ok(rows)
}

/// The mean cross-entropy of `examples` with weights by class (none: 1 each; without label
/// smoothing), NaN where the network says NaN, and the share of those whose class is named first.
pub fn judge(
    network: &dyn Network,
    examples: Examples<'_>,
    class_weights: &[f32],
) -> Result<(f64, f64)> {
    let (mut loss, mut weights, mut right) = (0.0, 0.0, 0);
    for (row, &label) in log_probabilities(network, examples.inputs)?.iter().zip(examples.labels) {
        let weight = class_weights.get(label as usize).map_or(1.0, |weight| f64::from(*weight));
        loss -= weight * f64::from(row[label as usize]);
        weights += weight;
        right += usize::from(most_likely(row) == label as usize);
    }
    Ok((loss / weights, right as f64 / examples.labels.len() as f64))
}

/// The position of the largest probability; the first of equals.
pub fn most_likely(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ml::pixels::Pixels;

    /// Says the same of every image.
    struct Says([f32; 2]);

    impl Network for Says {
        fn forward(&self, inputs: &Tensor, _: Mode) -> Result<Tensor> {
            Tensor::new(&[self.0], &Device::Cpu)?.repeat((inputs.dim(0)?, 1))
        }
    }

    #[test]
    fn a_loss_has_no_ceiling_and_hides_no_nan() {
        let mut pixels = Pixels::new(1);
        (0..4).for_each(|_| pixels.push(&[0, 0, 0]));
        let judge = |says, weights: &[f32]| {
            judge(&Says(says), Examples { inputs: &pixels, labels: &[0, 0, 0, 1] }, weights)
                .unwrap()
        };
        assert_eq!(judge([200.0, 0.0], &[]), (50.0, 0.75));
        assert_eq!(
            judge([300.0, 0.0], &[]),
            (75.0, 0.75),
            "worse is worse, far beyond where probabilities are 0"
        );
        assert_eq!(judge([200.0, 0.0], &[1.0, 5.0]), (125.0, 0.75));
        assert!(judge([f32::NAN, 0.0], &[]).0.is_nan());
    }
}
