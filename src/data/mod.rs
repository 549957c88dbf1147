//! Image sets: what an image and its record are, where they come from, how they are stored in
//! shards and split into cohorts.
//!
//! Imports only `id` and `seed`. [`phantom`] renders embedded image sets, [`idx`] reads
//! MNIST-format files, [`webdataset`] writes and reads tar shards, [`released`] knows those of the
//! released synthetic set, [`selection`] draws sets, [`sheet`] lays images out on a page. Of
//! pictures from outside, [`catalogue`] reads the annotations, [`decode`] and [`fit`] make squares
//! of many formats, [`duplicates`] finds those that are there twice, and [`split`] says which set
//! takes which.

pub mod catalogue;
pub mod decode;
pub mod duplicates;
pub mod fit;
pub mod idx;
pub mod image;
pub mod item;
pub mod phantom;
pub mod released;
pub mod selection;
pub mod sheet;
pub mod split;
pub mod webdataset;

pub use image::RgbImage;
pub use item::{Item, Synthetic};
