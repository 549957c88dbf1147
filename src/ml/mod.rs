//! Machine learning: differentiable operations, trainable blocks, models and their training. May
//! import `seed` and `vocabulary`.

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
