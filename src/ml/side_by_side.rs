//! Equal pieces of work at the same time, each on threads of its own: with models as small as a
//! study's, two cores do more this way than by sharing every operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// A pool a piece.
type Pools = Arc<Vec<ThreadPool>>;

/// Threads that stay, by pieces and threads a piece: a new thread begins without memory, and gives
/// back what it had when it ends.
static POOLS: Mutex<BTreeMap<(usize, usize), Pools>> = Mutex::new(BTreeMap::new());

fn pools(pieces: usize, threads: usize) -> Result<Pools> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pools) = pools.get(&(pieces, threads)) {
        return Ok(pools.clone());
    }
    let pool = |_| ThreadPoolBuilder::new().num_threads(threads).build().map_err(Error::wrap);
    let made = Arc::new((0..pieces).map(pool).collect::<Result<Vec<_>>>()?);
    pools.insert((pieces, threads), made.clone());
    Ok(made)
}

/// The results of `work`, which computes on `device`, for each of `0..pieces`, in order. The pieces
/// share the threads at hand; one after the other where there are fewer threads than pieces. On a
/// GPU too: candle gives each thread a stream of its own there, and nothing makes one stream wait
/// for what another one has yet to compute.
pub fn side_by_side<T: Send>(
    device: &Device,
    pieces: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = rayon::current_num_threads();
    if pieces < 2 || threads < pieces || !device.is_cpu() {
        return (0..pieces).map(work).collect();
    }
    let pools = pools(pieces, threads / pieces)?;
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = pools
            .iter()
            .enumerate()
            .map(|(piece, pool)| scope.spawn(move || pool.install(|| work(piece))))
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a piece does not panic")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order_and_share_the_threads() {
        for (threads, each) in [(1, 1), (2, 1), (5, 2)] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let made = pool.install(|| {
                side_by_side(&Device::Cpu, 2, |piece| Ok((piece, rayon::current_num_threads())))
            });
            assert_eq!(made.unwrap(), [(0, each), (1, each)]);
            let failed = pool.install(|| {
                side_by_side(&Device::Cpu, 2, |piece| {
                    if piece == 1 { candle_core::bail!("no") } else { Ok(()) }
                })
            });
            assert!(failed.is_err());
        }
    }
}
