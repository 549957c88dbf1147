//! Machine learning: differentiable operations, trainable blocks, models and their training. Imports candle and `seed` only.

pub mod latent;
pub mod ops;
pub mod params;
