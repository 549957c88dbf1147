//! Latent diffusion.

pub mod augment;
