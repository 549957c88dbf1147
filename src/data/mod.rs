//! Image sets: what an image and its record are, where they come from, how they are stored in shards and split into cohorts.
//!
//! Imports only `id` and `seed`. [`phantom`] renders embedded image sets, [`idx`] reads MNIST-format files, [`webdataset`] writes
//! and reads tar shards, [`selection`] draws sets, [`sheet`] lays images out on a page. [`decode`] reads pictures of many formats and
//! [`fit`] makes squares of them.

pub mod decode;
pub mod fit;
pub mod idx;
pub mod image;
pub mod item;
pub mod phantom;
pub mod selection;
pub mod sheet;
pub mod webdataset;

pub use image::RgbImage;
pub use item::{Item, Synthetic};
