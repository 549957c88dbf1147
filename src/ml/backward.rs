//! The backward pass: candle's, but for what kernels give to variables. candle would add each of
//! those gradients to zeros, one after the other and on one thread.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId};

type Kept = Option<HashMap<TensorId, Tensor>>;

thread_local! {
    /// The gradients that kernels gave to variables, while [`gradients`] runs on this thread.
    static KEPT: RefCell<Kept> = const { RefCell::new(None) };
}

/// While it lives, gradients of variables are kept; then, what was so before.
struct Pass(Kept);

impl Pass {
    fn begin() -> Self {
        Self(KEPT.replace(Some(HashMap::new())))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        KEPT.set(self.0.take());
    }
}

/// The gradients of the sum of `loss`'s elements for the variables that it was made from, without
/// what they were computed from. candle's own [`Tensor::backward`] gives those of constants too,
/// and lets some keep the graph.
pub fn gradients(loss: &Tensor) -> Result<GradStore> {
    let pass = Pass::begin();
    let mut others = loss.backward()?;
    let mut kept = KEPT.take().unwrap_or_default();
    drop(pass);
    let mut found = GradStore::default();
    for variable in loss.sorted_nodes().into_iter().filter(|node| node.is_variable()) {
        let gradient = match (others.remove(variable), kept.remove(&variable.id())) {
            (Some(a), Some(b)) => Some((a + b)?),
            (a, b) => a.or(b),
        };
        if let Some(gradient) = gradient {
            found.insert(variable, gradient.detach());
        }
    }
    Ok(found)
}

/// Keeps what a kernel gives to `input`, if that is a variable and [`gradients`] asked; otherwise
/// it is candle's to add up.
pub(super) fn keep(input: &Tensor, gradient: Tensor) -> Result<Option<Tensor>> {
    KEPT.with_borrow_mut(|kept| {
        let Some(kept) = kept.as_mut().filter(|_| input.is_variable()) else {
            return Ok(Some(gradient));
        };
        let sum = match kept.remove(&input.id()) {
            Some(sum) => (sum + gradient)?,
            None => gradient,
        };
        kept.insert(input.id(), sum);
        Ok(None)
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::ml::ops;

    fn var(values: &[f64]) -> Var {
        Var::from_slice(values, (1, values.len()), &Device::Cpu).unwrap()
    }

    fn values(gradients: &GradStore, variable: &Var) -> Vec<f64> {
        gradients.get(variable).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn uses_by_kernels_and_by_candle_add_up() {
        let (x, w, c) = (
            var(&[1.0, -2.0]),
            var(&[3.0, 5.0]),
            Tensor::new(&[[7.0, 11.0]], &Device::Cpu).unwrap(),
        );
        let loss = || -> Result<Tensor> {
            let twice = (ops::linear(&x, &w, None)? + ops::linear(&x, &w, None)?)?;
            (x.as_tensor() * &c)?.sum_all()? + twice.sum_all()?
        };
        let (loss, candles) = (loss().unwrap(), loss().unwrap().backward().unwrap());
        let ours = gradients(&loss).unwrap();
        assert_eq!(values(&ours, &x), [7.0 + 6.0, 11.0 + 10.0]);
        assert_eq!(values(&ours, &w), [2.0, -4.0]);
        for variable in [&x, &w] {
            assert_eq!(values(&ours, variable), values(&candles, variable));
        }
        assert!(candles.get(&c).is_some() && ours.get(&c).is_none(), "constants need no gradient");
        assert!(ours.get_ids().all(|&id| !ours.get_id(id).unwrap().track_op()));
    }

    #[test]
    fn a_pass_that_ended_leaves_the_next_to_candle() {
        let x = var(&[1.0]);
        // As a failed one ends.
        drop(Pass::begin());
        assert!(ops::silu(&x).unwrap().backward().unwrap().get(&x).is_some());
    }
}
