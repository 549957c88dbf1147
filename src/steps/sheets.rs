//! Sheets of images for pages, and what their rows and columns show.

use serde::{Deserialize, Serialize};

use crate::data::{RgbImage, fit, sheet};
use crate::vocabulary::Fit;

/// Screen pixels for one image pixel.
const SCALE: usize = 2;
/// Sides of shown images in pixels, at most: a page of photographs is to be looked at, not
/// searched.
const SIDE: usize = 128;

/// What a sheet's rows and bands of columns show.
#[derive(Serialize, Deserialize)]
pub struct Legend {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// Images of a row in each band.
    pub across: usize,
}

/// A sheet of squares, those that are too large made smaller.
pub fn laid_out(images: &[RgbImage], columns: usize) -> RgbImage {
    let large = images.iter().any(|image| image.width > SIDE);
    let smaller = images
        .iter()
        .filter(|_| large)
        .map(|image| fit::fit(image, SIDE, Fit::Squish))
        .collect::<Vec<_>>();
    let (images, scale) = if large { (smaller.as_slice(), 1) } else { (images, SCALE) };
    sheet::contact_sheet(&images.iter().collect::<Vec<_>>(), columns, scale)
}
