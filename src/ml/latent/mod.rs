//! Latent diffusion with Stable Diffusion's architecture at any size: autoencoder and UNet,
//! trainable, with diffusers' tensor names, weight layouts and `config.json` keys. Activations are
//! channels-last.

pub mod augment;
pub mod config;
pub mod denoising;
pub mod layout;
pub mod lora;
pub mod mask;
pub mod reconstruction;
pub mod sample;
pub mod schedule;
pub mod solver;
pub mod train;
pub mod unet;
pub mod vae;

mod layers;
mod resnet;
mod transformer;
mod unet_blocks;
mod vae_blocks;
mod vae_config;

#[cfg(test)]
mod tests;
