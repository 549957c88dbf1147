//! Devices that models compute on: the processor, or an NVIDIA GPU.

use std::sync::OnceLock;

use candle_core::{DType, Device, Result, Tensor};

/// Why models cannot compute where they are asked to.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The GPU could not be opened.
    #[error("no CUDA device can be used: {0}")]
    Cuda(candle_core::Error),
    /// No device has this name.
    #[error("no device is called `{0}`")]
    Unknown(String),
}

/// The device called `name`: `cpu`, or `cuda`, the first GPU that CUDA_VISIBLE_DEVICES leaves, once
/// it has computed something.
///
/// # Errors
/// If no device has this name, or no GPU can be used.
pub fn named(name: &str) -> std::result::Result<Device, DeviceError> {
    match name {
        "cpu" => Ok(Device::Cpu),
        "cuda" => first_gpu().map_err(DeviceError::Cuda),
        other => Err(DeviceError::Unknown(other.to_owned())),
    }
}

/// Opened once: each opening loads candle's kernels anew. A driver that is older than this build's
/// kernels opens the device and refuses the first of them.
fn first_gpu() -> Result<Device> {
    static OPENED: OnceLock<Device> = OnceLock::new();
    if let Some(device) = OPENED.get() {
        return Ok(device.clone());
    }
    let device = Device::new_cuda(0)?;
    (Tensor::ones(1, DType::F32, &device)? + 1.0)?.to_vec1::<f32>()?;
    Ok(OPENED.get_or_init(|| device).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_there_or_the_cause_is_said() {
        assert!(named("cpu").unwrap().is_cpu());
        assert_eq!(named("tpu").unwrap_err().to_string(), "no device is called `tpu`");
        match named("cuda") {
            Ok(device) => assert!(device.is_cuda()),
            Err(error) => {
                // A backtrace may follow.
                let first_line = |error: &dyn std::error::Error| {
                    error.to_string().lines().next().unwrap().to_owned()
                };
                let cause = first_line(&Device::new_cuda(0).unwrap_err());
                assert_eq!(first_line(&error), format!("no CUDA device can be used: {cause}"));
            }
        }
    }
}
