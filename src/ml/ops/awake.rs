//! Threads that stay awake from one loop to the next.
//!
//! Between two parallel loops, candle's graph keeps one thread busy for some tens to hundreds of
//! microseconds. rayon's other threads fall asleep after about twenty, and waking one takes as long
//! as many of the loops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rayon::Yield;

/// Time for which a thread looks for work before it may sleep: longer than the pauses between the
/// loops of a step, negligible beside a task.
const PATIENCE: Duration = Duration::from_millis(1);

thread_local! {
    /// Number of threads that this one keeps awake.
    static AWAKE: Arc<AtomicUsize> = Arc::default();
}

/// Has the other threads of this thread's pool look for work until there was none for [`PATIENCE`],
/// and says how many: none where they still do, nor on a thread of no pool.
pub(super) fn keep_awake() -> usize {
    let (Some(caller), others) = (rayon::current_thread_index(), rayon::current_num_threads() - 1)
    else {
        return 0;
    };
    let awake = AWAKE.with(Arc::clone);
    if others == 0 || awake.load(Ordering::Relaxed) > 0 {
        return 0;
    }
    awake.store(others, Ordering::Relaxed);
    rayon::spawn_broadcast(move |context| {
        if context.index() != caller {
            look_for_work();
            awake.fetch_sub(1, Ordering::Relaxed);
        }
    });
    others
}

fn look_for_work() {
    let mut since = Instant::now();
    while since.elapsed() < PATIENCE {
        match rayon::yield_now() {
            Some(Yield::Executed) => since = Instant::now(),
            // The processor is whoever's needs it.
            _ => std::thread::yield_now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rayon::ThreadPoolBuilder;

    use super::*;

    fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    #[test]
    fn the_others_are_awake_and_sleep_when_nothing_comes() {
        on(3, || {
            assert_eq!(keep_awake(), 2);
            let clock = Instant::now();
            while AWAKE.with(|awake| awake.load(Ordering::Relaxed)) > 0 {
                assert!(
                    clock.elapsed() < Duration::from_secs(60),
                    "threads look for work for ever"
                );
                std::thread::yield_now();
            }
            assert_eq!(keep_awake(), 2);
        });
    }

    #[test]
    fn a_thread_without_others_keeps_none_awake() {
        assert_eq!(on(1, keep_awake), 0);
        assert_eq!(keep_awake(), 0);
    }

    #[test]
    fn whoever_looks_for_work_does_it() {
        let (a, b) = on(2, || {
            assert_eq!(keep_awake(), 1);
            // Each waits for the other: one thread alone would never end.
            let barrier = std::sync::Barrier::new(2);
            let meet = || {
                barrier.wait();
                rayon::current_thread_index()
            };
            rayon::join(meet, meet)
        });
        assert_ne!(a, b);
    }
}
