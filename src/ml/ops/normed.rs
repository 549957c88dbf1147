//! A convolution and the batch normalisation of its output as one operation: what lies between them is no tensor of the graph, whose
//! gradient candle would add to zeros.

use super::element::Element;
use super::kernel::Kernel;
use super::norm::BatchNorm;
use candle_core::{CpuStorage, Shape};
use std::sync::OnceLock;

/// `norm` of `convolution`; the inputs are those of the convolution, and the weights and then the biases of the normalisation.
pub(super) struct Normed<K> {
    convolution: K,
    norm: BatchNorm,
    /// What the convolution gave in the forward pass.
    convolved: OnceLock<CpuStorage>,
}

impl<K: Kernel<2>> Normed<K> {
    /// `norm` makes the normalisation of a tensor of the convolution's output shape.
    pub fn new(convolution: K, norm: impl FnOnce(Shape) -> BatchNorm) -> Self {
        let norm = norm(convolution.output_shape());
        Self { convolution, norm, convolved: OnceLock::new() }
    }
}

impl<K: Kernel<2>> Kernel<3> for Normed<K> {
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

    fn backward<T: Element>(&self, inputs: [&[T]; 3], output: &[T], grad: &[T], wanted: [bool; 3]) -> [Option<Vec<T>>; 3] {
        let [x, weight, affine] = inputs;
        let kept = self.convolved.get().and_then(|kept| T::cpu_storage_as_slice(kept).ok());
        let convolved = kept.expect("a forward pass of the same type comes first");
        let (weights, biases) = affine.split_at(self.norm.channels);
        let [slopes, on_weights, on_biases] = self.norm.backward([convolved, weights, biases], output, grad, [true; 3]);
        let slopes = slopes.expect("batch normalisation gives all its gradients");
        let [dx, dw] = self.convolution.backward([x, weight], convolved, &slopes, [wanted[0], wanted[1]]);
        [dx, dw, Some([on_weights, on_biases].into_iter().flatten().flatten().collect())]
    }
}
