//! Losses: means over the batch, differentiable in the prediction.

use candle_core::{D, Result, Tensor, bail};

/// Mean over the batch of the cross-entropy of `logits [B,K]` against classes `targets [B]` (u32,
/// below K), as PyTorch defines it: with `label_smoothing` `s` the target is `1 - s` on the class
/// plus `s / K` on every class. `s` in [0, 1).
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, label_smoothing: f64) -> Result<Tensor> {
    let (batch, classes) = logits.dims2()?;
    if targets.dims() != [batch] || batch == 0 {
        bail!("cross_entropy: targets {:?} for logits {:?}", targets.shape(), logits.shape());
    }
    if !(0.0..1.0).contains(&label_smoothing) {
        bail!("cross_entropy: label smoothing {label_smoothing} is outside [0, 1)");
    }
    let log_p = log_softmax(logits)?;
    let nll = (log_p.gather(&targets.unsqueeze(1)?, 1)?.sum_all()? * (-1.0 / batch as f64))?;
    if label_smoothing == 0.0 {
        return Ok(nll);
    }
    let uniform = (log_p.sum_all()? * (-label_smoothing / (batch * classes) as f64))?;
    (nll * (1.0 - label_smoothing))? + uniform
}

/// Weights in a loss over a batch; an item has the product of both.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weights<'a> {
    /// Of the classes; empty: 1 each.
    pub of_classes: &'a [f32],
    /// Of the items; `None`: 1 each.
    pub of_items: Option<&'a [f32]>,
}

/// [`cross_entropy`] with weights. Those of classes are as PyTorch defines them: each item counts
/// as its class's weight, and the sum is divided by that of these weights. Those of items multiply
/// them, above and below.
pub fn weighted_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    label_smoothing: f64,
    weights: Weights<'_>,
) -> Result<Tensor> {
    let Weights { of_classes, of_items } = weights;
    if of_classes.is_empty() && of_items.is_none() {
        return cross_entropy(logits, targets, label_smoothing);
    }
    let (batch, classes) = logits.dims2()?;
    let fits = (of_classes.is_empty() || of_classes.len() == classes)
        && of_items.is_none_or(|weights| weights.len() == batch);
    if targets.dims() != [batch] || !fits {
        bail!(
            "cross_entropy: {} weights of classes, {:?} of items and targets {:?} for logits {:?}",
            of_classes.len(),
            of_items.map(<[f32]>::len),
            targets.shape(),
            logits.shape()
        );
    }
    let tensor = |weights: &[f32]| {
        Tensor::from_slice(weights, weights.len(), logits.device())?.to_dtype(logits.dtype())
    };
    let mut weighted = log_softmax(logits)?;
    let mut sum = None;
    if !of_classes.is_empty() {
        let of_classes = tensor(of_classes)?;
        weighted = weighted.broadcast_mul(&of_classes)?;
        sum = Some(of_classes.index_select(targets, 0)?);
    }
    if let Some(of_items) = of_items {
        let of_items = tensor(of_items)?;
        weighted = weighted.broadcast_mul(&of_items.unsqueeze(1)?)?;
        sum = Some(match sum {
            Some(of_classes) => (of_classes * of_items)?,
            None => of_items,
        });
    }
    let nll = weighted.gather(&targets.unsqueeze(1)?, 1)?.sum_all()?.neg()?;
    let uniform = (weighted.sum_all()? * (-label_smoothing / classes as f64))?;
    let total = ((nll * (1.0 - label_smoothing))? + uniform)?;
    total / sum.expect("there are weights").sum_all()?
}

/// Logarithm of the softmax over the last dimension. The maximum is subtracted as a constant, which
/// leaves the gradient as it is.
pub fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// Mean of the squared differences over all elements.
pub fn mse(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    (prediction - target)?.sqr()?.mean_all()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// torch.nn.functional.cross_entropy(logits, targets, label_smoothing=s) in f64, worked out by
    /// hand from its definition.
    #[test]
    fn cross_entropy_as_pytorch_defines_it() {
        let logits = [[2.0f64, -1.0, 0.5], [1000.0, 0.0, 999.0]];
        let targets = [2u32, 0];
        for smoothing in [0.0, 0.1] {
            let mut expected = 0.0;
            for (row, &class) in logits.iter().zip(&targets) {
                let top = row.iter().copied().fold(f64::MIN, f64::max);
                let log_sum = top + row.iter().map(|v| (v - top).exp()).sum::<f64>().ln();
                let weights = (0..3).map(|k| {
                    smoothing / 3.0 + if k == class as usize { 1.0 - smoothing } else { 0.0 }
                });
                expected += weights.zip(row).map(|(q, v)| q * (log_sum - v)).sum::<f64>() / 2.0;
            }
            let (logits, targets) = (
                Tensor::new(&logits, &Device::Cpu).unwrap(),
                Tensor::new(&targets, &Device::Cpu).unwrap(),
            );
            let loss =
                cross_entropy(&logits, &targets, smoothing).unwrap().to_scalar::<f64>().unwrap();
            assert!((loss - expected).abs() < 1e-12 * expected, "{smoothing}: {loss} {expected}");
        }
    }

    /// torch.nn.functional.cross_entropy(logits, targets, weight=weights, label_smoothing=s) in
    /// f64.
    #[test]
    fn weights_of_classes_as_pytorch_has_them() {
        let logits =
            Tensor::new(&[[2.0f64, -1.0, 0.5], [3.0, 0.0, 1.0], [0.0, 0.0, 1.5]], &Device::Cpu)
                .unwrap();
        let targets = Tensor::new(&[2u32, 0, 1], &Device::Cpu).unwrap();
        let of = |smoothing, weights| {
            weighted_cross_entropy(&logits, &targets, smoothing, weights)
                .unwrap()
                .to_scalar::<f64>()
                .unwrap()
        };
        let loss = |smoothing, of_classes| of(smoothing, Weights { of_classes, of_items: None });
        for (smoothing, expected) in
            [(0.0, 1.365_275_411_053_569_9), (0.1, 1.428_562_008_811_561_8)]
        {
            assert!((loss(smoothing, &[1.0, 2.0, 0.5]) - expected).abs() < 1e-12);
            assert!((loss(smoothing, &[3.0; 3]) - loss(smoothing, &[])).abs() < 1e-12);
            // The targets' classes have these weights, so that both say the same.
            let of_items = Some(&[0.5f32, 1.0, 2.0][..]);
            let by_item = of(0.0, Weights { of_classes: &[], of_items });
            assert!((by_item - loss(0.0, &[1.0, 2.0, 0.5])).abs() < 1e-12);
            let both =
                of(smoothing, Weights { of_classes: &[1.0, 2.0, 0.5], of_items: Some(&[3.0; 3]) });
            assert!((both - expected).abs() < 1e-12);
        }
        // An item without weight is not there.
        let of_items = Some(&[1.0f32, 0.0, 1.0][..]);
        let keep = Tensor::new(&[0u32, 2], &Device::Cpu).unwrap();
        let pick = |tensor: &Tensor| tensor.index_select(&keep, 0).unwrap();
        let without = cross_entropy(&pick(&logits), &pick(&targets), 0.1).unwrap();
        let expected = without.to_scalar::<f64>().unwrap();
        assert!((of(0.1, Weights { of_classes: &[], of_items }) - expected).abs() < 1e-12);
    }

    #[test]
    fn gradient_is_softmax_less_target() {
        let logits = Var::new(&[[0.3f64, -0.7, 1.1]], &Device::Cpu).unwrap();
        let loss =
            cross_entropy(&logits, &Tensor::new(&[1u32], &Device::Cpu).unwrap(), 0.0).unwrap();
        let gradient = loss.backward().unwrap().get(&logits).unwrap().to_vec2::<f64>().unwrap();
        let softmax = log_softmax(&logits).unwrap().exp().unwrap().to_vec2::<f64>().unwrap();
        for (k, (g, p)) in gradient[0].iter().zip(&softmax[0]).enumerate() {
            assert!((g - (p - f64::from(k == 1))).abs() < 1e-12);
        }
    }
}
