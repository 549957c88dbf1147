//! Changing the values of a tensor on a CPU where they lie.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Result, Tensor, bail};

/// Whether [`update`] can work on `tensor`.
pub fn fits(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32 && tensor.is_contiguous()
}

/// Calls `change` with the values of `to` and of `from`: f32, contiguous, on a CPU, of one size.
pub fn update(to: &Tensor, from: &Tensor, change: impl FnMut(&mut [f32], &[f32])) -> Result<()> {
    to.inplace_op2(from, &InPlace(RefCell::new(change)))
}

struct InPlace<F>(RefCell<F>);

impl<F: FnMut(&mut [f32], &[f32])> InplaceOp2 for InPlace<F> {
    fn name(&self) -> &'static str {
        "in-place update"
    }

    fn cpu_fwd(
        &self,
        to: &mut CpuStorage,
        to_l: &Layout,
        from: &CpuStorage,
        from_l: &Layout,
    ) -> Result<()> {
        match (to, to_l.contiguous_offsets(), from, from_l.contiguous_offsets()) {
            (CpuStorage::F32(to), Some((a, b)), CpuStorage::F32(from), Some((c, d)))
                if b - a == d - c =>
            {
                (self.0.borrow_mut())(&mut to[a..b], &from[c..d]);
                Ok(())
            }
            _ => bail!(
                "in-place update: {to_l:?} from {from_l:?} are not contiguous f32 tensors of one size"
            ),
        }
    }
}
