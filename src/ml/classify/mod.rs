//! Image classifiers and the transforms of their training images.

mod config;
pub mod efficientnet;
mod layers;
pub mod transforms;
