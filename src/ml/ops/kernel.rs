//! The bridge from a kernel on slices to candle's custom operations, which differ by the number of
//! inputs alone.

use super::awake::keep_awake;
use super::element::Element;
use crate::ml::backward::keep;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor,
    bail,
};

/// A differentiable function of `N` contiguous tensors of one dtype. Shapes are the kernel's own
/// fields.
pub(super) trait Kernel<const N: usize>: Send + Sync + 'static {
    const NAME: &'static str;

    fn output_shape(&self) -> Shape;

    fn forward<T: Element>(&self, inputs: [&[T]; N]) -> Vec<T>;

    /// The gradient of each input that is `wanted`, given that of the output; others are dropped.
    fn backward<T: Element>(
        &self,
        inputs: [&[T]; N],
        output: &[T],
        grad: &[T],
        wanted: [bool; N],
    ) -> [Option<Vec<T>>; N];
}

/// Whether kernels serve a tensor of this device and dtype.
pub(super) fn serves(x: &Tensor) -> bool {
    #[cfg(test)]
    if WITHOUT_KERNELS.get() {
        return false;
    }
    x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64)
}

#[cfg(test)]
thread_local!(static WITHOUT_KERNELS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });

/// `work`, in this thread by the operations that a GPU runs.
#[cfg(test)]
pub fn without_kernels<T>(work: impl FnOnce() -> T) -> T {
    WITHOUT_KERNELS.set(true);
    let done = work();
    WITHOUT_KERNELS.set(false);
    done
}

pub(super) fn apply1(kernel: impl Kernel<1>, x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Op(kernel))
}

pub(super) fn apply2(kernel: impl Kernel<2>, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&y.contiguous()?, Op(kernel))
}

pub(super) fn apply3(kernel: impl Kernel<3>, x: &Tensor, y: &Tensor, z: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&y.contiguous()?, &z.contiguous()?, Op(kernel))
}

struct Op<K>(K);

impl<K> Op<K> {
    fn forward<const N: usize>(
        &self,
        inputs: [(&CpuStorage, &Layout); N],
    ) -> Result<(CpuStorage, Shape)>
    where
        K: Kernel<N>,
    {
        match inputs[0].0 {
            CpuStorage::F32(_) => self.forward_as::<f32, N>(inputs),
            CpuStorage::F64(_) => self.forward_as::<f64, N>(inputs),
            other => bail!(
                "{}: no kernel for {:?}",
                K::NAME,
                candle_core::backend::BackendStorage::dtype(other)
            ),
        }
    }

    fn forward_as<T: Element, const N: usize>(
        &self,
        inputs: [(&CpuStorage, &Layout); N],
    ) -> Result<(CpuStorage, Shape)>
    where
        K: Kernel<N>,
    {
        keep_awake();
        let mut slices: [&[T]; N] = [&[]; N];
        for (slice, (storage, layout)) in slices.iter_mut().zip(inputs) {
            *slice = contiguous(T::cpu_storage_as_slice(storage)?, layout, K::NAME)?;
        }
        Ok((T::to_cpu_storage_owned(self.0.forward(slices)), self.0.output_shape()))
    }

    fn backward<const N: usize>(
        &self,
        args: [&Tensor; N],
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; N]>
    where
        K: Kernel<N>,
    {
        match res.dtype() {
            DType::F32 => self.backward_as::<f32, N>(args, res, grad),
            _ => self.backward_as::<f64, N>(args, res, grad),
        }
    }

    fn backward_as<T: Element, const N: usize>(
        &self,
        args: [&Tensor; N],
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; N]>
    where
        K: Kernel<N>,
    {
        keep_awake();
        let grad = grad.contiguous()?;
        let guards = args.map(Tensor::storage_and_layout);
        let (res_guard, res_layout) = res.storage_and_layout();
        let (grad_guard, grad_layout) = grad.storage_and_layout();
        let mut slices: [&[T]; N] = [&[]; N];
        for (slice, (guard, layout)) in slices.iter_mut().zip(&guards) {
            *slice = contiguous(cpu_slice(guard)?, layout, K::NAME)?;
        }
        let res_slice = contiguous(cpu_slice(&res_guard)?, res_layout, K::NAME)?;
        let grad_slice = contiguous(cpu_slice(&grad_guard)?, grad_layout, K::NAME)?;
        let grads = self.0.backward(slices, res_slice, grad_slice, args.map(Tensor::track_op));
        let mut tensors = [const { None }; N];
        for ((tensor, values), arg) in tensors.iter_mut().zip(grads).zip(args) {
            if let Some(values) = values.filter(|_| arg.track_op()) {
                *tensor = keep(arg, Tensor::from_vec(values, arg.shape(), arg.device())?)?;
            }
        }
        Ok(tensors)
    }
}

fn cpu_slice<T: Element>(storage: &Storage) -> Result<&[T]> {
    match storage {
        Storage::Cpu(storage) => T::cpu_storage_as_slice(storage),
        _ => bail!("a CPU kernel was given a tensor of another device"),
    }
}

fn contiguous<'a, T>(values: &'a [T], layout: &Layout, name: &str) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("{name}: input of shape {:?} is not contiguous", layout.shape()),
    }
}

impl<K: Kernel<1>> CustomOp1 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward([(s, l)])
    }

    fn bwd(&self, x: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [dx] = self.backward([x], res, grad)?;
        Ok(dx)
    }
}

impl<K: Kernel<2>> CustomOp2 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward([(s1, l1), (s2, l2)])
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dy] = self.backward([x, y], res, grad)?;
        Ok((dx, dy))
    }
}

type Grads3 = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

impl<K: Kernel<3>> CustomOp3 for Op<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward([(s1, l1), (s2, l2), (s3, l3)])
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        z: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<Grads3> {
        let [dx, dy, dz] = self.backward([x, y, z], res, grad)?;
        Ok((dx, dy, dz))
    }
}
