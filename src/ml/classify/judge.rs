//! What a network says of images outside training.

use candle_core::{DType, Result};

use super::efficientnet::Mode;
use super::examples::Inputs;
use super::model::Network;
use crate::ml::loss::log_softmax;

/// The class probabilities of every item.
pub fn predict(network: &dyn Network, inputs: &dyn Inputs) -> Result<Vec<Vec<f32>>> {
    let mut rows = Vec::with_capacity(inputs.count());
    for chunk in (0..inputs.count()).collect::<Vec<_>>().chunks(inputs.chunk()) {
        let logits = network.forward(&inputs.plain(chunk)?, Mode::Eval)?;
        rows.extend(log_softmax(&logits)?.exp()?.to_dtype(DType::F32)?.to_vec2::<f32>()?);
    }
    Ok(rows)
}

/// The position of the largest probability; the first of equals.
pub fn most_likely(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}
