//! Image classifiers, the transforms of their training images, and their training.

pub mod batches;
mod config;
pub mod efficientnet;
pub mod examples;
pub mod frames;
pub mod heads;
pub mod judge;
mod layers;
pub mod mixing;
mod mode;
pub mod model;
pub mod pretrained;
pub mod train;
pub mod transforms;
