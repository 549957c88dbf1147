//! Machine learning: differentiable operations, trainable blocks, models and their training. May
//! import `seed` and `vocabulary`.
//!
//! # Errors
//! A function that returns candle's `Result` fails if a tensor has another shape, type or device
//! than its documentation says, or if the device fails; only further reasons are given with the
//! function.

pub mod backward;
pub mod checkpoint;
pub mod classify;
pub mod device;
#[cfg(test)]
mod gradcheck;
pub mod latent;
pub mod loss;
pub mod ops;
pub mod optim;
pub mod params;
pub mod pixels;
mod side_by_side;
pub mod tape;
pub mod text;
pub mod training;
