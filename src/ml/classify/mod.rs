//! Image classifiers, the transforms of their training images, and their training.

pub mod batches;
mod config;
pub mod efficientnet;
mod layers;
pub mod pretrained;
pub mod train;
pub mod transforms;
