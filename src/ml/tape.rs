//! Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174): the graph of a network's segment is
//! dropped once the segment has given its output, and built again when its gradient is asked for. A
//! training step then holds the outputs of segments and the graph of one, at the price of a second
//! forward pass.

use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

use super::backward::gradients;

/// The segments of one forward pass, in order. `'m` is the lifetime of the network.
#[derive(Default)]
pub struct Tape<'m>(RefCell<Vec<Segment<'m>>>);

struct Segment<'m> {
    output: Tensor,
    run: Box<dyn Fn() -> Result<Tensor> + 'm>,
}

impl<'m> Tape<'m> {
    /// The result of `run`, without its graph. `run` must give the same result again; it may use
    /// variables, constants and outputs of segments before it, but no other tensor with a graph.
    pub fn segment(&self, run: impl Fn() -> Result<Tensor> + 'm) -> Result<Tensor> {
        // A variable, so that what follows computes a gradient for it and keeps no graph beyond it.
        let output = Var::from_tensor(&run()?.detach())?.into_inner();
        self.0.borrow_mut().push(Segment { output: output.clone(), run: Box::new(run) });
        Ok(output)
    }

    /// The gradients of `loss`, a scalar made from outputs of segments, for every variable that it
    /// was made from.
    pub fn backward(self, loss: &Tensor) -> Result<GradStore> {
        let mut found = gradients(loss)?;
        // Whatever uses an output comes after its segment, so its gradient is complete when the
        // segment's turn comes.
        for Segment { output, run } in self.0.into_inner().into_iter().rev() {
            if let Some(gradient) = found.remove(&output) {
                found.extend(gradients(&(run()? * gradient)?)?)?;
            }
        }
        Ok(found)
    }
}

/// The result of `run`: as a segment of `tape`, or with its graph where there is no tape.
pub fn segment<'m>(
    tape: Option<&Tape<'m>>,
    run: impl Fn() -> Result<Tensor> + 'm,
) -> Result<Tensor> {
    match tape {
        Some(tape) => tape.segment(run),
        None => run(),
    }
}
