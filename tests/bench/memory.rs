//! The most memory that was in use: of the GPU where one is watched, else of this process.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::Device;

/// The most that was seen on the GPU.
static ON_DEVICE: AtomicU64 = AtomicU64::new(0);

/// In bytes; 0 where the system doesn't say.
pub fn peak() -> u64 {
    match ON_DEVICE.load(Ordering::Relaxed) {
        0 => of_process(),
        bytes => bytes,
    }
}

fn of_process() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}

/// From now on looks a hundred times a second how much of `device` is taken, if that is a GPU. The
/// driver says so for the whole GPU: the context, what is kept for the next tensors and other
/// programs' memory count.
pub fn watch(device: &Device) {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(gpu) = device {
        let context = gpu.cuda_stream().context().clone();
        std::thread::spawn(move || {
            while let Ok((free, total)) = context.mem_get_info() {
                ON_DEVICE.fetch_max((total - free) as u64, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
    }
    #[cfg(not(feature = "cuda"))]
    let _ = device;
}
