//! What every training loop here shares: batches without replacement, and losses that stay finite.

use candle_core::{Result, Tensor};
use rand::seq::SliceRandom;

use crate::seed::Seed;

/// Called after each step with the steps done, the steps in all and the loss.
pub type Watch<'a> = &'a mut dyn FnMut(usize, usize, f64);

/// Batches of indices: shuffled passes over `count` items, one after the other, so that every item is seen equally often.
pub struct Batches {
    count: usize,
    batch: usize,
    seed: Seed,
    pass: usize,
    order: Vec<usize>,
}

impl Batches {
    pub fn new(count: usize, batch: usize, seed: Seed) -> Self {
        assert!(count > 0 && batch > 0, "batches of nothing");
        Self { count, batch, seed, pass: usize::MAX, order: Vec::new() }
    }

    /// The indices of batch `step`; always `batch` of them.
    pub fn at(&mut self, step: usize) -> Vec<usize> {
        (step * self.batch..(step + 1) * self.batch).map(|position| self.item(position)).collect()
    }

    fn item(&mut self, position: usize) -> usize {
        let pass = position / self.count;
        if pass != self.pass {
            self.order = (0..self.count).collect();
            self.order.shuffle(&mut self.seed.nth(pass as u64).rng());
            self.pass = pass;
        }
        self.order[position % self.count]
    }
}

/// A loss as a number; NaN and infinity end the training with the step's number.
pub fn loss_value(loss: &Tensor, step: usize) -> Result<f64> {
    let value = f64::from(loss.to_dtype(candle_core::DType::F32)?.to_scalar::<f32>()?);
    if !value.is_finite() {
        candle_core::bail!("the loss became {value} at step {step}: lower the learning rate")
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_holds_every_item_once() {
        let mut batches = Batches::new(10, 4, Seed::of_study(1));
        let drawn = (0..5).flat_map(|step| batches.at(step)).collect::<Vec<_>>();
        for pass in drawn.chunks(10) {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(drawn[..10], drawn[10..]);
        assert_eq!(Batches::new(10, 4, Seed::of_study(1)).at(3), drawn[12..16], "a batch does not depend on the ones before");
    }
}
