//! Image sets: what an image and its record are, where they come from, how they are stored in
//! shards and split into cohorts.
//!
//! May import `fst`, `id`, `regular`, `seed`, `study`, `vocabulary` and `wording`. [`sets`] has a file
//! for each image set: what it is called, which files and tables it has, and how they are read.
//! [`phantom`] renders skin, [`webdataset`] writes and reads tar shards, [`released`] knows those of the
//! released synthetic set, [`selection`] draws sets, [`sheet`] lays images out on a page. Of
//! pictures from outside, [`catalogue`] is what annotations say, [`decode`] and [`fit`] make
//! squares of many formats, [`duplicates`] finds those that are there twice, and [`split`] says
//! which set takes which.

pub mod catalogue;
pub mod decode;
pub mod duplicates;
pub mod fit;
pub mod image;
pub mod item;
pub mod phantom;
pub mod released;
pub mod selection;
pub mod sets;
pub mod sheet;
pub mod sizes;
pub mod split;
pub mod webdataset;

pub use image::RgbImage;
pub use item::{Item, Synthetic};
