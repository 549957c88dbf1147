//! Parts that all training loops here share: batches without replacement, and a check that losses
//! stay finite.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use rand::seq::SliceRandom;

use crate::ml::backward::gradients;
use crate::ml::params::StateDict;
use crate::ml::side_by_side::side_by_side;
use crate::seed::Seed;

/// Called after each step with the steps done, the steps in all and the loss; its error ends the
/// training.
pub type Watch<'a> = &'a mut dyn FnMut(usize, usize, f64) -> Result<()>;

/// Where the state of a training is kept between attempts at it.
pub trait Keep {
    /// The state that the last attempt kept.
    ///
    /// # Errors
    /// If what was kept cannot be read.
    fn load(&mut self) -> Result<Option<StateDict>>;
    /// Keeps a state instead of the one before if it is time to. Its values are those of `f32` or
    /// `f64` tensors, bit for bit; some are the training's own, which goes on with them after the
    /// call.
    ///
    /// # Errors
    /// If the state cannot be copied or written.
    fn offer(&mut self, state: &dyn Fn() -> Result<StateDict>) -> Result<()>;
}

/// The surroundings of a training: it reports its progress, and keeps its state where a later
/// attempt finds it.
pub struct Session<'a> {
    /// Told of each step.
    pub watch: Watch<'a>,
    /// Where the state is kept; `None`: it is not.
    pub keep: Option<&'a mut dyn Keep>,
}

impl Session<'_> {
    /// The state that the last attempt kept.
    ///
    /// # Errors
    /// As [`Keep::load`].
    pub fn load(&mut self) -> Result<Option<StateDict>> {
        self.keep.as_mut().map_or(Ok(None), |keep| keep.load())
    }

    /// Keeps the state if it is time to.
    ///
    /// # Errors
    /// As [`Keep::offer`].
    pub fn offer(&mut self, state: impl Fn() -> Result<StateDict>) -> Result<()> {
        self.keep.as_mut().map_or(Ok(()), |keep| keep.offer(&state))
    }
}

/// Batches of indices: shuffled passes over `count` items, one after the other, so that every item
/// is seen equally often.
pub struct Batches {
    count: usize,
    /// Items that a pass shows.
    shown: usize,
    batch: usize,
    seed: Seed,
    pass: usize,
    order: Vec<usize>,
}

impl Batches {
    /// Batches of `batch` of `count` items, shuffled by `seed`. Both are 1 or more.
    pub fn new(count: usize, batch: usize, seed: Seed) -> Self {
        assert!(count > 0 && batch > 0, "batches of nothing");
        Self { count, shown: count, batch, seed, pass: usize::MAX, order: Vec::new() }
    }

    /// Batches that each are of one pass: what does not fill a batch is left out of it (PyTorch's
    /// `drop_last`). There is at least one.
    pub fn whole(self) -> Self {
        assert!(self.batch <= self.count, "no batch is filled");
        Self { shown: self.count / self.batch * self.batch, ..self }
    }

    /// The indices of batch `step`; always `batch` of them.
    pub fn at(&mut self, step: usize) -> Vec<usize> {
        (step * self.batch..(step + 1) * self.batch).map(|position| self.item(position)).collect()
    }

    /// The pass over all items to which each item of batch `step` belongs.
    pub fn passes(&self, step: usize) -> Vec<usize> {
        (step * self.batch..(step + 1) * self.batch).map(|position| position / self.shown).collect()
    }

    fn item(&mut self, position: usize) -> usize {
        let pass = position / self.shown;
        if pass != self.pass {
            self.order = (0..self.count).collect();
            self.order.shuffle(&mut self.seed.nth(pass as u64).rng());
            self.pass = pass;
        }
        self.order[position % self.shown]
    }
}

/// Into how many equal parts a batch is cut whose gradients are computed side by side. Fixed, so
/// that the sums are the same however many threads there are.
pub const PARTS: usize = 2;

/// A loss and its gradients.
pub type Gradients = (f64, GradStore);

/// The value of a scalar `loss` and its gradients.
pub fn backward(loss: &Tensor) -> Result<Gradients> {
    Ok((value(loss)?, gradients(loss)?))
}

/// The value of a scalar.
pub fn value(loss: &Tensor) -> Result<f64> {
    Ok(f64::from(loss.to_dtype(DType::F32)?.to_scalar::<f32>()?))
}

/// The mean of the losses of the batch's [`PARTS`] and its gradient for each of `variables`, in
/// their order. `part` computes the loss of one part and must draw nothing that depends on the
/// others.
pub fn in_parts(
    variables: &[(String, Var)],
    part: impl Fn(usize) -> Result<Gradients> + Sync,
) -> Result<Gradients> {
    let device = variables.first().map_or(&Device::Cpu, |(_, variable)| variable.device());
    let mut results = side_by_side(device, PARTS, part)?.into_iter();
    let (mut value, mut sum) = results.next().expect("at least one part");
    for (more, gradients) in results {
        value += more;
        add(variables, &mut sum, &gradients)?;
    }
    scale(variables, &mut sum, 1.0 / PARTS as f64)?;
    Ok((value / PARTS as f64, sum))
}

/// Adds the gradients of `variables` in `more` to those in `sum`.
pub fn add(variables: &[(String, Var)], sum: &mut GradStore, more: &GradStore) -> Result<()> {
    for (_, variable) in variables {
        if let (Some(a), Some(b)) = (sum.get(variable), more.get(variable)) {
            let both = (a + b)?;
            sum.insert(variable, both);
        }
    }
    Ok(())
}

/// Multiplies the gradients of `variables`.
pub fn scale(variables: &[(String, Var)], gradients: &mut GradStore, factor: f64) -> Result<()> {
    for (_, variable) in variables {
        if let Some(gradient) = gradients.get(variable) {
            let scaled = (gradient * factor)?;
            gradients.insert(variable, scaled);
        }
    }
    Ok(())
}

/// `value`, unless it is NaN or infinite: then training ends with the step's number.
///
/// # Errors
/// If it is NaN or infinite.
pub fn finite(value: f64, step: usize) -> Result<f64> {
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
        assert_eq!(batches.passes(2), [0, 0, 1, 1]);
        assert_eq!(
            Batches::new(10, 4, Seed::of_study(1)).at(3),
            drawn[12..16],
            "a batch does not depend on the ones before"
        );
        let mut whole = Batches::new(10, 4, Seed::of_study(1)).whole();
        assert_eq!((whole.at(0), whole.at(1)), (drawn[..4].to_vec(), drawn[4..8].to_vec()));
        assert_eq!((whole.at(2), whole.passes(2)), (drawn[10..14].to_vec(), vec![1; 4]));
    }
}
