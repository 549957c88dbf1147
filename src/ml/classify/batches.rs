//! Training batches: their images transformed in parallel, and each made while the one before is
//! learned from.

use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread::Scope;

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::transforms::Transform;
use crate::ml::pixels::Pixels;

/// [count, side, side, 3], each image written by `fill`, in parallel.
pub fn fill_batch(
    count: usize,
    side: usize,
    fill: impl Fn(usize, &mut [f32]) + Sync,
) -> Result<Tensor> {
    let len = 3 * side * side;
    let mut values = vec![0.0; count * len];
    values.par_chunks_mut(len).enumerate().for_each(|(at, image)| fill(at, image));
    Tensor::from_vec(values, (count, side, side, 3), &Device::Cpu)
}

/// Images `indices` as [B, H, W, 3] in [0, 1], that at each place of the batch through the
/// transform of the place.
pub fn transformed(
    pixels: &Pixels,
    indices: &[usize],
    transform: impl Fn(usize) -> Transform + Sync,
) -> Result<Tensor> {
    let size = pixels.size();
    fill_batch(indices.len(), size, |place, image| {
        transform(place).apply(&pixels.unit(indices[place]), size, size, image)
    })
}

/// The results of `make` for each step, in order. With two threads or more, one of `scope` prepares
/// the next result meanwhile, and stops when the iterator is dropped.
pub fn ahead<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut steps: Range<usize>,
    mut make: impl FnMut(usize) -> T + Send + 'scope,
) -> Box<dyn Iterator<Item = T> + 'scope> {
    if rayon::current_num_threads() < 2 {
        return Box::new(steps.map(make));
    }
    let (sender, receiver) = sync_channel(1);
    scope.spawn(move || steps.all(|step| sender.send(make(step)).is_ok()));
    Box::new(receiver.into_iter())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rayon::ThreadPoolBuilder;

    use super::*;

    fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    #[test]
    fn steps_come_in_order_and_stop_when_nobody_wants_them() {
        for threads in [1, 2] {
            let made = AtomicUsize::new(0);
            let taken = on(threads, || {
                std::thread::scope(|scope| {
                    let count = |step| made.fetch_add(1, Ordering::Relaxed).max(step);
                    ahead(scope, 5..1000, count).take(3).collect::<Vec<_>>()
                })
            });
            assert_eq!(taken, [5, 6, 7]);
            assert!(made.into_inner() < 10);
        }
    }
}
