//! A convolution and the batch normalisation of its output as one operation: what lies between them
//! is no tensor of the graph, whose gradient candle would add to zeros.

use super::conv::Conv;
use super::element::{Element, for_chunks};
use super::kernel::Kernel;
use super::norm::{BLOCK, BatchNorm};
use candle_core::{CpuStorage, Shape};
use std::sync::OnceLock;

/// A convolution that a normalisation follows.
pub(super) trait Convolution: Kernel<2> {
    /// [`Kernel::backward`] by what `correct` makes of each part of `grad` in its place, told where
    /// the part begins. Parts are whole rows, each in one part.
    fn backward_after<T: Element>(
        &self,
        inputs: [&[T]; 2],
        output: &[T],
        grad: &mut [T],
        correct: impl Fn(usize, &mut [T]) + Sync + Send,
        wanted: [bool; 2],
    ) -> [Option<Vec<T>>; 2] {
        let part = BLOCK * self.output_shape().dims().last().copied().unwrap_or(1);
        for_chunks(grad, part, |i, grad| correct(i * part, grad));
        self.backward(inputs, output, grad, wanted)
    }
}

impl Convolution for Conv {}

/// `norm` of `convolution`; the inputs are those of the convolution, and the weights and then the
/// biases of the normalisation.
pub(super) struct Normed<K> {
    convolution: K,
    norm: BatchNorm,
    /// Output of the convolution in the forward pass.
    convolved: OnceLock<CpuStorage>,
}

impl<K: Convolution> Normed<K> {
    /// `norm` makes the normalisation of a tensor of the convolution's output shape.
    pub fn new(convolution: K, norm: impl FnOnce(Shape) -> BatchNorm) -> Self {
        let norm = norm(convolution.output_shape());
        Self { convolution, norm, convolved: OnceLock::new() }
    }
}

impl<K: Convolution> Kernel<3> for Normed<K> {
    const NAME: &'static str = "conv_norm";

    fn output_shape(&self) -> Shape {
        self.convolution.output_shape()
    }

    fn forward<T: Element>(&self, [x, weight, affine]: [&[T]; 3]) -> Vec<T> {
        let convolved = self.convolution.forward([x, weight]);
        let (weights, biases) = affine.split_at(self.norm.channels);
        let y = self.norm.forward([&convolved, weights, biases]);
        self.convolved.get_or_init(|| T::to_cpu_storage_owned(convolved));
        y
    }

    fn backward<T: Element>(
        &self,
        inputs: [&[T]; 3],
        _: &[T],
        grad: &[T],
        wanted: [bool; 3],
    ) -> [Option<Vec<T>>; 3] {
        let [x, weight, affine] = inputs;
        let kept = self.convolved.get().and_then(|kept| T::cpu_storage_as_slice(kept).ok());
        let convolved = kept.expect("a forward pass of the same type comes first");
        let (weights, biases) = affine.split_at(self.norm.channels);
        let (mut slopes, correction, on_affine) =
            self.norm.uncorrected([convolved, weights, biases], grad);
        let correct = |first: usize, part: &mut [T]| correction.apply(&convolved[first..], part);
        let [dx, dw] = self.convolution.backward_after(
            [x, weight],
            convolved,
            &mut slopes,
            correct,
            [wanted[0], wanted[1]],
        );
        [dx, dw, Some(on_affine.concat())]
    }
}
